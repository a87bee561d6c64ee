"""The one write path of an application, on SQLite and PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from sqlalchemy import func, select, text, update
from sqlalchemy.event import listen
from sqlalchemy.exc import SQLAlchemyError

from activities.db.applications import ApplicationRecords
from activities.db.email_ledger import EmailLedger, LedgerRow, LedgerState
from activities.db.engine import Database
from activities.db.tables import (
    ApplicationRow,
    AuditEventRow,
    AuditHeadRow,
    Base,
    EmailRow,
    FormRow,
)
from activities.db.trail import AuditTrail, Written
from domain.audit import AuditEvent, Verdict
from domain.chain import broken_at
from domain.contract import Person, Stage, Via
from domain.inquiry import Head
from domain.letters import EmailFailed
from domain.publication import TakeUp
from domain.state import Application
from domain.status import FailedEmail
from tests.activities.examples import (
    APPROVED,
    CHEN,
    LI,
    LINEAGE,
    NOON,
    OVERDUE,
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

IMPATIENTLY = {"sqlite": "PRAGMA busy_timeout=0", "postgresql": "SET LOCAL lock_timeout = '1s'"}
"""Who finds a lock then does not wait for it."""
UNDER_REVIEW = with_form(application(stage=Stage.UNDER_REVIEW), 1)
QUALIFIED = UNDER_REVIEW.but(stage=Stage.QUALIFIED)
CONFIRMING = with_sheet(UNDER_REVIEW.but(stage=Stage.CONFIRMING_TERMS), 1)


@pytest.fixture
def trail(database: Database) -> AuditTrail:
    return AuditTrail(database)


@pytest.fixture
def records(database: Database) -> ApplicationRecords:
    return ApplicationRecords(database)


@pytest.fixture
def ledger(database: Database) -> EmailLedger:
    return EmailLedger(database)


@pytest_asyncio.fixture
async def other(database_url: str) -> AsyncIterator[Database]:
    """The same database, as another process has it."""
    other = Database(database_url)
    yield other
    await other.dispose()


async def everything(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """All rows there are."""
    found = {}
    async with database.engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            rows = await connection.execute(select(table).order_by(*table.primary_key))
            found[table.name] = [tuple(row) for row in rows]
    return found


async def intact(records: ApplicationRecords, *sequences: int) -> None:
    """The trail has these events, in a chain that holds."""
    stored = await records.trail("run-1")
    assert [chained.event.sequence for chained in stored] == list(sequences)
    assert broken_at("run-1", stored) is None


async def by_key(ledger: EmailLedger) -> dict[str, LedgerRow]:
    return {row.key: row for row in await ledger.of("run-1")}


# Publishing


async def test_events_documents_letters_and_state_are_stored_together(
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
    """Two forms under one number: the second can't be stored, so neither are the events and the letter."""
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
            writing.cancel()

    listen(database.engine.sync_engine, "before_cursor_execute", cancel)
    step = 1
    while statements >= step - 1:
        name = f"run-{step}"
        subject = with_form(application(name, uid=str(step)), 1)
        published = publication(subject, submitted(1, 1, RECEIVED), entry(2), entry(3))
        statements = 0
        writing = asyncio.create_task(trail.publish(published))
        with suppress(asyncio.CancelledError):
            await writing
        async with other.engine.begin() as connection:
            await connection.execute(text(IMPATIENTLY[other.engine.dialect.name]))
            await connection.execute(update(AuditHeadRow).values(generation=AuditHeadRow.generation))
            kept = [
                (
                    await connection.execute(
                        select(func.count()).select_from(table).where(table.application_id == name)
                    )
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
    async with database.engine.begin() as connection:
        third = update(AuditEventRow).where(AuditEventRow.sequence == 3)
        await connection.execute(third.values(message="What nobody said."))
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


# Letters


async def test_each_letter_goes_to_its_audience_in_order(trail: AuditTrail, ledger: EmailLedger) -> None:
    told = FailedEmail(key="1.x", template="x", to="x@y.example", reason="550", at=NOON)
    await trail.publish(publication(UNDER_REVIEW, submitted(1, 1, RECEIVED, REQUESTED, OVERDUE)))
    await trail.publish(publication(UNDER_REVIEW, entry(2, EmailFailed(failed_emails=(told,)))))
    await trail.publish(publication(UNDER_REVIEW, entry(10, APPROVED)))
    assert [(row.key, row.recipient, row.locale) for row in await ledger.of("run-1")] == [
        ("1.application_received", "mei@partner.example", "en"),
        ("1.review_requested", LI.email, "en"),
        ("1.review_overdue", CHEN.email, "en"),
        ("2.email_failed", LI.email, "en"),
        ("10.application_approved", "mei@partner.example", "en"),
    ]


async def test_a_letter_says_what_was_true_when_its_event_was_stored(
    trail: AuditTrail, ledger: EmailLedger
) -> None:
    await trail.publish(publication(UNDER_REVIEW, submitted(1, 1, RECEIVED, to_stage=Stage.UNDER_REVIEW)))
    renamed = with_form(
        QUALIFIED.but(bd=CHEN, corrected_contact=Person(name="Wu", email="wu@partner.example")), 2
    )
    await trail.publish(publication(renamed, submitted(2, 2, to_stage=Stage.QUALIFIED)))
    [mail] = await ledger.waiting(LINEAGE)
    assert (mail.to, mail.bd) == (Person(name="Mei Tan", email="mei@partner.example"), LI)
    assert (mail.company_name, mail.company_master_uid) == ("Acme 1 有限公司", "1001")
    assert mail.status_text == "Please be patient and wait for the approval"
    assert (mail.letter, mail.form, mail.at, mail.sequence) == (RECEIVED, form(1), NOON, 1)
    assert (mail.time_zone, mail.locale, mail.key) == ("Asia/Shanghai", "en", "1.application_received")


async def failed(ledger: EmailLedger, key: str) -> None:
    await ledger.failed("run-1", key, "550 no such user", NOON)


async def test_a_failed_letter_is_sent_again_to_who_gets_such_mails_now(
    trail: AuditTrail, ledger: EmailLedger
) -> None:
    await trail.publish(publication(UNDER_REVIEW, submitted(1, 1, RECEIVED, REQUESTED)))
    await failed(ledger, "1.application_received")
    await ledger.sent("run-1", "1.review_requested", NOON)
    reached = UNDER_REVIEW.but(corrected_contact=Person(name="Wu", email="wu@partner.example"))
    again = publication(reached, entry(2), entry(3, command="resend_email", resend="1.application_received"))
    for _ in range(2):
        await trail.publish(again)
    [mail] = await ledger.waiting(LINEAGE)
    assert (mail.key, mail.to.email, mail.to.name) == ("3.application_received", "wu@partner.example", "Wu")
    assert (mail.letter, mail.form, mail.sequence) == (RECEIVED, form(1), 3)
    rows = await by_key(ledger)
    assert rows["1.application_received"].state is LedgerState.FAILED
    assert rows["1.application_received"].recipient == "mei@partner.example"


async def test_a_resend_of_what_the_ledger_does_not_have_is_on_record_and_mails_nothing(
    trail: AuditTrail, records: ApplicationRecords, ledger: EmailLedger
) -> None:
    asked = publication(application(), entry(1, command="resend_email", resend="0.application_received"))
    assert await trail.publish(asked) is Written.STORED
    await intact(records, 1)
    assert await ledger.of("run-1") == []


# Documents


async def test_documents_are_stored_once_each_under_its_number(
    trail: AuditTrail, records: ApplicationRecords, database: Database
) -> None:
    newest = with_sheet(with_form(application(), 2), 3, replaces=2)
    entries = [
        submitted(1, 1),
        submitted(2, 2),
        issued(3, 1),
        issued(4, 2, replaces=1),
        issued(5, 3, replaces=2),
    ]
    await trail.publish(publication(newest, *entries))
    await trail.publish(publication(newest, *entries, entry(6)))
    kept = await records.sheets("run-1")
    assert [stored.sheet for stored in kept] == [sheet(1), sheet(2, replaces=1), sheet(3, replaces=2)]
    assert [stored.issued_at for stored in kept] == [stored.event.at for stored in entries[2:]]
    async with database.session() as session:
        forms = (await session.scalars(select(FormRow).order_by(FormRow.revision))).all()
    assert [(row.revision, row.sequence, row.submitted_at) for row in forms] == [
        (1, 1, entries[0].event.at),
        (2, 2, entries[1].event.at),
    ]
    assert [row.content for row in forms] == [form(n).model_dump(mode="json") for n in (1, 2)]


async def test_a_refusal_that_names_a_revision_brings_no_document(
    trail: AuditTrail, records: ApplicationRecords
) -> None:
    refused = entry(
        1, command="issue_decision_sheet", verdict=Verdict.REFUSED, error="invalid", sheet_revision=1
    )
    await trail.publish(publication(application(), refused))
    assert await records.sheets("run-1") == ()


# Temporal's Reset


def reset_to(sequence: int) -> TakeUp:
    return TakeUp(application_id="run-1", company_master_uid="1001", sequence=sequence)


async def came_far(trail: AuditTrail) -> Application:
    """Two forms, two sheets; five mails."""
    newest = with_sheet(with_form(application(stage=Stage.CONFIRMING_TERMS), 2), 2, replaces=1)
    await trail.publish(
        publication(
            newest,
            submitted(1, 1, RECEIVED, REQUESTED),
            submitted(2, 2),
            issued(3, 1, to_confirm(1)),
            issued(4, 2, to_confirm(2), replaces=1),
            entry(5, APPROVED),
        )
    )
    return newest


async def test_the_head_of_an_unknown_application_is_the_beginning(trail: AuditTrail) -> None:
    assert await trail.head("run-1") == Head()


async def test_the_head_is_where_the_trail_ends(trail: AuditTrail, records: ApplicationRecords) -> None:
    await came_far(trail)
    newest = (await records.trail("run-1"))[-1].link.hash
    assert await trail.head("run-1") == Head(generation=0, sequence=5, hash=newest)


async def test_taking_up_tells_where_the_trail_ends_and_what_numbers_are_used(
    trail: AuditTrail, ledger: EmailLedger
) -> None:
    await came_far(trail)
    await ledger.sent("run-1", "1.application_received", NOON)
    await failed(ledger, "1.review_requested")
    head = await trail.head("run-1")
    taken = await trail.take_up(reset_to(2))
    assert taken == Head(
        generation=1,
        sequence=5,
        hash=head.hash,
        forms_used=2,
        sheets_used=2,
        failed_through=2,
        emails_withdrawn=3,
    )
    assert await trail.head("run-1") == Head(generation=1, sequence=5, hash=head.hash)


async def test_taking_up_an_application_that_was_never_stored_begins_at_the_beginning(
    trail: AuditTrail,
) -> None:
    assert await trail.take_up(reset_to(0)) == Head(generation=1)
    first = publication(application(), entry(1), generation=1)
    assert await trail.publish(first) is Written.STORED


async def test_mails_of_undone_events_never_leave_and_the_others_do(
    trail: AuditTrail, ledger: EmailLedger
) -> None:
    await came_far(trail)
    await ledger.sent("run-1", "3.sheet_to_confirm", NOON)
    await trail.take_up(reset_to(1))
    states = {key: row.state for key, row in (await by_key(ledger)).items()}
    assert states == {
        "1.application_received": LedgerState.PENDING,
        "1.review_requested": LedgerState.PENDING,
        "3.sheet_to_confirm": LedgerState.SENT,
        "4.sheet_to_confirm": LedgerState.WITHDRAWN,
        "5.application_approved": LedgerState.WITHDRAWN,
    }
    assert (await by_key(ledger))["5.application_approved"].reason == "Undone by a reset in Temporal."
    goes_on = LINEAGE.model_copy(update={"generation": 1})
    waiting = [mail.key for mail in await ledger.waiting(goes_on)]
    assert waiting == ["1.application_received", "1.review_requested"]


async def test_documents_of_undone_events_are_void_and_their_numbers_stay_used(
    trail: AuditTrail, records: ApplicationRecords, database: Database
) -> None:
    await came_far(trail)
    await trail.take_up(reset_to(3))
    assert [(kept.sheet.revision, kept.void) for kept in await records.sheets("run-1")] == [
        (1, False),
        (2, True),
    ]
    async with database.session() as session:
        forms = (await session.scalars(select(FormRow).order_by(FormRow.revision))).all()
    assert [row.void for row in forms] == [False, False]
    goes_on = with_sheet(with_form(application(stage=Stage.CONFIRMING_TERMS), 2), 3, replaces=1)
    again = publication(goes_on, entry(6, command="reset"), issued(7, 3, replaces=1), generation=1)
    assert await trail.publish(again) is Written.STORED
    kept = await records.sheets("run-1")
    assert [(stored.sheet.revision, stored.void) for stored in kept] == [(1, False), (2, True), (3, False)]
    assert kept[2].sheet == sheet(3, replaces=1)
    await intact(records, 1, 2, 3, 4, 5, 6, 7)


async def test_a_form_of_an_undone_event_is_void(trail: AuditTrail, database: Database) -> None:
    await came_far(trail)
    await trail.take_up(reset_to(1))
    async with database.session() as session:
        forms = (await session.scalars(select(FormRow).order_by(FormRow.revision))).all()
    assert [row.void for row in forms] == [False, True]


async def test_a_writer_of_an_older_generation_writes_nothing(
    trail: AuditTrail, database: Database, ledger: EmailLedger
) -> None:
    newest = await came_far(trail)
    await trail.take_up(reset_to(2))
    before = await everything(database)
    late = [
        publication(newest, entry(5, APPROVED), entry(6, RECEIVED)),
        publication(newest, entry(6, RECEIVED)),
        publication(newest, entry(5, APPROVED)),
    ]
    for publication_of_the_past in late:
        assert await trail.publish(publication_of_the_past) is Written.SUPERSEDED
    assert await ledger.waiting(LINEAGE) == ()
    assert await everything(database) == before


async def test_a_writer_of_a_generation_that_is_not_there_yet_takes_up_first(
    trail: AuditTrail, records: ApplicationRecords
) -> None:
    """As after a restore of the database."""
    await came_far(trail)
    ahead = publication(UNDER_REVIEW, entry(6), generation=1)
    assert await trail.publish(ahead) is Written.SUPERSEDED
    await intact(records, 1, 2, 3, 4, 5)


async def test_each_reset_is_a_generation_and_tells_the_same_when_asked_again(trail: AuditTrail) -> None:
    await came_far(trail)
    first = await trail.take_up(reset_to(2))
    again = await trail.take_up(reset_to(2))
    assert again == first.model_copy(update={"generation": 2})


async def test_a_reset_nobody_noticed_is_found(
    trail: AuditTrail, database: Database, records: ApplicationRecords
) -> None:
    """The run stands at numbers its other past has used: what it says now must not pass for what was said."""
    await came_far(trail)
    before = await everything(database)
    later = NOON + timedelta(hours=1)
    other_ways = [
        [entry(4, at=later)],
        [entry(4, at=event(4).at, command="decline")],
        [issued(4, 2), entry(5, at=later)],
        [entry(5, at=later), entry(6, at=later)],
    ]
    for entries in other_ways:
        assert await trail.publish(publication(QUALIFIED, *entries)) is Written.SUPERSEDED
        assert await everything(database) == before
    goes_on = publication(QUALIFIED, entry(5), entry(6, at=later))
    assert await trail.publish(goes_on) is Written.STORED
    await intact(records, 1, 2, 3, 4, 5, 6)


async def test_an_event_of_a_broken_name_is_found_again(trail: AuditTrail) -> None:
    broken = publication(application(), entry(1, command="sign\0contract"), entry(2, command="a\ud800"))
    for _ in range(2):
        assert await trail.publish(broken) is Written.STORED


async def test_resets_and_late_writers_at_once_leave_one_trail(
    trail: AuditTrail, records: ApplicationRecords, ledger: EmailLedger
) -> None:
    newest = await came_far(trail)
    late = [trail.publish(publication(newest, entry(6, RECEIVED))) for _ in range(4)]
    head, *written = await asyncio.gather(trail.take_up(reset_to(2)), *late)
    assert isinstance(head, Head)
    stored = Written.STORED in written
    assert head.sequence in ((5, 6) if stored else (5,))
    goes_on = publication(newest, entry(head.sequence + 1, at=NOON, command="reset"), generation=1)
    assert await trail.publish(goes_on) is Written.STORED
    await intact(records, *range(1, head.sequence + 2))
    late_letter = (await by_key(ledger)).get("6.application_received")
    assert late_letter is None or late_letter.state is LedgerState.WITHDRAWN


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
    async with database.engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        assert await trail.publish(publication(application(), entry(1))) is Written.STORED
