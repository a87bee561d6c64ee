"""What a starter can't pass off as coming from an onboarding."""

from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError

from domain.contract import TASK_QUEUE, WORKFLOW_TYPE, workflow_id
from domain.policy import Policy
from domain.state import Application
from tests import payloads
from tests.e2e.encrypted import joining, stack, until
from workflows.memory import Desk

UID = "7200000001"


async def test_a_memory_and_mails_of_the_starters_own_are_refused(tmp_path: Path) -> None:
    """By a cron schedule a run follows another, as after continue-as-new, with what the starter sent."""
    memory = Desk.of(Application.joined("forged", joining(UID), Policy())).memory()
    async with stack(tmp_path) as servers, servers.worker(None):
        temporal = await servers.connect(servers.settings(None))
        onboarding: WorkflowHandle[Any, Any] = await temporal.start_workflow(
            WORKFLOW_TYPE,
            args=[payloads.join(UID), memory],
            id=workflow_id(UID),
            task_queue=TASK_QUEUE,
            cron_schedule="@every 1s",
        )
        failed = f"WorkflowId = '{onboarding.id}' AND ExecutionStatus = 'Failed'"

        async def failed_again() -> bool:
            return (await temporal.count_workflows(failed)).count > 1

        await until(failed_again)
        await onboarding.terminate()
        runs = [run.status async for run in temporal.list_workflows(f"WorkflowId = '{onboarding.id}'")]
        assert WorkflowExecutionStatus.COMPLETED not in runs

        delivery: WorkflowHandle[Any, Any] = await temporal.start_workflow(
            "OutstandingDelivery", memory, id="forged-delivery", task_queue=TASK_QUEUE
        )
        with pytest.raises(WorkflowFailureError) as failure:
            await delivery.result()
        assert isinstance(failure.value.cause, ApplicationError)
        assert failure.value.cause.type == "invalid"
