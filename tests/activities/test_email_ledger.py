"""The e-mail ledger, on SQLite and PostgreSQL."""

import asyncio
from datetime import timedelta

from activities.db.email_ledger import (
    REPORTED_FAILURES,
    SHOWN_REASON,
    EmailLedger,
    LedgerRow,
    LedgerState,
    Refusals,
)
from activities.db.trail import AuditTrail
from activities.emails.addressed import AddressedNotice
from domain.contract import Stage
from domain.notices import SheetReminder
from domain.publication import Lineage, Receipt, TakeUp
from domain.status import FailedEmail
from tests.activities.examples import (
    APPROVED,
    LINEAGE,
    NOON,
    RECEIVED,
    REQUESTED,
    application,
    entry,
    form,
    issued,
    publication,
    sheet,
    submitted,
    to_confirm,
    with_form,
    with_sheet,
)

LATER = NOON + timedelta(minutes=5)
ID = "<3@vendor.example>"
KEY = "3.application_approved"
UNDER_REVIEW = with_form(application(stage=Stage.UNDER_REVIEW), 1)
NEXT = LINEAGE.model_copy(update={"generation": 1})


async def queue(trail: AuditTrail) -> None:
    """One notice waits."""
    await trail.publish(publication(application(), entry(1), entry(2), entry(3, APPROVED)))


async def take_up(trail: AuditTrail, back_to: int) -> None:
    await trail.take_up(TakeUp(application_id="run-1", company_master_uid="1001", sequence=back_to))


async def first(ledger: EmailLedger, lineage: Lineage = LINEAGE) -> AddressedNotice:
    return (await ledger.waiting(lineage))[0]


async def row(ledger: EmailLedger) -> LedgerRow:
    [found] = await ledger.of("run-1")
    return found


async def keys(ledger: EmailLedger, lineage: Lineage = LINEAGE) -> list[str]:
    return [mail.key for mail in await ledger.waiting(lineage)]


async def test_notices_wait_in_the_order_of_their_events_and_by_application(
    trail: AuditTrail, ledger: EmailLedger
) -> None:
    reminder = SheetReminder(modification=None)
    await trail.publish(publication(application(), entry(2, APPROVED), entry(10, APPROVED, reminder)))
    await trail.publish(publication(application("run-2", uid="2002"), entry(2, APPROVED)))
    await trail.publish(publication(application(), entry(11, APPROVED)))
    assert await keys(ledger) == [
        "2.application_approved",
        "10.application_approved",
        "10.sheet_reminder",
        "11.application_approved",
    ]
    assert await keys(ledger, Lineage(application_id="run-2")) == ["2.application_approved"]
    assert [found.key for found in await ledger.of("run-1")] == await keys(ledger)
    assert await keys(ledger, Lineage(application_id="404")) == []


async def test_a_notice_brings_the_documents_it_names(trail: AuditTrail, ledger: EmailLedger) -> None:
    newest = with_sheet(UNDER_REVIEW, 2, replaces=1)
    await trail.publish(
        publication(
            newest,
            submitted(1, 1, REQUESTED),
            issued(2, 1, to_confirm(1)),
            issued(3, 2, to_confirm(2), replaces=1),
            entry(4, APPROVED),
        )
    )
    documents = [(mail.form, mail.sheet) for mail in await ledger.waiting(LINEAGE)]
    assert documents == [(form(1), None), (None, sheet(1)), (None, sheet(2, replaces=1)), (None, None)]


async def test_an_attempt_is_on_record_before_it_is_made(trail: AuditTrail, ledger: EmailLedger) -> None:
    await queue(trail)
    before = await row(ledger)
    assert (before.attempts, before.message_id, before.subject) == (0, "", "")
    for _ in range(3):
        assert await ledger.attempt(LINEAGE, await first(ledger), ID, "恭喜 – Congratulations")
    tried = await row(ledger)
    assert (tried.state, tried.attempts) == (LedgerState.PENDING, 3)
    assert (tried.message_id, tried.subject) == (ID, "恭喜 – Congratulations")
    assert (tried.queued_at, tried.sent_at, tried.failed_at) == (NOON + timedelta(minutes=2), None, None)
    assert (tried.template, tried.locale, tried.recipient) == (
        "application_approved",
        "en",
        "ada@partner.example",
    )


async def test_attempts_at_once_are_all_counted(trail: AuditTrail, ledger: EmailLedger) -> None:
    await queue(trail)
    mail = await first(ledger)
    assert all(await asyncio.gather(*(ledger.attempt(LINEAGE, mail, ID, "s") for _ in range(8))))
    assert (await row(ledger)).attempts == 8


