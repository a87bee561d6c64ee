"""An application in a list, as Temporal's search attributes show it."""

from temporalio.client import WorkflowExecution

from domain.contract import WORKFLOW_TYPE, Stage, WaitingOn, workflow_id
from domain.state import OUTCOMES
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


def list_filter(stage: Stage | None, waiting_on: WaitingOn | None, overdue: bool | None) -> str:
    """For Temporal: the running applications; with an outcome as ``stage`` the ended ones."""
    running = stage not in OUTCOMES
    terms = [f"WorkflowType = '{WORKFLOW_TYPE}'", f"ExecutionStatus {'=' if running else '!='} 'Running'"]
    if not running:
        terms.append("ExecutionStatus != 'ContinuedAsNew'")
    if stage is not None:
        terms.append(f"{STAGE.name} = '{stage}'")
    if waiting_on is not None:
        terms.append(f"{WAITING_ON.name} = '{waiting_on}'")
    if overdue is not None:
        terms.append(f"{OVERDUE.name} = {str(overdue).lower()}")
    return " AND ".join(terms)


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
