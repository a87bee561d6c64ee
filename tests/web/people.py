"""Browsers of a test, and the issuer its people sign in at, all within this process."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
from fastapi import FastAPI

from activities.db.engine import Database
from activities.webhooks.addresses import Allowed
from activities.webhooks.sender import WebhookSender
from starter.client.webhooks import Webhooks
from starter.web import pages
from starter.web.app import front_door_app
from starter.web.callers import ClaimNames
from starter.web.door import FrontDoor
from starter.web.idp import PAGES_CLIENT, DemoIssuer
from starter.web.idp_routes import issuer_app
from starter.web.personas import DEFAULT, desks_of
from starter.web.problems import answer_problems
from starter.web.ready import Ready
from starter.web.relying_party import Registration, RelyingParty
from starter.web.sessions import Seal, Sessions
from starter.web.sign_in import sign_in_pages
from starter.web.signed_in import CALLBACK
from starter.web.tokens import IssuerKeys, OidcVerifier
from tests.web.doors import Scripted

ADDRESS: Final = "http://127.0.0.1:8000"
PUBLIC: Final = "https://portal.example"
NAMES: Final = ClaimNames()


@dataclass
class Clock:
    """Seconds since 1970 that go on when a test says so."""

    now: float

    def __call__(self) -> float:
        return self.now


class Recorded(httpx.AsyncBaseTransport):
    """What is asked of the issuer, which may be told to be down, or to answer otherwise."""

    def __init__(self, issuer: DemoIssuer) -> None:
        self._within = httpx.ASGITransport(issuer_app(issuer))
        self.asked: list[str] = []
        self.down = False
        self.instead: dict[str, httpx.Response] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/idp")
        self.asked.append(path)
        if self.down:
            raise httpx.ConnectError("refused", request=request)
        if path in self.instead:
            answer = self.instead[path]
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        return await self._within.handle_async_request(request)


@dataclass
class Portal:
    """The pages at an address with their clock, and the issuer; its tokens are judged by the real time."""

    base: str
    app: Any
    issuer: DemoIssuer
    asked: Recorded
    clock: Clock
    sessions: Sessions
    browsers: list["Browser"] = field(default_factory=list)

    def browser(self) -> "Browser":
        """One with nothing kept."""
        found = Browser(self)
        self.browsers.append(found)
        return found


class Browser:
    """Keeps cookies, and follows redirects only when it is told to."""

    def __init__(self, portal: Portal) -> None:
        self.portal: Final = portal
        transport = httpx.ASGITransport(portal.app, raise_app_exceptions=False)
        self.http: Final = httpx.AsyncClient(
            transport=transport, base_url=portal.base, headers={"Accept": "text/html"}
        )

    async def get(self, address: str, **more: Any) -> httpx.Response:
        """GET."""
        return await self.http.get(address, **more)

    async def post(self, path: str, *, origin: str | None = "", **more: Any) -> httpx.Response:
        """POST a form, as from a page of ours unless ``origin`` says otherwise; ``None``: without."""
        headers = {} if origin is None else {"Origin": origin or self.portal.base}
        return await self.http.post(path, headers={**headers, **more.pop("headers", {})}, **more)

    async def authorize(self, to: str | None = None) -> httpx.URL:
        """Begin: the address at the issuer."""
        answer = await self.get("/sign-in/start", params={} if to is None else {"to": to})
        assert answer.status_code == 303, answer.text
        return httpx.URL(answer.headers["location"])

    async def choose(self, address: httpx.URL, persona: str) -> str:
        """Choose a persona at the issuer: the address one comes back to."""
        async with httpx.AsyncClient(transport=self.portal.asked) as http:
            answer = await http.post(address, data={"persona": persona})
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"])

    async def sign_in(self, persona: str, to: str | None = None) -> httpx.Response:
        """The whole way; the answer is that of the callback."""
        return await self.get(await self.choose(await self.authorize(to), persona))

    def kept(self, kind: str = "session") -> str | None:
        """A cookie."""
        prefix = "__Host-" if self.portal.base.startswith("https:") else ""
        value: str | None = self.http.cookies.get(f"{prefix}onboarding-{kind}")
        return value


def query_of(address: str) -> dict[str, str]:
    """Of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


@asynccontextmanager
async def portal(
    base: str = ADDRESS, *, database: Database | None = None, seal: Seal | None = None, **registered: Any
) -> AsyncIterator[Portal]:
    """The pages; with a database, beside the API."""
    clock = Clock(time.time())
    issuer = DemoIssuer(ADDRESS, DEFAULT, audience="onboarding", names=NAMES)
    asked = Recorded(issuer)
    async with httpx.AsyncClient(transport=asked) as http:
        keys = IssuerKeys(http, issuer.issuer, clock=clock)
        registration = Registration(PAGES_CLIENT, f"{base}{CALLBACK}", **registered)
        party = RelyingParty(http, keys, registration, NAMES)
        sessions = Sessions(base, seal or Seal.of_its_own(), party, clock=clock)
        desks, door = desks_of(DEFAULT), None
        if database is None:
            app = FastAPI(redirect_slashes=False)
            for router in sign_in_pages(sessions, desks):
                app.include_router(router)
            answer_problems(app, {}, pages.problem)
        else:
            verifier = OidcVerifier(keys, audience="onboarding", names=NAMES)
            webhooks = Webhooks(database, WebhookSender(Allowed.from_text("")))
            door = FrontDoor(Scripted(), database, verifier, webhooks, desks=desks)
            app = front_door_app(door, Ready({}), sessions=sessions)
        found = Portal(base, app, issuer, asked, clock, sessions)
        yield found
        if door is not None:
            await door.streams.close()
        for each in found.browsers:
            await each.http.aclose()
