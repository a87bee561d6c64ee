"""The package of the client, against answers as the API gives them: what it sends, repeats, raises."""

import base64
import inspect
import json
import time
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Final

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from domain.contract import Stage as DomainStage
from domain.view import describe
from domain.webhooks import WebhookBody, WebhookData
from onboarding_client import AsyncOnboardingClient, NoAnswerError, OnboardingClient, RefusedError, requests
from onboarding_client.events import EventReader
from onboarding_client.models import Actor, Role, Stage, Status
from onboarding_client.sync import client as waiting
from onboarding_client.webhooks import WebhookVerificationError, verified
from tests.activities.examples import application
from tests.house.pages import ROOT
from tools import client_package
from tools.reference.api import document

UID: Final = "5123456789"
URL: Final = "https://onboarding.example"
STATUS: Final = describe(application("run-1", uid=UID), sequence=7).model_dump_json()
REFUSED: Final = {
    "type": "urn:onboarding:error:wrong_stage",
    "title": "Not in this stage",
    "status": 409,
    "detail": "Not now. Read the status.",
    "errors": [{"field": "reason", "message": "must not be empty"}],
    "allowed_commands": ["confirm_company"],
    "stage": "drafting",
}
Answer = Callable[[httpx.Request], httpx.Response]


class Api:
    """Gives these answers, one after the other, the last one for ever, and keeps what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, **options: Any) -> OnboardingClient:
        """A client that asks it."""
        return OnboardingClient(URL, "token", transport=httpx.MockTransport(self), **options)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for what is tried again."""
    monkeypatch.setattr(requests, "FIRST_PAUSE", 0)


def ok() -> httpx.Response:
    return httpx.Response(200, text=STATUS)


def problem(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={**REFUSED, "status": status}, headers=headers)


def test_what_is_written_from_the_description_is_current() -> None:
    for path, text in client_package.files(document()).items():
        assert path.read_text(encoding="utf-8") == text, f"`make generate` writes {path.name} anew"


def test_there_is_a_method_for_each_call() -> None:
    for operations in document()["paths"].values():
        for operation in operations.values():
            name = operation["operationId"]
            streamed = "text/event-stream" in str(operation["responses"])
            assert inspect.iscoroutinefunction(getattr(AsyncOnboardingClient, name)) is not streamed
            assert not inspect.iscoroutinefunction(getattr(OnboardingClient, name))


def test_it_is_released_with_the_service_and_needs_no_other_versions() -> None:
    service, package = (
        tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        for folder in ("", "client")
    )
    assert package["version"] == service["version"]
    assert set(package["dependencies"]) <= set(service["dependencies"])
    assert set(package["optional-dependencies"]["webhooks"]) <= set(service["dependencies"])


def test_a_command_is_sent_with_what_it_carries() -> None:
    api = Api(ok())
    with api.client() as client:
        actor = Actor(role=Role.partner, id="mei")
        status = client.ask_bd(UID, "How?", actor=actor, idempotency_key="crm-1", if_sequence=7)
    assert (status.stage, status.sequence) == (Stage.drafting, 7)
    (asked,) = api.asked
    assert asked.url == f"{URL}/api/v1/applications/{UID}/commands/ask_bd"
    assert asked.headers["Authorization"] == "Bearer token"
    assert (asked.headers["Idempotency-Key"], asked.headers["If-Match"]) == ("crm-1", '"7"')
    assert json.loads(asked.content) == {"question": "How?", "actor": {"role": "partner", "id": "mei"}}


def test_a_uid_can_lead_to_no_other_address() -> None:
    api = Api(ok())
    with api.client() as client:
        client.get_status("../webhooks?x=")
    assert api.asked[0].url.raw_path == b"/api/v1/applications/..%2Fwebhooks%3Fx%3D"


def test_a_read_carries_what_is_given_and_nothing_else() -> None:
    api = Api(ok())
    with api.client() as client:
        client.get_status(UID, since=8, wait=30)
    assert dict(api.asked[0].url.params) == {"since": "8", "wait": "30"}


