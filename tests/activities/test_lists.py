"""Lists of applications, on SQLite and PostgreSQL: who sees what, and pages while rows change."""

import random
from datetime import timedelta

import pytest_asyncio

from activities.db.engine import Database
from activities.db.lists import ApplicationLists, Brief, Position, Sight, Wanted
from activities.db.trail import AuditTrail
from domain.contract import Person, Stage
from tests.activities.examples import CHEN, LI, NOON, REVIEW, application, entry, publication

ANN = Person(name="Ann Tan", email="Ann@Vendor.example")
SIGHTS = [
    (Sight(), ""),
    (Sight(all=True), "cba"),
    (Sight(uids=("1001", "1009")), "a"),
    (Sight(vendor=True, never=("1002",)), "ca"),
    (Sight(bd=("x@vendor.example", "li@vendor.example")), "ba"),
    (Sight(bd=(LI.email,), never=("1001",)), "b"),
    (Sight(bd_lead=(CHEN.email,)), "ca"),
    (Sight(bd=(CHEN.email,), bd_lead=(LI.email,)), ""),
    (Sight(desks=("apac",)), "cb"),
    (Sight(desks=("apac", "emea"), never=("1003",)), "b"),
    (Sight(bd=(ANN.email.lower(),), desks=("emea",)), "c"),
    (Sight(uids=("1003",), bd=(LI.email,), never=("1003",)), "cba"),
]
WANTED = [
    (Wanted(stage=Stage.UNDER_REVIEW), "b"),
    (Wanted(overdue=True), "b"),
    (Wanted(bd="Ann@vendor.example"), "c"),
    (Wanted(desk="apac"), "cb"),
    (Wanted(desk="APAC"), ""),
    (Wanted(desk="apac", stage=Stage.DRAFTING), "c"),
    (Wanted(due_before=REVIEW.due_at + timedelta(seconds=1)), "b"),
    (Wanted(due_before=REVIEW.due_at), ""),
    (Wanted(q="ADA"), "cba"),
    (Wanted(q="1002"), "b"),
    (Wanted(q="002"), ""),
    (Wanted(q="%"), ""),
]


@pytest_asyncio.fixture
async def lists(database: Database) -> ApplicationLists:
    """Three applications, ``a`` the first; the last two began at the same instant."""
    trail = AuditTrail(database)
    review = application("b", uid="1002", stage=Stage.UNDER_REVIEW)
    for each, at in (
        (application("a", uid="1001"), NOON),
        (review.but(overdue=True, clocks=(REVIEW,), bd_lead=ANN, desk="apac"), NOON + timedelta(hours=1)),
        (application("c", uid="1003").but(bd=ANN, desk="apac"), NOON + timedelta(hours=1)),
    ):
        await trail.publish(publication(each, entry(1, at=at)))
    return ApplicationLists(database)


async def found(lists: ApplicationLists, sight: Sight, wanted: Wanted) -> str:
    page = await lists.page(sight, wanted, limit=10)
    return "".join(each.application_id for each in page)


async def test_each_sees_his_own(lists: ApplicationLists) -> None:
    for sight, seen in SIGHTS:
        assert await found(lists, sight, Wanted()) == seen, sight


async def test_a_list_is_narrowed(lists: ApplicationLists) -> None:
    for wanted, seen in WANTED:
        assert await found(lists, Sight(all=True), wanted) == seen, wanted


async def test_the_next_page_begins_after_the_last(lists: ApplicationLists) -> None:
    seen, after = "", None
    for _ in range(3):
        (one,) = await lists.page(Sight(all=True), Wanted(), limit=1, after=after)
        seen += one.application_id
        after = Position(created_at=one.created_at, application_id=one.application_id)
    assert seen == "cba"
    assert await lists.page(Sight(all=True), Wanted(), limit=1, after=after) == ()


async def test_a_narrowed_list_is_whole_while_rows_come_to_it_and_leave_it(database: Database) -> None:
    """What is on it from the first page to the last is listed once, whatever happens to the rest."""
    trail, lists, chance = AuditTrail(database), ApplicationLists(database), random.Random(7)  # noqa: S311 - of a test
    rows = {
        f"r{number:02}": application(f"r{number:02}", uid=str(5000 + number)).but(desk="apac")
        for number in range(24)
    }
    stays = set(sorted(rows)[::3])
    sequence = dict.fromkeys(rows, 1)
    for number, each in enumerate(rows.values()):
        await trail.publish(publication(each, entry(1, at=NOON + timedelta(minutes=number // 4))))
    wanted = Wanted(stage=Stage.DRAFTING, desk="apac")
    seen: list[str] = []
    after = None
    while page := await lists.page(Sight(all=True), wanted, limit=3, after=after):
        seen += [each.application_id for each in page]
        after = Position(created_at=page[-1].created_at, application_id=page[-1].application_id)
        for name in chance.sample(sorted(rows), 6):
            sequence[name] += 1
            away = name not in stays and chance.random() < 0.5
            rows[name] = rows[name].but(stage=Stage.UNDER_REVIEW if away else Stage.DRAFTING, overdue=away)
            await trail.publish(publication(rows[name], entry(sequence[name])))
    assert len(seen) == len(set(seen))
    assert stays <= set(seen)


async def test_the_open_applications_of_each_bd_are_counted(
    lists: ApplicationLists, database: Database
) -> None:
    ended = application("d", uid="1004", stage=Stage.REJECTED)
    await AuditTrail(database).publish(publication(ended, entry(1)))
    counted = await lists.open_of([LI.email, "ann@vendor.example", "bo@vendor.example"])
    assert counted == {LI.email: 2, "ann@vendor.example": 1, "bo@vendor.example": 0}


async def test_who_looks_after_it_is_told_briefly(lists: ApplicationLists, database: Database) -> None:
    later = application("d", uid="1001").but(bd_lead=ANN)
    await AuditTrail(database).publish(publication(later, entry(1, at=NOON + timedelta(days=90))))
    newest = Brief(application_id="d", sequence=1, bd=LI.email, bd_lead="ann@vendor.example")
    assert await lists.brief("1001") == newest
    assert await lists.brief("1001", "a") == Brief(
        application_id="a", sequence=1, bd=LI.email, bd_lead=CHEN.email
    )
    assert await lists.brief("1001", "b") is None
    assert await lists.brief("1009") is None
