"""Sends what waits in the ledger: to each recipient in order, at least once, a recorded one never again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final

from temporalio import activity

from activities.db.email_ledger import EmailLedger, Waiting
from activities.emails.addressed import AddressedNotice
from activities.emails.message import MessageFactory, UnsafeMessageError
from activities.emails.render import Renderer
from activities.smtp import PermanentDeliveryError, RecipientRefusedError, SmtpConnection, SmtpTransport
from activities.smtp_replies import Judgement, Proof, proof_needed
from domain.publication import Lineage

HEARTBEAT_SECONDS: Final = 3.0
"""A third of the shortest heartbeat timeout the workflow uses (10 s)."""


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

    async def send_waiting(
        self, lineage: Lineage, waiting: Waiting | None = None, *, begin_until: float | None = None
    ) -> None:
        """Send the e-mails of one application that wait, to each recipient in order.

        One that can't be delivered is recorded and passed over. A recipient who is refused for now holds up
        what else is for him, and nobody else; when that is given up says `smtp_replies.proof_needed`.

        ``waiting``: those that are to be sent, if it is not all. ``begin_until``: the time of the event loop
        after which no further e-mail is begun.

        Raises:
            TemporaryDeliveryError: the mail server can't take one now; the next attempt goes on with that
                one, under the same Message-ID.
            sqlalchemy.exc.SQLAlchemyError: the database is down.
            jinja2.TemplateError: a template is wrong; the notice waits for the release that cures it.
        """
        mails = await self._ledger.waiting(lineage) if waiting is None else waiting.mails()
        if not mails:
            return
        sender = _Sender(self._ledger, self._renderer, self._messages, lineage)
        async with self._transport.connection() as connection:
            for mail in mails:
                if begin_until is not None and asyncio.get_running_loop().time() > begin_until:
                    return
                await sender.send(mail, connection)


class _Sender:
    """One attempt to send what waits of an application."""

    def __init__(
        self, ledger: EmailLedger, renderer: Renderer, messages: MessageFactory, lineage: Lineage
    ) -> None:
        self._ledger = ledger
        self._renderer = renderer
        self._messages = messages
        self._lineage = lineage
        info = activity.info()
        # Temporal's time, which the workflow's clock follows; the machine's own may be another.
        self._due_at = info.current_attempt_scheduled_time
        self._begun_at = info.started_time
        self._begun = asyncio.get_running_loop().time()
        self._refused = set[str]()

    async def send(self, mail: AddressedNotice, connection: SmtpConnection) -> None:
        """Send an e-mail, unless one before it waits for the same recipient."""
        if mail.to.email in self._refused:
            return
        rendered = self._renderer.render(mail)
        message_id = self._messages.message_id(mail)
        if not await self._ledger.attempt(self._lineage, mail, message_id, rendered.subject):
            return
        try:
            message = self._messages.build(mail, rendered)
            await connection.send(
                message.sender, message.recipient, message.content, needs_utf8=message.needs_utf8
            )
        except RecipientRefusedError as error:
            await self._put_off(mail, error)
        except (UnsafeMessageError, PermanentDeliveryError) as error:
            await self._give_up(mail, str(error))
        else:
            # Once somebody is refused it shows that others are not: after that, then.
            at = self._now if self._refused else self._due_at
            await self._ledger.sent(mail.application_id, mail.key, at)

    @property
    def _now(self) -> datetime:
        return self._begun_at + timedelta(seconds=asyncio.get_running_loop().time() - self._begun)

    async def _put_off(self, mail: AddressedNotice, error: RecipientRefusedError) -> None:
        now, denied = self._now, error.judgement is Judgement.DOUBTFUL
        refusals = await self._ledger.refused(mail, error.reason, now, denied=denied)
        if refusals is None:
            return
        denied_since = refusals.denied_since or now
        proof = proof_needed(error.judgement, now - refusals.since, now - denied_since)
        since = denied_since if proof is Proof.ALIKE else refusals.since
        if proof and await self._ledger.proves(proof, mail, since):
            times = f"{refusals.times} times since {refusals.since:%Y-%m-%d}"
            await self._give_up(mail, f"{error.reason} ({times})")
        else:
            self._refused.add(mail.to.email)

    async def _give_up(self, mail: AddressedNotice, reason: str) -> None:
        activity.logger.warning("E-mail can't be delivered", extra={"key": mail.key})
        await self._ledger.failed(mail.application_id, mail.key, reason, self._due_at)


@asynccontextmanager
async def heartbeats(every_seconds: float = HEARTBEAT_SECONDS) -> AsyncIterator[None]:
    """Report as at work; without heartbeats neither a cancellation nor a dead worker is noticed."""

    async def beat() -> None:
        # Most work ends before the first one, which would say no more than that it has begun.
        while True:
            await asyncio.sleep(every_seconds)
            activity.heartbeat()

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
