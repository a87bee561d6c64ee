"""The client asks again where a query came at a bad moment, and only there."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowQueryFailedError
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from domain.anytime import Decline
from domain.contract import Actor, ErrorType, Role, Stage
from domain.status import Status
from starter.client.errors import OnboardingError
from starter.client.onboarding_client import OnboardingClient
from workflows.reset import ASK_AGAIN
from workflows.search_attributes import STAGE

UID: Final = "5123456789"
STATUS: Final = Status.model_validate(
    {
        "application_id": "1",
        "company_master_uid": UID,
        "stage": Stage.DRAFTING,
        "status_text": "",
        "waiting_on": "partner",
    }
)


class Temporal:
    """Client and handle in one; each query gets the next answer."""

    def __init__(self, *answers: Status | str) -> None:
        self.answers = list(answers)

    def get_workflow_handle(self, *_: Any) -> "Temporal":
        return self

    async def query(self, *_: Any, **__: Any) -> Status:
        answer = self.answers.pop(0)
        if isinstance(answer, str):
            raise WorkflowQueryFailedError(answer)
        return answer


def service(temporal: Temporal) -> OnboardingClient:
    return OnboardingClient(cast(Client, temporal), answer_within=timedelta(seconds=30))


async def test_it_asks_a_run_again_that_was_about_to_go_on() -> None:
    temporal = Temporal(ASK_AGAIN, ASK_AGAIN, STATUS)
    assert await service(temporal).status(UID) == STATUS


async def test_any_other_failure_is_told_at_once() -> None:
    temporal = Temporal("nobody knows this query", STATUS)
    with pytest.raises(OnboardingError, match="nobody knows this query") as refused:
        await service(temporal).status(UID)
    assert refused.value.type is ErrorType.UNAVAILABLE
    assert temporal.answers == [STATUS]


class Closed:
    """Client and handle in one, of a run that has closed; ``stage``: what its search attribute says."""

    def __init__(self, stage: Stage, status: WorkflowExecutionStatus) -> None:
        self._closed = SimpleNamespace(
            status=status, typed_search_attributes=TypedSearchAttributes([SearchAttributePair(STAGE, stage)])
        )

    def get_workflow_handle(self, *_: Any) -> "Closed":
        return self

    async def describe(self) -> Any:
        return self._closed

    async def execute_update(self, *_: Any, **__: Any) -> Any:
        raise RPCError("workflow execution already completed", RPCStatusCode.NOT_FOUND, b"")


DONE: Final = WorkflowExecutionStatus.COMPLETED
LEFT: Final = "add_associated_uid, remove_associated_uid"


@pytest.mark.parametrize(
    ("stage", "closed", "told"),
    [
        (Stage.ACTIVE, DONE, "has ended: ACPN access granted. The contract is in effect, and is neither"),
        (Stage.DRAFTING, DONE, "has ended: ACPN access granted. The contract is in effect, and is neither"),
        (Stage.REJECTED, DONE, "has ended: Application rejected."),
        (Stage.DRAFTING, WorkflowExecutionStatus.TERMINATED, "has ended."),
    ],
)
async def test_who_comes_after_the_end_is_told_how_it_ended_and_what_is_left(
    stage: Stage, closed: WorkflowExecutionStatus, told: str
) -> None:
    """A run that completes in another stage has found access given."""
    client = OnboardingClient(cast(Client, Closed(stage, closed)))
    command = Decline(command_id="c-1", actor=Actor(role=Role.PARTNER, id="p-1"), reason="Too late")
    with pytest.raises(OnboardingError) as refused:
        await client.send(UID, command)
    assert refused.value.type is ErrorType.CLOSED
    assert refused.value.message.startswith(f"The application of UID {UID} {told}")
    assert (LEFT in refused.value.message) is ("granted" in told)
    assert "`onboarding coverage add`" in refused.value.remedy
