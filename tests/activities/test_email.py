"""Sending what waits in the ledger: a real SMTP server that misbehaves by plan, and real databases."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from sqlalchemy.event import listen, remove
from sqlalchemy.exc import SQLAlchemyError
from temporalio.testing import ActivityEnvironment

from activities.db.email_ledger import EmailLedger, LedgerState
from activities.db.engine import Database
from activities.db.trail import AuditTrail
from activities.publishing import PublishingActivities
from activities.smtp import TemporaryDeliveryError
from domain.contract import Stage
from domain.publication import Delivery, Receipt, TakeUp
from domain.state import Application
from domain.status import Company
from tests.activities.cancelling import in_the_loop
from tests.activities.examples import (
    APPROVED,
    LINEAGE,
    NOON,
    RECEIVED,
    REQUESTED,
    application,
    entry,
    publication,
    submitted,
    with_form,
)
from tests.activities.senders import LI, MEI, activities
from tests.smtp_server import Plan, SmtpServer

SCHEDULED = datetime(2025, 3, 14, 9, 31, tzinfo=UTC)
TO_MEI = "1.application_received"
TO_LI = "1.review_requested"
WAITING = Delivery(lineage=LINEAGE)


@pytest_asyncio.fixture
async def ledger(database: Database) -> EmailLedger:
    """One notice to the partner and one to BD wait in it."""
    await queue(database, with_form(application(stage=Stage.UNDER_REVIEW), 1))
    return EmailLedger(database)


async def queue(database: Database, subject: Application) -> None:
    """Of this application a notice to the partner and one to BD."""
    await AuditTrail(database).publish(publication(subject, submitted(1, 1, RECEIVED, REQUESTED)))


async def send(
    emails: PublishingActivities,
    delivery: Delivery = WAITING,
    environment: ActivityEnvironment | None = None,
) -> Receipt:
    receipt: Receipt = await (environment or ActivityEnvironment()).run(emails.deliver, delivery)
    return receipt


async def states(ledger: EmailLedger) -> list[LedgerState]:
    """Of the notice to the partner, and of that to BD."""
    return [row.state for row in await ledger.of("run-1")]


async def tried(ledger: EmailLedger) -> list[bool]:
    return [row.attempts > 0 for row in await ledger.of("run-1")]


async def test_notices_leave_in_order_over_one_connection_and_are_recorded(
    database: Database, ledger: EmailLedger
) -> None:
    async with SmtpServer(Plan()).running() as server:
        receipt = await send(activities(database, server.url))

    assert receipt == Receipt()
    assert [mail.recipient for mail in server.accepted] == [MEI, LI]
    assert server.connections == 1
    assert await states(ledger) == [LedgerState.SENT, LedgerState.SENT]
    rows = await ledger.of("run-1")
    assert [row.message_id for row in rows] == [mail.message["Message-ID"] for mail in server.accepted]
    assert [row.subject for row in rows] == [mail.message["Subject"] for mail in server.accepted]


async def test_a_recorded_notice_is_never_sent_again(database: Database, ledger: EmailLedger) -> None:
    async with SmtpServer(Plan()).running() as server:
        emails = activities(database, server.url)
        await send(emails)
        assert await send(emails) == Receipt()

    assert len(server.accepted) == 2
    assert server.connections == 1, "nothing to send needs no connection"


async def test_a_lost_final_answer_sends_the_same_message_id_again(
    database: Database, ledger: EmailLedger
) -> None:
    async with SmtpServer(Plan(lose_answers=1)).running() as server:
        emails = activities(database, server.url)
        with pytest.raises(TemporaryDeliveryError):
            await send(emails)
        assert await states(ledger) == [LedgerState.PENDING, LedgerState.PENDING]
        assert await tried(ledger) == [True, False]
        await send(emails)

    ids = [mail.message["Message-ID"] for mail in server.accepted]
    assert len(ids) == 3
    assert ids[0] == ids[1] != ids[2]


async def test_a_connection_dropped_before_the_final_answer_is_retried(
    database: Database, ledger: EmailLedger
) -> None:
    async with SmtpServer(Plan(drop_before_data=1)).running() as server:
        emails = activities(database, server.url)
        with pytest.raises(TemporaryDeliveryError):
            await send(emails)
        assert not server.accepted
        await send(emails)

    assert len(server.accepted) == 2


async def test_a_connection_closed_after_each_message_is_opened_again(
    database: Database, ledger: EmailLedger
) -> None:
    async with SmtpServer(Plan(drop_after_answer=True)).running() as server:
        emails = activities(database, server.url)
        for _ in range(2):  # The closing may be noticed before the next message or while it is being sent.
            try:
                await send(emails)
            except TemporaryDeliveryError:
                continue

    assert [mail.recipient for mail in server.accepted] == [MEI, LI]


@pytest.mark.parametrize(
    "plan",
    [
        Plan(recipients={MEI: "550 5.1.1 no such mailbox"}),
        Plan(recipients={MEI: "550 no such mailbox"}),
        Plan(data=["554 5.6.0 content can't be converted"]),
    ],
    ids=["at RCPT", "at RCPT, in words alone", "at DATA"],
)
async def test_a_refused_notice_is_recorded_reported_and_passed_over(
    database: Database, ledger: EmailLedger, plan: Plan
) -> None:
    async with SmtpServer(plan).running() as server:
        emails = activities(database, server.url)
        first = await send(emails)
        again = await send(emails)

    assert [failed.key for failed in first.failed] == [TO_MEI]
    assert first.failed[0].to == MEI
    assert "refused: 55" in first.failed[0].reason
    assert again == first, "a retry whose receipt got lost reports the same"
    assert [mail.recipient for mail in server.accepted] == [LI]
    assert await states(ledger) == [LedgerState.FAILED, LedgerState.SENT]


@pytest.mark.parametrize(
    "plan",
    [
        Plan(greeting="421 4.3.2 shutting down"),
        Plan(greeting="554 5.3.2 not for you"),
        Plan(recipients={MEI: "421 4.7.0 too many of yours"}),
        Plan(recipients={MEI: "530 5.7.0 authentication required"}),
        Plan(sender="550 5.7.1 sender not allowed"),
        Plan(sender="550 5.1.8 no such sender"),
        Plan(data=["421 4.3.0 try later"] * 2),
        Plan(login=("user", "right")),
    ],
    ids=[
        *("421", "554 greeting", "421 at RCPT", "530 at RCPT", "policy at MAIL", "sender at MAIL"),
        *("421 at DATA", "no log-in"),
    ],
)
async def test_what_is_about_the_server_is_retried_with_the_later_notices_waiting(
    database: Database, ledger: EmailLedger, plan: Plan
) -> None:
    async with SmtpServer(plan).running() as server:
        for _ in range(2):
            with pytest.raises(TemporaryDeliveryError):
                await send(activities(database, server.url))

    assert not server.accepted
    assert await states(ledger) == [LedgerState.PENDING, LedgerState.PENDING]
    assert await tried(ledger) == [True, False]


async def test_a_wrong_password_is_retried_and_the_right_one_works(
    database: Database, ledger: EmailLedger
) -> None:
    async with SmtpServer(Plan(login=("us@er", "p:ss/wörd"))).running() as server:
        with pytest.raises(TemporaryDeliveryError):
            await send(activities(database, server.url.replace("//", "//us%40er:wrong@")))
        assert not server.accepted
        await send(activities(database, server.url.replace("//", "//us%40er:p%3Ass%2Fw%C3%B6rd@")))

    assert len(server.accepted) == 2


async def test_no_server_at_all_is_retried(database: Database, ledger: EmailLedger) -> None:
    async with SmtpServer(Plan()).running() as server:
        url = server.url
    with pytest.raises(TemporaryDeliveryError):
        await send(activities(database, url))


async def test_a_server_that_hangs_is_given_up_after_the_timeout(
    database: Database, ledger: EmailLedger
) -> None:
    async with SmtpServer(Plan(hang=True)).running() as server:
        with pytest.raises(TemporaryDeliveryError):
            await send(activities(database, server.url, timeout=0.2))


async def test_cancelling_stops_in_the_midst_of_a_send(database: Database, ledger: EmailLedger) -> None:
    async with SmtpServer(Plan(hang=True)).running() as server:
        environment = ActivityEnvironment()
        beaten = asyncio.Event()
        environment.on_heartbeat = lambda *_: beaten.set()
        sending = asyncio.create_task(send(activities(database, server.url), environment=environment))
        await server.reached_data.wait()
        beaten.clear()
        await beaten.wait()
        environment.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending

    assert await states(ledger) == [LedgerState.PENDING, LedgerState.PENDING]
    assert await tried(ledger) == [True, False]


async def test_a_mail_the_server_took_is_recorded_though_the_activity_is_cancelled(
    database: Database, ledger: EmailLedger
) -> None:
    """Or it would be sent again by whoever goes on."""

    def cancel(connection: object, cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("UPDATE emails") and "sent_at" in statement:
            cancelled()

    environment = ActivityEnvironment()
    cancelled = in_the_loop(environment.cancel)
    listen(database.engine, "before_cursor_execute", cancel)
    async with SmtpServer(Plan()).running() as server:
        emails = activities(database, server.url)
        with pytest.raises(asyncio.CancelledError):
            await send(emails, environment=environment)
        assert await states(ledger) == [LedgerState.SENT, LedgerState.PENDING]
        remove(database.engine, "before_cursor_execute", cancel)
        assert await send(emails) == Receipt()
    assert [mail.recipient for mail in server.accepted] == [MEI, LI]


async def test_two_senders_at_once_send_each_notice_and_lose_none(
    database: Database, ledger: EmailLedger
) -> None:
    """As when a worker that was taken for dead goes on: a notice may leave twice, under one Message-ID."""
    async with SmtpServer(Plan()).running() as server:
        receipts = await asyncio.gather(*(send(activities(database, server.url)) for _ in range(3)))
    assert receipts[-1].failed == ()
    assert await states(ledger) == [LedgerState.SENT, LedgerState.SENT]
    sent = {mail.recipient: set[str]() for mail in server.accepted}
    for mail in server.accepted:
        sent[mail.recipient].add(mail.message["Message-ID"])
    assert {recipient: len(ids) for recipient, ids in sent.items()} == {MEI: 1, LI: 1}


@pytest.mark.parametrize("supported", [True, False])
async def test_a_non_ascii_mailbox_needs_a_server_that_knows_smtputf8(
    database: Database, supported: bool
) -> None:
    await queue(database, application().but(contact_name="陈美", contact_email="陈美@bücher.example"))
    async with SmtpServer(Plan(smtputf8=supported)).running() as server:
        receipt = await send(activities(database, server.url))

    sent = [mail.recipient for mail in server.accepted]
    if supported:
        assert sent == ["陈美@xn--bcher-kva.example", LI]
    else:
        assert [failed.to for failed in receipt.failed] == ["陈美@bücher.example"]
        assert "SMTPUTF8" in receipt.failed[0].reason
        assert sent == [LI]


async def test_a_notice_that_would_forge_a_header_is_never_sent(database: Database) -> None:
    forged = Company(legal_name="=?utf-8?q?x=0ABcc:_z@z?=", registration_number="91-1")
    trail = AuditTrail(database)
    await trail.publish(publication(application().but(company=forged), entry(1, APPROVED)))
    await trail.publish(publication(application(), entry(2, APPROVED)))
    async with SmtpServer(Plan()).running() as server:
        receipt = await send(activities(database, server.url))

    assert [failed.key for failed in receipt.failed] == ["1.application_approved"]
    assert "'=?'" in receipt.failed[0].reason
    assert [mail.recipient for mail in server.accepted] == ["ada@partner.example"]
    assert await states(EmailLedger(database)) == [LedgerState.FAILED, LedgerState.SENT]


async def test_a_workflow_that_knows_of_failures_is_told_of_new_ones_only(
    database: Database, ledger: EmailLedger
) -> None:
    refusals = {MEI: "550 5.1.1 no such mailbox", LI: "550 5.1.1 nor this one"}
    async with SmtpServer(Plan(recipients=refusals)).running() as server:
        emails = activities(database, server.url)
        receipt = await send(emails)
        assert [failed.key for failed in receipt.failed] == [TO_MEI, TO_LI]
        later = await send(emails, Delivery(lineage=LINEAGE, failed_through=receipt.failed_through))
    assert later == Receipt(failed_through=receipt.failed_through)


async def test_after_a_reset_nothing_is_sent_for_who_was_before(
    database: Database, ledger: EmailLedger
) -> None:
    await AuditTrail(database).take_up(TakeUp(application_id="run-1", company_master_uid="1001", sequence=1))
    async with SmtpServer(Plan()).running() as server:
        emails = activities(database, server.url)
        assert await send(emails) == Receipt(pending=2, superseded=True)
        assert not server.accepted
        goes_on = LINEAGE.model_copy(update={"generation": 1})
        assert await send(emails, Delivery(lineage=goes_on)) == Receipt()
    assert [mail.recipient for mail in server.accepted] == [MEI, LI]


async def test_with_the_database_down_nothing_leaves_unrecorded(unmigrated_url: str) -> None:
    database = Database(unmigrated_url)
    try:
        async with SmtpServer(Plan()).running() as server:
            with pytest.raises(SQLAlchemyError):
                await send(activities(database, server.url))
        assert not server.accepted
    finally:
        await database.dispose()


async def test_times_in_the_ledger_are_those_of_temporal(database: Database, ledger: EmailLedger) -> None:
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, current_attempt_scheduled_time=SCHEDULED)
    async with SmtpServer(Plan(recipients={LI: "550 no such mailbox"})).running() as server:
        [failure] = (await send(activities(database, server.url), environment=environment)).failed

    [sent, failed] = await ledger.of("run-1")
    assert (sent.sent_at, failed.failed_at, failure.at) == (SCHEDULED, SCHEDULED, SCHEDULED)
    assert (sent.queued_at, failed.queued_at) == (NOON, NOON)