def test_joining_says_whether_it_started() -> None:
    api = Api(httpx.Response(201, text=STATUS), ok())
    joining: dict[str, Any] = {
        "company_master_uid": UID,
        "contact_name": "Mei Lin",
        "contact_email": "mei@lin.example",
    }
    with api.client() as client:
        assert [client.join(**joining).started for _ in range(2)] == [True, False]
    assert json.loads(api.asked[0].content) == joining


def test_a_refusal_is_the_problem_document() -> None:
    api = Api(problem(409))
    with (
        api.client() as client,
        pytest.raises(RefusedError, match=r"wrong_stage: Not now.*\nreason: must") as told,
    ):
        client.confirm_company(UID)
    error = told.value
    assert (error.type, error.status, error.stage) == ("wrong_stage", 409, "drafting")
    assert error.allowed_commands == ["confirm_company"]
    assert error.idempotency_key == api.asked[0].headers["Idempotency-Key"]
    assert len(api.asked) == 1


@pytest.mark.parametrize(
    "first",
    [
        problem(429, **{"Retry-After": "0"}),
        problem(503, **{"Retry-After": "0"}),
        httpx.Response(502, text="<html>"),
        httpx.ReadError("gone"),
        httpx.ConnectTimeout(""),
    ],
    ids=["429", "503", "502", "lost", "silent"],
)
def test_what_may_succeed_later_is_sent_again_under_the_same_key(first: httpx.Response | Exception) -> None:
    api = Api(first, first, ok())
    with api.client() as client:
        assert client.confirm_company(UID).sequence == 7
    assert len({asked.headers["Idempotency-Key"] for asked in api.asked}) == 1
    assert len(api.asked) == 3


def test_it_waits_as_long_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=time.monotonic, sleep=slept.append))
    api = Api(problem(503, **{"Retry-After": "7"}), ok())
    with api.client() as client:
        client.confirm_company(UID)
    assert 7 <= slept[0] < 8
    api = Api(problem(503, **{"Retry-After": "7"}))
    with api.client(retry_for=5) as impatient, pytest.raises(RefusedError) as told:
        impatient.confirm_company(UID)
    assert told.value.retry_after == 7
    assert len(api.asked) == 1


def test_without_an_answer_the_key_is_told() -> None:
    api = Api(httpx.ConnectError("refused"))
    with (
        api.client(retry_for=0) as client,
        pytest.raises(NoAnswerError, match=r"onboarding\.example.* refused") as told,
    ):
        client.confirm_company(UID)
    assert told.value.idempotency_key == api.asked[0].headers["Idempotency-Key"]


def test_what_must_not_be_done_twice_is_not_sent_again_unless_it_was_turned_away() -> None:
    for answer, asked in ((httpx.ReadError("gone"), 1), (problem(503), 1), (problem(429), 2)):
        api = Api(answer, ok())
        with api.client() as client:
            try:
                client.request("POST", "/api/v1/webhooks", repeatable=False)
            except (NoAnswerError, RefusedError):
                assert asked == 1
        assert len(api.asked) == asked


@pytest.mark.parametrize("answer", [httpx.Response(200, text="<html>"), httpx.Response(404, text="<html>")])
def test_another_servers_answer_is_said_to_be_one(answer: httpx.Response) -> None:
    with Api(answer).client() as client, pytest.raises(NoAnswerError, match=r"onboarding\.example"):
        client.get_status(UID)


def test_what_a_newer_service_says_is_read_as_far_as_it_is_known() -> None:
    said = {**json.loads(STATUS), "stage": "sleeping", "colour": "green"}
    status = Status.model_validate(said)
    assert status.stage == "sleeping"
    assert status.model_dump(mode="json")["stage"] == "sleeping"
    older = {name: value for name, value in said.items() if name != "answered"}
    assert Status.model_validate(older).answered is None


def test_a_current_token_is_asked_for_each_request() -> None:
    api, tokens = Api(ok()), iter(["one", "two"])
    with OnboardingClient(URL, lambda: next(tokens), transport=httpx.MockTransport(api)) as client:
        client.get_status(UID)
        client.get_status(UID)
    assert [asked.headers["Authorization"] for asked in api.asked] == ["Bearer one", "Bearer two"]


