"""The events of all applications in one order, for who reads them one after the other and may miss none.

A number given out while an event is written would not do: transactions end in another order than they took
their numbers, and whoever has read number 8 does not look for number 7 again. So events get their position
only once they are committed, from whoever wants to read (docs/decisions/0041). The order within an
application is that of its trail.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, exists, select, update
from sqlalchemy.sql.dml import ReturningInsert

from activities.db.engine import Database, Insert
from activities.db.tables import (
    ApplicationRow,
    AuditEventRow,
    AuditHeadRow,
    EventLogEndRow,
    EventLogRow,
    WebhookDeliveryRow,
)
from domain.audit import AuditEvent

MOST_APPLICATIONS: Final = 200
"""Applications whose events are numbered in one transaction."""
MOST_EVENTS: Final = 100
"""Events of one application that are."""
_ONLY: Final = 1


@dataclass(frozen=True)
class LoggedEvent:
    """An event and where it stands."""

    position: int
    application_id: str
    company_master_uid: str
    event: AuditEvent


class EventLog:
    """The log. Every method raises `sqlalchemy.exc.SQLAlchemyError` on an outage."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def extend(self) -> None:
        """Number what has been committed until now; what is being written at the moment, the next time."""
        while await self._is_behind() and await self._database.write(self._extend):
            pass

    async def _is_behind(self) -> bool:
        return bool(await self._database.read(lambda connection: connection.scalar(select(_BEHIND))))

    def _extend(self, connection: Connection) -> bool:
        """Whether events were numbered."""
        statement = _held_or_made(self._database.insert(EventLogEndRow))
        end: int = connection.execute(statement, {"id": _ONLY, "position": 0}).scalar_one()
        heads = connection.execute(_UNLOGGED).all()
        rows: list[dict[str, Any]] = []
        moved: list[dict[str, Any]] = []
        for head in heads:
            newest = min(head.sequence, head.logged + MOST_EVENTS)
            rows += [
                {"application_id": head.application_id, "sequence": sequence}
                for sequence in range(head.logged + 1, newest + 1)
            ]
            moved.append({"application": head.application_id, "newest": newest})
        if rows:
            numbered = [row | {"position": end + number} for number, row in enumerate(rows, 1)]
            connection.execute(self._database.insert(EventLogRow), numbered)
            connection.execute(_LOGGED, moved)
            connection.execute(_ENDS, {"end": end + len(rows)})
        return bool(rows)

    async def end(self) -> int:
        """The last position there is, 0 without any."""
        ends = await self._database.rows(select(EventLogEndRow.position), {})
        return ends[0].position if ends else 0

    async def has_more(self, position: int) -> bool:
        """Whether there is an event after this position, be it numbered or not."""
        later = exists().where(EventLogRow.position > position)
        return bool(await self._database.read(lambda connection: connection.scalar(select(_BEHIND | later))))

    async def after(self, position: int, most: int) -> tuple[LoggedEvent, ...]:
        """The next events that are numbered, at most so many."""
        rows = await self._database.rows(_AFTER, {"position": position, "most": most})
        return tuple(
            LoggedEvent(
                position=row.position,
                application_id=row.application_id,
                company_master_uid=row.company_master_uid,
                event=AuditEvent.model_validate(row, from_attributes=True),
            )
            for row in rows
        )


@cache
def _held_or_made(insert: Insert) -> ReturningInsert[int]:
    # An update holds the row on PostgreSQL, and the whole file on SQLite.
    return insert.on_conflict_do_update(index_elements=["id"], set_={"id": insert.excluded.id}).returning(
        EventLogEndRow.position
    )


_BEHIND: Final = exists().where(AuditHeadRow.logged < AuditHeadRow.sequence)
_UNLOGGED: Final = (
    select(AuditHeadRow.application_id, AuditHeadRow.logged, AuditHeadRow.sequence)
    .where(AuditHeadRow.logged < AuditHeadRow.sequence)
    .order_by(AuditHeadRow.application_id)
    .limit(MOST_APPLICATIONS)
    # Who is writing is not waited for. SQLite has one writer at a time anyway.
    .with_for_update(skip_locked=True)
)
_LOGGED: Final = (
    update(AuditHeadRow)
    .where(AuditHeadRow.application_id == bindparam("application"))
    .values(logged=bindparam("newest"))
)
_ENDS: Final = update(EventLogEndRow).values(position=bindparam("end"))


def with_event(table: type[EventLogRow] | type[WebhookDeliveryRow], *columns: Any) -> Select[Any]:
    """Rows that name an event: these columns, the event's own, and the company's UID."""
    return (
        select(*columns, AuditEventRow.__table__, ApplicationRow.company_master_uid)
        .join(
            AuditEventRow,
            (AuditEventRow.application_id == table.application_id)
            & (AuditEventRow.sequence == table.sequence),
        )
        .join(ApplicationRow, ApplicationRow.application_id == table.application_id)
    )


_AFTER: Final = (
    with_event(EventLogRow, EventLogRow.position)
    .where(EventLogRow.position > bindparam("position"))
    .order_by(EventLogRow.position)
    .limit(bindparam("most"))
)
