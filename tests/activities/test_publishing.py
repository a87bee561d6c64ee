"""What was decided leaves: stored first, then mailed, whatever is down."""

import asyncio
from datetime import timedelta
from typing import Any

import jinja2
import pytest
from sqlalchemy import text
from sqlalchemy.event import listen
from sqlalchemy.exc import SQLAlchemyError
from temporalio.testing import ActivityEnvironment

from activities.db.access import SqlAcpnAccess
from activities.db.applications import ApplicationRecords
from activities.db.email_ledger import EmailLedger, LedgerState
from activities.db.engine import Database
from activities.db.schema import Schema
from activities.delivering import heartbeats
from activities.emails.addressed import AddressedNotice
from activities.emails.render import RenderedNotice, Renderer
from activities.smtp import TemporaryDeliveryError
from domain.chain import broken_at
from domain.publication import Receipt
from tests.activities.cancelling import in_the_loop
from tests.activities.examples import (
    APPROVED,
    RECEIVED,
    REQUESTED,
    application,
    entry,
    grant,
    publication,
    submitted,
    with_form,
)
from tests.activities.senders import (
    CONFIRMING,
    FIRST,
    LI,
    LINKS,
    MEI,
    NOWHERE,
    SECOND,
    UNDER_REVIEW,
    activities,
    deliver,
    publish,
    stored,
    take_up,
)
from tests.databases import Postgresql
from tests.smtp_server import Plan, SmtpServer


async def states(ledger: EmailLedger) -> list[LedgerState]:
    return [row.state for row in await ledger.of("run-1")]


# Publishing


async def test_what_is_published_is_stored_and_its_mails_leave_in_order(
    database: Database, ledger: EmailLedger
) -> None:
    async with SmtpServer(Plan()).running() as server:
        publishing = activities(database, server.url)
        for what in (FIRST, SECOND):
            assert await publish(publishing, what) == Receipt()

    assert [mail.recipient for mail in server.accepted] == [MEI, LI, MEI]
    assert [mail.message["X-Onboarding-Template"] for mail in server.accepted] == [
        "application_received",
        "review_requested",
        "sheet_to_confirm",
    ]
    assert await states(ledger) == [LedgerState.SENT] * 3
    assert await stored(database) == (2, 0)


async def test_publishing_again_sends_nothing_twice(database: Database) -> None:
    async with SmtpServer(Plan()).running() as server:
        publishing = activities(database, server.url)
        for _ in range(3):
            assert await publish(publishing, FIRST) == Receipt()
    assert [mail.recipient for mail in server.accepted] == [MEI, LI]


