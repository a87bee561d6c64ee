"""Requests over connections that stay open, by as little of our own work as possible: what is measured is the
server."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import psutil


@dataclass
class Answers:
    """What a server has answered in a while: how often, in which time, by how much CPU time of its own."""

    count: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    failed: int = 0
    latencies: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Answers in each second."""
        return self.count / self.seconds

    @property
    def cpu_ms(self) -> float:
        """CPU time for each, in milliseconds."""
        return 1000 * self.cpu / self.count


async def asked(
    url: str, path: Callable[[], str], headers: dict[str, str], pid: int, *, seconds: float, connections: int
) -> Answers:
    """Ask for so long, over so many connections at a time, for what ``path`` names each time."""
    found, process = Answers(), psutil.Process(pid)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    until, began = time.monotonic() + seconds, time.monotonic()
    cpu = _cpu(process)

    async def caller() -> None:
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            while time.monotonic() < until:
                sent = time.monotonic()
                writer.write(f"GET {path()} HTTP/1.1\r\nHost: here\r\n{lines}\r\n".encode())
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
                await reader.readexactly(length)
                found.count += 1
                found.failed += not head.startswith(b"HTTP/1.1 200 ")
                found.latencies.append(time.monotonic() - sent)
        finally:
            writer.close()

    await asyncio.gather(*(caller() for _ in range(connections)))
    found.seconds = time.monotonic() - began
    found.cpu = _cpu(process) - cpu
    return found


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
