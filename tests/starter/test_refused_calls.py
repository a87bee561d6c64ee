"""What is made of calls that Temporal refuses, or answers with nothing: a message that says what to do."""

import logging
from typing import Any, Final

import pytest
from google.protobuf.message import Message
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesResponse
from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsResponse
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from runtime import deployments
from runtime.errors import connection_problem
from runtime.search_attributes import NotSetUpError, SearchAttributesError, register_search_attributes
from settings import Settings
from starter.cli import deploy
from starter.client.listed import Listed
from starter.client.onboarding_client import OnboardingClient
from tests.starter.cli_fakes import Cli
from tests.starter.scripted_service import ScriptedService, refused
from worker import warn_unless_promoted
from workflows.search_attributes import ALL

SET_UP: Final = ListSearchAttributesResponse(
    custom_attributes={key.name: IndexedValueType.ValueType(key.indexed_value_type) for key in ALL}
)
NOT_SET_UP: Final = ListSearchAttributesResponse(custom_attributes={})


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


async def listed(*answers: Message | RPCError) -> list[Listed]:
    client = OnboardingClient(ScriptedService(*answers).client)
    return [each async for each in client.list()]


async def test_a_list_says_that_nothing_can_be_found_where_the_namespace_is_not_set_up() -> None:
    with pytest.raises(NotSetUpError) as told:
        await listed(ListWorkflowExecutionsResponse(), NOT_SET_UP)
    assert str(told.value).startswith(
        "Temporal's namespace 'default' is not set up: it has no search attribute Onboarding"
    )
    assert "`onboarding setup`" in told.value.remedy


@pytest.mark.parametrize("answer", [SET_UP, refused(RPCStatusCode.PERMISSION_DENIED)])
async def test_a_list_is_empty_where_there_is_nothing(answer: Message | RPCError) -> None:
    assert await listed(ListWorkflowExecutionsResponse(), answer) == []


@pytest.mark.parametrize(("attributes", "code"), [(NOT_SET_UP, 1), (SET_UP, 0)])
def test_a_deployment_without_versions_is_told_from_a_namespace_that_is_not_set_up(
    attributes: Message, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reach(*_: Any) -> Client:
        return ScriptedService(attributes).client

    async def describe(*_: Any) -> deployments.Deployment:
        return deployments.Deployment("onboarding", deployments.Routing(), ())

    monkeypatch.setattr(deploy, "reach", reach)
    monkeypatch.setattr(deployments, "describe", describe)
    result = Cli().run("deploy", "status")
    assert (result.exit_code, result.stdout) == (code, "")
    assert ("is not set up" in result.stderr) is bool(code)
