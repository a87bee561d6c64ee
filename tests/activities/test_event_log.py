"""The events of all applications in one order, of which no reader misses any."""

import asyncio
import random
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import Connection, select

from activities.db import event_log
from activities.db.engine import Database, T
from activities.db.event_log import EventLog
from activities.db.tables import EventLogRow
from activities.db.trail import AuditTrail
from domain.publication import Publication
from tests.activities.examples import application, entry, publication


class Slow(Database):
    """A database that ends its transactions when it is told to."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.written = asyncio.Event()
        self.may_end = threading.Event()
        self.breaks = False

    async def write(self, work: Callable[[Connection], T]) -> T:
        """As told."""
        loop = asyncio.get_running_loop()

        def held(connection: Connection) -> T:
            result = work(connection)
            loop.call_soon_threadsafe(self.written.set)
            assert self.may_end.wait(120)
            if self.breaks:
                raise RuntimeError("rolled back")
            return result

        return await super().write(held)


def happens(name: str, *sequences: int) -> Publication:
    """These events of an application."""
    return publication(application(name, uid=name.removeprefix("run-")), *map(entry, sequences))


async def read(log: EventLog, position: int = 0) -> list[tuple[int, str, int]]:
    """All events after a position."""
    found = await log.after(position, 1_000)
    return [(each.position, each.application_id, each.event.sequence) for each in found]


async def test_events_are_numbered_once_in_the_order_of_their_application(
    trail: AuditTrail, database: Database
) -> None:
    log = EventLog(database)
    assert (await log.end(), await read(log), await log.has_more(0)) == (0, [], False)

    await trail.publish(happens("run-1", 1, 2))
    await trail.publish(happens("run-2", 1))
    assert await log.has_more(0)
    assert await read(log) == [], "nobody has numbered them yet"
    for _ in range(2):
        await log.extend()
    await trail.publish(happens("run-1", 3))
    await log.extend()

    assert await read(log) == [(1, "run-1", 1), (2, "run-1", 2), (3, "run-2", 1), (4, "run-1", 3)]
    assert await read(log, 3) == [(4, "run-1", 3)]
    assert await log.end() == 4
    assert not await log.has_more(4)
    assert await log.has_more(3)
    [event, *_] = await log.after(0, 1)
    assert (event.company_master_uid, event.event) == ("1", entry(1).event)


async def test_what_is_committed_late_is_not_skipped(postgresql_url: str) -> None:
    """The transaction that began first ends last: its event has not been passed over by whoever reads."""
    database, slow = Database(postgresql_url), Slow(postgresql_url)
    trail, log = AuditTrail(database), EventLog(database)
    await trail.publish(happens("run-1", 1))
    late = asyncio.create_task(AuditTrail(slow).publish(happens("run-1", 2)))
    await slow.written.wait()

    await trail.publish(happens("run-2", 1))
    await log.extend()
    seen = await read(log)
    assert (2, "run-2", 1) in seen or (1, "run-2", 1) in seen
    assert "run-1" not in {name for _, name, sequence in seen if sequence == 2}
    slow.may_end.set()
    await late
    position = seen[-1][0]
    assert await log.has_more(position)
    await log.extend()

    rest = await read(log, position)
    assert sorted((name, sequence) for _, name, sequence in seen + rest) == [
        ("run-1", 1),
        ("run-1", 2),
        ("run-2", 1),
    ]
    assert [sequence for _, name, sequence in seen + rest if name == "run-1"] == [1, 2]
    await database.dispose()
    await slow.dispose()


async def test_what_is_rolled_back_leaves_no_gap_that_is_waited_for(postgresql_url: str) -> None:
    database, slow = Database(postgresql_url), Slow(postgresql_url)
    trail, log = AuditTrail(database), EventLog(database)
    slow.breaks = True
    broken = asyncio.create_task(AuditTrail(slow).publish(happens("run-1", 1)))
    await slow.written.wait()
    await trail.publish(happens("run-2", 1))
    slow.may_end.set()
    with pytest.raises(RuntimeError):
        await broken
    await trail.publish(happens("run-1", 1))
    await log.extend()

    assert [(name, sequence) for _, name, sequence in await read(log)] == [("run-1", 1), ("run-2", 1)]
    await database.dispose()
    await slow.dispose()


async def test_who_numbers_waits_for_nobody_who_writes(postgresql_url: str) -> None:
    database, slow = Database(postgresql_url), Slow(postgresql_url)
    trail, log = AuditTrail(database), EventLog(database)
    await trail.publish(happens("run-1", 1))
    late = asyncio.create_task(AuditTrail(slow).publish(happens("run-1", 2)))
    await slow.written.wait()

    async with asyncio.timeout(5):
        await log.extend()
    assert await log.has_more(0), "its first event, whose application is being written"

    slow.may_end.set()
    await late
    await log.extend()
    assert await read(log) == [(1, "run-1", 1), (2, "run-1", 2)]
    await database.dispose()
    await slow.dispose()


async def test_none_is_missing_and_none_is_double_whoever_writes_and_numbers_at_once(
    trail: AuditTrail, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "MOST_EVENTS", 2)
    names = [f"run-{number}" for number in range(1, 7)]
    log, chance = EventLog(database), random.Random(7)  # noqa: S311 - a test's order
    seen: list[tuple[int, str, int]] = []
    writing = True

    async def writes(name: str) -> None:
        for sequence in range(1, 9, 2):
            await asyncio.sleep(chance.random() / 50)
            await trail.publish(happens(name, sequence, sequence + 1))

    async def reads() -> None:
        while writing or await log.has_more(seen[-1][0] if seen else 0):
            await log.extend()
            seen.extend(await read(log, seen[-1][0] if seen else 0))
            await asyncio.sleep(0.005)

    async def numbers() -> None:
        while writing:
            await log.extend()
            await asyncio.sleep(0.003)

    async with asyncio.TaskGroup() as group:
        group.create_task(reads())
        group.create_task(numbers())
        await asyncio.gather(*map(writes, names))
        writing = False

    assert [position for position, _, _ in seen] == list(range(1, len(seen) + 1))
    for name in names:
        assert [sequence for _, other, sequence in seen if other == name] == list(range(1, 9)), name
    assert len(await database.rows(select(EventLogRow.__table__), {})) == len(seen)
