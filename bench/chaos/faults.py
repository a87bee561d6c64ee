"""Carries out the plan's faults on the running services, and writes down when each one really happened."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from bench.chaos.evidence import FaultSeen
from bench.chaos.plan import Fault, FaultKind, Plan
from bench.chaos.services import Services

_DATABASE: Final = (FaultKind.DATABASE, FaultKind.OUTAGE)


class Saboteur:
    """Does the faults at their times; each part has one task, so that its faults do not overlap."""

    def __init__(self, services: Services, plan: Plan) -> None:
        self._services = services
        self._plan = plan
        self._seen: list[FaultSeen] = []
        self._tasks: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Do the faults until the block is left; `heal` ends them sooner."""
        for kinds in ((FaultKind.WORKER,), (FaultKind.SERVER,), _DATABASE):
            faults = [fault for fault in self._plan.faults if fault.kind in kinds]
            self._tasks.append(asyncio.create_task(self._do(faults)))
        try:
            yield
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def heal(self) -> None:
        """Return when the planned time of faults is over and everything runs again."""
        await asyncio.gather(*self._tasks)

    def seen(self) -> tuple[FaultSeen, ...]:
        """The faults that happened; the mail server's are those of the plan."""
        now, start = time.time(), self._services.start
        windows = [
            FaultSeen(kind=w.kind, began=start + w.at, ended=start + w.at + w.lasts)
            for w in self._plan.windows()
            if start + w.at < now
        ]
        return tuple(sorted([*self._seen, *windows], key=lambda fault: fault.began))

    async def _do(self, faults: list[Fault]) -> None:
        for fault in faults:
            await asyncio.sleep(max(0.0, self._services.start + fault.at - time.time()))
            began = time.time()
            await self._one(fault)
            self._seen.append(FaultSeen(kind=fault.kind, began=began, ended=time.time(), slot=fault.slot))

    async def _one(self, fault: Fault) -> None:
        services = self._services
        if fault.kind is FaultKind.WORKER and fault.slot is not None:
            services.workers[fault.slot].kill()
        elif fault.kind is FaultKind.SERVER:
            await services.temporal.kill()
            await asyncio.sleep(fault.lasts)
            await services.temporal.start()
        elif fault.kind in _DATABASE:
            await asyncio.to_thread(services.postgresql.stop)
            try:
                await asyncio.sleep(fault.lasts)
            finally:
                await asyncio.to_thread(services.postgresql.start)
