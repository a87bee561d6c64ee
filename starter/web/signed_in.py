"""The routes of the pages: whose session a request has, and whether it comes from a page of ours."""

import re
from typing import Annotated, Final
from urllib.parse import quote, urlsplit

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from starlette.responses import RedirectResponse, Response

from domain.contract import ErrorType
from starter.web import pages
from starter.web.desks import Desks
from starter.web.door import Handler
from starter.web.issuer import IssuerError
from starter.web.problems import ApiError, unavailable
from starter.web.sessions import NotSignedInError, Session, Sessions

SIGN_IN: Final = "/sign-in"
START: Final = f"{SIGN_IN}/start"
CALLBACK: Final = f"{SIGN_IN}/callback"
HOME: Final = "/me"
"""Where who has signed in goes on to, unless he wanted to go elsewhere."""
_SAFE: Final = frozenset({"GET", "HEAD"})
_PLACE: Final = re.compile(r"/(?![/\\])[!-\[\]-~]{0,1500}")


def place(said: str | None) -> str:
    """An address below the pages' own: what is said if it is one, else `HOME`."""
    if said is None or not _PLACE.fullmatch(said) or said.startswith(SIGN_IN):
        return HOME
    return said


def with_place(path: str, to: str) -> str:
    """A path with the place that follows."""
    return path if to == HOME else f"{path}?to={quote(to, safe='/')}"


def page_route(sessions: Sessions) -> type[APIRoute]:
    """Routes for anybody; what changes something comes from a page of ours."""

    class PageRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            handle = super().get_route_handler()

            async def handler(request: Request) -> Response:
                _check_origin(request, sessions.base)
                return await handle(request)

            return handler

    return PageRoute


def signed_in_route(sessions: Sessions, desks: Desks) -> type[APIRoute]:
    """The same for who has signed in; nobody else passes, whatever else he shows."""

    class SignedInRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            handle = super().get_route_handler()

            async def handler(request: Request) -> Response:
                _check_origin(request, sessions.base)
                before = sessions.at_hand(request)
                try:
                    session = await sessions.current(request)
                except NotSignedInError as error:
                    return _to_sign_in(request, sessions, known=error.known)
                except IssuerError as error:
                    raise unavailable(f"{error}. Try again.") from None
                request.state.session = session
                request.state.caller = desks.placed(session.caller)
                response = await handle(request)
                if session != before:
                    sessions.keep(response, session)
                return response

            return handler

    return SignedInRoute


async def session_of(request: Request) -> Session:
    """Whose session the request has; the route has asked (`signed_in_route`)."""
    session: Session = request.state.session
    return session


SignedIn = Annotated[Session, Depends(session_of)]


def _check_origin(request: Request, base: str) -> None:
    """Raises `ApiError` for what another site's page has the browser send."""
    if request.method in _SAFE:
        return
    origin = urlsplit(base)
    if request.headers.get("origin") != f"{origin.scheme}://{origin.netloc}":
        raise ApiError(ErrorType.FORBIDDEN, "The Origin of this request is no page of this site.")


def _to_sign_in(request: Request, sessions: Sessions, *, known: bool) -> Response:
    if request.method not in _SAFE:
        return pages.problem_page(request, 401, "error.401", again=SIGN_IN)
    query = f"?{request.url.query}" if request.url.query else ""
    to = place(f"{request.url.path}{query}")
    # Whom the issuer may still know is not asked to press a button.
    return RedirectResponse(
        sessions.base + with_place(START if known else SIGN_IN, to), 303, {"Cache-Control": "no-store"}
    )
