"""Sends what waits in the ledger: in order, each at least once, a recorded one never again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from temporalio import activity

from activities.db.email_ledger import EmailLedger
from activities.emails.addressed import AddressedNotice
from activities.emails.message import MessageFactory, UnsafeMessageError
from activities.emails.render import Renderer
from activities.smtp import DeferredRecipientError, PermanentDeliveryError, SmtpConnection, SmtpTransport
from domain.publication import Lineage

HEARTBEAT_SECONDS: Final = 3.0
"""A third of the shortest heartbeat timeout the workflow uses (10 s)."""
MOST_DEFERRALS: Final = 20
"""How often a recipient may be put off. With pauses from a second to five minutes that takes an hour;
greylisting ends within minutes, and a person can have the mail sent again (`resend_email`)."""


class Deliverer:
    """Renders notices and hands them to the mail server."""

    def __init__(
        self,
        ledger: EmailLedger,
        transport: SmtpTransport,
        renderer: Renderer,
        messages: MessageFactory,
    ) -> None:
        self._ledger = ledger
        self._transport = transport
        self._renderer = renderer
        self._messages = messages

    async def send_waiting(self, lineage: Lineage) -> None:
        """Send the e-mails of one application that wait.

        One that can't be delivered is recorded and passed over; so is one whose recipient was put off
        `MOST_DEFERRALS` times, lest it holds up the others for ever.

        Raises:
            TemporaryDeliveryError: the mail server can't take one now; the next attempt goes on with that
                one, under the same Message-ID.
            sqlalchemy.exc.SQLAlchemyError: the database is down.
            jinja2.TemplateError: a template is wrong; the notice waits for the release that cures it.
        """
        mails = await self._ledger.waiting(lineage)
        if not mails:
            return
        async with self._transport.connection() as connection:
            for mail in mails:
                await self._send(lineage, mail, connection)

    async def _send(self, lineage: Lineage, mail: AddressedNotice, connection: SmtpConnection) -> None:
        # Temporal's time, which the workflow's clock follows; the machine's own may be another.
        at = activity.info().current_attempt_scheduled_time
        rendered = self._renderer.render(mail)
        message_id = self._messages.message_id(mail)
        if not await self._ledger.attempt(lineage, mail, message_id, rendered.subject):
            return
        try:
            message = self._messages.build(mail, rendered)
            await connection.send(
                message.sender, message.recipient, message.content, needs_utf8=message.needs_utf8
            )
        except DeferredRecipientError as error:
            times = await self._ledger.deferred(mail.application_id, mail.key, str(error))
            if times < MOST_DEFERRALS:
                raise
            await self._give_up(mail, f"{error} ({times} times)", at)
        except (UnsafeMessageError, PermanentDeliveryError) as error:
            await self._give_up(mail, str(error), at)
        else:
            await self._ledger.sent(mail.application_id, mail.key, at)

    async def _give_up(self, mail: AddressedNotice, reason: str, at: datetime) -> None:
        activity.logger.warning("E-mail can't be delivered", extra={"key": mail.key})
        await self._ledger.failed(mail.application_id, mail.key, reason, at)


@asynccontextmanager
async def heartbeats(every_seconds: float = HEARTBEAT_SECONDS) -> AsyncIterator[None]:
    """Report as at work; without heartbeats neither a cancellation nor a dead worker is noticed."""

    async def beat() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(every_seconds)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
