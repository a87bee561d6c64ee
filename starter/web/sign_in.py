"""The pages on which one signs in and out, and that says who one is."""

import logging
from datetime import UTC, datetime
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from activities.loopback import is_loopback
from starter.web import pages
from starter.web.desks import Desks
from starter.web.door import CallerDependency
from starter.web.issuer import IssuerError
from starter.web.problems import unavailable
from starter.web.relying_party import SignInError
from starter.web.sessions import Sessions, TooLargeError
from starter.web.signed_in import (
    CALLBACK,
    HOME,
    SIGN_IN,
    START,
    SignedIn,
    page_route,
    place,
    signed_in_route,
    with_place,
)

log: Final = logging.getLogger("onboarding.web.sign_in")
_NO_STORE: Final = {"Cache-Control": "no-store"}


def sign_in_pages(sessions: Sessions, desks: Desks) -> tuple[APIRouter, ...]:
    """Their routes."""
    return _for_anybody(sessions), _for_who_has_signed_in(sessions, desks), pages.stylesheet()


def _for_anybody(sessions: Sessions) -> APIRouter:
    router = APIRouter(route_class=page_route(sessions), include_in_schema=False)

    @router.get(SIGN_IN)
    async def sign_in(request: Request, to: str | None = None) -> Response:
        if sessions.at_hand(request):
            return _on(sessions.base + place(to))
        return pages.page(request, "sign_in.html.j2", start=with_place(START, place(to)))

    # A link leads here, no form: the policy for forms would have to name every address the issuer leads to.
    @router.get(START)
    async def start(request: Request, to: str | None = None) -> Response:
        if _by_another_name(request, sessions.base):
            return _on(sessions.base + with_place(START, place(to)))
        try:
            address, begun = await sessions.begin(place(to))
        except IssuerError as error:
            raise unavailable(f"{error}. Try again.") from None
        response = _on(address)
        sessions.keep(response, begun)
        return response

    @router.get(CALLBACK)
    async def callback(request: Request) -> Response:
        try:
            session, to = await sessions.finish(request)
        except SignInError as error:
            log.warning("Nobody is signed in: %s", error)
            response = pages.problem_page(request, 403, "error.sign_in", again=SIGN_IN)
        except IssuerError as error:
            raise unavailable(f"{error}. Try again.") from None
        else:
            response = _on(sessions.base + to)
            try:
                sessions.keep(response, session)
            except TooLargeError:
                log.warning("Nobody is signed in: the claims do not go into a cookie")
                response = pages.problem_page(request, 403, "error.too_large")
        # Whatever came of it, it is over.
        sessions.forget(response, "sign-in")
        return response

    @router.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        there = await sessions.end(request, sessions.base + SIGN_IN)
        if there is None:
            response: Response = _on(sessions.base + SIGN_IN)
        else:
            # Not by redirect: the policy for forms would have to name all the addresses the issuer leads to.
            response = pages.page(request, "signed_out.html.j2", there=there)
            response.headers["Refresh"] = f"0; url={there}"
        sessions.forget(response, "session")
        return response

    return router


def _for_who_has_signed_in(sessions: Sessions, desks: Desks) -> APIRouter:
    router = APIRouter(route_class=signed_in_route(sessions, desks), include_in_schema=False)

    @router.get(HOME)
    async def me(request: Request, session: SignedIn, caller: CallerDependency) -> Response:
        return pages.page(
            request,
            "me.html.j2",
            caller=caller,
            uids=sorted(caller.uids),
            desks=sorted(caller.desks),
            ends=datetime.fromtimestamp(session.ends, UTC),
        )

    return router


def _by_another_name(request: Request, base: str) -> bool:
    """Whether the browser calls this machine otherwise than the issuer will, ``localhost`` for ``127.0.0.1``:
    it would not find the cookie it has set."""
    host = request.url.hostname or ""
    return is_loopback(host) and request.url.netloc != base.partition("://")[2] and base.startswith("http:")


def _on(address: str) -> Response:
    return RedirectResponse(address, 303, _NO_STORE)
