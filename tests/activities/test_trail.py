"""The one write path of an application, on SQLite and PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from sqlalchemy import func, select, text, update
from sqlalchemy.event import listen
from sqlalchemy.exc import SQLAlchemyError

from activities.db.applications import ApplicationRecords
from activities.db.email_ledger import EmailLedger, LedgerState
from activities.db.engine import Database
from activities.db.tables import (
    ApplicationRow,
    AuditEventRow,
    AuditHeadRow,
    EmailRow,
)
from activities.db.trail import AuditTrail, Written
from domain.audit import AuditEvent, Verdict
from domain.chain import broken_at
from domain.contract import Stage, Via
from tests.activities.cancelling import in_the_loop
from tests.activities.examples import (
    APPROVED,
    NOON,
    RECEIVED,
    REQUESTED,
    application,
    entry,
    event,
    form,
    issued,
    publication,
    sheet,
    submitted,
    to_confirm,
    with_form,
    with_sheet,
)
from tests.activities.stored import everything, intact, reset_to

IMPATIENTLY = {"sqlite": "PRAGMA busy_timeout=0", "postgresql": "SET LOCAL lock_timeout = '1s'"}
"""Who finds a lock then does not wait for it."""
UNDER_REVIEW = with_form(application(stage=Stage.UNDER_REVIEW), 1)
QUALIFIED = UNDER_REVIEW.but(stage=Stage.QUALIFIED)
CONFIRMING = with_sheet(UNDER_REVIEW.but(stage=Stage.CONFIRMING_TERMS), 1)


@pytest_asyncio.fixture
async def other(database_url: str) -> AsyncIterator[Database]:
    """The same database, as another process has it."""
    other = Database(database_url)
    yield other
    await other.dispose()


# Publishing


async def test_events_documents_notices_and_state_are_stored_together(
    trail: AuditTrail, records: ApplicationRecords, ledger: EmailLedger
) -> None:
    entries = [
        entry(1, command="join"),
        submitted(2, 1, RECEIVED, REQUESTED, to_stage=Stage.UNDER_REVIEW),
        issued(3, 1, to_confirm(1), to_stage=Stage.CONFIRMING_TERMS),
    ]
    assert await trail.publish(publication(CONFIRMING, *entries)) is Written.STORED

    assert await records.audit("run-1") == tuple(stored.event for stored in entries)
    [kept] = await records.sheets("run-1")
    assert (kept.sheet, kept.issued_at, kept.void) == (sheet(1), entries[2].event.at, False)
    rows = await ledger.of("run-1")
    assert [row.key for row in rows] == [
        "2.application_received",
        "2.review_requested",
        "3.sheet_to_confirm",
    ]
    mei = "mei@partner.example"
    assert [row.recipient for row in rows] == [mei, "li@vendor.example", mei]
    assert {(row.state, row.attempts, row.sent_at, row.failed_at) for row in rows} == {
        (LedgerState.PENDING, 0, None, None)
    }
    assert [row.queued_at for row in rows] == [entries[1].event.at] * 2 + [entries[2].event.at]
    stored = await records.newest("1001")
    assert stored is not None
    assert (stored.application_id, stored.workflow_id) == ("run-1", "reseller-onboarding-1001")
    assert (stored.stage, stored.sequence) == (Stage.CONFIRMING_TERMS, 3)
    assert (stored.company_name, stored.created_at) == ("Acme 1 有限公司", NOON)
    assert stored.updated_at == entries[2].event.at


async def test_publishing_twice_changes_nothing(trail: AuditTrail, database: Database) -> None:
    published = publication(CONFIRMING, submitted(1, 1, RECEIVED), issued(2, 1, to_confirm(1)))
    await trail.publish(published)
    once = await everything(database)
    for _ in range(2):
        assert await trail.publish(published) is Written.STORED
    assert await everything(database) == once


async def test_publishing_at_once_stores_once(trail: AuditTrail, records: ApplicationRecords) -> None:
    published = publication(CONFIRMING, submitted(1, 1, RECEIVED), issued(2, 1, to_confirm(1)))
    written = await asyncio.gather(*(trail.publish(published) for _ in range(6)))
    assert set(written) == {Written.STORED}
    await intact(records, 1, 2)


async def test_what_is_published_again_with_more_adds_only_the_rest(
    trail: AuditTrail, records: ApplicationRecords, ledger: EmailLedger
) -> None:
    first = [submitted(1, 1, RECEIVED), entry(2)]
    await trail.publish(publication(UNDER_REVIEW, *first))
    before = await records.trail("run-1")
    await trail.publish(publication(QUALIFIED, *first, entry(3, APPROVED)))
    await intact(records, 1, 2, 3)
    assert (await records.trail("run-1"))[:2] == before
    assert [row.key for row in await ledger.of("run-1")] == [
        "1.application_received",
        "3.application_approved",
    ]
    stored = await records.newest("1001")
    assert stored is not None
    assert (stored.stage, stored.sequence) == (Stage.QUALIFIED, 3)


async def test_an_event_that_was_readable_is_never_changed(
    trail: AuditTrail, records: ApplicationRecords, database: Database
) -> None:
    await trail.publish(publication(UNDER_REVIEW, submitted(1, 1, RECEIVED)))
    before = await everything(database)
    other_words = submitted(1, 1, RECEIVED, REQUESTED, command_id="another", message="other words")
    assert await trail.publish(publication(QUALIFIED, other_words)) is Written.STORED
    assert await everything(database) == before
    await trail.publish(publication(QUALIFIED, other_words, entry(2)))
    assert (await records.audit("run-1"))[0] == submitted(1, 1).event


async def test_nothing_is_stored_where_one_part_can_not_be(trail: AuditTrail, database: Database) -> None:
    """Two forms under one number: the second can't be stored, so neither are the events and the notice."""
    await trail.publish(publication(UNDER_REVIEW, submitted(1, 1, RECEIVED)))
    before = await everything(database)
    twice = publication(QUALIFIED, entry(2, APPROVED), submitted(3, 1, REQUESTED), after=UNDER_REVIEW)
    with pytest.raises(SQLAlchemyError):
        await trail.publish(twice)
    assert await everything(database) == before


