"""The activities that deliver webhooks: at least once, in order for each application, none left out."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Final

from temporalio import activity

from activities.db.engine import Database
from activities.db.event_log import EventLog
from activities.db.webhook_deliveries import MOST_PENDING, WebhookDeliveries
from activities.db.webhook_endpoints import EndpointState, WebhookEndpoint, WebhookEndpoints
from activities.delivering import HEARTBEAT_SECONDS, heartbeats
from activities.emails.message import MessageFactory
from activities.smtp import PermanentDeliveryError, SmtpTransport
from activities.webhooks.sender import Target, WebhookSender
from domain.webhooks import Outcome, Outgoing

LANES: Final = 8
"""Applications of an endpoint whose deliveries are under way at the same time."""
MOST_DUE: Final = 200
BEGIN_WITHIN: Final = timedelta(seconds=20)
"""How long one attempt of the activity begins deliveries; then others get the worker's slot."""
AT_WORK: Final = timedelta(seconds=60)
"""How long nobody wakes an endpoint that somebody is at work for: longer than a round can take."""
LOOK_AGAIN: Final = 0.05
"""Seconds, while an event is being written."""


class WebhookActivities:
    """Delivers to one endpoint at a time."""

    def __init__(
        self,
        database: Database,
        sender: WebhookSender,
        mail: SmtpTransport,
        messages: MessageFactory,
        ops_email: str | None,
        *,
        begin_within: timedelta = BEGIN_WITHIN,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._endpoints = WebhookEndpoints(database)
        self._deliveries = WebhookDeliveries(database)
        self._log = EventLog(database)
        self._sender = sender
        self._mail = mail
        self._messages = messages
        self._ops_email = ops_email
        self._begin_within = begin_within.total_seconds()
        self._heartbeat_seconds = heartbeat_seconds

    @activity.defn(name="send_webhooks")
    async def send_webhooks(self, outgoing: Outgoing) -> Outcome:
        """Deliver what is due, and what becomes due meanwhile.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database is down; to be tried again, as often as it takes.
        """
        clock = _Clock()
        begin_until = asyncio.get_running_loop().time() + self._begin_within
        async with heartbeats(self._heartbeat_seconds):
            while True:
                endpoint = await self._endpoints.get(outgoing.endpoint_id)
                if endpoint is None or endpoint.state is EndpointState.OFF:
                    return Outcome(on=False, told=endpoint is None or endpoint.told_at is not None)
                await self._endpoints.at_work(endpoint.endpoint_id, datetime.now(UTC) + AT_WORK)
                did_something = await self._round(endpoint, clock, begin_until)
                if not did_something and await self._falls_asleep(endpoint.endpoint_id):
                    break
                if asyncio.get_running_loop().time() >= begin_until:
                    return Outcome(more=True)
                if not did_something:
                    await asyncio.sleep(LOOK_AGAIN)
            now = clock.now
            await self._deliveries.forget(outgoing.endpoint_id, now)
            next_at = await self._deliveries.next_at(outgoing.endpoint_id)
            return Outcome(pause=None if next_at is None else max(next_at - now, timedelta(0)))

    async def _falls_asleep(self, endpoint_id: str) -> bool:
        """Whether nothing is left; what is written from now on wakes the endpoint.

        It looks once more after it has said so: whoever has stored an event before did not wake it, whoever
        stores one later does.
        """
        await self._endpoints.at_work(endpoint_id, None)
        endpoint = await self._endpoints.get(endpoint_id)
        if endpoint is None or await self._deliveries.pending(endpoint_id) >= MOST_PENDING:
            return True
        return not await self._log.has_more(endpoint.position)

    async def _round(self, endpoint: WebhookEndpoint, clock: "_Clock", begin_until: float) -> bool:
        """Whether there was anything to do."""
        await self._log.extend()
        read = await self._deliveries.queue(endpoint, clock.now)
        due = await self._deliveries.due(endpoint.endpoint_id, clock.now, MOST_DUE)
        if not due:
            return read > 0
        secrets = await self._endpoints.secrets(endpoint.endpoint_id)
        async with self._sender.to(endpoint.url) as target:
            lanes = _Lanes(self._deliveries, endpoint.endpoint_id, target, secrets, due, clock, begin_until)
            await lanes.run(LANES)
        return True

    @activity.defn(name="tell_of_webhooks")
    async def tell_of_webhooks(self, outgoing: Outgoing) -> Outcome:
        """Tell the operators that the endpoint was switched off, once.

        Raises:
            activities.smtp.TemporaryDeliveryError: the mail server can't take it now.
            sqlalchemy.exc.SQLAlchemyError: the database is down.
        """
        async with heartbeats(self._heartbeat_seconds):
            endpoint = await self._endpoints.get(outgoing.endpoint_id)
            if endpoint is None:
                return Outcome(on=False)
            if endpoint.state is EndpointState.ON:
                return Outcome()
            if endpoint.told_at is None:
                await self._tell(endpoint)
                await self._endpoints.told(endpoint.endpoint_id, _Clock().now)
            return Outcome(on=False)

    async def _tell(self, endpoint: WebhookEndpoint) -> None:
        # Not the URL: it may hold a token.
        activity.logger.warning("Webhook endpoint %s was switched off", endpoint.endpoint_id)
        if self._ops_email is None:
            return
        off_at = endpoint.switched_off_at or _Clock().now
        message = self._messages.plain(
            self._ops_email,
            f"Webhook endpoint {endpoint.endpoint_id} was switched off",
            _SWITCHED_OFF.format(
                endpoint_id=endpoint.endpoint_id, at=format_datetime(off_at), reason=endpoint.reason
            ),
            at=off_at,
            names=("webhook-endpoint", endpoint.endpoint_id, off_at.isoformat()),
        )
        try:
            async with self._mail.connection() as connection:
                await connection.send(
                    message.sender, message.recipient, message.content, needs_utf8=message.needs_utf8
                )
        except PermanentDeliveryError as error:
            activity.logger.error("ONBOARDING_OPS_EMAIL does not take e-mails: %s", error.reason)


class _Clock:
    """Temporal's time, which the workflow's clock follows; the machine's own may be another."""

    def __init__(self) -> None:
        self._begun_at = activity.info().started_time
        self._begun = asyncio.get_running_loop().time()

    @property
    def now(self) -> datetime:
        return self._begun_at + timedelta(seconds=asyncio.get_running_loop().time() - self._begun)


class _Lanes:
    """Takes one application after the other, and delivers what waits of it until something is not taken."""

    def __init__(
        self,
        deliveries: WebhookDeliveries,
        endpoint_id: str,
        target: Target,
        secrets: Sequence[str],
        due: Iterable[str],
        clock: _Clock,
        begin_until: float,
    ) -> None:
        self._deliveries = deliveries
        self._endpoint_id = endpoint_id
        self._target = target
        self._secrets = secrets
        self._due = deque(due)
        self._clock = clock
        self._begin_until = begin_until
        self._switched_off = False

    async def run(self, lanes: int) -> None:
        """Raises what a lane has raised."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(lanes, len(self._due))):
                    group.create_task(self._lane())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _lane(self) -> None:
        # At least one, or with little time nothing would ever come of it.
        goes_on = True
        while self._due and goes_on:
            application_id = self._due.popleft()
            while await self._deliver(application_id) and self._may_begin():
                pass
            goes_on = self._may_begin()

    def _may_begin(self) -> bool:
        return not self._switched_off and asyncio.get_running_loop().time() < self._begin_until

    async def _deliver(self, application_id: str) -> bool:
        """Whether the next one may follow."""
        found = await self._deliveries.next_of(self._endpoint_id, application_id)
        if found is None or found[0].next_at > self._clock.now:
            return False
        delivery, body = found
        answer = await self._target.send(delivery.webhook_id, body, self._secrets)
        now = self._clock.now
        if answer.reason is None:
            await self._deliveries.delivered(delivery, answer.status, now)
            return True
        self._switched_off |= await self._deliveries.failed(delivery, answer.status, answer.reason, now)
        return False


_SWITCHED_OFF: Final = """\
Webhook endpoint {endpoint_id} did not take a delivery for three days, and was switched off on
{at}. What the last attempt met: {reason}.

Nothing is lost: what happens meanwhile is kept and follows in order. Once the endpoint works again, send
a delivery it did not take once more; that switches it on:

  onboarding webhook deliveries {endpoint_id} --pending
  onboarding webhook resend {endpoint_id} DELIVERY
"""
