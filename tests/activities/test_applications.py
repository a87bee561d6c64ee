"""What is read of the applications, put together from the tables, on SQLite and PostgreSQL."""

import asyncio
from datetime import timedelta
from itertools import pairwise

from activities.db.applications import SHOWN_REFUSALS, ApplicationRecords, StoredApplication
from activities.db.email_ledger import EmailLedger
from activities.db.trail import AuditTrail
from domain.audit import Verdict
from domain.contract import Role, Stage, WaitingOn
from domain.publication import Entry, TakeUp
from domain.state import Application
from domain.status import FailedEmail, Refusal
from domain.view import describe
from tests.activities.examples import (
    APPROVED,
    LINEAGE,
    NOON,
    RECEIVED,
    REQUESTED,
    REVIEW,
    application,
    entry,
    form,
    issued,
    publication,
    sheet,
    submitted,
    with_form,
    with_sheet,
)

UNDER_REVIEW = with_form(application(stage=Stage.UNDER_REVIEW), 1).but(clocks=(REVIEW,))
CONFIRMING = with_sheet(UNDER_REVIEW.but(stage=Stage.CONFIRMING_TERMS), 1)


async def newest(records: ApplicationRecords, uid: str = "1001") -> StoredApplication:
    stored = await records.newest(uid)
    assert stored is not None
    return stored


def refusal(sequence: int) -> Entry:
    return entry(
        sequence,
        command="approve_application",
        verdict=Verdict.REFUSED,
        error="wrong_stage",
        message=f"no. {sequence}",
    )


async def test_the_status_read_is_the_one_the_workflow_shows(
    trail: AuditTrail, records: ApplicationRecords
) -> None:
    entries = [entry(1), submitted(2, 1), issued(3, 1)]
    await trail.publish(publication(CONFIRMING, *entries))
    stored = await newest(records)
    assert stored.status == describe(CONFIRMING, sequence=3)
    assert stored.status.application == form(1)
    assert stored.status.sheet == sheet(1)
    assert (stored.stage, stored.waiting_on) == (Stage.CONFIRMING_TERMS, WaitingOn.PARTNER)
    assert (stored.due_at, stored.overdue, stored.sequence) == (REVIEW.due_at, False, 3)


async def test_an_application_that_has_just_begun_has_no_documents(
    trail: AuditTrail, records: ApplicationRecords
) -> None:
    await trail.publish(publication(application(), entry(1)))
    status = (await newest(records)).status
    assert (status.application, status.sheet, status.form_revision) == (None, None, 0)
    assert (status.pending_emails, status.last_refusals) == (0, ())


async def test_a_form_that_is_edited_again_is_still_the_one_last_submitted(
    trail: AuditTrail, records: ApplicationRecords
) -> None:
    """Withdrawing raises the revision before there is another form."""
    withdrawn = with_form(application(stage=Stage.WITHDRAWN), 1).but(form_revision=2)
    await trail.publish(publication(withdrawn, submitted(1, 1), entry(2)))
    status = (await newest(records)).status
    assert (status.form_revision, status.application) == (2, form(1))


async def test_a_sheet_shows_how_it_differs_from_the_one_it_replaced(
    trail: AuditTrail, records: ApplicationRecords
) -> None:
    """After a reset that is not the one before it."""
    third = with_sheet(CONFIRMING, 3, replaces=1)
    await trail.publish(
        publication(third, submitted(1, 1), issued(2, 1), issued(3, 2, replaces=1), issued(4, 3, replaces=1))
    )
    shown = (await newest(records)).status.sheet
    assert shown == sheet(3, replaces=1)
    assert [(change.field, change.before, change.after) for change in shown.changes] == [
        ("basic.term_months", 12, 36)
    ]
    kept = await records.sheets("run-1")
    assert [stored.sheet for stored in kept] == [sheet(1), sheet(2, replaces=1), sheet(3, replaces=1)]


async def test_sheets_of_events_undone_by_a_reset_are_marked(
    trail: AuditTrail, records: ApplicationRecords
) -> None:
    second = with_sheet(CONFIRMING, 2, replaces=1)
    await trail.publish(publication(second, submitted(1, 1), issued(2, 1), issued(3, 2, replaces=1)))
    head = await trail.take_up(TakeUp(application_id="run-1", company_master_uid="1001", sequence=2))
    reset = publication(
        CONFIRMING, entry(4, command="reset", details={"back_to": 2}), generation=head.generation
    )
    await trail.publish(reset)
    assert [(kept.sheet.revision, kept.void) for kept in await records.sheets("run-1")] == [
        (1, False),
        (2, True),
    ]
    assert (await newest(records)).status.sheet == sheet(1)


async def test_refusals_of_events_undone_by_a_reset_are_not_shown(
    trail: AuditTrail, records: ApplicationRecords
) -> None:
    await trail.publish(publication(application(), entry(1), refusal(2), refusal(3), refusal(4)))
    head = await trail.take_up(TakeUp(application_id="run-1", company_master_uid="1001", sequence=2))
    back = entry(5, command="reset", details={"back_to": 2})
    await trail.publish(publication(application(), back, refusal(6), generation=head.generation))
    shown = (await newest(records)).status.last_refusals
    assert [told.message for told in shown] == ["no. 2", "no. 6"]


async def test_the_newest_refusals_are_shown_from_the_audit_trail(
    trail: AuditTrail, records: ApplicationRecords
) -> None:
    refused = [refusal(n) for n in range(2, SHOWN_REFUSALS + 5)]
    await trail.publish(publication(application(), entry(1), *refused, entry(SHOWN_REFUSALS + 5)))
    shown = (await newest(records)).status.last_refusals
    assert shown == tuple(
        Refusal(
            at=kept.event.at,
            command="approve_application",
            command_id=kept.event.command_id,
            error="wrong_stage",
            message=f"no. {kept.event.sequence}",
            role=Role.BD,
        )
        for kept in refused[-SHOWN_REFUSALS:]
    )


