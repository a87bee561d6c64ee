"""Events as they happen, for who stays connected: of one application or of all, none missing after a break.

One look for all streams of a process: a stream that waits costs nothing, however many there are.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final, TypeAlias

from sqlalchemy import bindparam, select
from sqlalchemy.exc import SQLAlchemyError

from activities.db.engine import Database
from activities.db.event_log import EventLog, LoggedEvent
from activities.db.tables import ApplicationRow, AuditEventRow, AuditHeadRow
from domain.audit import AuditEvent
from domain.contract import MOST_EVENTS, ErrorType
from domain.values import Contract, Instant
from domain.webhooks import WebhookData, WebhookType, data_of, types_of
from starter.client.errors import NOT_DONE, OnboardingError

LOOK_EVERY: Final = 1.0
"""Seconds between two looks while nothing happens."""
MOST_READ: Final = 200
MOST_POSITION: Final = 2**63 - 1
_ALL: Final = ""
Events: TypeAlias = tuple[LoggedEvent, ...]


class StreamedEvent(Contract):
    """An audit event as it is told, with nothing personal. ``id``: where to resume after it.

    ``types``: of the deliveries it gives, none for what concerns nobody outside.
    """

    id: str
    at: Instant
    types: tuple[WebhookType, ...]
    data: WebhookData


class EventStreams:
    """The streams of one process, on one event loop; `close` it at the end."""

    def __init__(self, database: Database, *, look_every: float = LOOK_EVERY) -> None:
        self._database = database
        self._log = EventLog(database)
        self._look_every = look_every
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._looking: asyncio.Task[None] | None = None
        self._closed = False

    async def of(self, application_id: str, after: str | None = None) -> AsyncGenerator[Events]:
        """The events of an application after the one with this ``id``, its ``sequence``, for ever, as they
        come, some at a time; ``None``: from now on. The position of each is its ``sequence``.

        Once this returns, nothing is missed.

        Raises:
            OnboardingError: ``invalid``, there can be no such ``id``.
            sqlalchemy.exc.SQLAlchemyError: the database is down; to be resumed later.
        """
        sequence = await self._newest(application_id) if after is None else _number(after, MOST_EVENTS)
        return self._read(application_id, sequence, partial(self._of_one, application_id))

    async def all(self, after: str | None = None) -> AsyncGenerator[Events]:
        """The events of all applications after the one with this ``id``, for ever; ``None``: from now on.

        Those of an application come in its order; otherwise as `of`.
        """
        if after is None:
            await self._log.extend()
        position = await self._log.end() if after is None else _number(after, MOST_POSITION)
        return self._read(_ALL, position, partial(self._log.after, most=MOST_READ))

    async def _read(
        self, which: str, position: int, events_after: Callable[[int], Awaitable[Events]]
    ) -> AsyncGenerator[Events]:
        with self._woken(which) as woken:
            while not self._closed:
                woken.clear()
                if events := await events_after(position):
                    position = events[-1].position
                    yield events
                else:
                    await woken.wait()

    async def _of_one(self, application_id: str, sequence: int) -> Events:
        rows = await self._database.rows(
            _OF_ONE, {"application": application_id, "after": sequence, "most": MOST_READ}
        )
        return tuple(
            LoggedEvent(
                row.sequence,
                application_id,
                row.company_master_uid,
                AuditEvent.model_validate(row, from_attributes=True),
            )
            for row in rows
        )

    @property
    def open(self) -> int:
        """How many streams there are."""
        return sum(map(len, self._waiting.values()))

    async def close(self) -> None:
        """End all streams; whoever reads them may resume elsewhere."""
        self._closed = True
        for waiting in self._waiting.values():
            for woken in waiting:
                woken.set()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking})

    @contextmanager
    def _woken(self, which: str) -> Iterator[asyncio.Event]:
        woken = asyncio.Event()
        self._waiting[which].add(woken)
        if not self._closed and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._look())
        try:
            yield woken
        finally:
            self._waiting[which].discard(woken)
            if not self._waiting[which]:
                del self._waiting[which]

    async def _look(self) -> None:
        """Wake the streams that have something to read, as long as there is one."""
        position: int | None = None
        while self._waiting:
            # A stream that needs the database tells its reader; this one is there for all of them.
            with suppress(SQLAlchemyError):
                if position is None:
                    # Whatever has happened since a stream last looked is before it.
                    position = await self._log.end()
                    self._wake(tuple(self._waiting))
                await self._log.extend()
                while events := await self._log.after(position, MOST_READ):
                    position = events[-1].position
                    self._wake((_ALL, *{logged.application_id for logged in events}))
            await asyncio.sleep(self._look_every)

    def _wake(self, which: tuple[str, ...]) -> None:
        for each in which:
            for woken in self._waiting.get(each, ()):
                woken.set()

    async def _newest(self, application_id: str) -> int:
        rows = await self._database.rows(_NEWEST, {"application": application_id})
        return rows[0].sequence if rows else 0


def told(logged: LoggedEvent) -> StreamedEvent:
    """What is said of an event."""
    event = logged.event
    data = data_of(event, logged.application_id, logged.company_master_uid)
    return StreamedEvent(id=str(logged.position), at=event.at, types=types_of(event), data=data)


def _number(text: str, most: int) -> int:
    if text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= most:
        return int(text)
    raise OnboardingError(ErrorType.INVALID, "Last-Event-ID: no event has this ID", remedy=NOT_DONE)


_NEWEST: Final = select(AuditHeadRow.sequence).where(AuditHeadRow.application_id == bindparam("application"))
_OF_ONE: Final = (
    select(*AuditEventRow.__table__.columns, ApplicationRow.company_master_uid)
    .join(ApplicationRow, ApplicationRow.application_id == AuditEventRow.application_id)
    .where(
        AuditEventRow.application_id == bindparam("application"), AuditEventRow.sequence > bindparam("after")
    )
    .order_by(AuditEventRow.sequence)
    .limit(bindparam("most"))
)
