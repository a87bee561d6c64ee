"""`python -m bench.ratio.limit`: a workflow without logic, its worker and its driver, in one process.

Its activities do nothing: neither the database nor the mail server is part of the limit.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from bench.ratio.limit_workflow import NoLogic
from bench.ratio.load import Stored, WrongEndError, drive
from bench.ratio.reference import START, START_DATE
from runtime.search_attributes import register_search_attributes

POLLERS: Final = 10
CACHE: Final = 2000


class Activities:
    """The activities of `NoLogic`."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored

    @activity.defn(name="look_up")
    async def look_up(self) -> None:
        """Ask nobody."""

    @activity.defn(name="store")
    async def store(self, name: str, step: str) -> None:
        """Store nothing."""
        self._stored.tell(name, step)

    @activity.defn(name="mail")
    async def mail(self, _name: str, _step: str) -> None:
        """Send nothing."""


class Limit:
    """The engine: `NoLogic` on one task queue."""

    def __init__(self, client: Client, task_queue: str, stored: Stored) -> None:
        self._client = client
        self._task_queue = task_queue
        self._stored = stored
        self._handles: dict[str, WorkflowHandle[Any, str]] = {}

    async def start(self, name: str) -> None:
        """Begin one."""
        stored = self._stored.awaited(name, START.name)
        self._handles[name] = await self._client.start_workflow(
            NoLogic.run, name, id=name, task_queue=self._task_queue
        )
        await stored.wait()

    async def send(self, name: str, message: str) -> None:
        """By update."""
        await self._handles[name].execute_update(NoLogic.say, message, id=message)

    async def finish(self, name: str) -> None:
        """By the run's result."""
        if (result := await self._handles[name].result()) != START_DATE.stage:
            raise WrongEndError(f"{name} ended {result}")


async def _main(address: str, count: int, at_once: int, output: Path) -> None:
    client = await Client.connect(address)
    await register_search_attributes(client)
    stored, task_queue = Stored(), f"limit-{uuid4().hex[:8]}"
    activities = Activities(stored)
    names = [f"{task_queue}-{number}" for number in range(count)]
    # Workflows in the sandbox, as the SDK does by default.
    async with Worker(
        client,
        task_queue=task_queue,
        workflows=[NoLogic],
        activities=[activities.look_up, activities.store, activities.mail],
        max_cached_workflows=CACHE,
        max_concurrent_workflow_task_polls=POLLERS,
        max_concurrent_activity_task_polls=POLLERS,
    ):
        driven = await drive(Limit(client, task_queue, stored), names, at_once)
    driven.write(output, workflow_ids=names)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])))
