"""What is to be delivered to the endpoints of webhooks, and what became of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import ColumnElement, Connection, Subquery, delete, func, select, update

from activities.db.engine import Database
from activities.db.event_log import EventLog, LoggedEvent, with_event
from activities.db.tables import (
    WebhookDeliveryRow,
    WebhookEndpointRow,
)
from activities.db.webhook_endpoints import EndpointState, WebhookEndpoint
from domain.audit import AuditEvent
from domain.values import Contract, Instant
from domain.webhooks import GIVEN_UP_AFTER, body_of, pause_after, types_of, webhook_id

MOST_PENDING: Final = 5_000
"""So many deliveries of an endpoint have a row while they wait, at most; the log has the rest."""
MOST_READ: Final = 500
"""Events that are read from the log at a time."""
KEPT_FOR: Final = timedelta(days=30)
"""How long it is known what was delivered."""
SHOWN: Final = 100


class DeliveryState(StrEnum):
    """What became of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"


class WebhookDelivery(Contract):
    """A delivery. ``answer``: the HTTP status of the latest attempt, ``None`` where there was no answer;
    ``reason``: why that attempt did not do."""

    endpoint_id: str
    webhook_id: str
    application_id: str
    sequence: int
    place: int
    type: str
    state: DeliveryState
    attempts: int
    queued_at: Instant
    tried_since: Instant | None
    next_at: Instant
    delivered_at: Instant | None
    answer: int | None
    reason: str | None


