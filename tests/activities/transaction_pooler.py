"""A pooler in transaction mode, as small as it can be: all its clients share one connection to the server.

As PgBouncer before 1.21 it knows nothing of prepared statements. The server is one of `tests.databases`,
which lets everybody in on its socket.
"""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import make_url

_PROTOCOL: Final = 196_608
_ASKS_FOR_AN_ANSWER: Final = (b"Q", b"S")


@asynccontextmanager
async def transaction_pooler(url: str) -> AsyncIterator[str]:
    """The URL of the same database through the pooler."""
    direct = make_url(url)
    reader, writer = await asyncio.open_unix_connection(f"{direct.query['host']}/.s.PGSQL.5432")
    named = f"user\0{direct.username}\0database\0{direct.database}\0\0".encode()
    writer.write(struct.pack("!ii", len(named) + 8, _PROTOCOL) + named)
    greeting = b"".join([message async for message in _until_ready(reader)])
    turn = asyncio.Lock()

    async def serve(client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        await _started(client, answers)
        answers.write(greeting)
        in_transaction = False
        while (kind := await client.read(1)) not in {b"", b"X"}:
            message = kind + await _rest(client)
            if not in_transaction:
                await turn.acquire()
                in_transaction = True
            writer.write(message)
            if kind in _ASKS_FOR_AN_ANSWER:
                async for answer in _until_ready(reader):
                    answers.write(answer)
                in_transaction = not answer.endswith(b"I")
                if not in_transaction:
                    turn.release()
        answers.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield direct.set(host="127.0.0.1", port=port, query={}).render_as_string(hide_password=False)
    finally:
        server.close()
        writer.close()


async def _started(client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
    """Read the start-up message, after a no to whatever encryption is asked for first."""
    while True:
        length, code = struct.unpack("!ii", await client.readexactly(8))
        await client.readexactly(length - 8)
        if code == _PROTOCOL or code >> 16 == _PROTOCOL >> 16:
            return
        answers.write(b"N")


async def _rest(stream: asyncio.StreamReader) -> bytes:
    length = await stream.readexactly(4)
    return length + await stream.readexactly(struct.unpack("!i", length)[0] - 4)


async def _until_ready(server: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The server's messages, up to and with that by which it waits for the next query."""
    kind = b""
    while kind != b"Z":
        kind = await server.readexactly(1)
        yield kind + await _rest(server)
