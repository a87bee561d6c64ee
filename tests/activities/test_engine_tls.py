"""libpq's TLS parameters in the URL: they reach the connection, and the number of connections is bounded.

The PostgreSQL of the tests is built without TLS; a listener that speaks the first words of the protocol and
then TLS is enough to see whom the client trusts.
"""

import asyncio
import ssl
import struct
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from activities.db.engine import Database
from activities.db.schema import Schema
from tests.certificates import Authority

pytest_plugins = ["tests.databases"]

SSL_REQUEST = struct.pack("!ii", 8, 80877103)


class Listener:
    """Answers an SSLRequest; ``started``: start-up messages that came over TLS; ``clear``: the others."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self.port = 0
        self.started: list[bytes] = []
        self.clear: list[bytes] = []
        self._context = context

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Listener"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.read(8)
        if asked != SSL_REQUEST:
            self.clear.append(asked)
        elif self._context is None:
            writer.write(b"N")
            self.clear.append(await reader.read(8))
        else:
            writer.write(b"S")
            try:
                await writer.start_tls(self._context)
                self.started.append(await reader.read(1024))
            except OSError:
                # The client does not trust us.
                pass
        writer.close()


async def attempt(listener: Listener, parameters: str) -> str:
    """Why the connection failed: it always does, since nobody speaks further than to the start-up message."""
    database = Database(
        f"postgresql://onboarding:geheim-4711@localhost:{listener.port}/onboarding?{parameters}"
    )
    with pytest.raises(OperationalError) as failure:
        await Schema(database).check()
    await database.dispose()
    assert "geheim" not in str(failure.value)
    return str(failure.value)


async def test_a_server_of_the_named_authority_is_told_who_connects(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path)
    async with Listener(authority.server_context("localhost")).running() as listener:
        await attempt(listener, f"sslmode=verify-full&sslrootcert={authority.file}")
    assert [b"onboarding" in message for message in listener.started] == [True]
    assert not listener.clear


@pytest.mark.parametrize("wrong", ["authority", "host"])
async def test_a_server_that_does_not_verify_is_told_nothing(tmp_path: Path, wrong: str) -> None:
    authority = Authority.create(tmp_path)
    trusted = Authority.create(tmp_path, "other") if wrong == "authority" else authority
    context = authority.server_context("localhost" if wrong == "authority" else "db.example.com")
    async with Listener(context).running() as listener:
        told = await attempt(listener, f"sslmode=verify-full&sslrootcert={trusted.file}")
    assert "certificate" in told
    assert not any(listener.started)
    assert not listener.clear


async def test_a_server_without_tls_is_told_nothing_where_tls_is_asked_for() -> None:
    async with Listener(None).running() as listener:
        told = await attempt(listener, "sslmode=require")
    assert "SSL" in told
    assert not any(listener.clear)


async def test_no_more_connections_than_the_pool_has(database_url: str) -> None:
    database = Database(database_url, pool_size=2)
    at_work, go_on = threading.Barrier(3), threading.Event()

    def work(_connection: Connection) -> None:
        at_work.wait()
        go_on.wait()

    two = [asyncio.ensure_future(database.read(work)) for _ in range(2)]
    await asyncio.to_thread(at_work.wait)
    third = asyncio.ensure_future(database.read(lambda _: database.engine.pool.status()))
    done, _ = await asyncio.wait([third], timeout=0.2)
    assert not done
    go_on.set()
    assert (await third).startswith("Pool size: 2")
    await asyncio.gather(*two)
    await database.dispose()
