"""Connections over real sockets: what comes too slowly, is too large or is no HTTP, and how many may be."""

import asyncio
import json
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from starter.web.connections import (
    KEPT_DESCRIPTORS,
    MOST_CONNECTIONS,
    MOST_HEADER_BYTES,
    Connection,
    most_connections,
)
from starter.web.limits import Limits
from starter.web.serving import listening

SOON = 0.2
"""Seconds; what is bounded by it is over well within `PATIENCE`."""
PATIENCE = 10
CHUNK = 64 * 1024


class Quick(Connection):
    """With little time."""

    headers_within = SOON
    read_within = SOON


class Few(Connection):
    """Of which there may be two."""

    most = 2


async def _length(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def _deaf(_request: Request) -> Response:
    return PlainTextResponse("no")


async def _endless(_request: Request) -> Response:
    async def much() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * CHUNK
            # Who has gone is written to without a pause.
            await asyncio.sleep(0)

    return StreamingResponse(much())


WITHOUT_LIMITS: ASGIApp = Starlette(
    routes=[
        Route("/", _length, methods=["GET", "POST"]),
        Route("/deaf", _deaf, methods=["POST"]),
        Route("/endless", _endless),
    ]
)
APP: ASGIApp = Limits(WITHOUT_LIMITS, body_within=timedelta(seconds=SOON))
HEAD = b"GET / HTTP/1.1\r\nHost: door\r\n"
GET = HEAD + b"\r\n"
POST = b"POST / HTTP/1.1\r\nHost: door\r\n"


class Peer:
    """The other end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def sends(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def dribbles(self, line: bytes) -> None:
        """Sends this again and again, until the other end has gone."""
        with suppress(ConnectionError):
            while True:
                await asyncio.sleep(SOON / 10)
                await self.sends(line)

    async def answer(self) -> tuple[int, bytes]:
        """One answer."""
        async with asyncio.timeout(PATIENCE):
            head = await self.reader.readuntil(b"\r\n\r\n")
            lines = head.lower().split(b"\r\n")
            (length,) = (int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))
            return int(head.split()[1]), await self.reader.readexactly(length)

    async def is_told(self, status: int, kind: str) -> None:
        """A problem document, after which the connection is closed."""
        answered, body = await self.answer()
        problem: dict[str, Any] = json.loads(body)
        assert (answered, problem["status"]) == (status, status)
        assert problem["type"] == f"urn:onboarding:error:{kind}"
        await self.is_closed()

    async def is_closed(self) -> None:
        """Nothing comes any more."""
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionError):
                assert await self.reader.read() == b""


class Dial:
    """Opens connections to one address."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.writers: list[asyncio.StreamWriter] = []

    async def __call__(self) -> Peer:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        self.writers.append(writer)
        return Peer(reader, writer)


@asynccontextmanager
async def serving(app: ASGIApp = APP, connection: type[Connection] = Quick) -> AsyncIterator[Dial]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        host, port = free.getsockname()
    async with listening(app, f"{host}:{port}", connection=connection):
        dial = Dial(host, port)
        yield dial
        for writer in dial.writers:
            writer.close()


async def test_headers_that_come_line_by_line_are_not_waited_for() -> None:
    async with serving() as dial:
        peer = await dial()
        await peer.sends(HEAD)
        dribbling = asyncio.create_task(peer.dribbles(b"X: y\r\n"))
        await peer.is_told(408, "timed_out")
        dribbling.cancel()


async def test_who_says_nothing_is_not_waited_for() -> None:
    async with serving() as dial:
        await (await dial()).is_closed()


async def test_the_headers_of_the_next_request_come_in_time_as_well() -> None:
    async with serving() as dial:
        peer = await dial()
        await peer.sends(GET)
        assert await peer.answer() == (200, b"0")
        # Between two requests there is time.
        await asyncio.sleep(2 * SOON)
        await peer.sends(GET)
        assert await peer.answer() == (200, b"0")
        await peer.sends(HEAD)
        await peer.is_told(408, "timed_out")


async def test_a_body_that_comes_byte_by_byte_is_not_waited_for() -> None:
    async with serving() as dial:
        peer = await dial()
        await peer.sends(POST + b"Content-Length: 1000\r\n\r\n")
        dribbling = asyncio.create_task(peer.dribbles(b"x"))
        await peer.is_told(408, "timed_out")
        dribbling.cancel()


async def test_the_rest_of_a_body_nobody_reads_is_not_waited_for() -> None:
    async with serving(WITHOUT_LIMITS) as dial:
        peer = await dial()
        await peer.sends(b"POST /deaf HTTP/1.1\r\nHost: door\r\nContent-Length: 100000\r\n\r\nx")
        assert await peer.answer() == (200, b"no")
        dribbling = asyncio.create_task(peer.dribbles(b"x"))
        await peer.is_closed()
        dribbling.cancel()


async def test_who_does_not_read_is_not_written_for() -> None:
    async with serving() as dial:
        peer = await dial()
        await peer.sends(b"GET /endless HTTP/1.1\r\nHost: door\r\n\r\n")
        await asyncio.sleep(4 * SOON)
        # What had been sent by then is there, and no more comes.
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionError):
                while await peer.reader.read(CHUNK):
                    pass


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"X: " + b"y" * MOST_HEADER_BYTES,
        HEAD + b"X: y\r\n" * (MOST_HEADER_BYTES // 6),
        b"GET /" + b"a" * 2 * MOST_HEADER_BYTES + b" HTTP/1.1\r\nHost: door\r\n\r\n",
        HEAD + b"X: " + b"y" * 3 * MOST_HEADER_BYTES + b"\r\n\r\n",
    ],
    ids=["one", "many", "address", "whole"],
)
async def test_headers_that_are_too_large(head: bytes) -> None:
    async with serving(connection=Connection) as dial:
        peer = await dial()
        await peer.sends(head)
        await peer.is_told(431, "headers_too_large")


