"""A mail server that refuses one recipient, or everybody, for now or "for good" without that being so."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from temporalio.testing import ActivityEnvironment

from activities.db.email_ledger import EmailLedger, LedgerState
from activities.db.engine import Database
from activities.db.trail import AuditTrail
from activities.publishing import PublishingActivities
from activities.smtp_replies import DOUBTED_FOR, GIVE_UP_AFTER
from domain.publication import Delivery, Lineage, Receipt
from tests.activities.examples import APPROVED, application, entry, publication, with_form
from tests.activities.senders import FIRST, LI, MEI, SECOND, activities, publish
from tests.long import some_of
from tests.smtp_server import Plan, SmtpServer

BEGIN = datetime(2025, 3, 14, 9, 31, tzinfo=UTC)
DENIED = "554 5.7.1 relay access denied"
TO_MEI, TO_LI, MEI_AGAIN = "1.application_received", "1.review_requested", "2.sheet_to_confirm"
ADA = "ada@partner.example"
MOMENT = timedelta(minutes=1)
TO_ADA = publication(application(), entry(3, APPROVED))
"""To the address the partner had joined with."""


def at(since: timedelta) -> ActivityEnvironment:
    """An attempt that Temporal begins so long after the first one."""
    environment = ActivityEnvironment()
    environment.info = replace(
        environment.info, current_attempt_scheduled_time=BEGIN + since, started_time=BEGIN + since
    )
    return environment


async def send(
    publishing: PublishingActivities, since: timedelta = timedelta(), application_id: str = "run-1"
) -> Receipt:
    """Run the activity `deliver`."""
    lineage = Lineage(application_id=application_id)
    receipt: Receipt = await at(since).run(publishing.deliver, Delivery(lineage=lineage))
    return receipt


async def partner(database: Database, name: str, address: str) -> None:
    """Another application, with one notice to its partner."""
    subject = application(name, uid="2002").but(contact_email=address)
    await AuditTrail(database).publish(publication(subject, entry(1, APPROVED)))


async def states(ledger: EmailLedger, application_id: str = "run-1") -> dict[str, LedgerState]:
    return {row.key: row.state for row in await ledger.of(application_id)}


@pytest_asyncio.fixture
async def ledger(database: Database) -> EmailLedger:
    """In it wait a notice to the partner, one to BD, and another to the partner."""
    trail = AuditTrail(database)
    await trail.publish(FIRST)
    await trail.publish(SECOND)
    return EmailLedger(database)


EVERY_REFUSAL = [
    *(DENIED, "550 5.7.1 your address is listed", "554 relay access denied", "550 relay not permitted"),
    *("550 5.3.0 blocked", "550 5.4.4 no route", "503 5.5.1 out of order", "553 5.1.8 sender's domain"),
    *("450 busy", "451 4.7.1 greylisted", "451 4.3.0 look-up failed", "452 4.2.2 mailbox full"),
]


@pytest.mark.parametrize("answer", some_of(EVERY_REFUSAL, every=4))
async def test_what_may_be_our_fault_ends_no_mail(
    database: Database, ledger: EmailLedger, answer: str
) -> None:
    async with SmtpServer(Plan(recipients={MEI: answer, LI: answer})).running() as server:
        publishing = activities(database, server.url)
        for seconds in (0, 1, 15, 3600, 24 * 3600, 30 * 24 * 3600):
            receipt = await send(publishing, timedelta(seconds=seconds))
            assert receipt == Receipt(pending=3, put_off=3)
        assert not server.accepted
        [to_mei, to_li, again] = await ledger.of("run-1")
        assert (to_mei.reason, to_li.reason, again.reason) == (*[f"recipient refused: {answer}"] * 2, None)
        server.plan.recipients.clear()
        assert await send(publishing, timedelta(days=31)) == Receipt()
    assert [mail.recipient for mail in server.accepted] == [MEI, LI, MEI]
    rows = await ledger.of("run-1")
    assert [row.message_id for row in rows] == [mail.message["Message-ID"] for mail in server.accepted]
    assert {(row.state, row.reason) for row in rows} == {(LedgerState.SENT, None)}


@pytest.mark.parametrize("answer", some_of(EVERY_REFUSAL, every=4))
async def test_one_recipient_refused_holds_up_his_own_mails_alone(
    database: Database, ledger: EmailLedger, answer: str
) -> None:
    async with SmtpServer(Plan(recipients={MEI: answer})).running() as server:
        publishing = activities(database, server.url)
        for seconds in (0, 15):
            assert await send(publishing, timedelta(seconds=seconds)) == Receipt(pending=2, put_off=2)
            assert [mail.recipient for mail in server.accepted] == [LI]
        server.plan.recipients.clear()
        assert await send(publishing, timedelta(minutes=1)) == Receipt()
    assert [mail.message["X-Onboarding-Template"] for mail in server.accepted] == [
        *("review_requested", "application_received", "sheet_to_confirm")
    ]


async def test_a_message_put_off_at_its_end_holds_up_no_other_recipient(
    database: Database, ledger: EmailLedger
) -> None:
    async with SmtpServer(Plan(data=["451 4.3.0 try later"])).running() as server:
        publishing = activities(database, server.url)
        assert await send(publishing) == Receipt(pending=2, put_off=2)
        assert [mail.recipient for mail in server.accepted] == [LI]
        assert await send(publishing) == Receipt()
    assert [mail.recipient for mail in server.accepted] == [LI, MEI, MEI]


@pytest.mark.parametrize("answer", ["451 4.7.1 greylisted", "452 4.2.2 mailbox full", DENIED])
async def test_who_is_refused_for_days_while_others_are_not_is_given_up_and_told_like_a_bounce(
    database: Database, ledger: EmailLedger, answer: str
) -> None:
    async with SmtpServer(Plan(recipients={MEI: answer})).running() as server:
        publishing = activities(database, server.url)
        for since in (timedelta(), GIVE_UP_AFTER - MOMENT):
            assert await send(publishing, since) == Receipt(pending=2, put_off=2)
        await publish(publishing, publication(with_form(application(), 1), entry(3, APPROVED)))
        for _ in range(2):
            receipt = await send(publishing, GIVE_UP_AFTER + MOMENT)
            # What has waited behind it has waited as long; what came later has a time of its own.
            assert [failed.key for failed in receipt.failed] == [TO_MEI, MEI_AGAIN]
            assert receipt.failed[0].reason == f"recipient refused: {answer} (3 times since 2025-03-14)"
            assert (receipt.pending, receipt.put_off) == (1, 1)
    assert list((await states(ledger)).values()) == [
        *(LedgerState.FAILED, LedgerState.SENT, LedgerState.FAILED, LedgerState.PENDING)
    ]


async def test_a_partner_denied_for_a_day_while_another_is_not_is_believed_to_be_denied_himself(
    database: Database, ledger: EmailLedger
) -> None:
    await partner(database, "run-2", ADA)
    async with SmtpServer(Plan(recipients={MEI: DENIED})).running() as server:
        publishing = activities(database, server.url)
        assert await send(publishing) == Receipt(pending=2, put_off=2)
        await send(publishing, timedelta(hours=1), "run-2")
        assert not (await send(publishing, DOUBTED_FOR - MOMENT)).failed
        for _ in range(2):
            receipt = await send(publishing, DOUBTED_FOR + MOMENT)
            assert [failed.key for failed in receipt.failed] == [TO_MEI, MEI_AGAIN]
    assert [mail.recipient for mail in server.accepted] == [LI, ADA]


async def test_mails_to_our_own_staff_do_not_prove_that_we_may_send_to_partners(
    database: Database, ledger: EmailLedger
) -> None:
    """A server takes mails for its own domain from anybody, and relays to others for few."""
    await partner(database, "run-2", ADA)
    async with SmtpServer(Plan(recipients={MEI: DENIED, ADA: DENIED})).running() as server:
        publishing = activities(database, server.url)
        for since in (timedelta(), 2 * DOUBTED_FOR, 2 * GIVE_UP_AFTER, 10 * GIVE_UP_AFTER):
            for name in ("run-1", "run-2"):
                assert not (await send(publishing, since, name)).failed
        assert [mail.recipient for mail in server.accepted] == [LI]


async def test_what_the_server_took_before_it_refused_proves_nothing(
    database: Database, ledger: EmailLedger
) -> None:
    await partner(database, "run-2", ADA)
    async with SmtpServer(Plan(recipients={MEI: DENIED, LI: DENIED})).running() as server:
        publishing = activities(database, server.url)
        await send(publishing, -MOMENT, "run-2")
        for since in (timedelta(), 2 * DOUBTED_FOR, 2 * GIVE_UP_AFTER):
            assert not (await send(publishing, since)).failed


async def test_who_was_only_put_off_before_is_not_denied_for_long(
    database: Database, ledger: EmailLedger
) -> None:
    await partner(database, "run-2", ADA)
    async with SmtpServer(Plan(recipients={MEI: DENIED})).running() as server:
        publishing = activities(database, server.url)
        await send(publishing)
        await send(publishing, MOMENT, "run-2")
        server.plan.recipients[MEI] = "451 4.7.1 greylisted"
        await send(publishing, DOUBTED_FOR - MOMENT)
        server.plan.recipients[MEI] = DENIED
        assert not (await send(publishing, DOUBTED_FOR)).failed
        assert not (await send(publishing, 2 * DOUBTED_FOR - MOMENT)).failed


async def test_staff_denied_for_a_day_while_others_are_not_is_believed(
    database: Database, ledger: EmailLedger
) -> None:
    async with SmtpServer(Plan(recipients={LI: DENIED})).running() as server:
        publishing = activities(database, server.url)
        assert await send(publishing) == Receipt(pending=1, put_off=1)
        await partner(database, "run-2", ADA)
        await send(publishing, MOMENT, "run-2")
        receipt = await send(publishing, DOUBTED_FOR + MOMENT)
        assert [failed.key for failed in receipt.failed] == [TO_LI]


# What comes while somebody is refused


async def test_a_publication_sends_to_the_others_and_leaves_who_was_refused_alone(
    database: Database, ledger: EmailLedger
) -> None:
    async with SmtpServer(Plan(recipients={MEI: DENIED})).running() as server:
        publishing = activities(database, server.url)
        assert await send(publishing) == Receipt(pending=2, put_off=2)
        server.plan.recipients.clear()
        for _ in range(2):
            assert await publish(publishing, TO_ADA) == Receipt(pending=2, put_off=2)
        assert [mail.recipient for mail in server.accepted] == [LI, ADA]
        assert [row.attempts for row in await ledger.of("run-1")] == [1, 1, 0, 1]
        assert await send(publishing) == Receipt()
    assert [mail.recipient for mail in server.accepted] == [LI, ADA, MEI, MEI]


async def test_a_publication_that_is_tried_again_tries_who_was_refused_again(
    database: Database, ledger: EmailLedger
) -> None:
    """What it still has to do, a platform that is down may hold up for long; so long nobody else sends."""
    async with SmtpServer(Plan(recipients={MEI: DENIED})).running() as server:
        publishing = activities(database, server.url)
        assert await publish(publishing, TO_ADA) == Receipt(pending=2, put_off=2)
        server.plan.recipients.clear()
        environment = ActivityEnvironment()
        environment.info = replace(environment.info, attempt=2)
        assert await publish(publishing, TO_ADA, environment) == Receipt()
    assert [mail.recipient for mail in server.accepted] == [LI, ADA, MEI, MEI]


# The limit of a publication


async def test_the_mail_under_way_at_the_limit_is_finished_and_no_other_begun(
    database: Database, ledger: EmailLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time for beginning is over while the server makes up its mind."""
    loop = asyncio.get_running_loop()
    time = loop.time
    async with SmtpServer(Plan()).running() as server:
        monkeypatch.setattr(loop, "time", lambda: time() + (480 if server.reached_data.is_set() else 0))
        publishing = activities(database, server.url, timeout=3600, send_within=timedelta(minutes=10))
        assert await publish(publishing, TO_ADA) == Receipt(pending=3)
        assert [mail.recipient for mail in server.accepted] == [MEI]
        assert [row.attempts for row in await ledger.of("run-1")] == [1, 0, 0, 0]
        assert await send(publishing) == Receipt()
    assert [mail.recipient for mail in server.accepted] == [MEI, LI, MEI, ADA], "none came twice"


async def test_a_mail_cut_off_at_the_limit_comes_again_under_its_message_id(
    database: Database, ledger: EmailLedger
) -> None:
    async with SmtpServer(Plan(answer_after=30)).running() as server:
        publishing = activities(database, server.url, send_within=timedelta(seconds=2))
        assert await publish(publishing, TO_ADA) == Receipt(pending=4)
        assert [mail.recipient for mail in server.accepted] == [MEI]
        server.plan.answer_after = 0
        assert await send(activities(database, server.url)) == Receipt()
    assert [mail.recipient for mail in server.accepted] == [MEI, MEI, LI, MEI, ADA]
    ids = [mail.message["Message-ID"] for mail in server.accepted]
    assert (ids[0] == ids[1], len(set(ids))) == (True, 4)
