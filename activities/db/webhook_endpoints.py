"""The endpoints of webhooks: where events are delivered to, what signs them, and whether they are on."""

import secrets
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, bindparam, delete, exists, or_, select, update

from activities.db.engine import Database
from activities.db.event_log import EventLog
from activities.db.tables import UtcInstant, WebhookDeliveryRow, WebhookEndpointRow
from domain.values import Contract, Instant

OVERLAP: Final = timedelta(hours=24)
"""How long the secret of before signs beside the new one."""
_SECRET_BYTES: Final = 32
_SECRETS: Final = 2
"""As many sign at most."""


class EndpointState(StrEnum):
    """Whether events are delivered."""

    ON = "on"
    OFF = "off"


class WebhookEndpoint(Contract):
    """An endpoint as it is stored, without its secrets. ``types``: which events it gets; ``None``: all.

    ``reason``: why it was switched off.
    """

    endpoint_id: str
    url: str
    types: tuple[str, ...] | None
    state: EndpointState
    position: int
    created_at: Instant
    switched_off_at: Instant | None = None
    reason: str | None = None
    told_at: Instant | None = None


class WebhookEndpoints:
    """All endpoints. Every method raises `sqlalchemy.exc.SQLAlchemyError` on an outage."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._log = EventLog(database)

    async def add(self, url: str, types: Sequence[str] | None) -> tuple[WebhookEndpoint, str]:
        """A new endpoint with its secret; it gets what happens from now on."""
        await self._log.extend()
        secret, now = new_secret(), datetime.now(UTC)
        row = {
            "endpoint_id": uuid4().hex,
            "url": url,
            "types": None if types is None else list(types),
            "secrets": [{"secret": secret}],
            "state": EndpointState.ON,
            "position": await self._log.end(),
            "created_at": now,
        }
        statement = self._database.insert(WebhookEndpointRow)
        await self._database.write(lambda connection: connection.execute(statement, row))
        return WebhookEndpoint.model_validate(row), secret

    async def all(self) -> tuple[WebhookEndpoint, ...]:
        """All endpoints, the oldest first."""
        query = select(WebhookEndpointRow.__table__).order_by(
            WebhookEndpointRow.created_at, WebhookEndpointRow.endpoint_id
        )
        rows = await self._database.rows(query, {})
        return tuple(WebhookEndpoint.model_validate(row, from_attributes=True) for row in rows)

    async def get(self, endpoint_id: str) -> WebhookEndpoint | None:
        """The endpoint with this ID."""
        query = select(WebhookEndpointRow.__table__).where(WebhookEndpointRow.endpoint_id == endpoint_id)
        found = await self._database.rows(query, {})
        return WebhookEndpoint.model_validate(found[0], from_attributes=True) if found else None

    async def remove(self, endpoint_id: str) -> bool:
        """Remove an endpoint with all that is known of its deliveries; false: there is none."""

        def write(connection: Connection) -> bool:
            gone = connection.execute(
                delete(WebhookEndpointRow)
                .where(WebhookEndpointRow.endpoint_id == endpoint_id)
                .returning(WebhookEndpointRow.endpoint_id)
            )
            if gone.one_or_none() is None:
                return False
            connection.execute(
                delete(WebhookDeliveryRow).where(WebhookDeliveryRow.endpoint_id == endpoint_id)
            )
            return True

        return await self._database.write(write)

    async def secrets(self, endpoint_id: str) -> tuple[str, ...]:
        """The secrets that sign now, the newest first; none where there is no endpoint."""
        query = select(WebhookEndpointRow.secrets).where(WebhookEndpointRow.endpoint_id == endpoint_id)
        stored = await self._database.read(lambda connection: connection.scalar(query)) or []
        now = datetime.now(UTC)
        return tuple(
            each["secret"]
            for each in stored
            if "until" not in each or datetime.fromisoformat(each["until"]) > now
        )

    async def rotate(self, endpoint_id: str) -> str | None:
        """A new secret; that of before signs, too, for `OVERLAP`. ``None``: there is no such endpoint."""
        mine = WebhookEndpointRow.endpoint_id == endpoint_id
        secret = new_secret()
        until = (datetime.now(UTC) + OVERLAP).isoformat()

        def write(connection: Connection) -> str | None:
            # An update holds the row on PostgreSQL, and the whole file on SQLite.
            held = update(WebhookEndpointRow).where(mine).values(endpoint_id=endpoint_id)
            returned = connection.execute(held.returning(WebhookEndpointRow.secrets))
            stored = returned.scalar_one_or_none()
            if stored is None:
                return None
            kept = [{"secret": secret}, {"secret": stored[0]["secret"], "until": until}][:_SECRETS]
            connection.execute(update(WebhookEndpointRow).where(mine).values(secrets=kept))
            return secret

        return await self._database.write(write)

    async def asleep(self) -> tuple[str, ...]:
        """The endpoints for which nobody is at work."""
        query = select(WebhookEndpointRow.endpoint_id).where(_ASLEEP).order_by(WebhookEndpointRow.endpoint_id)
        rows = await self._database.rows(query, {"now": datetime.now(UTC)})
        return tuple(row.endpoint_id for row in rows)

    async def at_work(self, endpoint_id: str, until: datetime | None) -> None:
        """Somebody is at work for it until then; ``None``: nobody is any more."""
        statement = (
            update(WebhookEndpointRow)
            .where(WebhookEndpointRow.endpoint_id == endpoint_id)
            .values(at_work_until=until)
        )
        await self._database.write(lambda connection: connection.execute(statement))

    async def told(self, endpoint_id: str, at: datetime) -> None:
        """The operators know that it was switched off."""
        statement = (
            update(WebhookEndpointRow).where(WebhookEndpointRow.endpoint_id == endpoint_id).values(told_at=at)
        )
        await self._database.write(lambda connection: connection.execute(statement))


def an_endpoint_sleeps() -> ColumnElement[bool]:
    """Whether there is an endpoint to wake ``now``, as a part of some other statement, so that it costs no
    round trip."""
    return exists().where(_ASLEEP)


_ASLEEP: Final = (WebhookEndpointRow.state == EndpointState.ON) & or_(
    WebhookEndpointRow.at_work_until.is_(None),
    WebhookEndpointRow.at_work_until < bindparam("now", type_=UtcInstant),
)


def new_secret() -> str:
    """A secret as Standard Webhooks has it."""
    return f"whsec_{b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()}"
