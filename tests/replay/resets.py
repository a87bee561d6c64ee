"""Temporal's Reset, as an operator does it: by the API, as the Web UI and the command line do."""

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus

from domain.contract import Stage
from starter.release.replaying import stages_shown
from tests.rig import Applicant
from tests.service.resetting import task_ends, turn_back


async def reset(applicant: Applicant, event_id: int, *, reapply: bool = True) -> None:
    """Turn the applicant's newest run back to this event, which ends a workflow task.

    ``reapply``: signals and updates that came later come again. Returns when the new run has settled.
    """
    await turn_back(applicant, event_id, reapply=reapply)
    if (await applicant.handle.describe()).status is WorkflowExecutionStatus.RUNNING:
        await applicant.settled()


async def first_task(applicant: Applicant) -> int:
    """The event that ends the run's first workflow task."""
    return next(iter(await task_ends(applicant)))


async def after(applicant: Applicant, stage: Stage) -> int:
    """The first event that ends a workflow task after the run has shown this stage."""
    events = (await applicant.history()).events
    shown = next(event.event_id for event in events if stage.value in stages_shown([event]))
    return next(completed for completed in await task_ends(applicant) if completed > shown)


async def update_accepted(applicant: Applicant) -> int:
    """The event that ends the workflow task in which the run accepted its newest update."""
    accepted = [
        event.workflow_execution_update_accepted_event_attributes.accepted_request_sequencing_event_id
        for event in (await applicant.history()).events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
    ]
    return next(completed for completed in await task_ends(applicant) if completed > accepted[-1])