async def test_sent_is_final(trail: AuditTrail, ledger: EmailLedger) -> None:
    await queue(trail)
    mail = await first(ledger)
    await ledger.attempt(LINEAGE, mail, ID, "s")
    await ledger.sent("run-1", KEY, LATER)
    before = await row(ledger)
    await ledger.sent("run-1", KEY, LATER + timedelta(hours=1))
    await ledger.failed("run-1", KEY, "550 no such user", LATER)
    assert not await ledger.attempt(LINEAGE, mail, ID, "another")
    assert await ledger.refused(mail, "450 later", LATER, denied=False) is None
    await take_up(trail, 0)
    assert await row(ledger) == before
    assert (before.state, before.sent_at, before.reason) == (LedgerState.SENT, LATER, None)
    assert await keys(ledger, NEXT) == []


async def test_failed_is_final(trail: AuditTrail, ledger: EmailLedger) -> None:
    await queue(trail)
    mail = await first(ledger)
    await ledger.attempt(LINEAGE, mail, ID, "s")
    await ledger.failed("run-1", KEY, "550 no such \0\udcff user", LATER)
    before = await row(ledger)
    await ledger.failed("run-1", KEY, "another reason", LATER + timedelta(hours=1))
    await ledger.sent("run-1", KEY, LATER)
    assert not await ledger.attempt(LINEAGE, mail, ID, "another")
    assert await ledger.refused(mail, "450 later", LATER, denied=False) is None
    await take_up(trail, 0)
    assert await row(ledger) == before
    assert (before.state, before.failed_at) == (LedgerState.FAILED, LATER)
    assert before.reason == "550 no such \ufffd\ufffd user"


async def test_refusals_are_counted_and_the_newest_reason_is_shown_until_it_is_sent(
    trail: AuditTrail, ledger: EmailLedger
) -> None:
    await queue(trail)
    mail = await first(ledger)
    times = [LATER + timedelta(minutes=n) for n in range(5)]
    told = [
        await ledger.refused(mail, "452 4.2.2 full", at, denied=denied)
        for at, denied in zip(times, (False, True, True, False, True), strict=True)
    ]
    assert told == [
        Refusals(1, LATER, None),
        Refusals(2, LATER, times[1]),
        Refusals(3, LATER, times[1]),
        Refusals(4, LATER, None),
        Refusals(5, LATER, times[4]),
    ]
    put_off = await row(ledger)
    assert (put_off.state, put_off.reason) == (LedgerState.PENDING, "452 4.2.2 full")
    await ledger.sent("run-1", KEY, LATER)
    sent = await row(ledger)
    assert (sent.state, sent.reason) == (LedgerState.SENT, None)


async def test_of_a_notice_that_is_not_there_nothing_is_recorded(ledger: EmailLedger) -> None:
    await ledger.sent("run-1", KEY, LATER)
    await ledger.failed("run-1", KEY, "550", LATER)
    assert await ledger.of("run-1") == []


async def test_a_refused_recipient_is_refused_all_his_mails_and_nobody_elses(
    trail: AuditTrail, ledger: EmailLedger
) -> None:
    await trail.publish(publication(application(), entry(3, APPROVED), entry(4, APPROVED)))
    await trail.publish(publication(UNDER_REVIEW, submitted(5, 1, RECEIVED, REQUESTED)))
    mails = await ledger.waiting(LINEAGE)
    assert await ledger.refused(mails[0], "554 5.7.1 no", LATER, denied=True) == Refusals(1, LATER, LATER)
    assert await ledger.waiting(LINEAGE, put_off=False) == tuple(
        mail for mail in mails if mail.to != mails[0].to
    )
    standing = await ledger.standing(LINEAGE, 0)
    assert (standing.pending, standing.put_off) == (4, 2)
    await ledger.failed("run-1", mails[0].key, "given up", LATER)
    [behind, *_] = await ledger.waiting(LINEAGE)
    assert behind.key == "4.application_approved"
    told = await ledger.refused(behind, "554 5.7.1 no", LATER + timedelta(days=1), denied=True)
    assert told == Refusals(1, LATER, LATER), "it has waited as long"


