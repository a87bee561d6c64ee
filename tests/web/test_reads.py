"""What is read over HTTP: each reader his own, as new as he wants it, page by page."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from activities.db.trail import AuditTrail
from domain.contract import Role, Stage
from domain.readers import status_for
from domain.status import Status
from domain.view import describe
from tests.activities.examples import NOON, application, entry, publication
from tests.web.doors import BD, OTHERS, OWN, Doors, caller, opened, two_applications


async def _published(doors: Doors, sequence: int, **changes: Any) -> None:
    """Another event of the application `OWN`."""
    moved = application("run-1", uid=OWN).but(**changes)
    await AuditTrail(doors.database).publish(publication(moved, entry(sequence)))


@pytest.mark.parametrize(
    ("who", "role"), [("partner", Role.PARTNER), ("bd", Role.BD), ("vendor", Role.VENDOR), ("ops", Role.OPS)]
)
async def test_each_reads_the_status_his_own_way(doors: Doors, who: str, role: Role) -> None:
    whole = describe(two_applications()[0], sequence=1)
    response = await doors.get(f"/applications/{OWN}", who)
    assert Status.model_validate(response.json()) == status_for(whole, role)
    assert response.headers["Vary"] == "Authorization"


async def test_the_tag_changes_with_what_is_shown_and_with_nothing_else(doors: Doors) -> None:
    first = await doors.get(f"/applications/{OWN}", "partner")
    tag = first.headers["ETag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = await doors.get(f"/applications/{OWN}", "partner", headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    other = await doors.get(f"/applications/{OWN}", "bd", headers={"If-None-Match": tag})
    assert other.status_code == 200
    await _published(doors, 2)
    moved = await doors.get(f"/applications/{OWN}", "partner", headers={"If-None-Match": tag})
    assert (moved.status_code, moved.json()["sequence"]) == (200, 2)


async def test_a_read_waits_for_what_its_caller_knows_of(doors: Doors) -> None:
    reading = asyncio.create_task(doors.get(f"/applications/{OWN}?since=2&wait=20", "partner"))
    await asyncio.sleep(0.1)
    assert not reading.done()
    await _published(doors, 2)
    assert (await reading).json()["sequence"] == 2


@pytest.mark.parametrize("since", ["since=1&", ""])
async def test_it_waits_for_an_application_that_is_not_stored_yet(doors: Doors, since: str) -> None:
    reading = asyncio.create_task(doors.get(f"/applications/1005?{since}wait=20", "ops"))
    await asyncio.sleep(0.1)
    await doors.store(application("run-5", uid="1005"))
    assert (await reading).json()["company_master_uid"] == "1005"


async def test_when_the_wait_is_over_it_tells_what_there_is(doors: Doors) -> None:
    told = await doors.get(f"/applications/{OWN}?since=9&wait=1", "partner")
    assert told.json()["sequence"] == 1
    without = await doors.get(f"/applications/{OWN}?since=9", "partner")
    assert without.json()["sequence"] == 1


async def test_an_earlier_application_is_read_by_its_id(doors: Doors) -> None:
    later = application("run-7", uid=OWN, stage=Stage.UNDER_REVIEW)
    await AuditTrail(doors.database).publish(publication(later, entry(1, at=NOON + timedelta(days=90))))
    newest = await doors.get(f"/applications/{OWN}", "partner")
    earlier = await doors.get(f"/applications/{OWN}?application=run-1", "partner")
    assert [each.json()["application_id"] for each in (newest, earlier)] == ["run-7", "run-1"]
    # Not under another UID, and not somebody else's.
    for path in (f"/applications/{OWN}?application=run-2", f"/applications/{OTHERS}?application=run-2"):
        assert (await doors.get(path, "partner")).status_code == 404
    trail = await doors.get(f"/applications/{OWN}/audit?application=run-1", "partner")
    assert trail.status_code == 200


async def test_a_list_is_whole_and_without_doubles_while_rows_change(doors: Doors) -> None:
    for number in range(20):
        # Several at the same instant.
        at = NOON + timedelta(minutes=number // 3)
        many = application(f"run-x{number}", uid=str(2000 + number))
        await AuditTrail(doors.database).publish(publication(many, entry(1, at=at)))
    seen: list[str] = []
    cursor = ""
    for page in range(20):
        found = (await doors.get(f"/applications?limit=3{cursor}")).json()
        seen += [each["company_master_uid"] for each in found["items"]]
        assert len(found["items"]) <= 3
        if found["next"] is None:
            break
        cursor = f"&cursor={found['next']}"
        # One changes, and one begins.
        await _published(doors, page + 2)
        begun = application(f"run-y{page}", uid=str(3000 + page))
        await AuditTrail(doors.database).publish(publication(begun, entry(1, at=NOON + timedelta(days=1))))
    assert sorted(seen) == sorted({OWN, OTHERS, *(str(2000 + number) for number in range(20))})


@pytest.mark.parametrize(
    ("query", "uids"),
    [
        ("stage=under_review", {"1005"}),
        ("waiting_on=bd", {"1005"}),
        ("overdue=true", {"1005"}),
        ("overdue=false", {OWN, OTHERS}),
        (f"bd={BD.upper()}", {OWN, OTHERS, "1005"}),
        ("bd=other@vendor.example", set()),
        ("q=100", {OWN, OTHERS, "1005"}),
        ("q=1005", {"1005"}),
        ("q=ada%20b", {OWN, OTHERS, "1005"}),
        ("q=%25", set()),
        ("q=_", set()),
        ("due_before=2000-01-01T00:00:00Z", set()),
        ("stage=under_review&overdue=false", set()),
    ],
)
async def test_a_list_is_narrowed(doors: Doors, query: str, uids: set[str]) -> None:
    late = application("run-5", uid="1005", stage=Stage.UNDER_REVIEW).but(overdue=True)
    await AuditTrail(doors.database).publish(publication(late, entry(1)))
    found = (await doors.get(f"/applications?{query}")).json()
    assert {each["company_master_uid"] for each in found["items"]} == uids


@pytest.mark.parametrize(
    "cursor", ["x", "é", "bnVsbA", "e30", "eyJjcmVhdGVkX2F0IjogMX0", "W10", "MQ", "=" * 5, "a" * 400]
)
async def test_a_cursor_that_is_none(doors: Doors, cursor: str) -> None:
    response = await doors.get("/applications", params={"cursor": cursor})
    assert response.status_code == 422
    assert [each["field"] for each in response.json()["errors"]] == ["cursor"]


async def test_a_partner_is_told_nothing_of_the_mails_to_bd(doors: Doors) -> None:
    trail = await doors.get(f"/applications/{OWN}/audit", "partner")
    inside = await doors.get(f"/applications/{OWN}/audit", "bd")
    assert len(trail.json()) == len(inside.json()) == 1
    assert trail.json()[0]["actor"] != inside.json()[0]["actor"]


async def test_bd_by_several_roles_is_listed_what_each_sees(doors: Doors) -> None:
    both = caller("partner", "bd", email=BD)
    async with opened(doors.database, both=both) as more:
        found = (await more.get("/applications", "both")).json()["items"]
        assert {each["company_master_uid"] for each in found} == {OWN, OTHERS}
        assert (await more.get(f"/applications/{OWN}", "both")).json()["bd_lead"] is None
        assert (await more.get(f"/applications/{OTHERS}", "both")).json()["bd_lead"] is not None
