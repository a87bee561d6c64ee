"""Which processes poll a task queue, as far as the server knows."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio.api.enums.v1 import TaskQueueType, WorkerStatus
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.worker.v1 import WorkerHeartbeat, WorkerPollerInfo
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, ListWorkersRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from runtime.deployments import POLLS_WITHIN
from runtime.health import POLLED_WITHIN

_KINDS: Final[Mapping[str, TaskQueueType.ValueType]] = {
    "workflow": TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    "activity": TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
}
_STOPPING: Final = frozenset({WorkerStatus.WORKER_STATUS_SHUTTING_DOWN, WorkerStatus.WORKER_STATUS_SHUTDOWN})
_ON_ITS_WAY: Final = timedelta(seconds=1)
"""A last poll may reach the server after the word that the worker stops: seen some milliseconds later."""


async def polling_processes(client: Client, task_queue: str) -> dict[str, set[str]]:
    """Identities of the processes that poll for ``workflow`` and for ``activity`` tasks.

    Asked is the queue, and what workers say of themselves. The queue knows a worker from its first poll on,
    but answers for one partition, and forgets a worker late; a worker's own word covers both, but may come a
    minute later. One that was killed counts for up to two minutes.
    """
    said = await _newest_words(client, task_queue)
    return {kind: await _polling(client, task_queue, kind, said) for kind in _KINDS}


async def _newest_words(client: Client, task_queue: str) -> list[WorkerHeartbeat]:
    """The last word of each process's newest worker; none from a server that does not keep them."""
    try:
        listed = await client.workflow_service.list_workers(
            ListWorkersRequest(
                namespace=client.namespace, query=f"TaskQueue = '{task_queue}'", page_size=1000
            )
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.UNIMPLEMENTED:
            raise
        return []
    heartbeats = [each.worker_heartbeat for each in listed.workers_info]
    by_age = sorted(heartbeats, key=lambda each: each.start_time.ToDatetime(UTC))
    return list({each.worker_identity: each for each in by_age}.values())


async def _polling(client: Client, task_queue: str, kind: str, said: Iterable[WorkerHeartbeat]) -> set[str]:
    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=task_queue),
            task_queue_type=_KINDS[kind],
        )
    )
    now = datetime.now(UTC)
    polls = {each.identity: each.last_access_time.ToDatetime(UTC) for each in described.pollers}
    polls = {identity: poll for identity, poll in polls.items() if now - poll < POLLS_WITHIN}
    for heartbeat in said:
        identity, at = heartbeat.worker_identity, heartbeat.heartbeat_time.ToDatetime(UTC)
        if heartbeat.status in _STOPPING:
            if identity in polls and polls[identity] < at + _ON_ITS_WAY:
                del polls[identity]
        elif _polls(
            heartbeat.workflow_poller_info if kind == "workflow" else heartbeat.activity_poller_info, now
        ):
            polls.setdefault(identity, at)
    return set(polls)


def _polls(poller: WorkerPollerInfo, now: datetime) -> bool:
    last = poller.last_successful_poll_time.ToDatetime(UTC)
    return poller.current_pollers > 0 and now - last < POLLED_WITHIN
