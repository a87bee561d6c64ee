"""The front door over a service and an issuer in memory, and what is stored in a database of its own."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import uuid4

import httpx
from fastapi import FastAPI

from activities.db.engine import Database
from activities.db.trail import AuditTrail
from activities.webhooks.addresses import Allowed
from activities.webhooks.sender import WebhookSender
from domain.audit import Verdict
from domain.contract import Command, ErrorType, OnboardingInput, Stage, workflow_id
from domain.coverage import AnyCoverageCommand, CoverageAnswer
from domain.state import Application
from domain.status import CommandResult, Status
from domain.view import describe
from starter.client.errors import OnboardingError
from starter.client.joining import Joined
from starter.client.webhooks import Webhooks
from starter.web.app import front_door_app
from starter.web.callers import Caller, CallerRole
from starter.web.desks import Desk, DeskPerson, Desks
from starter.web.door import FrontDoor
from starter.web.issuer import IssuerError
from starter.web.ready import Ready
from starter.web.tokens import InvalidTokenError
from tests.activities.examples import application, entry, publication

OWN: Final = "1001"
OTHERS: Final = "1002"
NEVER_JOINED: Final = "1003"
BD: Final = "li@vendor.example"
LEAD: Final = "chen@vendor.example"
CHINA: Final = "china"
REST: Final = "rest"
COUNTRIES: Final = {OWN: "CN", OTHERS: "DE"}
DESKS: Final = Desks(
    [
        Desk(
            name=CHINA,
            countries=("CN", "HK"),
            calendar="CN",
            time_zone="Asia/Shanghai",
            mail_hour=8,
            lead=DeskPerson(name="Chen Fang", email=LEAD),
            bds=(
                DeskPerson(name="Li Wei", email=BD),
                DeskPerson(name="Ann Tan", email="Ann@vendor.example", locale="zh"),
            ),
        ),
        Desk(
            name=REST,
            calendar="DE",
            time_zone="Europe/Berlin",
            lead=DeskPerson(name="Eva Roth", email="eva@vendor.example", sub="eva-7"),
            bds=(DeskPerson(name="Bo Ek", email="bo@vendor.example", sub="bo-7"),),
        ),
    ]
)
"""That of `OWN`, and the one of `OTHERS`; both are of `BD` and `LEAD`."""


def caller(*roles: str, **fields: Any) -> Caller:
    """Who has these roles; a partner has the UID `OWN`, BD and lead their addresses."""
    named = tuple(CallerRole(role) for role in roles)
    email = {"bd": BD, "bd_lead": LEAD}.get(roles[0]) if roles else None
    uids = frozenset({OWN}) if "partner" in roles else frozenset()
    return Caller(
        **{"subject": "-".join(roles) or "nobody", "roles": named, "email": email, "uids": uids} | fields
    )


CALLERS: Final[Mapping[str, Caller]] = {
    "partner": caller("partner", name="Mei Lin"),
    "partner-of-others": caller("partner", uids=frozenset({OTHERS})),
    "bd": caller("bd"),
    "other-bd": caller("bd", email="other@vendor.example"),
    "unverified-bd": caller("bd", email=None),
    "bd_lead": caller("bd_lead"),
    "other-lead": caller("bd_lead", email="other@vendor.example"),
    "bd-of-the-desk": caller("bd", email="ann@vendor.example"),
    "bd-by-subject": caller("bd", subject="bo-7", email=None),
    "lead-by-subject": caller("bd_lead", subject="eva-7", email="eva@elsewhere.example"),
    "lead-as-bd": caller("bd", subject="eva-7", email=None),
    "bd-as-lead": caller("bd_lead", subject="bo-7", email=None),
    "not-the-subject": caller("bd", "bd_lead", email="bo@vendor.example"),
    "bd-with-the-uid": caller("bd", "bd_lead", "vendor", email=BD, uids=frozenset({OWN})),
    "all-with-the-uid": caller("bd", "vendor", "partner", email="ann@vendor.example"),
    "vendor": caller("vendor"),
    "ops": caller("ops"),
    "service": caller("service", acts_for=frozenset({"partner", "bd"})),
    "service-with-the-uid": caller(
        "service", acts_for=frozenset({"partner", "bd", "vendor"}), uids=frozenset({OWN})
    ),
    "nobody": caller(),
}


class Names:
    """A verifier whose tokens are the names of `CALLERS`."""

    down = False
    expires_at: float | None = None

    def __init__(self, **more: Caller) -> None:
        self.callers = {**CALLERS, **more}

    async def caller(self, token: str) -> Caller:
        if self.down:
            raise IssuerError("https://login.example does not answer")
        if token not in self.callers:
            raise InvalidTokenError("it is unknown")
        return replace(self.callers[token], expires_at=self.expires_at)


@dataclass
class Scripted:
    """A service that keeps what it is sent, and refuses what it is told to."""

    status_of: dict[str, Status] = field(default_factory=dict)
    refusal: Exception | None = None
    started: bool = True
    sent: list[tuple[str, Command, str | None]] = field(default_factory=list)
    joins: list[OnboardingInput] = field(default_factory=list)

    async def join(self, joining: OnboardingInput) -> Joined:
        if self.refusal:
            raise self.refusal
        self.joins.append(joining)
        uid = joining.company_master_uid
        status = self.status_of.get(uid) or describe(application(uid=uid), sequence=1)
        return Joined(
            started=self.started,
            workflow_id=workflow_id(uid),
            application_id=status.application_id,
            status=status,
        )

    async def send(self, uid: str, command: Command, *, update_id: str | None = None) -> Status:
        self.sent.append((uid, command, update_id))
        if self.refusal:
            raise self.refusal
        answered = CommandResult(verdict=Verdict.ACCEPTED, stage=Stage.DRAFTING, sequence=2)
        return self._known(uid).without_documents().model_copy(update={"answered": answered})

    async def status(self, uid: str) -> Status:
        return self._known(uid)

    async def change_coverage(self, command: AnyCoverageCommand) -> CoverageAnswer:
        self.sent.append((command.company_master_uid, command, None))
        if self.refusal:
            raise self.refusal
        return CoverageAnswer(verdict=Verdict.ACCEPTED, sequence=20, covered_uids=("1", "2"))

    def _known(self, uid: str) -> Status:
        if uid not in self.status_of:
            raise OnboardingError(ErrorType.NOT_FOUND, f"UID {uid} has no application.")
        return self.status_of[uid]


@dataclass
class Directory:
    """The countries of companies; ``asked``: how often."""

    countries: dict[str, str] = field(default_factory=lambda: dict(COUNTRIES))
    asked: int = 0
    down: bool = False

    async def __call__(self, uid: str) -> str | None:
        self.asked += 1
        if self.down:
            raise OnboardingError(ErrorType.UNAVAILABLE, "The account directory does not answer.")
        return self.countries.get(uid)


@dataclass
class Doors:
    """The door, who knocks, and what is behind it."""

    http: httpx.AsyncClient
    service: Scripted
    verifier: Names
    door: FrontDoor
    database: Database
    app: FastAPI
    directory: "Directory"

    async def get(self, path: str, who: str = "ops", **more: Any) -> httpx.Response:
        """GET below the API."""
        return await self.http.get(f"/api/v1{path}", **_as(who, more))

    async def post(self, path: str, who: str = "ops", **more: Any) -> httpx.Response:
        """POST below the API."""
        return await self.http.post(f"/api/v1{path}", **_as(who, more))

    async def command(self, name: str, who: str, uid: str = OWN, **more: Any) -> httpx.Response:
        """A command, under a key of its own unless there is one."""
        more["headers"] = {"Idempotency-Key": str(uuid4()), **more.get("headers", {})}
        return await self.post(f"/applications/{uid}/commands/{name}", who, **more)

    async def store(self, *stored: Application) -> None:
        """Store applications, each with its first event, and let the service know them."""
        trail = AuditTrail(self.database)
        for each in stored:
            await trail.publish(publication(each, entry(1, command="join")))
            self.service.status_of[each.company_master_uid] = describe(each, sequence=1)


def _as(who: str, more: dict[str, Any]) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {who}", **more.pop("headers", {})}
    return {**more, "headers": headers}


@asynccontextmanager
async def opened(
    database: Database, *, desks: Desks = DESKS, parts: Mapping[str, Any] | None = None, **callers: Caller
) -> AsyncIterator[Doors]:
    """A front door on this database."""
    service, verifier, directory = Scripted(), Names(**callers), Directory()
    webhooks = Webhooks(database, WebhookSender(Allowed.from_text("127.0.0.1")))
    door = FrontDoor(
        service, database, verifier, webhooks, desks=desks, country_of=directory, look_every=0.02
    )
    app = front_door_app(door, Ready(parts or {}))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://door") as http:
        yield Doors(http, service, verifier, door, database, app, directory)
    await door.streams.close()


def two_applications() -> Sequence[Application]:
    """One of the partner's, and one of another company, of the same BD and lead."""
    own, others = application("run-1", uid=OWN), application("run-2", uid=OTHERS)
    return own.but(desk=CHINA), others.but(desk=REST)
