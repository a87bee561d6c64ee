"""What is left of an application in full: its audit trail, its ledger, the histories of its runs, its end."""

from collections.abc import Sequence
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.client import WorkflowFailureError, WorkflowHandle, WorkflowHistory
from temporalio.exceptions import ApplicationError

from activities.db.email_ledger import EmailLedger, LedgerRow
from domain.audit import AuditEvent, Verdict
from domain.contract import DELIVERY_TYPE
from tests.rig import Applicant
from tests.service import evidence


async def audit(applicant: Applicant) -> tuple[AuditEvent, ...]:
    """The audit trail; complete and without gaps."""
    events = await (await evidence.records(applicant)).audit((await applicant.status()).application_id)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    return events


async def failed_as_invalid(applicant: Applicant) -> str:
    """What the run said that ended because of what it was started with."""
    with pytest.raises(WorkflowFailureError) as failure:
        await applicant.result()
    assert isinstance(failure.value.cause, ApplicationError)
    assert failure.value.cause.type == "invalid"
    return failure.value.cause.message


async def refused(applicant: Applicant) -> list[tuple[str, str | None]]:
    """Command and error of every refusal in the audit trail."""
    return [(e.command, e.error) for e in await audit(applicant) if e.verdict is Verdict.REFUSED]


async def accepted(applicant: Applicant) -> list[str]:
    """The commands and due clocks of the audit trail that were carried out."""
    return [e.command for e in await audit(applicant) if e.verdict is Verdict.ACCEPTED]


async def ledger(applicant: Applicant) -> list[LedgerRow]:
    """The e-mail ledger of the application."""
    return await EmailLedger(applicant.service.database).of((await applicant.status()).application_id)


async def histories(applicant: Applicant) -> Sequence[WorkflowHistory]:
    """The histories of all runs of the application, the first one first."""
    client = applicant.service.env.client
    found = [await applicant.history()]
    while run_id := _continued_from(found[0]):
        handle = client.get_workflow_handle(applicant.handle.id, run_id=run_id)
        found.insert(0, await handle.fetch_history())
    return found


async def delivery_of(applicant: Applicant) -> WorkflowHandle[Any, Any]:
    """The child that was handed what could not leave when the application ended."""
    [child] = [
        event.start_child_workflow_execution_initiated_event_attributes
        for event in (await applicant.history()).events
        if event.event_type == EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED
    ]
    assert child.workflow_type.name == DELIVERY_TYPE
    return applicant.service.env.client.get_workflow_handle(child.workflow_id)


async def unharmed(applicant: Applicant) -> None:
    """No workflow task of any run has failed.

    That a message came while a run was about to end is no failure of ours: the server hands the task out
    again.
    """
    for history in await histories(applicant):
        failed = [
            event.workflow_task_failed_event_attributes
            for event in history.events
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
        ]
        assert [
            failure.failure.message
            for failure in failed
            if failure.cause != WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND
        ] == []


def _continued_from(history: WorkflowHistory) -> str:
    return history.events[0].workflow_execution_started_event_attributes.continued_execution_run_id
