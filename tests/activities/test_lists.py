"""Lists of applications, on SQLite and PostgreSQL: who sees what, and pages while rows change."""

from datetime import timedelta

import pytest_asyncio

from activities.db.engine import Database
from activities.db.lists import ApplicationLists, Brief, Position, Sight, Wanted
from activities.db.trail import AuditTrail
from domain.contract import Person, Stage
from tests.activities.examples import CHEN, LI, NOON, REVIEW, application, entry, publication

ANN = Person(name="Ann Tan", email="ann@vendor.example")
SIGHTS = [
    (Sight(), ""),
    (Sight(all=True), "cba"),
    (Sight(uids=("1001", "1009")), "a"),
    (Sight(vendor=True, never=("1002",)), "ca"),
    (Sight(bd="LI@vendor.example"), "ba"),
    (Sight(bd=LI.email, never=("1001",)), "b"),
    (Sight(bd_lead=CHEN.email), "ca"),
    (Sight(bd=CHEN.email, bd_lead=LI.email), ""),
    (Sight(uids=("1003",), bd=LI.email, never=("1003",)), "cba"),
]
WANTED = [
    (Wanted(stage=Stage.UNDER_REVIEW), "b"),
    (Wanted(overdue=True), "b"),
    (Wanted(bd="Ann@vendor.example"), "c"),
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
        (review.but(overdue=True, clocks=(REVIEW,), bd_lead=ANN), NOON + timedelta(hours=1)),
        (application("c", uid="1003").but(bd=ANN), NOON + timedelta(hours=1)),
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


async def test_who_looks_after_it_is_told_briefly(lists: ApplicationLists, database: Database) -> None:
    later = application("d", uid="1001").but(bd_lead=ANN)
    await AuditTrail(database).publish(publication(later, entry(1, at=NOON + timedelta(days=90))))
    newest = Brief(application_id="d", sequence=1, bd=LI.email, bd_lead=ANN.email)
    assert await lists.brief("1001") == newest
    assert await lists.brief("1001", "a") == Brief(
        application_id="a", sequence=1, bd=LI.email, bd_lead=CHEN.email
    )
    assert await lists.brief("1001", "b") is None
    assert await lists.brief("1009") is None
