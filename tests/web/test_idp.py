"""The issuer of `onboarding up`: who gets a code, and tokens for it."""

import re
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio
from typer.testing import CliRunner

from starter.cli.main import app
from starter.web.idp import CODE_LIFE, PAGES_CLIENT, REFRESH_LIFE, DemoIssuer
from starter.web.idp_routes import issuer_client
from starter.web.personas import DEFAULT
from starter.web.relying_party import challenge_of
from tests.web.people import ADDRESS, NAMES, Clock, query_of

BACK: Final = "http://127.0.0.1:8000/sign-in/callback"
VERIFIER: Final = 43 * "v"
ASKED: Final = {
    "response_type": "code",
    "client_id": PAGES_CLIENT,
    "redirect_uri": BACK,
    "scope": "openid profile",
    "state": "s",
    "nonce": "n",
    "code_challenge": challenge_of(VERIFIER),
    "code_challenge_method": "S256",
}


@pytest.fixture
def clock() -> Clock:
    return Clock(1_800_000_000.0)


@pytest_asyncio.fixture
async def http(clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    issuer = DemoIssuer(ADDRESS, DEFAULT, audience="onboarding", names=NAMES, clock=clock)
    async with issuer_client(issuer) as found:
        found.base_url = httpx.URL(f"{ADDRESS}/idp")
        yield found


async def _code(http: httpx.AsyncClient, persona: str = "mei") -> str:
    answer = await http.post("/authorize", params=ASKED, data={"persona": persona})
    return query_of(answer.headers["location"])["code"]


async def _given(http: httpx.AsyncClient, **form: str) -> httpx.Response:
    asked = {
        "grant_type": "authorization_code",
        "client_id": PAGES_CLIENT,
        "redirect_uri": BACK,
        "code_verifier": VERIFIER,
    }
    return await http.post("/token", data={**asked, **form})


async def test_people_choose_who_they_are_by_a_button(http: httpx.AsyncClient) -> None:
    shown = await http.get("/authorize", params=ASKED)
    assert shown.status_code == 200
    assert re.findall(r'name="persona" value="(\w+)"', shown.text) == ["mei", "wei", "ada", "vic", "ops"]
    policy = shown.headers["content-security-policy"]
    assert "form-action 'self' http://127.0.0.1:8000;" in policy
    assert "<script" not in shown.text
    [style] = re.findall(r'href="(/idp/[^"]+)"', shown.text)
    assert (await http.get(f"{ADDRESS}{style}")).status_code == 200
    back = await http.post("/authorize", params=ASKED, data={"persona": "mei"})
    assert (back.status_code, back.headers["location"].partition("?")[0]) == (303, BACK)
    assert query_of(back.headers["location"])["state"] == "s"


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "crm"},
        {"redirect_uri": ""},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": "http://127.0.0.1.evil.example/"},
        {"redirect_uri": "http://127.0.0.1@evil.example/"},
        {"redirect_uri": "http://evil.example\\@127.0.0.1/"},
        {"redirect_uri": "http://127.0.0.1/#x"},
        {"redirect_uri": "javascript:alert(1)//127.0.0.1"},
        {"redirect_uri": "http://127.0.0.1/\r\nSet-Cookie: a=b"},
        {"redirect_uri": "http://[::1"},
    ],
)
async def test_nobody_is_sent_elsewhere(http: httpx.AsyncClient, changed: dict[str, str]) -> None:
    for answer in (
        await http.get("/authorize", params={**ASKED, **changed}),
        await http.post("/authorize", params={**ASKED, **changed}, data={"persona": "mei"}),
    ):
        assert answer.status_code == 422
        assert "location" not in answer.headers
    if "redirect_uri" in changed:
        leaving = {"client_id": PAGES_CLIENT, "post_logout_redirect_uri": changed["redirect_uri"]}
        assert (await http.get("/end-session", params=leaving)).status_code == 422


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
    ],
)
async def test_what_can_not_be_answered_by_a_code_is_told(
    http: httpx.AsyncClient, changed: dict[str, str], error: str
) -> None:
    for answer in (
        await http.get("/authorize", params={**ASKED, **changed}),
        await http.post("/authorize", params={**ASKED, **changed}, data={"persona": "mei"}),
    ):
        assert query_of(answer.headers["location"])["error"] == error
        assert query_of(answer.headers["location"])["state"] == "s"


