"""The client asks again where a query came at a bad moment, and only there."""

from datetime import timedelta
from typing import Any, Final, cast

import pytest
from temporalio.client import Client, WorkflowQueryFailedError

from domain.contract import ErrorType, Stage
from domain.status import Status
from starter.client.errors import OnboardingError
from starter.client.onboarding_client import OnboardingClient
from workflows.reset import ASK_AGAIN

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