async def test_a_recipient_who_takes_a_mail_is_not_refused_any_more(
    trail: AuditTrail, ledger: EmailLedger
) -> None:
    await trail.publish(publication(application(), entry(3, APPROVED), entry(4, APPROVED)))
    first, second = await ledger.waiting(LINEAGE)
    await ledger.refused(first, "450 4.7.1 greylisted", LATER, denied=False)
    assert await ledger.waiting(LINEAGE, put_off=False) == ()
    for _ in range(2):
        await ledger.sent("run-1", first.key, LATER)
        assert await ledger.waiting(LINEAGE, put_off=False) == (second,)
    standing = await ledger.standing(LINEAGE, 0)
    assert (standing.pending, standing.put_off) == (1, 0)
    tomorrow = LATER + timedelta(days=1)
    assert await ledger.refused(second, "450 4.7.1 no", tomorrow, denied=False) == Refusals(1, tomorrow, None)


# Reset


async def test_a_writer_of_an_older_generation_sends_nothing(trail: AuditTrail, ledger: EmailLedger) -> None:
    await queue(trail)
    mail = await first(ledger)
    await take_up(trail, 3)
    assert await ledger.waiting(LINEAGE) == ()
    assert not await ledger.attempt(LINEAGE, mail, ID, "s")
    assert (await row(ledger)).attempts == 0
    assert await ledger.attempt(NEXT, await first(ledger, NEXT), ID, "s")


async def test_a_withdrawn_notice_is_not_tried_by_anybody(trail: AuditTrail, ledger: EmailLedger) -> None:
    await queue(trail)
    mail = await first(ledger)
    await take_up(trail, 2)
    for lineage in (LINEAGE, NEXT):
        assert await ledger.waiting(lineage) == ()
        assert not await ledger.attempt(lineage, mail, ID, "s")
    await ledger.failed("run-1", KEY, "550 no such user", LATER)
    assert await ledger.refused(mail, "450 later", LATER, denied=False) is None
    assert (await row(ledger)).state is LedgerState.WITHDRAWN


async def test_a_notice_withdrawn_on_its_way_has_left_if_the_server_took_it(
    trail: AuditTrail, ledger: EmailLedger
) -> None:
    await queue(trail)
    await ledger.attempt(LINEAGE, await first(ledger), ID, "s")
    await take_up(trail, 2)
    await ledger.sent("run-1", KEY, LATER)
    left = await row(ledger)
    assert (left.state, left.sent_at, left.reason) == (LedgerState.SENT, LATER, None)


# What a workflow is told


async def test_the_standing_tells_what_waits_and_what_failed_since(
    trail: AuditTrail, ledger: EmailLedger
) -> None:
    await trail.publish(
        publication(
            UNDER_REVIEW, submitted(1, 1, RECEIVED, REQUESTED), entry(2, APPROVED), entry(3, APPROVED)
        )
    )
    assert await ledger.standing(LINEAGE, 0) == Receipt(pending=4)
    await ledger.failed("run-1", "1.application_received", "550 " + "x" * SHOWN_REASON, LATER)
    await ledger.sent("run-1", "1.review_requested", LATER)
    await ledger.failed("run-1", "2.application_approved", "554 refused", LATER)
    told = await ledger.standing(LINEAGE, 0)
    assert (told.pending, told.failed_through, told.superseded) == (1, 3, False)
    assert told.failed[1:] == (
        FailedEmail(
            key="2.application_approved",
            template="application_approved",
            to="mei@partner.example",
            reason="554 refused",
            at=LATER,
        ),
    )
    assert (told.failed[0].key, len(told.failed[0].reason)) == ("1.application_received", SHOWN_REASON)
    assert (await ledger.standing(LINEAGE, 1)).failed == told.failed[1:]
    assert await ledger.standing(LINEAGE, 3) == Receipt(pending=1, failed_through=3)


async def test_many_failures_are_told_a_few_at_a_time_and_none_is_skipped(
    trail: AuditTrail, ledger: EmailLedger
) -> None:
    count = REPORTED_FAILURES + 3
    await trail.publish(publication(application(), *(entry(n, APPROVED) for n in range(1, count + 1))))
    for n in range(1, count + 1):
        await ledger.failed("run-1", f"{n}.application_approved", f"55{n}", LATER)
    one = await ledger.standing(LINEAGE, 0)
    rest = await ledger.standing(LINEAGE, one.failed_through)
    assert (len(one.failed), len(rest.failed)) == (REPORTED_FAILURES, 3)
    assert [failure.key for failure in one.failed + rest.failed] == [
        f"{n}.application_approved" for n in range(1, count + 1)
    ]
    assert await ledger.standing(LINEAGE, rest.failed_through) == Receipt(failed_through=count)


async def test_a_workflow_of_an_older_generation_is_told_so(trail: AuditTrail, ledger: EmailLedger) -> None:
    await queue(trail)
    await take_up(trail, 3)
    assert (await ledger.standing(LINEAGE, 0)).superseded
    assert await ledger.standing(NEXT, 0) == Receipt(pending=1)
