"""Ctrl-C while a Temporal call is under way: the SDK's error for it must not be taken for the server's."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from runtime.startup import connect_when_up
from settings import TemporalSettings


@pytest_asyncio.fixture
async def silent_server() -> AsyncIterator[str]:
    """An address that takes connections and never says a word."""
    server = await asyncio.start_server(lambda reader, writer: asyncio.sleep(60), "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_waiting_for_temporal_ends_when_it_is_cancelled(silent_server: str) -> None:
    temporal = TemporalSettings(
        silent_server, "default", {"target_host": silent_server, "namespace": "default"}
    )
    waiting = asyncio.create_task(connect_when_up(temporal))
    await asyncio.sleep(0.3)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
