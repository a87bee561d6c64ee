"""The endpoints of webhooks, as ops and services manage them."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from temporalio.client import Client
from temporalio.service import RPCError

from activities.db.engine import Database
from activities.db.event_log import EventLog
from activities.db.webhook_deliveries import WebhookDeliveries, WebhookDelivery
from activities.db.webhook_endpoints import WebhookEndpoint, WebhookEndpoints
from activities.webhooks.addresses import DestinationError
from activities.webhooks.sender import WebhookSender
from activities.webhooks.waking import wake
from domain.contract import ErrorType
from domain.values import Contract, Instant
from domain.webhooks import WebhookType
from starter.client.errors import NOT_DONE, OnboardingError

TEST: Final = "webhook.test"
"""The type of what `Webhooks.test` sends."""


class AddedEndpoint(Contract):
    """A new endpoint; its secret is shown here and never again."""

    endpoint_id: str
    secret: str


class TriedEndpoint(Contract):
    """What an endpoint made of a test: its HTTP status, if it answered, and why that does not do."""

    webhook_id: str
    answer: int | None = None
    reason: str | None = None


class _Test(Contract):
    type: str = TEST
    timestamp: Instant
    data: dict[str, str]


class Webhooks:
    """All endpoints. Every method raises `sqlalchemy.exc.SQLAlchemyError` when the database is down."""

    def __init__(self, database: Database, sender: WebhookSender, client: Client | None = None) -> None:
        """``client``: needed by `resend`."""
        self._endpoints = WebhookEndpoints(database)
        self._deliveries = WebhookDeliveries(database)
        self._log = EventLog(database)
        self._sender = sender
        self._client = client

    async def add(self, url: str, types: Sequence[str] | None = None) -> AddedEndpoint:
        """A new endpoint for what happens from now on; ``types``: which of `WebhookType`, all without.

        Raises:
            OnboardingError: ``invalid``, there is no such type or webhooks may not go to the URL.
        """
        unknown = sorted(set(types or ()) - set(WebhookType))
        if unknown or (types is not None and not types):
            said = f"there is no {', '.join(unknown)}" if unknown else "must name one at least"
            message = f"types: {said}; there are {', '.join(WebhookType)}"
            raise OnboardingError(ErrorType.INVALID, message, remedy=NOT_DONE)
        try:
            await self._sender.check(url)
        except DestinationError as error:
            raise OnboardingError(ErrorType.INVALID, f"url: {error}", remedy=NOT_DONE) from None
        endpoint, secret = await self._endpoints.add(url, types)
        # What was stored before the endpoint was there has not woken it. The next event does.
        if self._client and await self._log.has_more(endpoint.position):
            with suppress(RPCError):
                await wake(self._client, [endpoint.endpoint_id])
        return AddedEndpoint(endpoint_id=endpoint.endpoint_id, secret=secret)

    async def all(self) -> tuple[WebhookEndpoint, ...]:
        """All endpoints, the oldest first."""
        return await self._endpoints.all()

    async def remove(self, endpoint_id: str) -> None:
        """Remove an endpoint; what waits for it never leaves.

        Raises:
            OnboardingError: ``not_found``.
        """
        if not await self._endpoints.remove(endpoint_id):
            raise _no_endpoint(endpoint_id)

    async def rotate(self, endpoint_id: str) -> AddedEndpoint:
        """A new secret; for a day, deliveries are signed by that of before, too.

        Raises:
            OnboardingError: ``not_found``.
        """
        secret = await self._endpoints.rotate(endpoint_id)
        if secret is None:
            raise _no_endpoint(endpoint_id)
        return AddedEndpoint(endpoint_id=endpoint_id, secret=secret)

    async def deliveries(self, endpoint_id: str, *, pending: bool = False) -> tuple[WebhookDelivery, ...]:
        """The newest deliveries to an endpoint, all of them or those that wait.

        Raises:
            OnboardingError: ``not_found``.
        """
        await self._found(endpoint_id)
        return await self._deliveries.of(endpoint_id, pending=pending)

    async def resend(self, endpoint_id: str, delivery_id: str) -> None:
        """Send a delivery once more, under its ID; that switches an endpoint on that was off.

        Raises:
            OnboardingError: ``not_found``; ``unavailable``, Temporal can't be asked: it leaves all the same,
                with the next event.
        """
        await self._found(endpoint_id)
        if not await self._deliveries.resend(endpoint_id, delivery_id, datetime.now(UTC)):
            raise OnboardingError(
                ErrorType.NOT_FOUND,
                f"endpoint {endpoint_id} has no delivery {delivery_id}",
                remedy=f"`onboarding webhook deliveries {endpoint_id}` lists them.",
            )
        try:
            if self._client is not None:
                await wake(self._client, [endpoint_id])
        except RPCError:
            raise OnboardingError(
                ErrorType.UNAVAILABLE,
                "Temporal does not answer. The delivery waits, and leaves with the next event.",
                remedy="Try again: the same delivery has the same ID.",
            ) from None

    async def test(self, endpoint_id: str) -> TriedEndpoint:
        """Send a delivery of type `TEST` at once, and once; what came of it.

        Raises:
            OnboardingError: ``not_found``.
        """
        endpoint = await self._found(endpoint_id)
        body = _Test(timestamp=datetime.now(UTC), data={"endpoint_id": endpoint_id}).model_dump_json()
        webhook_id = f"test-{uuid4().hex}"
        async with self._sender.to(endpoint.url) as target:
            answer = await target.send(webhook_id, body, await self._endpoints.secrets(endpoint_id))
        return TriedEndpoint(webhook_id=webhook_id, answer=answer.status, reason=answer.reason)

    async def _found(self, endpoint_id: str) -> WebhookEndpoint:
        endpoint = await self._endpoints.get(endpoint_id)
        if endpoint is None:
            raise _no_endpoint(endpoint_id)
        return endpoint


def _no_endpoint(endpoint_id: str) -> OnboardingError:
    return OnboardingError(
        ErrorType.NOT_FOUND,
        f"there is no webhook endpoint {endpoint_id}",
        remedy="`onboarding webhook list` lists them.",
    )