@pytest.mark.parametrize("persona", ["joe", "crm", ""])
async def test_who_is_no_person_can_not_sign_in(http: httpx.AsyncClient, persona: str) -> None:
    answer = await http.post("/authorize", params=ASKED, data={"persona": persona})
    assert query_of(answer.headers["location"])["error"] == "access_denied"


async def test_a_code_is_good_once(http: httpx.AsyncClient) -> None:
    code = await _code(http)
    given = await _given(http, code=code)
    assert given.status_code == 200
    assert given.headers["cache-control"] == "no-store"
    assert given.json().keys() >= {"access_token", "id_token", "refresh_token"}
    again = await _given(http, code=code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code_verifier": 43 * "w"}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_grant"),
        ({"code_verifier": challenge_of(VERIFIER)}, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:8001/sign-in/callback"}, "invalid_grant"),
        ({"client_id": "crm"}, "invalid_client"),
    ],
)
async def test_a_code_is_bound_to_who_asked_for_it(
    http: httpx.AsyncClient, changed: dict[str, str], error: str
) -> None:
    code = await _code(http)
    refused = await _given(http, code=code, **changed)
    assert (refused.status_code, refused.json()["error"]) == (400, error)
    if error == "invalid_grant":
        # Whoever tried it has used it.
        assert (await _given(http, code=code)).status_code == 400


async def test_a_code_is_good_for_a_minute(http: httpx.AsyncClient, clock: Clock) -> None:
    code = await _code(http)
    clock.now += CODE_LIFE
    assert (await _given(http, code=code)).json()["error"] == "invalid_grant"


async def test_a_refresh_token_is_good_until_it_is_taken_back(http: httpx.AsyncClient, clock: Clock) -> None:
    async def renewed(token: str) -> Any:
        return (await _given(http, grant_type="refresh_token", refresh_token=token)).json()

    first = (await _given(http, code=await _code(http))).json()["refresh_token"]
    assert "id_token" in await renewed(first)
    assert (await renewed("x"))["error"] == "invalid_grant"
    assert (await http.post("/revoke", data={"token": first})).status_code == 200
    assert (await renewed(first))["error"] == "invalid_grant"
    second = (await _given(http, code=await _code(http))).json()["refresh_token"]
    clock.now += REFRESH_LIFE
    assert (await renewed(second))["error"] == "invalid_grant"


async def test_a_page_under_another_name_of_this_machine_is_not_answered(http: httpx.AsyncClient) -> None:
    for path in ("/authorize", "/keys", "/.well-known/openid-configuration"):
        assert (await http.get(f"http://evil.example/idp{path}", params=ASKED)).status_code == 403


@pytest.mark.parametrize(
    ("environment", "options", "said"),
    [
        ({}, [], "ONBOARDING_IDP_DEMO"),
        ({"ONBOARDING_IDP_DEMO": "false"}, [], "ONBOARDING_IDP_DEMO"),
        ({"ONBOARDING_IDP_DEMO": "true"}, ["--host", "192.0.2.1"], "not of this machine only"),
        ({"ONBOARDING_IDP_DEMO": "true"}, ["--host", "10.0.0.7"], "not of this machine only"),
    ],
)
def test_alone_it_runs_only_where_that_is_said_and_only_here(
    environment: dict[str, str], options: list[str], said: str
) -> None:
    refused = CliRunner().invoke(app, ["idp", *options], env=environment)
    assert refused.exit_code == 2
    assert said in " ".join(refused.output.split())
