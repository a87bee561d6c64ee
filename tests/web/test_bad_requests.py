"""What cannot be a request: each gets a problem document, never a trace, and nothing is sent."""

import asyncio
import gzip
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from domain.intake import MAX_COMMAND_BYTES
from starter.web.limits import Limits
from tests.web.doors import OWN, Doors

ASK = f"/applications/{OWN}/commands/ask_bd"
JSON = {"Content-Type": "application/json", "Idempotency-Key": "k"}


def _problem(response: Any, status: int, kind: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert (problem["type"], problem["status"]) == (f"urn:onboarding:error:{kind}", status)
    assert problem["detail"]
    assert problem["title"]
    return problem


@pytest.mark.parametrize(
    "body",
    [
        *(b"{", b"[" * 60_000, b'{"a":' * 10_000, b"\xff\xfe", b'"\\', b"1" * 5_000, b"\x00"),
        b'{"question": "x"} trailing',
    ],
)
async def test_what_is_no_json(doors: Doors, body: bytes) -> None:
    response = await doors.post(ASK, "partner", content=body, headers=JSON)
    assert response.status_code in {400, 422}
    _problem(response, response.status_code, "bad_request" if response.status_code == 400 else "invalid")
    assert not doors.service.sent


@pytest.mark.parametrize("body", [b"[]", b"null", b"7", b'"text"', b"NaN", b"", b"{}"])
async def test_json_that_is_not_the_command(doors: Doors, body: bytes) -> None:
    _problem(await doors.post(ASK, "partner", content=body, headers=JSON), 422, "invalid")
    assert not doors.service.sent


async def test_each_wrong_field_is_named(doors: Doors) -> None:
    form = {"legal_name": "", "contact": {"name": "Mei", "email": "no", "fax": "7"}, "country": "China"}
    response = await doors.command("submit_application", "partner", json={"application": form, "x": 1})
    errors = {each["field"]: each["message"] for each in _problem(response, 422, "invalid")["errors"]}
    assert {"application.legal_name", "application.contact.fax", "x"} <= errors.keys()
    assert errors["application.contact.email"].startswith("must be an e-mail address")
    assert "China" not in response.text, "nothing of what was sent comes back"


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        ({"review_working_days": "3"}, "policy.review_working_days"),
        ({"require_credit_control": "true"}, "policy.require_credit_control"),
        ({"require_credit_control": 1}, "policy.require_credit_control"),
    ],
)
async def test_a_text_is_no_number_and_a_number_not_true(
    doors: Doors, policy: dict[str, Any], field: str
) -> None:
    body = {"company_master_uid": OWN, "contact_name": "Mei Lin", "contact_email": "mei@lincloud.example"}
    problem = _problem(
        await doors.post("/applications", "ops", json={**body, "policy": policy}), 422, "invalid"
    )
    assert [each["field"] for each in problem["errors"]] == [field]
    assert not doors.service.joins


@pytest.mark.parametrize(
    "text", ["\\ud800", "\\u0000", "=?utf-8?q?x?=" * 2, "\\u202e"], ids=["surrogate", "nul", "word", "mark"]
)
async def test_texts_that_break_things_elsewhere(doors: Doors, text: str) -> None:
    body = f'{{"email": "a@b.example", "name": "{text}", "{text}": 1}}'.encode()
    response = await doors.command("correct_contact", "partner", content=body, headers=JSON)
    _problem(response, 422, "invalid")


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/jso"])
async def test_another_media_type(doors: Doors, kind: str | None) -> None:
    headers = {"Idempotency-Key": "k"} | ({"Content-Type": kind} if kind else {})
    response = await doors.post(ASK, "partner", content=b'{"question": "x"}', headers=headers)
    _problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "body",
    [
        b'{"question": "x", "question": "y"}',
        b'{"question": "x", "\\u0071uestion": "y"}',
        b'{"question": "x", "occurred_at": {"a": 1, "a": 1}}',
    ],
)
async def test_a_key_that_is_there_twice(doors: Doors, body: bytes) -> None:
    _problem(await doors.post(ASK, "partner", content=body, headers=JSON), 400, "bad_request")
    assert not doors.service.sent


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip", "x"])
async def test_a_body_that_is_compressed(doors: Doors, encoding: str) -> None:
    """Whatever it would come to."""
    bomb = gzip.compress(b'{"question": "' + b"x" * 20_000_000 + b'"}')
    assert len(bomb) < MAX_COMMAND_BYTES
    headers = {**JSON, "Content-Encoding": encoding}
    response = await doors.post(ASK, "partner", content=bomb, headers=headers)
    _problem(response, 415, "unsupported_media_type")
    assert response.headers["Accept-Encoding"] == "identity"


