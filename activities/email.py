"""The activity that sends e-mails: in order, each at least once, a recorded one never again (design §4)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from temporalio import activity

from activities.db.email_ledger import EmailLedger, LedgerState
from activities.emails.message import MessageFactory, UnsafeMessageError
from activities.emails.render import Renderer
from activities.smtp import DeferredRecipientError, PermanentDeliveryError, SmtpConnection, SmtpTransport
from domain.emails import EmailBatch, EmailReceipt
from domain.letters import AnyLetter
from domain.status import FailedEmail

HEARTBEAT_SECONDS: Final = 3.0
"""A third of the shortest heartbeat timeout the workflow uses (10 s)."""
MOST_DEFERRALS: Final = 20
"""How often a recipient may be put off. With pauses from a second to five minutes that takes an hour;
greylisting ends within minutes, and a person can have the mail sent again (`resend_email`)."""


class EmailActivities:
    """Renders letters and hands them to the mail server."""

    def __init__(
        self,
        ledger: EmailLedger,
        transport: SmtpTransport,
        renderer: Renderer,
        messages: MessageFactory,
        *,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._ledger = ledger
        self._transport = transport
        self._renderer = renderer
        self._messages = messages
        self._heartbeat_seconds = heartbeat_seconds

    @activity.defn
    async def send_emails(self, batch: EmailBatch) -> EmailReceipt:
        """Send the letters of one application in order, skipping those the ledger knows as sent.

        A letter that can't be delivered is recorded, reported in the receipt and passed over; so is one whose
        recipient was put off `MOST_DEFERRALS` times, lest it holds up the others' for ever.

        Raises:
            TemporaryDeliveryError: the mail server can't take a letter now; the retry goes on with that one,
                under the same Message-ID.
            sqlalchemy.exc.SQLAlchemyError: the database is down; to be retried likewise.
            jinja2.TemplateError: a template is wrong; the letter waits for the release that cures it.
        """
        failed: list[FailedEmail] = []
        async with self._transport.connection() as connection:
            for letter in batch.letters:
                async with _heartbeats(letter.key, self._heartbeat_seconds):
                    failure = await self._settle(letter, connection)
                if failure is not None:
                    failed.append(failure)
        return EmailReceipt(failed=tuple(failed))

    async def _settle(self, letter: AnyLetter, connection: SmtpConnection) -> FailedEmail | None:
        # Temporal's time, which the workflow's clock follows; the machine's own may be another.
        at = activity.info().current_attempt_scheduled_time
        state = await self._ledger.state(letter.application_id, letter.key)
        if state is LedgerState.SENT:
            return None
        if state is LedgerState.FAILED:
            return await self._failed_before(letter, at)
        try:
            await self._send(letter, connection)
        except DeferredRecipientError as error:
            times = await self._ledger.deferred(letter.application_id, letter.key, str(error))
            if times < MOST_DEFERRALS:
                raise
            return await self._given_up(letter, f"{error} ({times} times)", at)
        except (UnsafeMessageError, PermanentDeliveryError) as error:
            return await self._given_up(letter, str(error), at)
        await self._ledger.sent(letter.application_id, letter.key, at)
        return None

    async def _given_up(self, letter: AnyLetter, reason: str, at: datetime) -> FailedEmail:
        activity.logger.warning("E-mail can't be delivered", extra={"key": letter.key})
        await self._ledger.failed(letter.application_id, letter.key, reason, at)
        return _failure(letter, reason, at)

    async def _failed_before(self, letter: AnyLetter, at: datetime) -> FailedEmail:
        """What the ledger says of a letter that failed in an attempt whose receipt never arrived."""
        rows = await self._ledger.of(letter.application_id)
        row = next(row for row in rows if row.key == letter.key)
        return _failure(letter, row.reason or "", row.failed_at or at)

    async def _send(self, letter: AnyLetter, connection: SmtpConnection) -> None:
        rendered = self._renderer.render(letter)
        await self._ledger.attempt(letter, self._messages.message_id(letter), rendered.subject)
        message = self._messages.build(letter, rendered)
        await connection.send(
            message.sender, message.recipient, message.content, needs_utf8=message.needs_utf8
        )


def _failure(letter: AnyLetter, reason: str, at: datetime) -> FailedEmail:
    return FailedEmail(key=letter.key, template=letter.template, to=letter.to.email, reason=reason, at=at)


@asynccontextmanager
async def _heartbeats(key: str, every_seconds: float) -> AsyncIterator[None]:
    """Report ``key`` as in work; without heartbeats neither a cancellation nor a dead worker is noticed."""

    async def beat() -> None:
        while True:
            activity.heartbeat(key)
            await asyncio.sleep(every_seconds)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
