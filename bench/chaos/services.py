"""The parts of the service as real processes on this machine: what the faults are done to."""

import asyncio
import os
import random
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from bench.chaos.plan import Plan
from bench.chaos.story import SENDER
from starter.local.dev_server import DevServer
from tests.databases import Postgresql

ROOT: Final = Path(__file__).parents[2]
IP: Final = "127.0.0.1"
WORKING: Final = "Working on task queue"
"""What a worker's log has once it polls."""
PAUSE_BEFORE_RESTART: Final = 0.2
"""Seconds a worker that ended by itself stays away, as a supervisor of processes would have it."""


def free_ports(count: int) -> list[int]:
    """So many different free ports of the loopback address.

    Below those the system gives to clients: one of theirs could be taken while our server is down.

    Raises:
        OSError: there are not enough.
    """
    candidates = random.sample(range(12_000, 32_000), 500)
    found = [port for port in candidates if _is_free(port)][:count]
    if len(found) < count:
        raise OSError("no free ports on the loopback address")
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((IP, port))
        except OSError:
            return False
    return True


class TemporalServer(DevServer):
    """The dev server on a file, which can be killed and started again on the same port."""

    async def kill(self) -> None:
        """End it as a crash would (SIGKILL)."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    async def start(self) -> None:
        """Start it (again), and return once it answers."""
        await self.__aenter__()


class Worker:
    """``python worker.py``, started again whenever it ends, until stopped.

    ``exits``: the codes it ended with by itself, which nobody had asked it to.
    """

    def __init__(self, slot: int, log: Path, environment: dict[str, str]) -> None:
        self.slot: Final = slot
        self.exits: Final[list[int]] = []
        self._log = log
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None
        self._killed = False

    async def run(self) -> None:
        """Keep it running until cancelled; it is killed then."""
        try:
            while True:
                self._killed = False
                with self._log.open("ab") as log:
                    self._process = await asyncio.create_subprocess_exec(
                        sys.executable,
                        str(ROOT / "worker.py"),
                        cwd=ROOT,
                        env=self._environment,
                        stdin=asyncio.subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        # A terminal's Ctrl-C is for us; we end everything in order.
                        start_new_session=True,
                    )
                code = await self._process.wait()
                if not self._killed:
                    self.exits.append(code)
                    await asyncio.sleep(PAUSE_BEFORE_RESTART)
        finally:
            self.kill()

    @property
    def pid(self) -> int:
        """The process ID of the one that runs, or ran last.

        Raises:
            RuntimeError: it was never started.
        """
        if self._process is None:
            raise RuntimeError("the worker was not started")
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL."""
        self._killed = True
        if self._process is not None and self._process.returncode is None:
            self._process.kill()


class Services:
    """Everything that runs, as long as the block of `running` lasts."""

    def __init__(
        self,
        folder: Path,
        temporal: TemporalServer,
        postgresql: Postgresql,
        database_url: str,
        workers: list[Worker],
        mail_log: Path,
        start: float,
    ) -> None:
        self.folder: Final = folder
        self.temporal: Final = temporal
        self.postgresql: Final = postgresql
        self.database_url: Final = database_url
        self.workers: Final = workers
        self.mail_log: Final = mail_log
        self.start: Final = start


@asynccontextmanager
async def running(folder: Path, plan: Plan) -> AsyncIterator[Services]:
    """Start everything but the faults; at the end, however it comes, everything is gone."""
    async with AsyncExitStack() as stack:
        frontend, *mail_ports = free_ports(1 + plan.workers)
        temporal = TemporalServer(
            log_file=folder / "temporal.log", db_filename=folder / "temporal.db", port=frontend, headless=True
        )
        stack.push_async_callback(temporal.kill)
        await temporal.start()
        postgresql = await asyncio.to_thread(Postgresql)
        stack.callback(postgresql.close)
        database_url = postgresql.url(postgresql.create())
        workers = [
            Worker(
                slot,
                folder / f"worker-{slot}.log",
                environment(folder, temporal.address, temporal.namespace, database_url, port),
            )
            for slot, port in enumerate(mail_ports)
        ]
        tasks = [asyncio.create_task(worker.run()) for worker in workers]
        stack.push_async_callback(cancelled, tasks)
        # The times of the plan begin when the service works, not while it starts.
        await asyncio.gather(*(working(folder / f"worker-{worker.slot}.log") for worker in workers))
        start = time.time()
        await stack.enter_async_context(mail_server(folder, plan, start, mail_ports))
        yield Services(folder, temporal, postgresql, database_url, workers, folder / "mails.jsonl", start)


async def working(log: Path) -> None:
    """Return once the worker that writes this log polls.

    Raises:
        TimeoutError: it does not within a minute.
    """
    async with within(60, "a worker that polls"):
        while WORKING not in _text(log):  # noqa: ASYNC110 - a file sets no event
            await asyncio.sleep(0.1)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""


@asynccontextmanager
async def mail_server(folder: Path, plan: Plan, start: float, ports: list[int]) -> AsyncIterator[None]:
    """`bench.chaos.smtp` on these ports, as long as the block lasts; its log is ``mails.jsonl``."""
    plan_file = folder / "plan.json"
    plan_file.write_text(plan.model_dump_json(indent=1), encoding="utf-8")
    with (folder / "smtp.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bench.chaos.smtp",
            str(plan_file),
            str(folder / "mails.jsonl"),
            str(start),
            *map(str, ports),
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def within(seconds: float, what: str) -> AsyncIterator[None]:
    """Bound the block.

    Raises:
        TimeoutError: it lasted longer; the error names ``what`` was waited for.
    """
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise TimeoutError(f"not within {seconds:g} s: {what}") from None


async def cancelled(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait for their end."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def without_settings() -> dict[str, str]:
    """This process's environment without what it says of the service and of Temporal."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("ONBOARDING_", "TEMPORAL_"))
    }


def environment(
    folder: Path, address: str, namespace: str, database_url: str, mail_port: int
) -> dict[str, str]:
    """A worker's environment: ours without its settings, and the parts it works with."""
    return without_settings() | {
        "HOME": str(folder),
        "ONBOARDING_DATA": str(folder),
        "ONBOARDING_DATABASE_URL": database_url,
        "ONBOARDING_SMTP_URL": f"smtp://{IP}:{mail_port}",
        "ONBOARDING_EMAIL_FROM": SENDER,
        "TEMPORAL_ADDRESS": address,
        "TEMPORAL_NAMESPACE": namespace,
    }
