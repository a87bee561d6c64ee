"""The runs: every engine once in each round, in turns, so that each ratio is of the same minute."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any, Final

import psutil
from temporalio.client import Client

from bench.chaos.services import ROOT, cancelled
from bench.ratio.figures import (
    Answered,
    Failed,
    Mailed,
    Measured,
    Which,
    all_tries,
    count_for,
    extra_activities,
    wanted_mails,
)
from bench.ratio.histories import History, read
from bench.ratio.load import drive
from bench.ratio.ours import Applicants, employed, enter_accounts
from bench.ratio.services import EngineError, Services, run_module, running
from domain.contract import workflow_id
from runtime.errors import first_line

DBOS_PYTHON: Final = ROOT / ".venv" / "dbos" / "bin" / "python"
RUN_WITHIN: Final = 15 * 60.0
"""Seconds a run of one engine may take."""
_FIRST_UID: Final = 6_400_000_000


class Comparison:
    """All runs of one call; what they have found so far is in ``runs`` and ``failed``, whenever they end."""

    def __init__(
        self, least: int, rounds: int, kill_every: float | None, ended: Callable[[str], None]
    ) -> None:
        self.runs: Final[list[Measured]] = []
        self.failed: Final[list[Failed]] = []
        self.complete = False
        """Whether all were measured."""
        self._least = least
        self._rounds = rounds
        self._kill_every = kill_every
        self._ended = ended
        self._numbers: Iterator[int] = count(_FIRST_UID)
        self._urls: dict[str, str] = {}

    async def measure(self, folder: Path, at_once: list[int]) -> None:
        """Start what all share, and measure."""
        async with running(folder) as services:
            server = services.postgresql
            self._urls = {name: server.url(server.create()) for name in ("ours", "dbos system", "dbos")}
            for each in at_once:
                for number in range(1, self._rounds + 1):
                    for which in Which if self._kill_every is None else (Which.OURS,):
                        await self._one(services, which, each, number)
        self.complete = True

    async def _one(self, services: Services, which: Which, at_once: int, number: int) -> None:
        about: dict[str, Any] = {"which": which, "at_once": at_once, "round": number}
        engine = {Which.LIMIT: self._limit, Which.OURS: self._ours, Which.DBOS: self._dbos}[which]
        onboardings = count_for(at_once, self._least)
        server = psutil.Process(services.temporal.pid)
        used = sum(server.cpu_times()[:2])
        try:
            await services.mail.forget()
            found = await engine(services, at_once, onboardings)
            if workflow_ids := found.pop("workflow_ids", []):
                found["server_cpu"] = round((sum(server.cpu_times()[:2]) - used) / onboardings, 3)
                client = await Client.connect(services.temporal.address)
                histories = await read(client, workflow_ids)
                found |= _stored(histories)
                found["extra_activities"] = extra_activities(histories) if which is Which.OURS else 0
            run = Measured(**about, count=onboardings, **found)
        # Whatever it is, the others are measured all the same.
        except Exception as error:
            why = _said(error)
            self.failed.append(Failed(**about, why=why))
            self._ended(f"{which} at {at_once} at once: {why}")
            return
        self.runs.append(run)
        self._ended(f"{which} at {at_once} at once: {run.per_second:.2f} a second")

    async def _limit(self, services: Services, at_once: int, onboardings: int) -> dict[str, Any]:
        output = services.folder / "limit.json"
        arguments = [services.temporal.address, str(onboardings), str(at_once), str(output)]
        log = services.folder / "limit.log"
        await run_module(Path(sys.executable), "bench.ratio.limit", arguments, log, RUN_WITHIN)
        found = json.loads(output.read_text(encoding="utf-8"))
        return {**_driven(found, onboardings), "workflow_ids": found["workflow_ids"]}

    async def _dbos(self, services: Services, at_once: int, onboardings: int) -> dict[str, Any]:
        if not DBOS_PYTHON.exists():
            raise EngineError("DBOS has no environment here: `make bench` makes it")
        output = services.folder / "dbos.json"
        arguments = [
            *(self._urls["dbos system"], self._urls["dbos"], str(services.mail.port)),
            *(f"run-{next(self._numbers)}", str(onboardings), str(at_once), str(output)),
        ]
        log = services.folder / "dbos.log"
        await run_module(DBOS_PYTHON, "bench.ratio.on_dbos", arguments, log, RUN_WITHIN)
        found = json.loads(output.read_text(encoding="utf-8"))
        return {**_driven(found, onboardings), "mails": await _mails(services, onboardings)}

    async def _ours(self, services: Services, at_once: int, onboardings: int) -> dict[str, Any]:
        client = await Client.connect(services.temporal.address)
        applicants = Applicants(client)
        uids = [str(next(self._numbers)) for _ in range(onboardings)]
        async with employed(services, self._urls["ours"]) as worker:
            await enter_accounts(self._urls["ours"], uids)
            used = worker.cpu_seconds()
            killing = [asyncio.create_task(worker.killed_every(self._kill_every))] if self._kill_every else []
            try:
                async with asyncio.timeout(RUN_WITHIN):
                    driven = await drive(applicants, uids, at_once)
            finally:
                await cancelled(killing)
            used = worker.cpu_seconds() - used
            mails = await _mails(services, onboardings)
            disturbances = worker.disturbances()
        return {
            "seconds": driven.seconds,
            "answered": Answered.of(driven.answered),
            "workflow_ids": [workflow_id(uid) for uid in uids],
            # A worker that was killed took what it had used with it.
            "cpu": None if worker.kills else round(used / onboardings, 3),
            "mails": mails,
            "again": applicants.again,
            "disturbances": disturbances,
            "kills": worker.kills,
            "exits": worker.exits,
        }


def _driven(found: dict[str, Any], onboardings: int) -> dict[str, Any]:
    return {
        "seconds": found["seconds"],
        "answered": Answered.of(found["answered"]),
        "cpu": round(found["cpu_seconds"] / onboardings, 3),
    }


def _stored(histories: list[History]) -> dict[str, Any]:
    return {
        "events": median(history.events for history in histories),
        "bytes": median(history.bytes for history in histories),
        "tries": all_tries(histories),
    }


async def _mails(services: Services, onboardings: int) -> Mailed:
    wanted = wanted_mails(onboardings)
    arrived = await services.mail.arrived(wanted)
    return Mailed(wanted=wanted, accepted=arrived.accepted, distinct=arrived.distinct)


def _said(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) if isinstance(error, EngineError) else f"{type(error).__name__}: {first_line(error)}"