# How mails went


async def test_rows_say_by_themselves_how_many_mails_wait(
    trail: AuditTrail, records: ApplicationRecords, ledger: EmailLedger
) -> None:
    async def pending() -> int:
        return (await newest(records)).status.pending_emails

    await trail.publish(publication(UNDER_REVIEW, submitted(1, 1, RECEIVED, REQUESTED), entry(2, APPROVED)))
    assert await pending() == 3
    [first, *_] = await ledger.waiting(LINEAGE)
    await ledger.attempt(LINEAGE, first, "<1@vendor.example>", "s")
    assert await pending() == 3, "an attempt is no delivery"
    await ledger.refused(first, "450 later", NOON, denied=False)
    assert await pending() == 3, "nor is a recipient that is refused for now"
    await ledger.sent("run-1", "1.application_received", NOON)
    assert await pending() == 2
    await ledger.failed("run-1", "1.review_requested", "550 no such user", NOON)
    assert await pending() == 1
    await ledger.sent("run-1", "2.application_approved", NOON)
    assert await pending() == 0
    assert (await newest(records)).sequence == 2, "and nothing has been published meanwhile"


async def test_mails_withdrawn_by_a_reset_wait_no_more(
    trail: AuditTrail, records: ApplicationRecords
) -> None:
    await trail.publish(publication(UNDER_REVIEW, submitted(1, 1, RECEIVED), entry(2, APPROVED)))
    await trail.take_up(TakeUp(application_id="run-1", company_master_uid="1001", sequence=1))
    assert (await newest(records)).status.pending_emails == 1


async def test_mails_of_other_applications_do_not_count(
    trail: AuditTrail, records: ApplicationRecords
) -> None:
    await trail.publish(publication(application("run-1"), entry(1, APPROVED)))
    await trail.publish(publication(application("run-2", uid="2002"), entry(1)))
    assert (await newest(records, "2002")).status.pending_emails == 0
    assert (await newest(records)).status.pending_emails == 1


async def test_mails_that_failed_are_told_with_the_event_that_told_of_them(
    trail: AuditTrail, records: ApplicationRecords, ledger: EmailLedger
) -> None:
    await trail.publish(publication(UNDER_REVIEW, submitted(1, 1, RECEIVED)))
    await ledger.failed("run-1", "1.application_received", "550 no such user", NOON)
    [failure] = (await ledger.standing(LINEAGE, 0)).failed
    told = UNDER_REVIEW.but(failed_emails=(failure,))
    await trail.publish(publication(told, entry(2, command="email_failed"), after=UNDER_REVIEW))
    assert (await newest(records)).status.failed_emails == (
        FailedEmail(
            key="1.application_received",
            template="application_received",
            to="mei@partner.example",
            reason="550 no such user",
            at=NOON,
        ),
    )


# Applications


async def stored_at(trail: AuditTrail, subject: Application, hours: int) -> None:
    await trail.publish(publication(subject, entry(1, at=NOON + timedelta(hours=hours))))


async def test_the_first_event_dates_the_row_and_the_newest_fills_it(
    trail: AuditTrail, records: ApplicationRecords
) -> None:
    later = NOON + timedelta(hours=3)
    await trail.publish(publication(application(), entry(1)))
    await trail.publish(publication(UNDER_REVIEW, submitted(2, 1, at=later), after=application()))
    stored = await newest(records)
    assert (stored.created_at, stored.updated_at) == (NOON, later)
    assert (stored.company_name, stored.stage) == ("Acme 1 有限公司", Stage.UNDER_REVIEW)


async def test_applications_of_one_applicant_are_told_apart(
    trail: AuditTrail, records: ApplicationRecords
) -> None:
    await stored_at(trail, application("run-1", stage=Stage.REJECTED), 0)
    await stored_at(trail, application("run-2"), 3)
    await stored_at(trail, application("run-3", uid="2002"), 3)
    # Whatever is written of the earlier one later.
    await trail.publish(
        publication(application("run-1", stage=Stage.REJECTED), entry(2, at=NOON + timedelta(days=9)))
    )
    assert [stored.application_id for stored in await records.applications_of("1001")] == ["run-2", "run-1"]
    stored = await newest(records)
    assert (stored.application_id, stored.stage) == ("run-2", Stage.DRAFTING)
    assert [len(await records.audit(name)) for name in ("run-1", "run-2", "run-3")] == [2, 1, 1]


async def test_an_unknown_applicant_has_nothing(records: ApplicationRecords) -> None:
    assert await records.newest("404") is None
    assert await records.audit("404") == ()
    assert await records.trail("404") == ()
    assert await records.sheets("404") == ()


async def test_writing_and_reading_at_once_never_shows_half_a_state(
    trail: AuditTrail, records: ApplicationRecords
) -> None:
    """Each state has the form of the same number; a reader sees one state or the next."""
    states = [with_form(application(), n) for n in range(1, 9)]
    await trail.publish(publication(states[0], submitted(1, 1)))
    for n, (before, after) in enumerate(pairwise(states), start=2):
        writing = trail.publish(publication(after, submitted(n, n), after=before))
        _, shown = await asyncio.gather(writing, newest(records))
        assert shown.status.application == form(shown.status.form_revision)
        assert shown.sequence == shown.status.sequence == shown.status.form_revision
