"""What every route of the front door works with, and how it learns who is calling and what he may see."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Final, Protocol

from fastapi import Depends, Path, Query, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from activities.db.applications import ApplicationRecords, StoredApplication
from activities.db.engine import Database
from activities.db.lists import ApplicationLists, Brief
from domain.contract import Command, ErrorType, OnboardingInput
from domain.coverage import AnyCoverageCommand, CoverageAnswer
from domain.status import Status
from domain.values import Uid
from starter.client.event_streams import LOOK_EVERY, EventStreams
from starter.client.joining import Joined
from starter.client.webhooks import Webhooks
from starter.web.callers import Caller, CallerRole, InCharge, Reader, roles_on
from starter.web.desks import NO_DESKS, Desk, Desks
from starter.web.issuer import IssuerError
from starter.web.limits import StrictRequest, check_media_type
from starter.web.problems import ApiError, DoorError, unavailable
from starter.web.tokens import InvalidTokenError, Verifier

API: Final = "/api/v1"
LONGEST_WAIT: Final = 30
"""Seconds a read waits for what its caller knows of already."""
MOST_AT_ONCE: Final = 5
"""Commands of one application that a process has under way: Temporal takes ten of a run at a time."""
_FIRST_LOOK: Final = 0.05
_LONGEST_LOOK: Final = 1.0
_BEARER: Final = "bearer "

CountryOf = Callable[[str], Awaitable[str | None]]
UidInPath = Annotated[Uid, Path(description="Company Master UID of the applicant.", examples=["5123456789"])]


class Service(Protocol):
    """The running service; `starter.client.onboarding_client.OnboardingClient` is it."""

    async def join(self, joining: OnboardingInput) -> Joined:
        """Start an application, or enter the one that runs."""

    async def send(self, uid: str, command: Command, *, update_id: str | None = None) -> Status:
        """Send a command."""

    async def status(self, uid: str) -> Status:
        """The whole status."""

    async def change_coverage(self, command: AnyCoverageCommand) -> CoverageAnswer:
        """Add an Associated UID, or take one away, after access is given."""


async def unknown(_uid: str) -> None:
    """The country of a company where nobody can be asked."""


@dataclass(frozen=True)
class Seen:
    """A stored application, and as whom the caller reads it."""

    stored: StoredApplication
    reader: Reader

    @property
    def status(self) -> Status:
        """As he reads it."""
        return self.reader.status(self.stored.status)


class FrontDoor:
    """What routes need, each by its constructor; there is no state in it that another process would miss.

    Its streams of events are to be closed before it stops (`EventStreams.close`).

    Args:
        service: what applications are sent to.
        database: what is read.
        verifier: who shows a token.
        webhooks: the endpoints that events are delivered to.
        desks: who serves a company, and who of those who call works where.
        country_of: the country of the company with this UID, as the account directory has it; ``None``: it
            has none. Raises `starter.client.errors.OnboardingError` where it does not answer.
        look_every: seconds between two looks for events while nothing happens.
    """

    def __init__(
        self,
        service: Service,
        database: Database,
        verifier: Verifier,
        webhooks: Webhooks,
        *,
        desks: Desks = NO_DESKS,
        country_of: CountryOf = unknown,
        look_every: float = LOOK_EVERY,
    ) -> None:
        self.service: Final = service
        self.database: Final = database
        self.records: Final = ApplicationRecords(database)
        self.lists: Final = ApplicationLists(database)
        self.webhooks: Final = webhooks
        self.streams: Final = EventStreams(database, look_every=look_every)
        self.desks: Final = desks
        self._country_of = country_of
        self._verifier = verifier
        self._under_way: dict[str, int] = {}

    async def authenticated(self, request: Request) -> Caller:
        """Who is calling, by the bearer token.

        Raises:
            ApiError: ``unauthenticated``; ``unavailable``, the issuer does not answer.
        """
        shown = request.headers.get("authorization", "")
        if not shown.lower().startswith(_BEARER):
            raise unauthenticated("Send Authorization: Bearer and an access token of the issuer.")
        try:
            caller = await self._verifier.caller(shown[len(_BEARER) :].strip())
        except InvalidTokenError as error:
            raise unauthenticated(f"This token opens nothing: {error}.", "invalid_token") from None
        except IssuerError as error:
            raise unavailable(f"No token can be judged now: {error}. Try again.") from None
        return self.desks.placed(caller)

    async def desk_of(self, uid: str) -> Desk | None:
        """The desk that serves the company with this UID; ``None``: there is none.

        Raises:
            starter.client.errors.OnboardingError: ``unavailable``, its country can't be looked up now.
        """
        return self.desks.of(await self._country_of(uid) if self.desks.by_country else None)

    async def reader(self, caller: Caller, uid: str) -> Reader:
        """As whom the caller acts on the applicant's latest application, stored yet or not.

        Raises:
            ApiError: ``not_found``, there is none that he may see.
        """
        roles = roles_on(caller, InCharge(uid))
        # Only who is in charge has to be looked up.
        if not {CallerRole.BD, CallerRole.BD_LEAD}.isdisjoint(caller.roles):
            found = await self.lists.brief(uid)
            if found is not None:
                roles = roles_on(caller, in_charge(uid, found))
        if not roles:
            raise not_there(uid)
        return Reader(caller, roles)

    async def seen(self, caller: Caller, uid: str, which: "Which") -> Seen:
        """The application as it is stored, at the latest when `Which.wait` is over.

        Raises:
            ApiError: ``not_found``, there is none, or none that he may see.
        """
        if which.wait:
            await self.found(caller, uid, which)
        found = await self.records.shown(
            uid, lambda brief: _reader(caller, uid, brief), application_id=which.application
        )
        if found is None:
            raise not_there(uid)
        return Seen(*found)

    async def found(self, caller: Caller, uid: str, which: "Which") -> tuple[Brief, Reader]:
        """Which application it is, and as whom the caller reads it; otherwise as `seen`."""
        loop = asyncio.get_running_loop()
        until, pause = loop.time() + which.wait, _FIRST_LOOK
        while True:
            found = await self.lists.brief(uid, which.application)
            reader = _reader(caller, uid, found) if found else None
            left = until - loop.time()
            if (found and reader and found.sequence >= which.since) or left <= 0:
                break
            await asyncio.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_LOOK)
        if not found or not reader:
            raise not_there(uid)
        return found, reader

    @asynccontextmanager
    async def turn(self, uid: str) -> AsyncIterator[None]:
        """A command of this application is under way within.

        Raises:
            ApiError: ``too_many`` are.
        """
        if self._under_way.get(uid, 0) >= MOST_AT_ONCE:
            raise ApiError(
                DoorError.TOO_MANY,
                f"{MOST_AT_ONCE} commands of this application are under way. Wait for their answers.",
                headers={"Retry-After": "1"},
            )
        self._under_way[uid] = self._under_way.get(uid, 0) + 1
        try:
            yield
        finally:
            self._under_way[uid] -= 1
            if not self._under_way[uid]:
                del self._under_way[uid]


@dataclass(frozen=True)
class Which:
    """Which application of a UID is read, and how new."""

    application: str | None
    since: int
    wait: int


async def which(
    application: Annotated[
        str | None,
        Query(description="ID of an earlier application of the UID.", max_length=100, pattern=r"^[\w.-]+$"),
    ] = None,
    since: Annotated[
        int, Query(description="The audit event it has to be as new as.", ge=0, le=2**31 - 1)
    ] = 0,
    wait: Annotated[int, Query(description="Seconds to wait for that.", ge=0, le=LONGEST_WAIT)] = 0,
) -> Which:
    """What is asked for in the address."""
    return Which(application, since, wait)


WhichDependency = Annotated[Which, Depends(which)]


async def who(request: Request) -> Caller:
    """Who is calling; the route has asked (`authenticated_route`)."""
    caller: Caller = request.state.caller
    return caller


CallerDependency = Annotated[Caller, Depends(who)]
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def authenticated_route(door: FrontDoor) -> type[APIRoute]:
    """Routes that nobody passes without a token: that is judged before the rest of the request is read."""

    class AuthenticatedRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            handle = super().get_route_handler()

            async def handler(asked: Request) -> Response:
                request = StrictRequest(asked.scope, asked.receive)
                request.state.caller = await door.authenticated(request)
                check_media_type(request, await request.body())
                return await handle(request)

            return handler

    return AuthenticatedRoute


def shown(request: Request, content: bytes) -> Response:
    """What is read, with its ``ETag``; without a body for who has it already (RFC 9110 §13.1.2)."""
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Vary": "Authorization", "Cache-Control": "private, no-cache"}
    known = {each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")}
    if known & {tag, "*"}:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type="application/json")


def _reader(caller: Caller, uid: str, stored: Brief) -> Reader | None:
    roles = roles_on(caller, in_charge(uid, stored))
    return Reader(caller, roles) if roles else None


def in_charge(uid: str, stored: Brief) -> InCharge:
    """Who looks after the application, as far as it is stored."""
    return InCharge(uid, stored.bd, stored.bd_lead, stored.desk)


def not_there(uid: str) -> ApiError:
    """There is no such application for the caller, whether or not there is one."""
    return ApiError(
        ErrorType.NOT_FOUND,
        f"There is no application of UID {uid} that you may see. Check the UID; a company joins first"
        f" (POST {API}/applications).",
    )


def unauthenticated(detail: str, error: str | None = None) -> ApiError:
    """Nobody is let in; ``error`` is that of RFC 6750 §3.1."""
    challenge = 'Bearer realm="onboarding"' + (f', error="{error}"' if error else "")
    return ApiError(DoorError.UNAUTHENTICATED, detail, headers={"WWW-Authenticate": challenge})
