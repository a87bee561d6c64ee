"""The description of the API, as programs read it."""

import re
from typing import Any, Final

import pytest

from domain import coverage
from domain.contract import Actor, Role
from domain.lifecycle import newest_rows
from tests.web.doors import Doors
from tools.reference.api import document

DOCUMENT: Final = document()
COMMANDS: Final = "/api/v1/applications/{uid}/commands/"
STEPS: Final = {step.name: step for step in (*newest_rows(), *coverage.STEPS)}
OPERATIONS: Final = [
    (path, method, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]


async def test_the_service_gives_what_is_checked_in(doors: Doors) -> None:
    response = await doors.http.get("/api/v1/openapi.json")
    assert response.json() == DOCUMENT
    assert DOCUMENT["openapi"] == "3.1.0"


def test_every_command_has_a_call_with_an_example_that_is_one() -> None:
    assert {path.removeprefix(COMMANDS) for path, *_ in OPERATIONS if path.startswith(COMMANDS)} == set(STEPS)
    for name, step in STEPS.items():
        operation = DOCUMENT["paths"][f"{COMMANDS}{name}"]["post"]
        content = operation["requestBody"]["content"]["application/json"]
        fields = content["examples"]["example"]["value"]
        envelope = {"command_id": "1", "actor": Actor(role=Role.OPS, id="x")}
        address = {"company_master_uid": "1001"} if "company_master_uid" in step.command.model_fields else {}
        step.command.model_validate({**fields, **envelope, **address}, extra="forbid")
        assert operation["description"] == step.description


def test_names_of_calls_are_unique() -> None:
    names = [operation["operationId"] for *_, operation in OPERATIONS]
    assert len(names) == len(set(names))


def test_every_call_needs_a_token_and_may_be_refused_by_a_problem() -> None:
    assert DOCUMENT["security"] == [{"bearer": []}]
    for path, method, operation in OPERATIONS:
        assert "security" not in operation
        assert {"401", "404", "422", "503"} <= operation["responses"].keys(), (path, method)


def _references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(_references, value.values()))
    return set().union(*map(_references, value)) if isinstance(value, list) else set()


def test_every_reference_leads_somewhere() -> None:
    for reference in _references(DOCUMENT):
        found: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


@pytest.mark.parametrize(("name", "left_out"), [("Refusal", {"again"}), ("Question", set())])
def test_what_may_be_left_out_of_an_answer_is_not_required(name: str, left_out: set[str]) -> None:
    schema = DOCUMENT["components"]["schemas"][name]
    assert schema["properties"].keys() - schema["required"] == left_out


@pytest.mark.parametrize("name", ["HTTPValidationError", "ValidationError"])
def test_it_does_not_promise_the_librarys_own_errors(name: str) -> None:
    assert name not in DOCUMENT["components"]["schemas"]


async def test_health_and_metrics_need_no_token(doors: Doors) -> None:
    assert (await doors.http.get("/healthz")).status_code == 200
    assert (await doors.http.get("/readyz")).json() == {"ready": True, "problems": {}}
    await doors.get("/applications/1001", "partner")
    text = (await doors.http.get("/metrics")).text
    labels = '{method="GET",route="/api/v1/applications/{uid}",status="200"}'
    assert f"onboarding_http_request_seconds_count{labels} 1" in text
    assert "1001" not in text, "no company by name"


async def test_the_reference_is_a_page_with_nothing_from_elsewhere(doors: Doors) -> None:
    response = await doors.http.get("/api/docs")
    assert response.status_code == 200
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    for name in STEPS:
        assert f'id="{name}"' in response.text
    assert not re.search(r"(src|href)=.https?:", response.text)
    assert "<script" not in response.text
