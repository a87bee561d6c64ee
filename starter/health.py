"""Whether a worker polls, shown by the time of a file: what a container's health check can see."""

import asyncio
import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from temporalio.api.worker.v1 import WorkerHeartbeat
from temporalio.api.workflowservice.v1 import ListWorkersRequest
from temporalio.client import Client
from temporalio.service import RPCError

from starter.errors import keep_cancellation
from workflows.messages import TASK_QUEUE

HEARTBEAT: Final = timedelta(seconds=15)
"""How often a worker tells the server about itself."""
POLLED_WITHIN: Final = timedelta(seconds=120)
"""A poll that finds nothing is answered after a minute, and heard of with the heartbeat after that."""
LOOK_EVERY: Final = timedelta(seconds=10)
ANSWER_WITHIN: Final = timedelta(seconds=5)
"""Without it, a look on a connection that died unnoticed would never end."""

log: Final = logging.getLogger("onboarding.health")


async def show_polling(client: Client, file: Path, *, task_queue: str = TASK_QUEUE) -> None:
    """Touch the file for as long as this process polls, until cancelled.

    Three things must hold for that: this event loop runs, the server answers, and the server has heard from
    this worker that polls for workflow and for activity tasks were answered lately.
    """
    # A process before us in the same container may have left it.
    await asyncio.to_thread(file.unlink, missing_ok=True)
    polls = False
    while True:
        try:
            polled, why = await _polls(client, task_queue), "its polls are not answered"
        except RPCError as error:
            keep_cancellation()
            polled, why = False, error.message
        if polled:
            await asyncio.to_thread(file.touch)
        if polled and not polls:
            log.info("The server confirms that this worker polls")
        elif polls and not polled:
            log.warning("The worker does not poll: %s", why)
        polls = polled
        await asyncio.sleep(LOOK_EVERY.total_seconds())


async def _polls(client: Client, task_queue: str) -> bool:
    # Not by `describe_task_queue`: it knows one partition of the queue, our pollers may be at another.
    identity = client.service_client.config.identity
    listed = await client.workflow_service.list_workers(
        ListWorkersRequest(
            namespace=client.namespace,
            query=f"WorkerIdentity = '{identity}' AND TaskQueue = '{task_queue}'",
        ),
        timeout=ANSWER_WITHIN,
    )
    return polls_now((each.worker_heartbeat for each in listed.workers_info), datetime.now(UTC))


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
