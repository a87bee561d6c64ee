"""The e-mail ledger, on SQLite and PostgreSQL."""

import asyncio
from datetime import timedelta

import pytest

from activities.db.email_ledger import EmailLedger, LedgerState
from activities.db.engine import Database
from domain.letters import ApplicationApproved, Letter, SheetReminder, compose
from tests.activities.examples import NOON, application

LATER = NOON + timedelta(minutes=5)


@pytest.fixture
def ledger(database: Database) -> EmailLedger:
    return EmailLedger(database)


def letter(sequence: int, application_id: str = "run-1", kind: type[Letter] = ApplicationApproved) -> Letter:
    return compose(kind, application(application_id), sequence=sequence, now=NOON, status_text="Qualified")


async def test_a_letter_is_pending_from_its_first_attempt(ledger: EmailLedger) -> None:
    assert await ledger.state("run-1", "3.application_approved") is None
    for _ in range(3):
        await ledger.attempt(letter(3), "<3@vendor.example>", "恭喜 – Congratulations")
    assert await ledger.state("run-1", "3.application_approved") is LedgerState.PENDING
    [row] = await ledger.of("run-1")
    assert (row.attempts, row.queued_at, row.sent_at, row.failed_at) == (3, NOON, None, None)
    assert (row.template, row.locale, row.recipient) == ("application_approved", "en", "ada@partner.example")
    assert (row.message_id, row.subject) == ("<3@vendor.example>", "恭喜 – Congratulations")


async def test_sent_is_final(ledger: EmailLedger) -> None:
    await ledger.attempt(letter(3), "<3@vendor.example>", "s")
    await ledger.sent("run-1", letter(3).key, LATER)
    before = await ledger.of("run-1")
    await ledger.sent("run-1", letter(3).key, LATER + timedelta(hours=1))
    await ledger.failed("run-1", letter(3).key, "550 no such user", LATER)
    await ledger.attempt(letter(3), "<3@vendor.example>", "s")
    assert await ledger.deferred("run-1", letter(3).key, "450 later") == 0
    assert await ledger.of("run-1") == before
    assert (before[0].state, before[0].sent_at, before[0].reason) == (LedgerState.SENT, LATER, None)


async def test_failed_is_final(ledger: EmailLedger) -> None:
    await ledger.attempt(letter(3), "<3@vendor.example>", "s")
    await ledger.failed("run-1", letter(3).key, "550 no such \0\udcff user", LATER)
    before = await ledger.of("run-1")
    await ledger.failed("run-1", letter(3).key, "another reason", LATER + timedelta(hours=1))
    await ledger.sent("run-1", letter(3).key, LATER)
    await ledger.attempt(letter(3), "<3@vendor.example>", "s")
    assert await ledger.deferred("run-1", letter(3).key, "450 later") == 0
    assert await ledger.of("run-1") == before
    assert (before[0].state, before[0].failed_at) == (LedgerState.FAILED, LATER)
    assert before[0].reason == "550 no such \ufffd\ufffd user"


async def test_deferrals_are_counted_and_the_newest_reason_is_shown_until_it_is_sent(
    ledger: EmailLedger,
) -> None:
    await ledger.attempt(letter(3), "<3@vendor.example>", "s")
    reasons = ("450 busy", "452 4.2.2 full")
    assert [await ledger.deferred("run-1", letter(3).key, reason) for reason in reasons] == [1, 2]
    [row] = await ledger.of("run-1")
    assert (row.state, row.reason) == (LedgerState.PENDING, "452 4.2.2 full")
    await ledger.sent("run-1", letter(3).key, LATER)
    [row] = await ledger.of("run-1")
    assert (row.state, row.reason) == (LedgerState.SENT, None)


async def test_letters_are_listed_as_queued_and_by_application(ledger: EmailLedger) -> None:
    for queued in (letter(2), letter(10), letter(10, kind=SheetReminder), letter(2, "run-2")):
        await ledger.attempt(queued, "<m@vendor.example>", "s")
    await ledger.attempt(letter(2), "<m@vendor.example>", "s")
    keys = [row.key for row in await ledger.of("run-1")]
    assert keys == ["2.application_approved", "10.application_approved", "10.sheet_reminder"]
    assert [row.key for row in await ledger.of("run-2")] == ["2.application_approved"]


async def test_attempts_at_once_are_all_counted(ledger: EmailLedger) -> None:
    await asyncio.gather(*(ledger.attempt(letter(3), "<m@vendor.example>", "s") for _ in range(8)))
    [row] = await ledger.of("run-1")
    assert row.attempts == 8