async def test_without_an_endpoint_of_webhooks_publishing_asks_for_none(database: Database) -> None:
    """Whether there is one is a part of what is asked anyway."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    publishing = activities(database, NOWHERE)
    listen(database.engine, "before_cursor_execute", note)
    await publish(publishing, FIRST)

    asking = [statement for statement in statements if "webhook" in statement]
    assert len(asking) == 1
    assert "emails" in asking[0]
    assert not [statement for statement in statements if "event_log" in statement]


async def test_with_the_mail_server_down_everything_is_stored_and_the_mails_wait(
    database: Database, ledger: EmailLedger
) -> None:
    down = activities(database, NOWHERE)
    assert await publish(down, FIRST) == Receipt(pending=2)
    assert await publish(down, SECOND.model_copy(update={"hold": True})) == Receipt(pending=3)
    assert await stored(database) == (2, 3)
    for _ in range(2):
        with pytest.raises(TemporaryDeliveryError):
            await deliver(down)
    assert await states(ledger) == [LedgerState.PENDING] * 3

    async with SmtpServer(Plan()).running() as server:
        assert await deliver(activities(database, server.url)) == Receipt()
    assert [mail.recipient for mail in server.accepted] == [MEI, LI, MEI]
    assert await stored(database) == (2, 0)


async def test_mails_told_to_be_held_do_not_overtake(database: Database, ledger: EmailLedger) -> None:
    async with SmtpServer(Plan()).running() as server:
        publishing = activities(database, server.url)
        held = FIRST.model_copy(update={"hold": True})
        assert await publish(publishing, held) == Receipt(pending=2)
        assert not server.accepted
        assert await publish(publishing, SECOND) == Receipt()
    assert [mail.recipient for mail in server.accepted] == [MEI, LI, MEI]


async def test_a_mail_server_that_hangs_is_not_waited_for(database: Database, ledger: EmailLedger) -> None:
    """It hangs until the activity has returned, so that returning at all is the proof."""
    async with SmtpServer(Plan(hang=True)).running() as server:
        publishing = activities(database, server.url, send_within=timedelta(seconds=0.2))
        assert await publish(publishing, FIRST) == Receipt(pending=2)
    assert await stored(database) == (1, 2)
    async with SmtpServer(Plan()).running() as server:
        assert await deliver(activities(database, server.url)) == Receipt()
    assert [mail.recipient for mail in server.accepted] == [MEI, LI]


async def test_a_mail_that_bounces_is_in_the_receipt_and_the_others_leave(
    database: Database, ledger: EmailLedger
) -> None:
    async with SmtpServer(Plan(recipients={MEI: "550 no such mailbox"})).running() as server:
        publishing = activities(database, server.url)
        receipt = await publish(publishing, FIRST)
        assert [failed.key for failed in receipt.failed] == ["1.application_received"]
        assert (receipt.pending, receipt.failed_through) == (0, 1)
        known = SECOND.model_copy(update={"failed_through": receipt.failed_through})
        later = await publish(publishing, known)
    assert [failed.key for failed in later.failed] == ["2.sheet_to_confirm"]
    assert [mail.recipient for mail in server.accepted] == [LI]


class Misprint(Renderer):
    """A release with a template that is wrong."""

    def render(self, mail: AddressedNotice) -> RenderedNotice:
        raise jinja2.UndefinedError("'notice' has no attribute 'sheat'")


async def test_a_template_that_is_wrong_holds_mails_up_and_nothing_else(
    database: Database, ledger: EmailLedger
) -> None:
    async with SmtpServer(Plan()).running() as server:
        misprinted = activities(database, server.url, renderer=Misprint(LINKS))
        assert await publish(misprinted, FIRST) == Receipt(pending=2)
        with pytest.raises(jinja2.TemplateError):
            await deliver(misprinted)
        assert await stored(database) == (1, 2)
        assert await deliver(activities(database, server.url)) == Receipt()
    assert [mail.recipient for mail in server.accepted] == [MEI, LI]


async def test_what_comes_from_before_a_reset_writes_sends_and_closes_nothing(
    database: Database, ledger: EmailLedger
) -> None:
    access = SqlAcpnAccess(database)
    async with SmtpServer(Plan()).running() as server:
        publishing = activities(database, server.url)
        await publish(publishing, FIRST)
        await take_up(publishing)
        await access.give([grant("1002")])
        late = publication(CONFIRMING, entry(2, APPROVED, close_access_of="1001"), after=UNDER_REVIEW)
        assert await publish(publishing, late) == Receipt(superseded=True)
        assert [mail.recipient for mail in server.accepted] == [MEI, LI]
    assert await stored(database) == (1, 0)
    assert await access.grants("1001") == (grant("1002"),)


async def test_changes_since_what_the_database_has_lost_are_asked_for_as_a_whole(
    database: Database, ledger: EmailLedger
) -> None:
    async with SmtpServer(Plan()).running() as server:
        publishing = activities(database, server.url)
        assert await publish(publishing, SECOND) == Receipt(behind=True)
        assert not server.accepted
        whole = publication(UNDER_REVIEW, entry(2, APPROVED))
        assert await publish(publishing, whole) == Receipt()
    assert await stored(database) == (2, 0)


async def test_a_cancelled_publication_is_stored_or_not_and_its_mails_leave_once(
    database: Database, ledger: EmailLedger
) -> None:
    """Cancelled at one statement after the other, as when a worker stops; then published again."""
    statements, step = 0, 0
    environment = ActivityEnvironment()

    def cancel(*_: object) -> None:
        nonlocal statements
        statements += 1
        if statements == step:
            cancel_it()

    cancel_it = in_the_loop(lambda: environment.cancel())
    listen(database.engine, "before_cursor_execute", cancel)
    async with SmtpServer(Plan()).running() as server:
        publishing = activities(database, server.url)
        while statements >= step:
            step += 1
            name, number = f"run-{step}", step
            subject = with_form(application(name, uid=str(number)), 1)
            what = publication(subject, submitted(1, 1, RECEIVED, REQUESTED))
            environment, statements = ActivityEnvironment(), 0
            cancelled = False
            try:
                await publish(publishing, what, environment)
            except asyncio.CancelledError:
                cancelled = True
            assert cancelled == (statements >= step)
            reached, again = statements, step
            step = 0
            assert await publish(publishing, what) == Receipt()
            assert [row.state for row in await ledger.of(name)] == [LedgerState.SENT] * 2
            statements, step = reached, again
    assert step > 15, "it was cancelled while it stored and while it sent"
    assert [mail.recipient for mail in server.accepted] == [MEI, LI] * step


# The database


async def test_with_the_database_down_nothing_leaves(unmigrated_url: str) -> None:
    database = Database(unmigrated_url)
    async with SmtpServer(Plan()).running() as server:
        publishing = activities(database, server.url)
        with pytest.raises(SQLAlchemyError):
            await publish(publishing, FIRST)
        with pytest.raises(SQLAlchemyError):
            await deliver(publishing)
        with pytest.raises(SQLAlchemyError):
            await take_up(publishing)
        assert not server.accepted
    await database.dispose()


async def test_what_a_lost_database_server_did_not_take_is_stored_when_it_is_back(
    own_postgresql: Postgresql,
) -> None:
    database = Database(own_postgresql.url(own_postgresql.create()))
    await Schema(database).migrate()
    async with SmtpServer(Plan()).running() as server:
        publishing = activities(database, server.url)
        assert await publish(publishing, FIRST) == Receipt()
        own_postgresql.stop()
        for _ in range(2):
            with pytest.raises(SQLAlchemyError):
                await publish(publishing, SECOND)
        assert len(server.accepted) == 2
        own_postgresql.start()
        for _ in range(2):
            assert await publish(publishing, SECOND) == Receipt()
    assert await stored(database) == (2, 0)
    assert broken_at("run-1", await ApplicationRecords(database).trail("run-1")) is None
    assert [mail.recipient for mail in server.accepted] == [MEI, LI, MEI]
    await database.dispose()


async def test_a_database_that_is_busy_is_waited_for(database_url: str) -> None:
    """Somebody else holds what has to be written, and lets go while it is waited for."""
    database, other = Database(database_url), Database(database_url)
    waits = asyncio.Event()
    told = in_the_loop(waits.set)
    listen(database.engine, "before_cursor_execute", lambda *_: told())
    async with SmtpServer(Plan()).running() as server:
        with other.engine.connect() as connection:
            if other.engine.dialect.name == "sqlite":
                connection = connection.execution_options(sqlite_begin="BEGIN IMMEDIATE")
                connection.execute(text("SELECT 1"))
            else:
                connection.execute(text("LOCK TABLE audit_heads IN ACCESS EXCLUSIVE MODE"))
            publishing = asyncio.create_task(publish(activities(database, server.url), FIRST))
            await waits.wait()
            assert not publishing.done()
        assert await publishing == Receipt()
    assert await stored(database) == (1, 0)
    await database.dispose()
    await other.dispose()


# Heartbeats


async def test_what_ends_soon_does_not_beat() -> None:
    """Each one is a call to Temporal."""
    environment = ActivityEnvironment()
    beaten: list[Any] = []
    environment.on_heartbeat = lambda *details: beaten.append(details)

    async def work() -> None:
        async with heartbeats():
            await asyncio.sleep(0)

    await environment.run(work)
    assert beaten == []


async def test_it_beats_as_long_as_it_works(database: Database) -> None:
    environment = ActivityEnvironment()
    beaten: list[Any] = []
    enough = asyncio.Event()

    def heard(*details: Any) -> None:
        beaten.append(details)
        if len(beaten) > 3:
            enough.set()

    environment.on_heartbeat = heard
    async with SmtpServer(Plan(hang=True)).running() as server:
        publishing = asyncio.create_task(publish(activities(database, server.url), FIRST, environment))
        await server.reached_data.wait()
        await enough.wait()
        environment.cancel()
        with pytest.raises(asyncio.CancelledError):
            await publishing
    assert await stored(database) == (1, 2)
