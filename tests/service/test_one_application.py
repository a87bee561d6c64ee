"""A company has one application at a time: a start under another workflow ID is none."""

from typing import Any

import pytest
from temporalio.client import WithStartWorkflowOperation, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError

from domain.contract import TASK_QUEUE, UPDATE_NAME, WORKFLOW_TYPE, Stage, workflow_id
from domain.status import Status
from starter.client.onboarding_client import OnboardingClient
from tests import payloads
from tests.long import SHORT
from tests.rig import Applicant, Service
from tests.service.evidence import audit, records, row
from tests.service.trail import unharmed

pytestmark = SHORT


def foreign_ids(uid: str) -> list[str]:
    """IDs under which somebody may start a run for the company of this UID."""
    own = workflow_id(uid)
    return [f"my-own-id-{uid}", f"{own}-2", f"{own} ", own.upper(), workflow_id(f"0{uid}")]


@pytest.fixture
async def applicant(service: Service) -> Applicant:
    """One whose application is under review."""
    applicant = await service.applicant()
    await applicant.to_review()
    return applicant


async def test_a_start_under_another_workflow_id_is_refused_and_hides_nothing(
    service: Service, applicant: Applicant
) -> None:
    own = await applicant.settled()
    before = await audit(applicant)
    mails = applicant.templates()
    for name in foreign_ids(applicant.uid):
        with pytest.raises(WorkflowFailureError) as failed:
            await service.env.client.execute_workflow(
                WORKFLOW_TYPE, payloads.join(applicant.uid), id=name, task_queue=TASK_QUEUE
            )
        assert isinstance(failed.value.cause, ApplicationError)
        assert failed.value.cause.type == "invalid"
        assert f"'{applicant.handle.id}'" in failed.value.cause.message

    [stored] = await (await records(applicant)).applications_of(applicant.uid)
    assert (stored.application_id, stored.workflow_id) == (own.application_id, applicant.handle.id)
    assert stored.status.model_dump() == own.model_dump()
    assert await audit(applicant) == before
    assert applicant.templates() == mails
    status = await OnboardingClient(service.env.client).status(applicant.uid)
    assert status.application_id == own.application_id
    await applicant.signal("approve_application", form_revision=1)
    assert (await row(applicant)).stage is Stage.QUALIFIED
    await unharmed(applicant)


async def test_a_command_that_starts_a_run_under_another_workflow_id_is_refused(
    service: Service, applicant: Applicant
) -> None:
    client, name = service.env.client, f"started-with-update-{applicant.uid}"
    start: WithStartWorkflowOperation[Any, Status] = WithStartWorkflowOperation(
        WORKFLOW_TYPE,
        payloads.join(applicant.uid),
        id=name,
        task_queue=TASK_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await client.execute_update_with_start_workflow(
            UPDATE_NAME,
            {"kind": "decline", **payloads.command("decline")},
            start_workflow_operation=start,
        )
    assert isinstance(refused.value.cause, ApplicationError)
    assert refused.value.cause.type == "invalid"
    with pytest.raises(WorkflowFailureError):
        await client.get_workflow_handle(name).result()
    assert (await applicant.settled()).stage is Stage.UNDER_REVIEW
    assert len(await (await records(applicant)).applications_of(applicant.uid)) == 1