async def test_the_one_for_asyncio_does_the_same() -> None:
    api = Api(problem(503), ok())
    async with AsyncOnboardingClient(URL, "token", transport=httpx.MockTransport(api)) as client:
        assert (await client.confirm_company(UID)).sequence == 7
        with pytest.raises(NoAnswerError):
            await client.get_sheets(UID)
    assert len(api.asked) == 3


def event(number: int, note: str = "") -> str:
    """An event of a stream, as it is sent."""
    data = {"application_id": "run-1", "company_master_uid": UID, "sequence": number}
    data |= {"stage": "drafting", "from_stage": "drafting", "command": note}
    told = {"id": str(number), "at": "2026-03-02T09:30:00Z", "types": [], "data": data}
    return f": note\nid: {number}\nevent: event\ndata: {json.dumps(told, ensure_ascii=False)}\n\n"


def test_events_are_resumed_after_the_last_one_that_came() -> None:
    # The second is lost on its way; U+2028 ends no line.
    first = (event(1, "\u2028") + event(2)[:-1]).encode()
    api = Api(
        httpx.Response(200, content=first),
        httpx.ReadError("gone"),
        problem(503),
        httpx.Response(200, content=(event(2) + event(3)).encode()),
    )
    with api.client() as client:
        events = client.stream_application_events(UID, last_event_id="0")
        assert [next(events).id for _ in range(3)] == ["1", "2", "3"]
    assert [asked.headers["Last-Event-ID"] for asked in api.asked] == ["0", "1", "1", "1"]


def test_events_that_are_not_for_one_are_not_asked_for_again() -> None:
    api = Api(problem(404))
    with api.client() as client, pytest.raises(RefusedError):
        next(client.stream_events())
    assert len(api.asked) == 1
    assert "Last-Event-ID" not in api.asked[0].headers


def test_an_id_without_an_event_is_where_to_resume() -> None:
    ended = httpx.Response(200, content=b"retry: 2000\n\nid: 5\n\nid: 6\n")
    api = Api(ended, httpx.Response(200, content=event(7).encode()))
    with api.client() as client:
        assert next(client.stream_events(last_event_id="4")).id == "7"
    assert [asked.headers["Last-Event-ID"] for asked in api.asked] == ["4", "5"]


def test_a_stream_may_be_cut_anywhere() -> None:
    whole = (event(1, "\u2028") + event(2)).replace("\n", "\r\n").encode()
    for size in range(1, 40):
        reader = EventReader()
        parts = (whole[begin : begin + size] for begin in range(0, len(whole), size))
        found = [json.loads(data)["id"] for part in parts for data in reader.read(part)]
        assert found == ["1", "2"], size


SECRET: Final = f"whsec_{base64.b64encode(b'k' * 24).decode()}"


def delivered(secret: str = SECRET) -> tuple[bytes, dict[str, str]]:
    """A delivery as the service sends it."""
    data = WebhookData(
        application_id="run-1",
        company_master_uid=UID,
        sequence=3,
        stage=DomainStage.QUALIFIED,
        from_stage=DomainStage.UNDER_REVIEW,
    )
    now = datetime.now(UTC)
    body = WebhookBody(type="application.stage_changed", timestamp=now, data=data).model_dump_json()
    signature = Webhook(secret).sign("msg-1", now, body)
    headers = {
        "Webhook-Id": "msg-1",
        "Webhook-Timestamp": str(int(now.timestamp())),
        "Webhook-Signature": signature,
    }
    return body.encode(), headers


def test_a_delivery_is_verified_before_it_is_read() -> None:
    body, headers = delivered()
    assert verified(body, headers, SECRET).data.stage == "qualified"
    other = f"whsec_{base64.b64encode(b'x' * 24).decode()}"
    for wrong_body, wrong_headers, secret in (
        (body + b" ", headers, SECRET),
        (body, headers, other),
        (body, {**headers, "Webhook-Signature": "v1,é"}, SECRET),
        (body, {**headers, "Webhook-Timestamp": "1"}, SECRET),
        (body, {}, SECRET),
        (b"\xff", headers, SECRET),
    ):
        with pytest.raises(WebhookVerificationError):
            verified(wrong_body, wrong_headers, secret)
