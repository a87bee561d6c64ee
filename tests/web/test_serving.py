"""The front door as a program: how it listens and stops, whether its parts answer, what it logs."""

import asyncio
import logging
import socket
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from activities import formats
from activities.db.engine import Database
from domain.policy import Policy
from starter.web.callers import CallerRole, ClaimNames
from starter.web.idp import DemoIssuer, token_of
from starter.web.idp_routes import issuer_client
from starter.web.personas import DEFAULT, Persona, PersonasError, accounts_of, desks_of, personas_of
from starter.web.ready import Ready
from starter.web.serving import ListenError, listener_at, listening
from starter.web.tokens import InvalidTokenError, IssuerKeys, OidcVerifier
from tests.web.doors import OWN, Doors, opened

HERE = "http://127.0.0.1:8000"


def free_address() -> str:
    """An address of this machine that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


async def test_what_is_under_way_is_finished_before_it_stops() -> None:
    entered, held = asyncio.Event(), asyncio.Event()

    async def slow(_request: Request) -> Response:
        entered.set()
        await held.wait()
        return PlainTextResponse("done")

    address = free_address()
    async with httpx.AsyncClient(base_url=f"http://{address}") as http:
        async with listening(Starlette(routes=[Route("/", slow)]), address):
            asked = asyncio.create_task(http.get("/"))
            await entered.wait()
            asyncio.get_running_loop().call_later(0.05, held.set)
        assert (await asked).text == "done"
        with pytest.raises(httpx.ConnectError):
            await http.get("/")


async def test_no_answer_waits_for_the_rest_of_it() -> None:
    """asyncio switches that off for who says he speaks TCP; an accepted connection says what its listener
    does."""
    with listener_at(free_address()) as listener:
        assert listener.proto == socket.IPPROTO_TCP


async def test_an_address_that_is_taken_is_said_to_be() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ListenError, match="ONBOARDING_SERVE_ADDRESS"):
            async with listening(Starlette(), address):
                pass


async def test_it_is_ready_once_every_part_answers() -> None:
    async def answers() -> None:
        pass

    async def fails() -> None:
        raise OSError("user mei@lincloud.example: no password")

    async def hangs() -> None:
        await asyncio.Event().wait()

    ready = Ready({"one": answers, "two": fails, "three": hangs}, answer_within=timedelta(milliseconds=20))
    assert await ready.problems() == {"two": "OSError", "three": "TimeoutError"}


async def test_a_part_that_is_down_makes_it_not_ready(sqlite_url: str) -> None:
    async def fails() -> None:
        raise OSError

    database = Database(sqlite_url)
    async with opened(database, parts={"temporal": fails}) as doors:
        response = await doors.http.get("/readyz")
        assert (response.status_code, response.json()["problems"]) == (503, {"temporal": "OSError"})
        assert (await doors.http.get("/healthz")).status_code == 200
    await database.dispose()


async def test_without_its_issuer_nobody_is_told_he_may_not(doors: Doors) -> None:
    """It is not the caller's fault."""
    doors.verifier.down = True
    response = await doors.get(f"/applications/{OWN}", "partner")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")


async def test_the_log_names_neither_company_nor_caller(
    doors: Doors, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "onboarding.web.access"):
        await doors.get(f"/applications/{OWN}?application=run-1", "partner")
        await doors.get("/applications?q=Ada", "partner")
        await doors.http.get("/healthz")
    lines = [record.getMessage() for record in caplog.records if record.name == "onboarding.web.access"]
    assert [line.rsplit(" ", 2)[0] for line in lines] == [
        "GET /api/v1/applications/{uid} 200",
        "GET /api/v1/applications 200",
    ]


@pytest.fixture
def issuer() -> DemoIssuer:
    return DemoIssuer(HERE, DEFAULT, audience="onboarding", names=ClaimNames())


def _verifier(issuer: DemoIssuer, audience: str = "onboarding") -> OidcVerifier:
    return OidcVerifier(
        IssuerKeys(issuer_client(issuer), issuer.issuer), audience=audience, names=ClaimNames()
    )


