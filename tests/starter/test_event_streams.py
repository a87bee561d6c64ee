"""Streams of events: of one application or all, resumed with none missing, quiet while nothing happens."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing
from itertools import pairwise

import pytest
import pytest_asyncio
from sqlalchemy.event import listen

from activities.db.engine import Database
from activities.db.event_log import EventLog
from activities.db.trail import AuditTrail
from domain.publication import Publication
from domain.webhooks import WebhookType
from starter.client.errors import OnboardingError
from starter.client.event_streams import Events, EventStreams, StreamedEvent, told
from tests.activities.examples import application, entry, publication
from tests.activities.receivers import until


@pytest_asyncio.fixture
async def streams(database: Database) -> AsyncIterator[EventStreams]:
    """Streams that look often."""
    streams = EventStreams(database, look_every=0.02)
    yield streams
    await streams.close()


@pytest.fixture
def trail(database: Database) -> AuditTrail:
    """What writes the trails."""
    return AuditTrail(database)


def happens(name: str, *sequences: int) -> Publication:
    """These events of an application."""
    return publication(application(name, uid="1001"), *map(entry, sequences))


async def take(opening: Awaitable[AsyncGenerator[Events]], number: int) -> list[StreamedEvent]:
    """The first events of a stream."""
    found: list[StreamedEvent] = []
    async with asyncio.timeout(10), aclosing(await opening) as stream:
        while len(found) < number:
            found += map(told, await anext(stream))
    return found[:number]


def said(events: list[StreamedEvent]) -> list[tuple[str, int]]:
    """Of which application, and which."""
    return [(event.data.application_id, event.data.sequence) for event in events]


async def begun(streams: EventStreams, number: int) -> None:
    """Wait until so many streams are open."""

    async def are_open() -> bool:
        return streams.open == number

    await until(are_open)


async def test_a_stream_of_one_application_goes_on_as_it_does(
    streams: EventStreams, trail: AuditTrail
) -> None:
    await trail.publish(happens("run-1", 1, 2))
    await trail.publish(happens("run-2", 1))
    stream = await streams.of("run-1", "0")
    first, second = map(told, await anext(stream))
    assert (first.id, first.types) == ("1", (WebhookType.COMMAND_ACCEPTED,))
    assert second.data.sequence == 2

    waits = asyncio.create_task(anext(stream))
    await trail.publish(happens("run-2", 2))
    await trail.publish(happens("run-1", 3))
    assert [told(event).id for event in await waits] == ["3"]
    await trail.publish(happens("run-1", 4))
    assert [told(event).id for event in await anext(stream)] == ["4"]

    assert [event.id for event in await take(streams.of("run-1", "2"), 2)] == ["3", "4"], "resumed"
    await stream.aclose()


async def test_a_stream_of_all_is_resumed_at_any_event_with_none_missing(
    streams: EventStreams, trail: AuditTrail
) -> None:
    waits = asyncio.create_task(take(streams.all("0"), 6))
    for sequence in (1, 2, 3):
        for name in ("run-1", "run-2"):
            await trail.publish(happens(name, sequence))
    whole = await waits
    for name in ("run-1", "run-2"):
        assert [number for other, number in said(whole) if other == name] == [1, 2, 3]
    for at, event in enumerate(whole[:-1], 1):
        assert await take(streams.all(event.id), len(whole) - at) == whole[at:]


async def test_a_stream_without_a_beginning_begins_now(streams: EventStreams, trail: AuditTrail) -> None:
    await trail.publish(happens("run-1", 1))
    of_one = asyncio.create_task(take(streams.of("run-1"), 1))
    of_all = asyncio.create_task(take(streams.all(), 1))
    await begun(streams, 2)
    await trail.publish(happens("run-1", 2))
    assert said(await of_one) == said(await of_all) == [("run-1", 2)]


@pytest.mark.parametrize("after", ["", "x", "-1", "1.0", "٣", "9" * 19, "1" * 100, "0x1"])
async def test_what_no_event_has_as_its_id_is_refused(streams: EventStreams, after: str) -> None:
    for opening in (streams.of("run-1", after), streams.all(after)):
        with pytest.raises(OnboardingError, match="no event has this ID"):
            await opening


async def test_streams_that_wait_cost_one_look_for_all_of_them(
    streams: EventStreams, trail: AuditTrail, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await trail.publish(happens("run-1", 1))
    waiting = [asyncio.create_task(take(streams.of("run-1"), 1)) for _ in range(100)]
    waiting += [asyncio.create_task(take(streams.all(), 1)) for _ in range(100)]
    await begun(streams, 200)
    statements, at_looks, look = 0, [0], EventLog.extend

    def count(*_: object) -> None:
        nonlocal statements
        statements += 1

    async def counted(self: EventLog) -> None:
        at_looks.append(statements)
        await look(self)

    async def quiet() -> bool:
        """Five looks of two statements (SQLite has a BEGIN with each): no stream looks by itself."""
        between = [after - before for before, after in pairwise(at_looks[-6:])]
        return len(between) == 5 and max(between) <= 4

    listen(database.engine, "before_cursor_execute", count)
    monkeypatch.setattr(EventLog, "extend", counted)
    await until(quiet)
    await trail.publish(happens("run-1", 2))
    assert {tuple(said(each)) for each in await asyncio.gather(*waiting)} == {(("run-1", 2),)}


async def test_closing_ends_streams_that_wait(streams: EventStreams) -> None:
    waiting = asyncio.create_task(take(streams.all("0"), 1))
    await begun(streams, 1)
    await streams.close()
    for ended in (waiting, take(streams.all("0"), 1)):
        with pytest.raises(StopAsyncIteration):
            await ended
