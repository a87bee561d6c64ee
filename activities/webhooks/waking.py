"""Wakes who delivers webhooks, when there is something to deliver."""

from collections.abc import Iterable

from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy

from domain.contract import TASK_QUEUE, WAKE, WEBHOOK_TYPE, webhook_workflow_id


async def wake(client: Client, endpoint_ids: Iterable[str], task_queue: str = TASK_QUEUE) -> None:
    """Start the runs of these endpoints, or tell those that run.

    Raises:
        temporalio.service.RPCError: Temporal can't be asked.
    """
    for endpoint_id in endpoint_ids:
        await client.start_workflow(
            WEBHOOK_TYPE,
            id=webhook_workflow_id(endpoint_id),
            task_queue=task_queue,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            start_signal=WAKE,
            static_summary="Webhooks to one endpoint",
        )
