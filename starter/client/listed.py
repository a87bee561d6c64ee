"""An application in a list, as Temporal's search attributes show it."""

from temporalio.client import WorkflowExecution

from domain.contract import Stage, WaitingOn, workflow_id
from domain.values import Contract, Instant
from workflows.search_attributes import DUE_AT, OVERDUE, STAGE, WAITING_ON


class Listed(Contract):
    """An application in a list; ``started_at`` is the start of its current run."""

    uid: str
    stage: Stage
    waiting_on: WaitingOn
    due_at: Instant | None = None
    overdue: bool = False
    started_at: Instant


def listed(execution: WorkflowExecution) -> Listed:
    """The application of a run that was found."""
    attributes = execution.typed_search_attributes
    return Listed(
        uid=execution.id.removeprefix(workflow_id("")),
        stage=Stage(attributes.get(STAGE, Stage.DRAFTING)),
        waiting_on=WaitingOn(attributes.get(WAITING_ON, WaitingOn.PARTNER)),
        due_at=attributes.get(DUE_AT),
        overdue=attributes.get(OVERDUE, False),
        started_at=execution.start_time,
    )