async def test_headers_that_hold_a_large_token_pass() -> None:
    async with serving(connection=Connection) as dial:
        peer = await dial()
        await peer.sends(HEAD + b"Authorization: Bearer " + b"y" * (MOST_HEADER_BYTES // 2) + b"\r\n\r\n")
        assert await peer.answer() == (200, b"0")


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : door\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\nno number\r\n",
    ],
    ids=["tls", "blank", "two hosts", "two lengths", "negative", "encoding", "chunk"],
)
async def test_what_is_no_request(said: bytes) -> None:
    async with serving(WITHOUT_LIMITS, Connection) as dial:
        peer = await dial()
        await peer.sends(said)
        await peer.is_told(400, "bad_request")


async def test_a_large_body_in_one_piece_is_read_whole() -> None:
    async with serving(WITHOUT_LIMITS, Connection) as dial:
        peer = await dial()
        body = b"x" * 60_000
        await peer.sends(POST + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert await peer.answer() == (200, b"60000")


async def test_a_body_over_the_limit_is_refused_before_it_has_come() -> None:
    async with serving() as dial:
        peer = await dial()
        await peer.sends(POST + b"Content-Length: 10000000\r\n\r\n")
        await peer.is_told(413, "too_large")


async def test_requests_that_come_at_once_are_answered_one_after_the_other() -> None:
    async with serving(WITHOUT_LIMITS, Connection) as dial:
        peer = await dial()
        await peer.sends(GET * 50)
        assert [await peer.answer() for _ in range(50)] == [(200, b"0")] * 50


async def test_there_are_only_so_many_connections() -> None:
    async with serving(connection=Few) as dial:
        kept = [await dial(), await dial()]
        for peer in kept:
            await peer.sends(GET)
            assert await peer.answer() == (200, b"0")
        await (await dial()).is_told(503, "unavailable")
        kept[0].writer.close()
        await kept[0].writer.wait_closed()
        async with asyncio.timeout(PATIENCE):
            status = 503
            while status == 503:
                another = await dial()
                await another.sends(GET)
                status, _ = await another.answer()
        await kept[1].sends(GET)
        assert await kept[1].answer() == (200, b"0")


@pytest.mark.parametrize(
    ("soft", "hard", "most", "raised"),
    [
        (1024, 1 << 20, MOST_CONNECTIONS, MOST_CONNECTIONS + KEPT_DESCRIPTORS),
        (1024, resource.RLIM_INFINITY, MOST_CONNECTIONS, MOST_CONNECTIONS + KEPT_DESCRIPTORS),
        (1024, 2048, 2048 - KEPT_DESCRIPTORS, 2048),
        (64, 64, 1, 64),
        (1 << 20, 1 << 20, MOST_CONNECTIONS, None),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, MOST_CONNECTIONS, None),
    ],
)
def test_as_many_as_the_system_lets_it(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, most: int, raised: int | None
) -> None:
    set_to: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: set_to.append(limits))
    assert most_connections() == most
    assert set_to == ([] if raised is None else [(raised, hard)])
