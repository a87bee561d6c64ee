"""What all engines share: one Temporal dev server on a file, one PostgreSQL, one mail server that counts."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from bench.chaos.services import ROOT, TemporalServer, free_ports, without_settings
from bench.ratio.smtp import COUNT, FORGET, READY
from tests.databases import Postgresql

LAST_LINES: Final = 10
_LATE_WITHIN: Final = 2.0
"""Seconds in which a mail too many would come after the last one."""
_MAILS_WITHIN: Final = 60.0
"""Seconds without any mail until those that are missing count as lost."""
_LOOK: Final = 0.2


class EngineError(Exception):
    """An engine did not get through; the message has the end of what it said."""


class Mails(BaseModel):
    """What arrived at the mail server: mails, and different Message-IDs of theirs."""

    model_config = ConfigDict(frozen=True)

    accepted: int
    distinct: int


class MailServer:
    """`bench.ratio.smtp` in a process of its own."""

    def __init__(self, port: int, process: asyncio.subprocess.Process) -> None:
        self.port: Final = port
        self._process = process

    async def forget(self) -> None:
        """Count anew from here on."""
        await self._ask(FORGET)

    async def arrived(self, wanted: int) -> Mails:
        """What has arrived, once so many different mails have, or no more come."""
        loop = asyncio.get_running_loop()
        mails, last = await self._ask(COUNT), loop.time()
        while mails.distinct < wanted and loop.time() < last + _MAILS_WITHIN:
            await asyncio.sleep(_LOOK)
            before, mails = mails, await self._ask(COUNT)
            last = last if mails == before else loop.time()
        await asyncio.sleep(_LATE_WITHIN)
        return await self._ask(COUNT)

    async def _ask(self, command: str) -> Mails:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the mail server's input and output are no pipes")
        self._process.stdin.write(f"{command}\n".encode())
        return Mails.model_validate_json(await self._process.stdout.readline())


@dataclass(frozen=True)
class Services:
    """Everything that runs, as long as the block of `running` lasts; ``folder`` has the logs."""

    folder: Path
    temporal: TemporalServer
    postgresql: Postgresql
    mail: MailServer


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Services]:
    """Start everything; at the end, however it comes, everything is gone."""
    async with AsyncExitStack() as stack:
        frontend, mail_port = free_ports(2)
        # The dev server as it comes, without our settings that make it answer faster.
        temporal = TemporalServer(
            log_file=folder / "temporal.log",
            db_filename=folder / "temporal.db",
            port=frontend,
            headless=True,
            dynamic_config={},
        )
        stack.push_async_callback(temporal.kill)
        await temporal.start()
        postgresql = await asyncio.to_thread(Postgresql)
        stack.callback(postgresql.close)
        mail = await stack.enter_async_context(_mail_server(mail_port))
        yield Services(folder, temporal, postgresql, mail)


@asynccontextmanager
async def _mail_server(port: int) -> AsyncIterator[MailServer]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.ratio.smtp", str(port)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        if process.stdout is None or (await process.stdout.readline()).decode().strip() != READY:
            raise EngineError(f"the mail server did not start on port {port}")
        yield MailServer(port, process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def run_module(python: Path, module: str, arguments: list[str], log: Path, seconds: float) -> None:
    """Run an engine that is a module, in a process of its own.

    Raises:
        EngineError: it failed, or took longer.
    """
    with log.open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            *(str(python), "-m", module, *arguments),
            cwd=ROOT,
            env=without_settings(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(seconds):
                code = await process.wait()
        except TimeoutError:
            raise EngineError(f"{module} was not done within {seconds:g} s:\n{last_lines(log)}") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if code:
        raise EngineError(f"{module} ended with code {code}:\n{last_lines(log)}")


def last_lines(log: Path) -> str:
    """The end of a log."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-LAST_LINES:])
