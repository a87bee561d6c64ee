"""What a starter can't pass off as coming from an onboarding."""

from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError

from domain.contract import TASK_QUEUE, WORKFLOW_TYPE, Actor, Role, Stage, workflow_id
from domain.policy import Policy
from domain.state import Application
from tests import payloads
from tests.e2e.encrypted import joining, stack, until
from workflows.memory import RunMemory

BD = Actor(role=Role.BD, id="wei")
UID = "7200000001"
OTHER_UID = "7200000002"


async def test_a_second_application_of_a_company_can_not_hide_behind_another_workflow_id(
    tmp_path: Path,
) -> None:
    async with stack(tmp_path) as servers, servers.worker(None) as client:
        temporal = await servers.connect(servers.settings(None))
        joined = await client.join(joining(OTHER_UID))
        intruder: WorkflowHandle[Any, Any] = await temporal.start_workflow(
            WORKFLOW_TYPE, payloads.join(OTHER_UID), id="an-id-of-my-own", task_queue=TASK_QUEUE
        )
        with pytest.raises(WorkflowFailureError) as failure:
            await intruder.result()
        assert isinstance(failure.value.cause, ApplicationError)
        assert failure.value.cause.type == "invalid"
        assert workflow_id(OTHER_UID) in failure.value.cause.message
        assert (await client.status(OTHER_UID)).application_id == joined.application_id


async def test_a_start_that_is_none_does_not_hide_the_application_that_ended(tmp_path: Path) -> None:
    async with stack(tmp_path) as servers, servers.worker(None) as client:
        temporal = await servers.connect(servers.settings(None))
        joined = await client.join(joining(OTHER_UID))
        await client.cancel_application(OTHER_UID, BD, "entered twice")
        application: WorkflowHandle[Any, Any] = temporal.get_workflow_handle(workflow_id(OTHER_UID))
        await application.result()
        nothing: WorkflowHandle[Any, Any] = await temporal.start_workflow(
            WORKFLOW_TYPE, {"company_master_uid": OTHER_UID}, id=application.id, task_queue=TASK_QUEUE
        )
        with pytest.raises(WorkflowFailureError):
            await nothing.result()

        async def listed() -> bool:
            cancelled = client.list(stage=Stage.CANCELLED)
            return any([each.uid == OTHER_UID async for each in cancelled])

        await until(listed)
        status = await client.status(OTHER_UID)
        assert (status.application_id, status.outcome) == (joined.application_id, Stage.CANCELLED)


async def test_a_memory_of_the_starters_own_is_refused(tmp_path: Path) -> None:
    """By a cron schedule a run follows another, as after continue-as-new, with what the starter sent."""
    memory = RunMemory.of(Application.joined("forged", joining(UID), Policy())).memory()
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
