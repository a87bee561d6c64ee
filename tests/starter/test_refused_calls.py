"""What a start makes of calls that Temporal refuses: a message that says what to do, never a trace."""

import logging

import pytest
from temporalio.service import RPCStatusCode

from runtime.errors import connection_problem
from runtime.search_attributes import SearchAttributesError, register_search_attributes
from settings import Settings
from tests.starter.scripted_service import ScriptedService, refused
from worker import warn_unless_promoted


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (RPCStatusCode.PERMISSION_DENIED, "create --namespace default --name OnboardingStage --type Keyword"),
        (RPCStatusCode.UNIMPLEMENTED, "OperatorService.ListSearchAttributes"),
        (RPCStatusCode.UNAVAILABLE, "start again"),
    ],
)
async def test_search_attributes_that_can_not_be_listed(status: RPCStatusCode, says: str) -> None:
    with pytest.raises(
        SearchAttributesError, match=r"'default' can't be listed \(no right to that\)"
    ) as told:
        await register_search_attributes(ScriptedService(refused(status)).client)
    assert says in str(told.value)


async def test_a_worker_works_that_may_not_see_whether_its_version_is_promoted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    service = ScriptedService(refused(RPCStatusCode.PERMISSION_DENIED))
    with caplog.at_level(logging.WARNING, "onboarding.worker"):
        await warn_unless_promoted(service.client, Settings(build_id="b1"))
    assert "Whether version b1 of worker deployment" in caplog.text
    assert "no right to that" in caplog.text


def test_an_error_without_a_text_has_a_reason_nevertheless() -> None:
    assert connection_problem(refused(RPCStatusCode.UNKNOWN, "")) == "no reason is given"
