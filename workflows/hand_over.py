"""What an ended application could not deliver goes to a child workflow (`delivery.py`)."""

from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.exceptions import WorkflowAlreadyStartedError

from domain.contract import DELIVERY_TYPE
from workflows.memory import RunMemory

LAST_MAILS_WITHIN: Final = timedelta(seconds=30)
"""How long an ended application waits for its last mails before it hands them over."""


async def hand_over(memory: RunMemory) -> None:
    """Hand what could not leave to a child that outlives this run."""
    name = f"{workflow.info().workflow_id}-delivery-{memory.application.application_id}-{memory.sequence}"
    try:
        await workflow.start_child_workflow(
            DELIVERY_TYPE,
            memory.memory(handed_over=True),
            id=name,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            static_summary="E-mails and records an ended onboarding could not deliver in time",
        )
    except WorkflowAlreadyStartedError:
        # The run before a reset handed over the same.
        workflow.logger.info("the same is delivered already")
