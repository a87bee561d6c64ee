"""Ctrl-C while a Temporal call is under way: the SDK's error for it must not be taken for the server's."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from runtime.startup import connect_when_up
from settings import TemporalSettings


@pytest_asyncio.fixture
async def silent_server() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """An address that takes connections and never says a word, and whether somebody has come."""
    came = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        await reader.read()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", came


async def test_waiting_for_temporal_ends_when_it_is_cancelled(
    silent_server: tuple[str, asyncio.Event],
) -> None:
    address, came = silent_server
    temporal = TemporalSettings(address, "default", {"target_host": address, "namespace": "default"})
    waiting = asyncio.create_task(connect_when_up(temporal))
    await came.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