async def test_writers_of_many_applications_do_not_mix(
    trail: AuditTrail, records: ApplicationRecords
) -> None:
    names = [f"run-{n}" for n in range(8)]
    await asyncio.gather(
        *(
            trail.publish(publication(application(name, uid=f"20{n}"), entry(1, APPROVED), entry(2)))
            for n, name in enumerate(names)
        )
    )
    for name in names:
        stored = await records.trail(name)
        assert [chained.event.sequence for chained in stored] == [1, 2]
        assert broken_at(name, stored) is None
        assert broken_at("run-x", stored) == 1, "a chain belongs to its application"


async def test_the_state_is_told_by_what_has_changed_since(
    trail: AuditTrail, records: ApplicationRecords
) -> None:
    joined = application()
    later = with_form(joined.but(stage=Stage.UNDER_REVIEW, overdue=True, contact_note="Call again"), 1)
    cleared = later.but(stage=Stage.QUALIFIED, overdue=False, contact_note=None)
    steps = [
        publication(joined, entry(1)),
        publication(later, submitted(2, 1), after=joined),
        publication(cleared, entry(3), after=later),
    ]
    assert steps[2].changes == {"stage": "qualified", "overdue": False, "contact_note": None}
    for step in steps:
        assert await trail.publish(step) is Written.STORED
    stored = await records.newest("1001")
    assert stored is not None
    assert (stored.stage, stored.overdue, stored.status.overdue) == (Stage.QUALIFIED, False, False)
    assert stored.status.application == form(1)


async def test_changes_since_what_is_not_stored_are_not_written(
    trail: AuditTrail, records: ApplicationRecords, database: Database
) -> None:
    changed = publication(QUALIFIED, entry(3, APPROVED), after=UNDER_REVIEW)
    assert await trail.publish(changed) is Written.BEHIND
    await trail.publish(publication(UNDER_REVIEW, submitted(1, 1)))
    before = await everything(database)
    assert await trail.publish(changed) is Written.BEHIND
    assert await everything(database) == before
    assert await trail.publish(publication(QUALIFIED, entry(3, APPROVED))) is Written.STORED
    stored = await records.newest("1001")
    assert stored is not None
    assert (stored.stage, stored.sequence) == (Stage.QUALIFIED, 3)


async def test_a_document_that_comes_with_the_next_publication_is_stood_for_by_the_one_before(
    trail: AuditTrail, records: ApplicationRecords, ledger: EmailLedger
) -> None:
    """What waits long is published in parts, each with the newest state."""
    newest = with_sheet(with_form(application(stage=Stage.CONFIRMING_TERMS), 2), 2, replaces=1)
    await trail.publish(publication(newest, submitted(1, 1, RECEIVED), issued(2, 1, to_confirm(1))))
    stored = await records.newest("1001")
    assert stored is not None
    assert stored.status.application == form(1)
    assert stored.status.sheet == sheet(1)
    assert {row.recipient for row in await ledger.of("run-1")} == {"mei@partner.example"}
    await trail.publish(publication(newest, submitted(3, 2), issued(4, 2, replaces=1)))
    stored = await records.newest("1001")
    assert stored is not None
    assert stored.status.application == form(2)
    assert stored.status.sheet == sheet(2, replaces=1)


async def test_a_cancelled_write_is_finished_or_rolled_back_and_never_left_open(
    trail: AuditTrail, database: Database, other: Database
) -> None:
    """Cancelled at one statement after the other: the next writer never finds the database locked."""
    statements = 0

    def cancel(*_: object) -> None:
        nonlocal statements
        statements += 1
        if statements == step:
            cancel_it()

    cancel_it = in_the_loop(lambda: writing.cancel())
    listen(database.engine, "before_cursor_execute", cancel)
    step = 1
    while statements >= step - 1:
        name = f"run-{step}"
        subject = with_form(application(name, uid=str(step)), 1)
        published = publication(subject, submitted(1, 1, RECEIVED), entry(2), entry(3))
        statements = 0
        writing = asyncio.create_task(trail.publish(published))
        with suppress(asyncio.CancelledError):
            await writing
        with other.engine.begin() as connection:
            connection.execute(text(IMPATIENTLY[other.engine.dialect.name]))
            connection.execute(update(AuditHeadRow).values(generation=AuditHeadRow.generation))
            kept = [
                connection.execute(
                    select(func.count()).select_from(table).where(table.application_id == name)
                ).scalar_one()
                for table in (AuditEventRow, EmailRow, ApplicationRow)
            ]
        assert kept in ([0, 0, 0], [3, 1, 1])
        step += 1
    assert step > 8, "it was cancelled while it wrote"


