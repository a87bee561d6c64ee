"""The e-mail activity against a real SMTP server that misbehaves by plan, and real databases."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from activities.email import MOST_DEFERRALS, EmailActivities
from domain.emails import EmailBatch, EmailReceipt
from sqlalchemy.exc import SQLAlchemyError
from temporalio.testing import ActivityEnvironment

from activities.db.email_ledger import EmailLedger, LedgerState
from activities.db.engine import Database
from activities.emails.message import MessageFactory
from activities.emails.render import Links, Renderer
from activities.smtp import SmtpTransport, TemporaryDeliveryError
from domain.letters import AnyLetter
from tests.smtp_server import Plan, SmtpServer
from tests.unit.letters import letter

pytest_plugins = ["tests.databases"]

SCHEDULED = datetime(2025, 3, 14, 9, 31, tzinfo=UTC)
LINKS = Links(
    portal_url="https://portal.example.com",
    acpn_url="https://acpn.example.com",
    verify_url="https://verify.example.com",
)
RECEIVED = letter("application_received", key="1.application_received")
REQUESTED = letter(
    "review_requested", key="1.review_requested", to={"name": "Li Wei", "email": "li.wei@example.com"}
)
BATCH = EmailBatch(letters=(RECEIVED, REQUESTED))


@pytest.fixture
def ledger(database: Database) -> EmailLedger:
    return EmailLedger(database)


def activities(ledger: EmailLedger, url: str, *, timeout: float = 30.0) -> EmailActivities:
    return EmailActivities(
        ledger,
        SmtpTransport(url, timeout=timeout),
        Renderer(LINKS),
        MessageFactory("Onboarding <onboarding@example.com>"),
        heartbeat_seconds=0.01,
    )


async def send(
    emails: EmailActivities, batch: EmailBatch = BATCH, environment: ActivityEnvironment | None = None
) -> EmailReceipt:
    return await (environment or ActivityEnvironment()).run(emails.send_emails, batch)


async def states(ledger: EmailLedger, *letters: AnyLetter) -> list[LedgerState | None]:
    return [await ledger.state(letter.application_id, letter.key) for letter in letters]


async def test_letters_leave_in_order_over_one_connection_and_are_recorded(ledger: EmailLedger) -> None:
    async with SmtpServer(Plan()).running() as server:
        receipt = await send(activities(ledger, server.url))

    assert receipt == EmailReceipt()
    assert [mail.recipient for mail in server.accepted] == ["mei.tan@example.com", "li.wei@example.com"]
    assert server.connections == 1
    assert await states(ledger, RECEIVED, REQUESTED) == [LedgerState.SENT, LedgerState.SENT]
    rows = await ledger.of(RECEIVED.application_id)
    assert [row.message_id for row in rows] == [mail.message["Message-ID"] for mail in server.accepted]
    assert [row.subject for row in rows] == [mail.message["Subject"] for mail in server.accepted]


async def test_a_recorded_letter_is_never_sent_again(ledger: EmailLedger) -> None:
    async with SmtpServer(Plan()).running() as server:
        emails = activities(ledger, server.url)
        await send(emails)
        assert await send(emails) == EmailReceipt()

    assert len(server.accepted) == 2
    assert server.connections == 1, "nothing to send needs no connection"


async def test_a_lost_final_answer_sends_the_same_message_id_again(ledger: EmailLedger) -> None:
    async with SmtpServer(Plan(lose_answers=1)).running() as server:
        emails = activities(ledger, server.url)
        with pytest.raises(TemporaryDeliveryError):
            await send(emails)
        assert await states(ledger, RECEIVED, REQUESTED) == [LedgerState.PENDING, None]
        await send(emails)

    ids = [mail.message["Message-ID"] for mail in server.accepted]
    assert len(ids) == 3
    assert ids[0] == ids[1] != ids[2]


async def test_a_connection_dropped_before_the_final_answer_is_retried(ledger: EmailLedger) -> None:
    async with SmtpServer(Plan(drop_before_data=1)).running() as server:
        emails = activities(ledger, server.url)
        with pytest.raises(TemporaryDeliveryError):
            await send(emails)
        assert not server.accepted
        await send(emails)

    assert len(server.accepted) == 2


async def test_a_connection_closed_after_each_message_is_opened_again(ledger: EmailLedger) -> None:
    async with SmtpServer(Plan(drop_after_answer=True)).running() as server:
        emails = activities(ledger, server.url)
        for _ in range(2):  # The closing may be noticed before the next message or while it is being sent.
            try:
                await send(emails)
            except TemporaryDeliveryError:
                continue

    assert [mail.recipient for mail in server.accepted] == ["mei.tan@example.com", "li.wei@example.com"]


@pytest.mark.parametrize(
    "plan",
    [
        Plan(recipients={"mei.tan@example.com": "550 5.1.1 no such mailbox"}),
        Plan(data=["554 5.7.1 content refused"]),
    ],
    ids=["at RCPT", "at DATA"],
)
async def test_a_refused_letter_is_recorded_reported_and_passed_over(ledger: EmailLedger, plan: Plan) -> None:
    async with SmtpServer(plan).running() as server:
        emails = activities(ledger, server.url)
        first = await send(emails)
        again = await send(emails)

    assert [failed.key for failed in first.failed] == [RECEIVED.key]
    assert first.failed[0].to == "mei.tan@example.com"
    assert "refused: 55" in first.failed[0].reason
    assert again == first, "a retry whose receipt got lost reports the same"
    assert [mail.recipient for mail in server.accepted] == ["li.wei@example.com"]
    assert await states(ledger, RECEIVED, REQUESTED) == [LedgerState.FAILED, LedgerState.SENT]


@pytest.mark.parametrize(
    "plan",
    [
        Plan(greeting="421 4.3.2 shutting down"),
        Plan(greeting="554 5.3.2 not for you"),
        Plan(recipients={"mei.tan@example.com": "451 4.7.1 greylisted"}),
        Plan(recipients={"mei.tan@example.com": "530 5.7.0 authentication required"}),
        Plan(sender="550 5.7.1 sender not allowed"),
        Plan(data=["451 4.3.0 try later"]),
        Plan(login=("user", "right")),
    ],
    ids=["421", "554 greeting", "451 at RCPT", "530 at RCPT", "5xx at MAIL", "451 at DATA", "no log-in"],
)
async def test_what_may_pass_is_retried_with_the_later_letters_waiting(
    ledger: EmailLedger, plan: Plan
) -> None:
    async with SmtpServer(plan).running() as server:
        with pytest.raises(TemporaryDeliveryError):
            await send(activities(ledger, server.url))

    assert not server.accepted
    assert await states(ledger, RECEIVED, REQUESTED) == [LedgerState.PENDING, None]


@pytest.mark.parametrize("answer", ["452 4.2.2 mailbox full", "450 mailbox busy", "451 4.1.2 no such domain"])
async def test_a_recipient_put_off_again_and_again_does_not_hold_up_the_others_for_ever(
    ledger: EmailLedger, answer: str
) -> None:
    async with SmtpServer(Plan(recipients={"mei.tan@example.com": answer})).running() as server:
        emails = activities(ledger, server.url)
        for _ in range(MOST_DEFERRALS - 1):
            with pytest.raises(TemporaryDeliveryError):
                await send(emails)
        [waiting] = await ledger.of(RECEIVED.application_id)
        assert (waiting.state, waiting.reason) == (LedgerState.PENDING, f"recipient refused: {answer}")
        for _ in range(2):
            [failure] = (await send(emails)).failed
            assert (failure.key, failure.reason) == (
                RECEIVED.key,
                f"recipient refused: {answer} ({MOST_DEFERRALS} times)",
            )
        assert [mail.recipient for mail in server.accepted] == ["li.wei@example.com"]
    assert await states(ledger, RECEIVED, REQUESTED) == [LedgerState.FAILED, LedgerState.SENT]


async def test_a_recipient_put_off_for_a_while_gets_the_mail(ledger: EmailLedger) -> None:
    plan = Plan(recipients={"mei.tan@example.com": "450 4.2.0 greylisted"})
    async with SmtpServer(plan).running() as server:
        emails = activities(ledger, server.url)
        with pytest.raises(TemporaryDeliveryError):
            await send(emails)
        server.plan.recipients.clear()
        assert await send(emails) == EmailReceipt()
    assert [row.reason for row in await ledger.of(RECEIVED.application_id)] == [None, None]


async def test_a_server_in_trouble_is_waited_for_however_long(ledger: EmailLedger) -> None:
    plan = Plan(recipients={"mei.tan@example.com": "452 4.3.1 out of disk"})
    async with SmtpServer(plan).running() as server:
        emails = activities(ledger, server.url)
        for _ in range(MOST_DEFERRALS + 1):
            with pytest.raises(TemporaryDeliveryError):
                await send(emails)
    assert await states(ledger, RECEIVED, REQUESTED) == [LedgerState.PENDING, None]


async def test_a_wrong_password_is_retried_and_the_right_one_works(ledger: EmailLedger) -> None:
    async with SmtpServer(Plan(login=("us@er", "p:ss/wörd"))).running() as server:
        with pytest.raises(TemporaryDeliveryError):
            await send(activities(ledger, server.url.replace("//", "//us%40er:wrong@")))
        assert not server.accepted
        await send(activities(ledger, server.url.replace("//", "//us%40er:p%3Ass%2Fw%C3%B6rd@")))

    assert len(server.accepted) == 2


async def test_no_server_at_all_is_retried(ledger: EmailLedger) -> None:
    async with SmtpServer(Plan()).running() as server:
        url = server.url
    with pytest.raises(TemporaryDeliveryError):
        await send(activities(ledger, url))


async def test_a_server_that_hangs_is_given_up_after_the_timeout(ledger: EmailLedger) -> None:
    async with SmtpServer(Plan(hang=True)).running() as server:
        with pytest.raises(TemporaryDeliveryError):
            await send(activities(ledger, server.url, timeout=0.2))


async def test_cancelling_stops_in_the_midst_of_a_send(ledger: EmailLedger) -> None:
    async with SmtpServer(Plan(hang=True)).running() as server:
        environment = ActivityEnvironment()
        beats: list[Any] = []
        beaten = asyncio.Event()

        def heard(*details: Any) -> None:
            beats.extend(details)
            beaten.set()

        environment.on_heartbeat = heard
        sending = asyncio.create_task(send(activities(ledger, server.url), environment=environment))
        await server.reached_data.wait()
        beaten.clear()
        await beaten.wait()
        environment.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending

    assert set(beats) == {RECEIVED.key}
    assert await states(ledger, RECEIVED) == [LedgerState.PENDING]


@pytest.mark.parametrize("supported", [True, False])
async def test_a_non_ascii_mailbox_needs_a_server_that_knows_smtputf8(
    ledger: EmailLedger, supported: bool
) -> None:
    foreign = letter("application_received", to={"name": "陈美", "email": "陈美@bücher.example"})
    async with SmtpServer(Plan(smtputf8=supported)).running() as server:
        receipt = await send(activities(ledger, server.url), EmailBatch(letters=(foreign, REQUESTED)))

    sent = [mail.recipient for mail in server.accepted]
    if supported:
        assert sent == ["陈美@xn--bcher-kva.example", "li.wei@example.com"]
    else:
        assert [failed.to for failed in receipt.failed] == ["陈美@bücher.example"]
        assert "SMTPUTF8" in receipt.failed[0].reason
        assert sent == ["li.wei@example.com"]


async def test_a_letter_that_would_forge_a_header_is_never_sent(ledger: EmailLedger) -> None:
    forged = RECEIVED.model_copy(update={"company_name": "=?utf-8?q?x=0ABcc:_z@z?="})
    async with SmtpServer(Plan()).running() as server:
        receipt = await send(activities(ledger, server.url), EmailBatch(letters=(forged, REQUESTED)))

    assert [failed.key for failed in receipt.failed] == [forged.key]
    assert [mail.recipient for mail in server.accepted] == ["li.wei@example.com"]


async def test_with_the_database_down_nothing_leaves_unrecorded(unmigrated_url: str) -> None:
    database = Database(unmigrated_url)
    try:
        async with SmtpServer(Plan()).running() as server:
            with pytest.raises(SQLAlchemyError):
                await send(activities(EmailLedger(database), server.url))
        assert not server.accepted
    finally:
        await database.dispose()


async def test_times_in_the_ledger_are_those_of_temporal(ledger: EmailLedger) -> None:
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, current_attempt_scheduled_time=SCHEDULED)
    async with SmtpServer(Plan()).running() as server:
        await environment.run(activities(ledger, server.url).send_emails, BATCH)

    rows = await ledger.of(RECEIVED.application_id)
    assert {row.sent_at for row in rows} == {SCHEDULED}
    assert {row.queued_at for row in rows} == {RECEIVED.at}
