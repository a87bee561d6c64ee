"""The endpoints that events are delivered to, as services and ops manage them over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, Body, Depends, Path, Query
from pydantic import Field, TypeAdapter
from starlette.responses import Response

from activities.db.webhook_deliveries import DeliveryState, WebhookDelivery
from activities.db.webhook_endpoints import EndpointState, WebhookEndpoint
from activities.webhooks.addresses import MOST_CHARACTERS
from domain.contract import ErrorType
from domain.values import Contract, Instant
from domain.webhooks import WebhookType
from starter.client.errors import OnboardingError
from starter.client.webhooks import AddedEndpoint, TriedEndpoint
from starter.web.bodies import strictly
from starter.web.callers import SEES_ALL
from starter.web.door import API, CallerDependency, FrontDoor, authenticated_route
from starter.web.problems import ApiError

PATH: Final = f"{API}/webhooks"
_PRIVATE: Final = {"Cache-Control": "no-store"}

EndpointId = Annotated[str, Path(description="The endpoint's ID.", max_length=100, pattern=r"^[0-9a-f]+$")]
DeliveryId = Annotated[
    str, Path(description="The delivery's `webhook-id`.", max_length=200, pattern=r"^[A-Za-z0-9_-]+$")
]


class EndpointBody(Contract):
    """A new endpoint; ``types``: which events it gets, all without."""

    url: str = Field(max_length=MOST_CHARACTERS, examples=["https://crm.example.com/hooks"])
    types: tuple[WebhookType, ...] | None = Field(default=None)


class NewEndpoint(Contract):
    """An endpoint and its secret, which is shown here and never again."""

    id: str
    secret: str

    @classmethod
    def of(cls, added: AddedEndpoint) -> Self:
        """As it is told over HTTP."""
        return cls(id=added.endpoint_id, secret=added.secret)


class Endpoint(Contract):
    """An endpoint; ``types``: which events it gets, all without; ``reason``: why it was switched off."""

    id: str
    url: str
    types: tuple[str, ...] | None
    state: EndpointState
    created_at: Instant
    switched_off_at: Instant | None = None
    reason: str | None = None

    @classmethod
    def of(cls, endpoint: WebhookEndpoint) -> Self:
        """As it is told over HTTP."""
        return cls(id=endpoint.endpoint_id, **_common(cls, endpoint))


class Delivery(Contract):
    """A delivery; ``id``: its ``webhook-id``; ``answer``: the HTTP status of the latest attempt, if there was
    an answer; ``reason``: why that did not do."""

    id: str
    application_id: str
    sequence: int
    type: str
    state: DeliveryState
    attempts: int
    queued_at: Instant
    next_at: Instant
    delivered_at: Instant | None
    answer: int | None
    reason: str | None

    @classmethod
    def of(cls, delivery: WebhookDelivery) -> Self:
        """As it is told over HTTP."""
        return cls(id=delivery.webhook_id, **_common(cls, delivery))


_ENDPOINTS: Final = TypeAdapter(tuple[Endpoint, ...])
_DELIVERIES: Final = TypeAdapter(tuple[Delivery, ...])


def webhooks(door: FrontDoor) -> APIRouter:
    """The routes of endpoints."""
    router = APIRouter(
        prefix=PATH,
        route_class=authenticated_route(door),
        tags=["Webhooks"],
        dependencies=[Depends(_may_manage)],
    )

    @router.post("", response_model=NewEndpoint, status_code=201, operation_id="add_webhook")
    async def add(body: Annotated[EndpointBody, strictly(EndpointBody), Body()]) -> Response:
        """Add an endpoint for what happens from now on; its secret is shown in this answer only."""
        async with _answered():
            added = await door.webhooks.add(body.url, body.types)
        return _json(NewEndpoint.of(added), 201)

    @router.get("", response_model=tuple[Endpoint, ...], operation_id="list_webhooks")
    async def endpoints() -> Response:
        """The endpoints, the oldest first."""
        found = tuple(map(Endpoint.of, await door.webhooks.all()))
        return Response(_ENDPOINTS.dump_json(found), 200, _PRIVATE, "application/json")

    @router.delete("/{endpoint}", status_code=204, operation_id="remove_webhook")
    async def remove(endpoint: EndpointId) -> Response:
        """Remove an endpoint; what waits for it never leaves."""
        async with _answered():
            await door.webhooks.remove(endpoint)
        return Response(status_code=204, headers=_PRIVATE)

    @router.post("/{endpoint}/rotate", response_model=NewEndpoint, operation_id="rotate_webhook_secret")
    async def rotate(endpoint: EndpointId) -> Response:
        """A new secret, shown in this answer only; for a day, that of before signs deliveries, too."""
        async with _answered():
            return _json(NewEndpoint.of(await door.webhooks.rotate(endpoint)))

    @router.get(
        "/{endpoint}/deliveries",
        response_model=tuple[Delivery, ...],
        operation_id="list_webhook_deliveries",
    )
    async def deliveries(
        endpoint: EndpointId, pending: Annotated[bool, Query(description="Only those that wait.")] = False
    ) -> Response:
        """The newest deliveries to an endpoint, a hundred at most."""
        async with _answered():
            found = tuple(map(Delivery.of, await door.webhooks.deliveries(endpoint, pending=pending)))
        return Response(_DELIVERIES.dump_json(found), 200, _PRIVATE, "application/json")

    @router.post(
        "/{endpoint}/deliveries/{delivery}/resend", status_code=204, operation_id="resend_webhook_delivery"
    )
    async def resend(endpoint: EndpointId, delivery: DeliveryId) -> Response:
        """Send a delivery once more, under its ID; an endpoint that was switched off is on again."""
        async with _answered():
            await door.webhooks.resend(endpoint, delivery)
        return Response(status_code=204, headers=_PRIVATE)

    @router.post("/{endpoint}/test", response_model=TriedEndpoint, operation_id="test_webhook")
    async def test(endpoint: EndpointId) -> Response:
        """Send a signed delivery of type `webhook.test` now, from here; what the endpoint answered."""
        async with _answered():
            return _json(await door.webhooks.test(endpoint))

    return router


async def _may_manage(caller: CallerDependency) -> None:
    if SEES_ALL.isdisjoint(caller.roles):
        raise ApiError(ErrorType.FORBIDDEN, "Only services and ops manage webhooks.")


@asynccontextmanager
async def _answered() -> AsyncIterator[None]:
    """Tell what is refused by its field, and what helps over HTTP."""
    try:
        yield
    except OnboardingError as error:
        if error.type is ErrorType.INVALID:
            raise ApiError.of_field(error) from None
        if error.type is ErrorType.NOT_FOUND:
            told = f"{error.message[0].upper()}{error.message[1:]}."
            raise ApiError(
                error.type, f"{told} GET {PATH} lists the endpoints, …/deliveries what was sent to one."
            ) from None
        raise


def _common(model: type[Contract], stored: Contract) -> dict[str, Any]:
    return {name: getattr(stored, name) for name in model.model_fields if name != "id"}


def _json(content: Contract, status: int = 200) -> Response:
    return Response(content.model_dump_json(), status, _PRIVATE, "application/json")
