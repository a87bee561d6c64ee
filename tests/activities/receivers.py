"""Receivers of webhooks: real HTTP servers that remember what came, and answer as a test wants."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic_core import from_json
from standardwebhooks import Webhook

OK: Final = "HTTP/1.1 204 No Content\r\n\r\n"
BROKEN: Final = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\nsad!"


@dataclass(frozen=True)
class Received:
    """A delivery as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def webhook_id(self) -> str:
        """Its ID."""
        return self.headers["webhook-id"]

    @property
    def said(self) -> dict[str, Any]:
        """Its body."""
        said: dict[str, Any] = from_json(self.body)
        return said

    def verified_by(self, secret: str) -> None:
        """Raises `standardwebhooks.webhooks.WebhookVerificationError`."""
        Webhook(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """``answers``: what is answered to a delivery; ``None``: the connection is closed without a word.

    ``taken``: what was answered with 2xx.
    """

    answers: Callable[[Received], Awaitable[str | None]]
    port: int = 0
    received: list[Received] = field(default_factory=list)
    taken: list[Received] = field(default_factory=list)
    _open: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/hooks"

    def ids(self) -> list[str]:
        """The IDs of what was taken, each where it first came."""
        return list(dict.fromkeys(each.webhook_id for each in self.taken))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            while request := await _request(reader):
                self.received.append(request)
                answer = await self.answers(request)
                if answer is None:
                    return
                writer.write(answer.encode())
                await writer.drain()
                if answer.startswith("HTTP/1.1 2"):
                    self.taken.append(request)
        # asyncio's server has no use for a connection that was cancelled.
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            self._open.discard(task)
            writer.close()

    def hang_up(self) -> None:
        """End all connections."""
        for task in tuple(self._open):
            task.cancel()


async def _request(reader: asyncio.StreamReader) -> Received | None:
    line = await reader.readline()
    if not line:
        return None
    headers = {}
    while (header := (await reader.readline()).decode().strip()) != "":
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(line.decode().split(" ")[1], headers, body)


async def takes(received: Received) -> str | None:
    """Takes everything."""
    return OK


async def fails(received: Received) -> str | None:
    """Takes nothing."""
    return BROKEN


@asynccontextmanager
async def receiving(
    answers: Callable[[Received], Awaitable[str | None]] = takes, port: int = 0, **more: Any
) -> AsyncIterator[Receiver]:
    """A receiver on this machine; ``more``: as `asyncio.start_server` has it."""
    receiver = Receiver(answers)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", port, **more)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        receiver.hang_up()


async def until(reached: Callable[[], Awaitable[bool]], within: float = 120) -> None:
    """Wait until something is so; ``within``: seconds."""
    async with asyncio.timeout(within):
        while True:
            if await reached():
                return
            await asyncio.sleep(0.03)
