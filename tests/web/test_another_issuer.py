"""Signing in, and a bearer token, at an identity provider that is not ours: `oidc-provider`, in Node.js.

`make issuer-test` installs it and runs this; without it this is skipped.
"""

import re
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest
import pytest_asyncio

from starter.web.callers import CallerRole
from starter.web.relying_party import Registration, RelyingParty
from starter.web.sessions import ASK_AFTER
from starter.web.signed_in import CALLBACK
from starter.web.tokens import InvalidTokenError, IssuerKeys, OidcVerifier
from tests.web.people import ADDRESS, NAMES, Portal, portal, query_of

FOLDER: Final = Path(__file__).parents[2] / ".venv/issuer"
NODE: Final = shutil.which("node")

pytestmark = pytest.mark.skipif(
    NODE is None or not (FOLDER / ".installed").exists(),
    reason="make issuer-test installs oidc-provider, for which it needs Node.js 20 and npm",
)


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    process = subprocess.Popen(
        [str(NODE), "server.mjs", str(port), ADDRESS],
        cwd=FOLDER,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert any(line.strip() == "listens" for line in iter(process.stdout.readline, ""))
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait()
    process.stdout.close()


@pytest_asyncio.fixture
async def there(issuer: str) -> AsyncIterator[Portal]:
    """The pages, of people who sign in there."""
    async with httpx.AsyncClient() as http, portal() as found:
        registration = Registration(
            "pages",
            f"{ADDRESS}{CALLBACK}",
            secret="secret of the pages: 100% & more",  # noqa: S106
            scope="openid profile email onboarding",
        )
        party = RelyingParty(http, IssuerKeys(http, issuer), registration, NAMES)
        found.sessions._party = party
        yield found


async def _signed_in(http: httpx.AsyncClient, address: httpx.URL | str) -> str:
    """As a person does it in a browser: where one is sent back to."""
    answer = await http.get(address)
    for form in ({"login": "mei", "password": "x"}, {}):
        answer = await _followed(http, answer)
        if answer.is_redirect:
            break
        prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
        action = re.search(r'action="([^"]+)"', answer.text)
        assert prompt, answer.text
        assert action
        answer = await http.post(answer.url.join(action[1]), data={"prompt": prompt[1], **form})
    answer = await _followed(http, answer)
    return str(answer.headers["location"])


async def _followed(http: httpx.AsyncClient, answer: httpx.Response) -> httpx.Response:
    while answer.is_redirect and not answer.headers["location"].startswith(ADDRESS):
        answer = await http.get(answer.url.join(answer.headers["location"]))
    return answer


async def test_somebody_signs_in_is_read_again_and_signs_out(there: Portal) -> None:
    browser = there.browser()
    async with httpx.AsyncClient() as http:
        back = await browser.get(await _signed_in(http, await browser.authorize()))
        assert back.status_code == 303, back.text
        shown = await browser.get("/me")
        assert all(
            each in shown.text for each in ("Mei Lin", "Partner", "5123456789", "mei@lincloud.example")
        )
        # The issuer gives another refresh token each time, and takes the one before no more.
        for _ in range(3):
            there.clock.now += ASK_AFTER
            assert (await browser.get("/me")).status_code == 200
        left = await browser.post("/sign-out")
        leads = left.headers["refresh"].removeprefix("0; url=")
        assert query_of(leads)["client_id"] == "pages"
        answer = await http.get(leads)
        assert answer.status_code == 200
        assert "/sign-in" in (await browser.get("/me")).headers["location"]


async def test_who_is_signed_in_there_passes_without_a_question(there: Portal) -> None:
    async with httpx.AsyncClient() as http:
        first, second = there.browser(), there.browser()
        await first.get(await _signed_in(http, await first.authorize()))
        answer = await _followed(http, await http.get(await second.authorize()))
        assert answer.headers["location"].startswith(f"{ADDRESS}{CALLBACK}?")
        assert (await second.get(answer.headers["location"])).status_code == 303


async def test_a_code_from_there_is_good_once(there: Portal) -> None:
    browser = there.browser()
    async with httpx.AsyncClient() as http:
        back = await _signed_in(http, await browser.authorize())
    begun = browser.kept("sign-in")
    assert (await browser.get(back)).status_code == 303
    thief = there.browser()
    thief.http.cookies.set("onboarding-sign-in", begun or "")
    assert (await thief.get(back)).status_code == 403


async def test_a_program_has_a_bearer_token_from_there(issuer: str) -> None:
    async with httpx.AsyncClient() as http:
        answer = await http.post(
            f"{issuer}/token", data={"grant_type": "client_credentials"}, auth=("crm", "secret-of-the-crm")
        )
        token = answer.json()["access_token"]
        keys = IssuerKeys(http, issuer)
        caller = await OidcVerifier(keys, audience="onboarding", names=NAMES).caller(token)
        assert (caller.subject, caller.roles) == ("crm", (CallerRole.SERVICE,))
        with pytest.raises(InvalidTokenError, match="aud"):
            await OidcVerifier(keys, audience="billing", names=NAMES).caller(token)