# What the trail keeps of an event


async def test_the_chain_holds_across_publications_and_shows_what_was_changed(
    trail: AuditTrail, records: ApplicationRecords, database: Database
) -> None:
    await trail.publish(publication(UNDER_REVIEW, submitted(1, 1), entry(2)))
    await intact(records, 1, 2)
    await trail.publish(publication(QUALIFIED, entry(3), entry(4), after=UNDER_REVIEW))
    await intact(records, 1, 2, 3, 4)
    stored = await records.trail("run-1")
    links = [chained.link for chained in stored]
    assert [link.previous for link in links] == [None, *(link.hash for link in links[:-1])]
    assert len({link.salt for link in links}) == 4
    assert (await trail.head("run-1")).hash == links[-1].hash
    third = update(AuditEventRow).where(AuditEventRow.sequence == 3).values(message="What nobody said.")
    await database.write(lambda connection: connection.execute(third))
    assert broken_at("run-1", await records.trail("run-1")) == 3


async def test_an_event_is_read_back_as_it_was_written(
    trail: AuditTrail, records: ApplicationRecords
) -> None:
    whole = event(
        1,
        at=datetime(2025, 3, 14, 4, 0, 0, 123456, tzinfo=UTC),
        command="approve_application",
        form_revision=7,
        sheet_revision=3,
        via=Via.model_validate({"channel": "api", "client": "crm"}),
        details={"reason": "Fine – 好", "fields": ["a", {"b": None}], "amount": "12.50", "n": 1.5},
        from_stage=Stage.UNDER_REVIEW,
        to_stage=Stage.QUALIFIED,
    )
    bare = AuditEvent(
        sequence=2,
        at=NOON,
        command="expiry",
        verdict=Verdict.REFUSED,
        from_stage=Stage.DRAFTING,
        to_stage=Stage.EXPIRED,
        error="invalid",
    )
    published = publication(QUALIFIED, entry(1)).model_copy(
        update={"entries": tuple(entry(1).model_copy(update={"event": kept}) for kept in (whole, bare))}
    )
    await trail.publish(published)
    assert await records.audit("run-1") == (whole, bare)
    await intact(records, 1, 2)


async def test_a_refused_command_is_kept_whatever_it_carried(
    trail: AuditTrail, records: ApplicationRecords
) -> None:
    refused = AuditEvent(
        sequence=1,
        at=NOON,
        command="sign\0contract",
        verdict=Verdict.REFUSED,
        command_id="c\ud800",
        from_stage=Stage.DRAFTING,
        to_stage=Stage.DRAFTING,
        error="invalid",
        message="broken \0 text \udfff",
        details={
            "payload": "\0 and 中文 \ud83d",
            "amount": float("inf"),
            "rate": float("nan"),
            "number": 12345678901234567890,
            "nested": [{"b\0": 1, "a": None, "c": True}],
        },
    )
    published = publication(application(), entry(1).model_copy(update={"event": refused}))
    for _ in range(2):
        assert await trail.publish(published) is Written.STORED
    [kept] = await records.audit("run-1")
    assert (kept.command, kept.command_id) == ("sign\ufffdcontract", "c\ufffd")
    assert kept.message == "broken \ufffd text \ufffd"
    assert kept.details == {
        "payload": "\ufffd and 中文 \ufffd",
        "amount": None,
        "rate": None,
        "number": "12345678901234567890",
        "nested": [{"b\ufffd": 1, "a": None, "c": True}],
    }
    assert (kept.actor, kept.occurred_at) == (None, None)
    await intact(records, 1)


async def test_without_a_database_everything_fails_as_an_outage(unmigrated_url: str) -> None:
    database = Database(unmigrated_url)
    trail = AuditTrail(database)
    for attempt in (
        trail.publish(publication(application(), entry(1))),
        trail.take_up(reset_to(0)),
        trail.head("run-1"),
    ):
        with pytest.raises(SQLAlchemyError):
            await attempt
    await database.dispose()


async def test_an_error_of_the_database_tells_nothing_personal(trail: AuditTrail) -> None:
    await trail.publish(publication(UNDER_REVIEW, submitted(1, 1)))
    with pytest.raises(SQLAlchemyError) as refusal:
        await trail.publish(publication(UNDER_REVIEW, submitted(2, 1)))
    assert "Acme" not in str(refusal.value)
    assert "mei@" not in str(refusal.value)


async def test_a_reader_holds_no_writer_up(database: Database, trail: AuditTrail) -> None:
    with database.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        assert await trail.publish(publication(application(), entry(1))) is Written.STORED