@pytest.mark.parametrize("persona", DEFAULT, ids=lambda persona: persona.id)
async def test_a_persona_is_who_its_token_says(issuer: DemoIssuer, persona: Persona) -> None:
    caller = await _verifier(issuer).caller(str(issuer.token(persona.id)))
    assert (caller.subject, caller.name, caller.email) == (persona.id, persona.name, persona.email)
    assert (caller.roles, caller.uids) == (persona.roles, frozenset(persona.uids))


async def test_a_token_of_another_start_opens_nothing(issuer: DemoIssuer) -> None:
    before = DemoIssuer(HERE, DEFAULT, audience="onboarding", names=ClaimNames())
    with pytest.raises(InvalidTokenError):
        await _verifier(issuer).caller(str(before.token("ops")))
    with pytest.raises(InvalidTokenError):
        await _verifier(issuer, "billing").caller(str(issuer.token("ops")))


@pytest.mark.parametrize(
    "address", ["http://0.0.0.0:8000", "http://10.0.0.7:8000", "http://api.example:8000"]
)
def test_the_demo_issuer_is_for_this_machine(address: str) -> None:
    with pytest.raises(ValueError, match="this machine"):
        DemoIssuer(address, DEFAULT, audience="onboarding", names=ClaimNames())


async def test_a_token_is_given_to_who_asks_from_here(issuer: DemoIssuer, sqlite_url: str) -> None:
    async with issuer_client(issuer) as http:
        token = await token_of(http, issuer.issuer, "mei")
        assert (await _verifier(issuer).caller(token)).roles == (CallerRole.PARTNER,)
        with pytest.raises(LookupError, match="mei, wei, ada, vic, ops, crm"):
            await token_of(http, issuer.issuer, "joe")
        # A page whose name was made to lead here.
        elsewhere = await http.post("http://evil.example/idp/token", data={"client_id": "ops"})
        assert elsewhere.status_code == 403
        other = await http.post(f"{issuer.issuer}/token", data={"grant_type": "password"})
        assert (other.status_code, other.json()["error"]) == (400, "unsupported_grant_type")
        described = await http.get(f"{issuer.issuer}/.well-known/openid-configuration")
        assert described.json()["issuer"] == issuer.issuer


def test_who_plays_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "personas.toml"
    file.write_text(
        '[[persona]]\nid = "eva"\nname = "Eva Roth"\nroles = ["partner"]\nuids = ["6200000001"]\n'
    )
    (found,) = personas_of(file)
    assert (found.id, found.uids) == ("eva", ("6200000001",))
    assert (accounts_of((found,)), desks_of((found,)).of("CN")) == ((), None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("persona = 7", "must be a JSON array"),
        ("[[persona]]", "Field required"),
        ('[[persona]]\nid = "a"\nname = "A"\nroles = ["gardener"]', "must be 'partner'"),
        ('[[persona]]\nid = "a"\nname = "A"\nroles = []\nage = 7', "Extra inputs"),
        ('[[persona]]\nid = "a"\nname = "A"\nroles = []\n' * 2, "twice"),
        ("not TOML", "="),
    ],
)
def test_a_file_that_says_wrongly_who_plays(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "personas.toml"
    file.write_text(text)
    with pytest.raises(PersonasError, match=f"(?s)ONBOARDING_PERSONAS.*{reason}"):
        personas_of(file)


def test_the_examples_have_a_desk_and_the_accounts_of_the_tutorial() -> None:
    desks = desks_of(DEFAULT)
    desk = desks.of(None)
    assert desk is not None
    assert ([bd.email for bd in desk.bds], desk.lead.email) == (["wei@vendor.example"], "ada@vendor.example")
    assert (desks.by_country, desk.policy()) == (False, Policy())
    assert {account.uid for account in accounts_of(DEFAULT)} == {"5123456789", "5123456790"}


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        ("https://login.example/realms/vendor", True),
        ("http://127.0.0.1:8000/idp", True),
        ("http://localhost:8000/idp", True),
        ("http://login.example", False),
        ("https://user:word@login.example", False),
        ("https://login.example?x", False),
        ("https://login.example:port", False),
        ("login.example", False),
        ("", False),
    ],
)
def test_what_an_issuer_may_be_called(value: str, taken: bool) -> None:
    if taken:
        assert formats.issuer(value) == value
    else:
        with pytest.raises(ValueError, match="https"):
            formats.issuer(value)
