"""Whether a worker polls, shown by the time of a file: what a container's health check can see."""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from temporalio.api.worker.v1 import WorkerHeartbeat
from temporalio.api.workflowservice.v1 import ListWorkersRequest
from temporalio.client import Client
from temporalio.service import RPCError

from domain.contract import TASK_QUEUE
from runtime.errors import first_line, keep_cancellation

HEARTBEAT: Final = timedelta(seconds=15)
"""How often a worker tells the server about itself."""
POLLED_WITHIN: Final = timedelta(seconds=120)
"""A poll that finds nothing is answered after a minute, and heard of with the heartbeat after that."""
LOOK_EVERY: Final = timedelta(seconds=10)
HEARD_OF_WITHIN: Final = 2 * HEARTBEAT
"""Before, nothing is wrong with a worker that the server has not heard of."""
ANSWER_WITHIN: Final = timedelta(seconds=5)
"""Without it, a look on a connection that died unnoticed would never end."""

log: Final = logging.getLogger("onboarding.health")


async def show_polling(client: Client, file: Path, *, task_queue: str = TASK_QUEUE) -> None:
    """Touch the file for as long as this process polls, until cancelled.

    Three things must hold for that: this event loop runs, the server answers, and the server has heard from
    this worker that polls for workflow and for activity tasks were answered lately. Why the file is not
    touched is logged, each reason once until the next confirmation.
    """
    # A process before us in the same container may have left it. If it can't be removed, the touch will tell.
    with suppress(OSError):
        await asyncio.to_thread(file.unlink, missing_ok=True)
    clock = asyncio.get_running_loop().time
    heard_of_at = clock() + HEARD_OF_WITHIN.total_seconds()
    polls, told = False, set[str]()
    while True:
        problem = await _why_not(client, task_queue)
        polled_before, polls = polls, problem is None
        if polls:
            problem = await asyncio.to_thread(_touch, file)
        if polls and not polled_before:
            log.info("The server confirms that this worker polls")
            told.clear()
        too_early = problem == _NOT_HEARD_OF and clock() < heard_of_at
        if problem is not None and problem not in told and not too_early:
            told.add(problem)
            log.warning(problem)
        await asyncio.sleep(LOOK_EVERY.total_seconds())


_NOT_HEARD_OF: Final = "The worker does not poll: the server has not heard of it"


async def _why_not(client: Client, task_queue: str) -> str | None:
    """Why it does not count as polling; ``None``: it does."""
    # Not by `describe_task_queue`: it knows one partition of the queue, our pollers may be at another.
    identity = client.service_client.config.identity
    try:
        listed = await client.workflow_service.list_workers(
            ListWorkersRequest(
                namespace=client.namespace,
                query=f"WorkerIdentity = '{identity}' AND TaskQueue = '{task_queue}'",
            ),
            timeout=ANSWER_WITHIN,
        )
    except RPCError as error:
        keep_cancellation()
        return f"The worker does not poll, or the server does not tell: {first_line(error)}"
    heartbeats = [each.worker_heartbeat for each in listed.workers_info]
    if polls_now(heartbeats, datetime.now(UTC)):
        return None
    return "The worker does not poll: its polls are not answered" if heartbeats else _NOT_HEARD_OF


def _touch(file: Path) -> str | None:
    """Why it can't be; ``None``: it was."""
    try:
        file.touch()
    except OSError as error:
        return (
            f"ONBOARDING_HEALTH_FILE: {file} can't be written ({error.strerror}); the worker works,"
            " but its health check can't see it"
        )
    return None


def polls_now(heartbeats: Iterable[WorkerHeartbeat], now: datetime) -> bool:
    """Whether the newest worker of these polls; one that has just started has had no answer yet.

    Of a container that was started again the server still lists the worker before, under the same identity.
    """
    newest = max(heartbeats, key=lambda each: each.start_time.ToDatetime(UTC), default=None)
    if newest is None:
        return False
    return all(
        now - max(poller.last_successful_poll_time.ToDatetime(UTC), newest.start_time.ToDatetime(UTC))
        < POLLED_WITHIN
        for poller in (newest.workflow_poller_info, newest.activity_poller_info)
    )
