"""Records of applications, on SQLite and PostgreSQL."""

import asyncio
from datetime import timedelta

import pytest
from domain.records import Record

from activities.db.applications import ApplicationRecords
from activities.db.engine import Database
from domain.audit import AuditEvent, Verdict
from domain.contract import Stage, WaitingOn
from domain.view import describe
from tests.activities.examples import NOON, application, event, record, sheet, sheet_issued

LATER = NOON + timedelta(hours=3)


@pytest.fixture
def records(database: Database) -> ApplicationRecords:
    return ApplicationRecords(database)


async def write(records: ApplicationRecords, written: Record, *, committed: bool = True) -> bool:
    return await records.write(written, describe(written), committed=committed)


async def test_writing_twice_is_writing_once(records: ApplicationRecords) -> None:
    written = record(application().but(sheet=sheet(1)), event(1), sheet_issued(2, 1))
    for _ in range(2):
        await write(records, written)
    [stored] = await records.applications_of("1001")
    assert stored.status == describe(written)
    assert stored.workflow_id == "reseller-onboarding-1001"
    assert (stored.stage, stored.waiting_on) == (Stage.DRAFTING, WaitingOn.PARTNER)
    assert (stored.company_name, stored.sequence) == ("Ada Byron", 2)
    assert await records.audit("run-1") == written.events
    assert [kept.sheet for kept in await records.sheets("run-1")] == [sheet(1)]


async def test_the_first_write_dates_the_row_and_the_newest_fills_it(records: ApplicationRecords) -> None:
    await write(records, record(application(), event(1)))
    await write(records, record(application(stage=Stage.UNDER_REVIEW), event(2), at=LATER))
    stored = await records.newest("1001")
    assert stored is not None
    assert (stored.created_at, stored.updated_at) == (NOON, LATER)
    assert (stored.stage, stored.sequence) == (Stage.UNDER_REVIEW, 2)


async def test_an_older_record_adds_its_events_but_never_overwrites(records: ApplicationRecords) -> None:
    newer = record(application(stage=Stage.UNDER_REVIEW), event(2), at=LATER)
    await write(records, newer)
    await write(records, record(application(), event(1)))
    stored = await records.newest("1001")
    assert stored is not None
    assert stored.status == describe(newer)
    assert stored.updated_at == LATER
    assert [audited.sequence for audited in await records.audit("run-1")] == [1, 2]


async def test_a_record_of_the_same_sequence_replaces(records: ApplicationRecords) -> None:
    written = record(application(), event(1))
    await write(records, written)
    mailed = written.model_copy(update={"pending_emails": 3})
    await write(records, mailed)
    stored = await records.newest("1001")
    assert stored is not None
    assert stored.status.pending_emails == 3


async def test_a_task_that_was_lost_with_its_worker_gives_way_to_the_one_in_its_place(
    records: ApplicationRecords,
) -> None:
    lost = [event(1), sheet_issued(2, 1), event(3, command_id="first")]
    await write(records, record(application(stage=Stage.QUALIFIED).but(sheet=sheet(1)), *lost))
    done = [event(1, at=LATER, command_id="second"), sheet_issued(2, 2, LATER, revision=1)]
    issued = sheet(2).model_copy(update={"revision": 1, "changes": ()})
    again = record(application(stage=Stage.UNDER_REVIEW).but(sheet=issued), *done, at=LATER)
    await write(records, again)
    stored = await records.newest("1001")
    assert stored is not None
    assert stored.status == describe(again)
    assert (await records.audit("run-1"))[:2] == again.events
    assert [(kept.sheet, kept.issued_at) for kept in await records.sheets("run-1")] == [(issued, LATER)]


async def test_a_row_goes_back_behind_a_lost_task_only_once_its_successor_is_committed(
    records: ApplicationRecords,
) -> None:
    lost = record(application(stage=Stage.QUALIFIED), event(1), event(2), event(3))
    assert await write(records, lost, committed=False)
    again = record(application(stage=Stage.UNDER_REVIEW), event(1, at=LATER), at=LATER)
    for _ in range(2):
        assert not await write(records, again, committed=False)
        stored = await records.newest("1001")
        assert stored is not None
        assert stored.status == describe(lost)
    for _ in range(2):
        assert await write(records, again)
        stored = await records.newest("1001")
        assert stored is not None
        assert stored.status == describe(again)


