"""The load: so many onboardings, so many of them at once, each message once the one before is answered.

Standard library only: the environment of DBOS has nothing of ours.
"""

import asyncio
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from bench.ratio.reference import MESSAGES


class Engine(Protocol):
    """What plays onboardings, each known by a name."""

    async def start(self, name: str) -> None:
        """Begin one."""

    async def send(self, name: str, message: str) -> None:
        """Send a message, and return once it is answered: what it led to is stored."""

    async def finish(self, name: str) -> None:
        """Return once it is active, and all its mails are sent.

        Raises:
            WrongEndError: it ended in another way.
        """


class WrongEndError(Exception):
    """An onboarding did not become active."""


@dataclass(frozen=True)
class Driven:
    """How it went: seconds in all, CPU seconds of the process that drove, seconds of each answer."""

    seconds: float
    cpu_seconds: float
    answered: list[float]

    def write(self, file: Path, **more: object) -> None:
        """Hand it to the process that asked for it, as JSON."""
        file.write_text(json.dumps({**asdict(self), **more}), encoding="utf-8")


async def drive(
    engine: Engine, names: Sequence[str], at_once: int, ended: Callable[[], None] = lambda: None
) -> Driven:
    """Play all of them, and say how long it took; ``ended`` hears of each that has ended."""
    gate = asyncio.Semaphore(at_once)
    answered: list[float] = []

    async def one(name: str) -> None:
        async with gate:
            await engine.start(name)
            for message in MESSAGES:
                sent = time.perf_counter()
                await engine.send(name, message.name)
                answered.append(time.perf_counter() - sent)
            await engine.finish(name)
            ended()

    began, cpu = time.perf_counter(), _cpu()
    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(one(name))
    return Driven(time.perf_counter() - began, _cpu() - cpu, answered)


def _cpu() -> float:
    times = os.times()
    return times.user + times.system


class Stored:
    """Which steps are stored; an engine in this process tells it, from whatever thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._awaited: dict[tuple[str, str], asyncio.Event] = {}

    def awaited(self, name: str, step: str) -> asyncio.Event:
        """Set once this step of that onboarding is stored: ask before it may be."""
        return self._awaited.setdefault((name, step), asyncio.Event())

    def tell(self, name: str, step: str) -> None:
        """This step is stored."""
        event = self._awaited.pop((name, step), None)
        if event is not None:
            self._loop.call_soon_threadsafe(event.set)
