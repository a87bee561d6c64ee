"""Several worker processes as one: one log, one page of metrics, one health file, one stop.

Python runs one thread at a time, so a process keeps one core busy. Those that work know nothing of each
other; this one starts them, starts again what dies, and does no work itself. Each is ``python worker.py
--process N``, which stops when its standard input ends: none outlives this one, however it ends.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeVar

from runtime.health import LOOK_EVERY
from runtime.joint_metrics import joint_metrics
from runtime.startup import pauses
from settings import Settings

CRASHED: Final = 70
"""How a process ends after an error nobody expected (``EX_SOFTWARE`` of sysexits.h); it is started again."""
_CANT_WORK: Final = (1, 2)
"""How one ends that can't work, and would not the next time either."""
STEADY_AFTER: Final = timedelta(minutes=1)
"""After that a process that dies is started again without delay."""
_FRESH: Final = 3 * LOOK_EVERY
_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")

log: Final = logging.getLogger("onboarding.processes")
T = TypeVar("T")


class GaveUpError(Exception):
    """A process can't work, and said why; ``code``: what it ended with."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def cores(quota: Path = _QUOTA) -> int:
    """How many processes can compute at once here: the cores this one may use, or the container's limit."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        allowed, period = quota.read_text().split()
        return max(1, min(usable, int(allowed) // int(period)))
    return usable


async def run_processes(number: int, settings: Settings, program: Path) -> None:
    """Keep so many workers running until cancelled; then all of them stop in order.

    Raises:
        GaveUpError: one can't work, and said why. All have been stopped.
        StartupError: ``ONBOARDING_METRICS_ADDRESS`` can't be listened on.
    """
    processes = [_Process(each, settings, program) for each in range(1, number + 1)]
    with ExitStack() as stack:
        if settings.metrics_address:
            ports = [process.metrics_port for process in processes]
            stack.enter_context(joint_metrics(settings.metrics_address, ports))
        tasks = [asyncio.create_task(process.keep_running()) for process in processes]
        if settings.health_file:
            tasks.append(asyncio.create_task(_show_health(settings.health_file, processes)))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


def stop_when_alone() -> None:
    """Have this process stop, as on SIGTERM, when the one that started it has ended."""

    def wait() -> None:
        # Not by `sys.stdin`, whose lock a thread that waits would hold when Python ends.
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


class _Process:
    def __init__(self, number: int, settings: Settings, program: Path) -> None:
        self.number = number
        self.health_file = settings.health_file and Path(f"{settings.health_file}.{number}")
        self.metrics_port = free_port() if settings.metrics_address else None
        self._command = (sys.executable, str(program), "--process", str(number))

    @property
    def _environment(self) -> Mapping[str, str]:
        own = {"ONBOARDING_WORKER_PROCESSES": "1"}
        if self.metrics_port:
            own["ONBOARDING_METRICS_ADDRESS"] = f"127.0.0.1:{self.metrics_port}"
        if self.health_file:
            own["ONBOARDING_HEALTH_FILE"] = str(self.health_file)
        return os.environ | own

    async def keep_running(self) -> None:
        waits = pauses()
        while True:
            began = time.monotonic()
            code = await self._run()
            if code in _CANT_WORK:
                raise GaveUpError(code)
            if time.monotonic() - began > STEADY_AFTER.total_seconds():
                waits = pauses()
            pause = next(waits)
            how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
            log.error("Worker process %d %s; started again in %g s", self.number, how, pause)
            await asyncio.sleep(pause)

    async def _run(self) -> int:
        process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, env=self._environment
        )
        log.info("Worker process %d: pid %d", self.number, process.pid)
        try:
            return await process.wait()
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                process.terminate()
            await _in_any_case(process.wait)
            raise


async def _in_any_case(wait: Callable[[], Awaitable[T]]) -> T:
    """Wait for it, however often this task is cancelled meanwhile."""
    waiting = asyncio.ensure_future(wait())
    while not waiting.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({waiting})
    return waiting.result()


async def _show_health(file: Path, processes: list[_Process]) -> None:
    """Touch the file for as long as every process touches its own."""
    files = [process.health_file for process in processes if process.health_file]
    await asyncio.to_thread(_forget, (file, *files))
    while True:
        await asyncio.to_thread(_touch_for_all, file, files)
        await asyncio.sleep(LOOK_EVERY.total_seconds())


def _forget(files: Iterable[Path]) -> None:
    for each in files:
        with suppress(OSError):
            each.unlink(missing_ok=True)


def _touch_for_all(file: Path, files: Iterable[Path]) -> None:
    if all(_touched_lately(each) for each in files):
        # Where it can't be touched the others can't either, which the processes say.
        with suppress(OSError):
            file.touch()


def _touched_lately(file: Path) -> bool:
    try:
        return time.time() - file.stat().st_mtime < _FRESH.total_seconds()
    except OSError:
        return False


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
