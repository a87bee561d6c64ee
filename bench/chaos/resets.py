"""What an operator does by "Reset" in the Web UI: turns a run back, and has what came since judged again."""

import asyncio
import time
from typing import Final
from uuid import uuid4

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, ResetReapplyType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from bench.chaos.evidence import FaultSeen
from bench.chaos.plan import FaultKind
from domain.contract import workflow_id

PAUSE: Final = 0.5
_REFUSED: Final = frozenset({RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.NOT_FOUND})


async def turn_back(client: Client, uid: str, back: float) -> FaultSeen:
    """Reset the applicant's newest run, running or not, and return when Temporal has done so.

    ``back``: how much of its history stays, of 1. Signals and updates that came later are applied again.

    Raises:
        RPCError: Temporal refuses it.
    """
    began = time.time()
    request = None
    while True:
        try:
            # The same request is made again, whatever became of it: under its ID, it counts once.
            request = request or await _request(client, uid, back)
            if request:
                await client.workflow_service.reset_workflow_execution(request)
                return FaultSeen(kind=FaultKind.RESET, began=began, ended=time.time(), uid=uid)
        except RPCError as error:
            if error.status in _REFUSED:
                raise
        await asyncio.sleep(PAUSE)


async def _request(client: Client, uid: str, back: float) -> ResetWorkflowExecutionRequest | None:
    """``None``: there is nothing yet to turn back to."""
    run_id = (await client.get_workflow_handle(workflow_id(uid)).describe()).run_id
    history = client.get_workflow_handle(workflow_id(uid), run_id=run_id).fetch_history_events()
    completed = [
        event.event_id
        async for event in history
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ]
    if not completed:
        return None
    return ResetWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=workflow_id(uid), run_id=run_id),
        reason="chaos",
        workflow_task_finish_event_id=completed[int(back * len(completed))],
        request_id=str(uuid4()),
        reset_reapply_type=ResetReapplyType.RESET_REAPPLY_TYPE_ALL_ELIGIBLE,
        identity=client.identity,
    )