class WebhookDeliveries:
    """The deliveries of all endpoints. Every method raises `sqlalchemy.exc.SQLAlchemyError` on an outage."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._log = EventLog(database)

    async def queue(self, endpoint: WebhookEndpoint, at: datetime) -> int:
        """Queue what the log has after the endpoint's position, as far as there is room; how many events were
        read."""
        read, position = 0, endpoint.position
        while await self.pending(endpoint.endpoint_id) < MOST_PENDING:
            events = await self._log.after(position, MOST_READ)
            if not events or not await self._queued(endpoint, position, events, at):
                break
            read, position = read + len(events), events[-1].position
        return read

    async def _queued(
        self, endpoint: WebhookEndpoint, position: int, events: Sequence[LoggedEvent], at: datetime
    ) -> bool:
        """Whether this was done; not where somebody else has done it meanwhile."""
        rows = [
            {
                "endpoint_id": endpoint.endpoint_id,
                "webhook_id": webhook_id(logged.application_id, logged.event.sequence, kind),
                "application_id": logged.application_id,
                "sequence": logged.event.sequence,
                "place": place,
                "type": kind,
                "state": DeliveryState.PENDING,
                "attempts": 0,
                "queued_at": at,
                "next_at": at,
            }
            for logged in events
            for place, kind in enumerate(types_of(logged.event))
            if endpoint.types is None or kind in endpoint.types
        ]
        moved = (
            update(WebhookEndpointRow)
            .where(
                WebhookEndpointRow.endpoint_id == endpoint.endpoint_id,
                WebhookEndpointRow.position == position,
            )
            .values(position=events[-1].position)
            .returning(WebhookEndpointRow.position)
        )

        def write(connection: Connection) -> bool:
            if connection.execute(moved).one_or_none() is None:
                return False
            if rows:
                connection.execute(self._database.insert(WebhookDeliveryRow), rows)
            return True

        return await self._database.write(write)

    async def pending(self, endpoint_id: str) -> int:
        """How many wait and have a row."""
        query = select(func.count()).where(WebhookDeliveryRow.endpoint_id == endpoint_id, _PENDING)
        return await self._database.read(lambda connection: connection.scalar(query)) or 0

    async def due(self, endpoint_id: str, now: datetime, most: int) -> tuple[str, ...]:
        """The applications whose next delivery is due, at most so many, those that waited longest first."""
        first = _first_of_each(endpoint_id)
        query = (
            select(first.c.application_id)
            .where(first.c.next_at <= now)
            .order_by(first.c.next_at, first.c.application_id)
            .limit(most)
        )
        return tuple(row.application_id for row in await self._database.rows(query, {}))

    async def next_at(self, endpoint_id: str) -> datetime | None:
        """When the next delivery is due; ``None``: nothing waits."""
        first = _first_of_each(endpoint_id)
        [[found]] = await self._database.rows(select(func.min(first.c.next_at)), {})
        next_at: datetime | None = found
        return next_at

    async def next_of(self, endpoint_id: str, application_id: str) -> tuple[WebhookDelivery, str] | None:
        """The application's next delivery, and its body; ``None``: nothing of it waits."""
        query = (
            _WITH_EVENT.where(
                WebhookDeliveryRow.endpoint_id == endpoint_id,
                _PENDING,
                WebhookDeliveryRow.application_id == application_id,
            )
            .order_by(WebhookDeliveryRow.sequence, WebhookDeliveryRow.place)
            .limit(1)
        )
        rows = await self._database.rows(query, {})
        if not rows:
            return None
        [row] = rows
        delivery = WebhookDelivery.model_validate(row, from_attributes=True)
        event = AuditEvent.model_validate(row, from_attributes=True)
        return delivery, body_of(event, application_id, row.company_master_uid, delivery.type)

    async def delivered(self, delivery: WebhookDelivery, answer: int | None, at: datetime) -> None:
        """The endpoint has it."""
        values = {
            "state": DeliveryState.DELIVERED,
            "attempts": delivery.attempts + 1,
            "tried_since": delivery.tried_since or at,
            "delivered_at": at,
            "answer": answer,
            "reason": None,
        }
        statement = update(WebhookDeliveryRow).where(_is(delivery.endpoint_id, delivery.webhook_id))
        await self._database.write(lambda connection: connection.execute(statement.values(values)))

    async def failed(self, delivery: WebhookDelivery, answer: int | None, reason: str, at: datetime) -> bool:
        """The endpoint does not have it, as far as is known. Whether it is switched off for that, as it is
        after `GIVEN_UP_AFTER`."""
        since = delivery.tried_since or at
        values = {
            "attempts": delivery.attempts + 1,
            "tried_since": since,
            "next_at": at + pause_after(delivery.attempts + 1),
            "answer": answer,
            "reason": reason,
        }
        statement = update(WebhookDeliveryRow).where(_is(delivery.endpoint_id, delivery.webhook_id))
        off = (
            update(WebhookEndpointRow)
            .where(
                WebhookEndpointRow.endpoint_id == delivery.endpoint_id,
                WebhookEndpointRow.state == EndpointState.ON,
            )
            .values(state=EndpointState.OFF, switched_off_at=at, reason=reason, told_at=None)
        )

        given_up = at - since >= GIVEN_UP_AFTER

        def write(connection: Connection) -> None:
            connection.execute(statement.values(values))
            if given_up:
                connection.execute(off)

        await self._database.write(write)
        return given_up

    async def of(
        self, endpoint_id: str, *, pending: bool = False, most: int = SHOWN
    ) -> tuple[WebhookDelivery, ...]:
        """The deliveries of an endpoint, the newest first."""
        query = select(WebhookDeliveryRow.__table__).where(WebhookDeliveryRow.endpoint_id == endpoint_id)
        if pending:
            query = query.where(_PENDING)
        query = query.order_by(
            WebhookDeliveryRow.queued_at.desc(),
            WebhookDeliveryRow.application_id,
            WebhookDeliveryRow.sequence.desc(),
            WebhookDeliveryRow.place.desc(),
        ).limit(most)
        rows = await self._database.rows(query, {})
        return tuple(WebhookDelivery.model_validate(row, from_attributes=True) for row in rows)

    async def resend(self, endpoint_id: str, delivery_id: str, at: datetime) -> bool:
        """Send a delivery once more, as if it were new, and switch its endpoint on; false: there is none."""
        again = (
            update(WebhookDeliveryRow)
            .where(_is(endpoint_id, delivery_id))
            .values(state=DeliveryState.PENDING, attempts=0, tried_since=None, next_at=at, delivered_at=None)
            .returning(WebhookDeliveryRow.webhook_id)
        )
        # The others are due as well, and have three days again.
        others = (
            update(WebhookDeliveryRow)
            .where(WebhookDeliveryRow.endpoint_id == endpoint_id, _PENDING)
            .values(attempts=0, tried_since=None, next_at=at)
        )
        on = (
            update(WebhookEndpointRow)
            .where(
                WebhookEndpointRow.endpoint_id == endpoint_id, WebhookEndpointRow.state == EndpointState.OFF
            )
            .values(state=EndpointState.ON, switched_off_at=None, reason=None, told_at=None)
            .returning(WebhookEndpointRow.endpoint_id)
        )

        def write(connection: Connection) -> bool:
            if connection.execute(again).one_or_none() is None:
                return False
            if connection.execute(on).one_or_none() is not None:
                connection.execute(others)
            return True

        return await self._database.write(write)

    async def forget(self, endpoint_id: str, now: datetime) -> None:
        """Forget what was delivered long ago."""
        statement = delete(WebhookDeliveryRow).where(
            WebhookDeliveryRow.endpoint_id == endpoint_id,
            WebhookDeliveryRow.state == DeliveryState.DELIVERED,
            WebhookDeliveryRow.delivered_at < now - KEPT_FOR,
        )
        await self._database.write(lambda connection: connection.execute(statement))


def _is(endpoint_id: str, delivery_id: str) -> ColumnElement[bool]:
    return (WebhookDeliveryRow.endpoint_id == endpoint_id) & (WebhookDeliveryRow.webhook_id == delivery_id)


def _first_of_each(endpoint_id: str) -> Subquery:
    """Of each application the delivery that comes first, of those that wait."""
    rank = func.row_number().over(
        partition_by=WebhookDeliveryRow.application_id,
        order_by=(WebhookDeliveryRow.sequence, WebhookDeliveryRow.place),
    )
    ranked = (
        select(WebhookDeliveryRow.application_id, WebhookDeliveryRow.next_at, rank.label("rank"))
        .where(WebhookDeliveryRow.endpoint_id == endpoint_id, _PENDING)
        .subquery()
    )
    return select(ranked).where(ranked.c.rank == 1).subquery()


_PENDING: Final = WebhookDeliveryRow.state == DeliveryState.PENDING
_WITH_EVENT: Final = with_event(WebhookDeliveryRow, WebhookDeliveryRow.__table__)