async def test_a_lost_task_that_writes_late_changes_nothing(records: ApplicationRecords) -> None:
    issued = sheet(2).model_copy(update={"revision": 1, "changes": ()})
    done = [event(1, at=LATER), sheet_issued(2, 2, LATER, revision=1), event(3, at=LATER)]
    again = record(application(stage=Stage.UNDER_REVIEW).but(sheet=issued), *done, at=LATER)
    await write(records, again)
    lost = [event(1, command_id="first"), sheet_issued(2, 1)]
    await write(records, record(application().but(sheet=sheet(1)), *lost))
    stored = await records.newest("1001")
    assert stored is not None
    assert stored.status == describe(again)
    assert await records.audit("run-1") == again.events
    assert [kept.sheet for kept in await records.sheets("run-1")] == [issued]


async def test_writers_at_once_leave_the_newest_state_and_every_event(records: ApplicationRecords) -> None:
    stages = [Stage.UNDER_REVIEW, Stage.WITHDRAWN, Stage.JUSTIFYING, Stage.QUALIFIED]
    writes = [
        record(application(stage=stages[i % 4]), event(i), at=NOON + timedelta(minutes=i))
        for i in range(1, 13)
    ]
    await asyncio.gather(*(write(records, written) for written in reversed(writes)))
    stored = await records.newest("1001")
    assert stored is not None
    assert stored.status == describe(writes[-1])
    assert await records.audit("run-1") == tuple(audited for written in writes for audited in written.events)


async def test_applications_of_one_applicant_are_told_apart(records: ApplicationRecords) -> None:
    await write(records, record(application("run-1", stage=Stage.REJECTED), event(1), sequence=40))
    await write(records, record(application("run-2"), event(1), at=LATER))
    await write(records, record(application("run-3", uid="2002"), event(1), at=LATER))
    assert [stored.application_id for stored in await records.applications_of("1001")] == ["run-2", "run-1"]
    newest = await records.newest("1001")
    assert newest is not None
    assert newest.application_id == "run-2"
    assert newest.stage is Stage.DRAFTING


async def test_an_unknown_applicant_has_nothing(records: ApplicationRecords) -> None:
    assert await records.newest("404") is None
    assert await records.audit("404") == ()
    assert await records.sheets("404") == ()


async def test_a_refused_command_is_kept_whatever_it_carried(records: ApplicationRecords) -> None:
    refused = AuditEvent(
        sequence=1,
        at=NOON,
        command="sign\0contract",
        verdict=Verdict.REFUSED,
        from_stage=Stage.DRAFTING,
        to_stage=Stage.DRAFTING,
        error="invalid",
        message="broken \0 text",
        details={"payload": "\0 and 中文", "amount": float("inf"), "nested": [{"b": 1, "a": None}]},
    )
    await write(records, record(application(), refused))
    [kept] = await records.audit("run-1")
    assert kept.command == "sign\ufffdcontract"
    assert kept.message == "broken \ufffd text"
    assert kept.details == {"payload": "\0 and 中文", "amount": None, "nested": [{"b": 1, "a": None}]}
    assert (kept.actor, kept.command_id, kept.occurred_at) == (None, None, None)


async def test_a_revision_once_stored_stays_as_it_was_issued(records: ApplicationRecords) -> None:
    await write(records, record(application().but(sheet=sheet(1)), sheet_issued(1, 1)))
    await write(records, record(application().but(sheet=sheet(1)), event(2), at=LATER))
    await write(records, record(application().but(sheet=sheet(2)), sheet_issued(3, 2, LATER), at=LATER))
    kept = await records.sheets("run-1")
    assert [(stored.sheet, stored.issued_at) for stored in kept] == [(sheet(1), NOON), (sheet(2), LATER)]


async def test_revisions_issued_during_an_outage_are_caught_up_with(records: ApplicationRecords) -> None:
    await write(records, record(application().but(sheet=sheet(1)), sheet_issued(1, 1)))
    issued = [
        sheet_issued(2, 2, NOON + timedelta(hours=1)),
        event(3, command="modify_terms"),
        event(4, command="issue_decision_sheet", verdict=Verdict.REFUSED),
        sheet_issued(5, 3, NOON + timedelta(hours=2)),
    ]
    await write(records, record(application().but(sheet=sheet(3)), *issued, at=LATER))
    kept = await records.sheets("run-1")
    assert [stored.sheet for stored in kept] == [sheet(1), sheet(2), sheet(3)]
    assert [stored.issued_at for stored in kept] == [NOON + timedelta(hours=hours) for hours in (0, 1, 2)]


async def test_an_event_without_its_sheet_costs_no_other_revision(records: ApplicationRecords) -> None:
    issued = [event(1, command="issue_decision_sheet"), sheet_issued(2, 2)]
    await write(records, record(application().but(sheet=sheet(2)), *issued))
    [kept] = await records.sheets("run-1")
    assert (kept.sheet.revision, kept.sheet.hash) == (2, sheet(2).hash)
