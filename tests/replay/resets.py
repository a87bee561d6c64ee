"""Temporal's Reset, as an operator does it: by the API, as the Web UI and the command line do."""

import asyncio
from typing import Final
from uuid import uuid4

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, ResetReapplyExcludeType, ResetReapplyType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowExecutionStatus

from domain.contract import Stage
from starter.release.replaying import stages_shown
from tests.rig import Applicant

_MESSAGES: Final = (
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL,
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE,
)


async def reset(applicant: Applicant, event_id: int, *, reapply: bool = True) -> None:
    """Turn the applicant's newest run back to this event, which ends a workflow task.

    ``reapply``: signals and updates that came later come again. Returns when the new run has settled.
    """
    client, workflow_id = applicant.service.env.client, applicant.handle.id
    left = (await applicant.handle.describe()).run_id
    request = ResetWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=left),
        reason="test",
        workflow_task_finish_event_id=event_id,
        request_id=str(uuid4()),
        identity=client.identity,
        reset_reapply_type=ResetReapplyType.RESET_REAPPLY_TYPE_ALL_ELIGIBLE,
        reset_reapply_exclude_types=() if reapply else _MESSAGES,
    )
    answer = await client.workflow_service.reset_workflow_execution(request)
    # Until then the description is that of the run that was left.
    while (await applicant.handle.describe()).run_id != answer.run_id:  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0.03)
    if (await applicant.handle.describe()).status is WorkflowExecutionStatus.RUNNING:
        await applicant.settled()


async def first_task(applicant: Applicant) -> int:
    """The event that ends the run's first workflow task."""
    return next(iter(await _completed(applicant)))


async def after(applicant: Applicant, stage: Stage) -> int:
    """The first event that ends a workflow task after the run has shown this stage."""
    events = (await applicant.history()).events
    shown = next(event.event_id for event in events if stage.value in stages_shown([event]))
    return next(completed for completed in await _completed(applicant) if completed > shown)


async def update_accepted(applicant: Applicant) -> int:
    """The event that ends the workflow task in which the run accepted its newest update."""
    accepted = [
        event.workflow_execution_update_accepted_event_attributes.accepted_request_sequencing_event_id
        for event in (await applicant.history()).events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
    ]
    return next(completed for completed in await _completed(applicant) if completed > accepted[-1])


async def _completed(applicant: Applicant) -> list[int]:
    return [
        event.event_id
        for event in (await applicant.history()).events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ]