async def test_a_command_without_fields_needs_no_body(doors: Doors) -> None:
    assert (await doors.command("confirm_company", "partner")).status_code == 200


async def test_a_body_that_is_too_large(doors: Doors) -> None:
    body = json.dumps({"question": "x" * MAX_COMMAND_BYTES}).encode()

    async def in_parts() -> Any:
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    announced = await doors.post(ASK, "partner", content=body, headers=JSON)
    chunked = await doors.post(ASK, "partner", content=in_parts(), headers=JSON)
    for response in (announced, chunked):
        _problem(response, 413, "too_large")


@pytest.mark.parametrize(
    "path", ["", "/", "/nothing", "/applications/", f"/applications/{OWN}/", "/a" * 3000]
)
async def test_an_address_with_nothing_there(doors: Doors, path: str) -> None:
    _problem(await doors.get(path), 404, "not_found")


@pytest.mark.parametrize("uid", ["abc", "1" * 33, "%EF%BC%91", "1001%0a", "%00", "..%2f1001", "-1"])
async def test_what_can_be_no_uid_has_no_application(doors: Doors, uid: str) -> None:
    _problem(await doors.get(f"/applications/{uid}"), 404, "not_found")
    _problem(await doors.command("ask_bd", "ops", uid, json={"question": "x"}), 404, "not_found")


async def test_a_command_there_is_none_of(doors: Doors) -> None:
    _problem(await doors.command("make_tea", "ops", json={}), 404, "not_found")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
async def test_another_method(doors: Doors, method: str) -> None:
    response = await doors.http.request(method, "/api/v1/applications")
    _problem(response, 405, "method_not_allowed")
    assert response.headers["Allow"] == "GET, POST"


@pytest.mark.parametrize(
    "query",
    [
        *("since=-1", "since=x", "since=99999999999999999999", "wait=31", "wait=NaN", "application=%00"),
        *("application=a%20b", "since="),
    ],
)
async def test_a_read_of_what_can_not_be(doors: Doors, query: str) -> None:
    problem = _problem(await doors.get(f"/applications/{OWN}?{query}"), 422, "invalid")
    assert [each["field"] for each in problem["errors"]] == [query.partition("=")[0]]


@pytest.mark.parametrize(
    "query",
    [
        *("stage=lost", "waiting_on=me", "overdue=perhaps", "due_before=tomorrow", "due_before=2026-01-01"),
        *("limit=0", "limit=201", "q=%00", "bd=a%00b", "desk=%00", f"q={'x' * 201}"),
    ],
)
async def test_a_list_of_what_can_not_be(doors: Doors, query: str) -> None:
    problem = _problem(await doors.get(f"/applications?{query}"), 422, "invalid")
    assert [each["field"] for each in problem["errors"]] == [query.partition("=")[0]]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=JSON_VALUES, name=st.sampled_from(["correct_contact", "submit_application", "sign_contract"]))
async def test_whatever_comes_is_told_what_is_wrong_with_it(doors: Doors, body: Any, name: str) -> None:
    content = json.dumps(body).encode()
    response = await doors.command(name, "ops", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code in {400, 422}
    assert response.json()["type"].startswith("urn:onboarding:error:")


async def test_a_body_that_comes_too_slowly() -> None:
    sent: list[Message] = []

    async def within(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("not before the body is there")

    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    from datetime import timedelta

    limits = Limits(within, body_within=timedelta(milliseconds=20))
    await limits({"type": "http", "method": "POST", "path": "/", "headers": []}, never, send)
    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["type"] == "urn:onboarding:error:timed_out"


async def test_who_has_gone_is_not_answered() -> None:
    async def within(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("there is nobody to answer")

    async def gone() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        raise AssertionError("there is nobody to answer")

    await Limits(within)({"type": "http", "method": "POST", "path": "/", "headers": []}, gone, send)
