"""Many streams of events on one process on which nothing happens, and how it stops."""

import asyncio
import time
from typing import Final
from urllib.parse import urlsplit

import psutil

from bench.chaos.services import within
from bench.front_door.figures import Figure
from bench.front_door.programs import Site
from bench.front_door.story import Story

MOST_OF_A_CORE: Final = 5.0
"""Percent."""
STOPS_WITHIN: Final = 5.0


async def measure(site: Site, *, streams: int, seconds: float) -> list[Figure]:
    """Open them, half of one application and half of all, let them idle, see that an event reaches each, and
    stop the process."""
    uid = site.uids[0]
    parts = urlsplit(site.url)
    token = await site.token("ops")
    opened: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    async with site.http() as http:
        story = Story(site, http, uid)
        await story.to("drafting")
        try:
            for number in range(streams):
                path = f"/api/v1/applications/{uid}/events" if number % 2 else "/api/v1/events"
                reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
                writer.write(
                    f"GET {path} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
                )
                opened.append((reader, writer))
            async with within(60, "streams that begin"):
                heads = await asyncio.gather(*(reader.readuntil(b"\r\n\r\n") for reader, _ in opened))
            begun = sum(head.startswith(b"HTTP/1.1 200 ") for head in heads)
            # What the openings left to do is no idling.
            await asyncio.sleep(1)
            process = psutil.Process(site.serve.pid)
            cpu, began = _cpu(process), time.monotonic()
            await asyncio.sleep(seconds)
            busy = 100 * (_cpu(process) - cpu) / (time.monotonic() - began)
            memory = process.memory_info().rss / 1_000_000
            await story.send("mei", "ask_bd", question="Does this reach everybody?")
            async with within(60, "an event on every stream"):
                await asyncio.gather(*(reader.readuntil(b'"command":"ask_bd"') for reader, _ in opened))
            code, took = await site.serve.stop()
            async with within(10, "the end of every stream"):
                await asyncio.gather(*(reader.read() for reader, _ in opened))
        finally:
            for _, writer in opened:
                writer.close()
    await site.serve.start()
    return [
        Figure(part="streams", name="streams", value=begun, least=streams),
        Figure(part="streams", name="idle", value=round(busy, 2), unit="% of a core", most=MOST_OF_A_CORE),
        Figure(part="streams", name="memory", value=round(memory, 1), unit="MB"),
        Figure(part="streams", name="stops within", value=round(took, 2), unit="s", most=STOPS_WITHIN),
        Figure(part="streams", name="exit code", value=code, most=0, least=0),
    ]


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
