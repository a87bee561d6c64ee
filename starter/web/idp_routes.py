"""The routes of the issuer in `idp.py`, of which only this machine is answered."""

from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse, RedirectResponse, Response

from activities.loopback import is_loopback
from domain.contract import ErrorType
from starter.web import pages
from starter.web.door import Handler
from starter.web.idp import PATH, Asked, DemoIssuer, GrantError, UnknownClientError
from starter.web.limits import Limits
from starter.web.problems import ApiError, answer_problems

_NO_STORE: Final = {"Cache-Control": "no-store"}
_STYLE: Final = f"{PATH}/pages.css"


def issuer_routes(issuer: DemoIssuer) -> tuple[APIRouter, ...]:
    """Its routes, below `PATH`."""
    router = APIRouter(prefix=PATH, route_class=_OnThisMachine, include_in_schema=False)

    @router.get("/.well-known/openid-configuration")
    async def described() -> Response:
        return JSONResponse(issuer.described())

    @router.get("/keys")
    async def keys() -> Response:
        return JSONResponse(issuer.keys())

    @router.get("/authorize")
    async def choose(request: Request) -> Response:
        asked, refused = _asked(request)
        if refused is not None:
            return _back(issuer, asked, error=refused.code, error_description=str(refused))
        parts = urlsplit(asked.redirect_uri)
        return pages.page(
            request,
            "personas.html.j2",
            personas=issuer.people,
            style=_STYLE,
            # Browsers hold the policy against where a form is redirected, too.
            targets=f"'self' {parts.scheme}://{parts.netloc}",
        )

    @router.post("/authorize")
    async def chosen(request: Request) -> Response:
        asked, refused = _asked(request)
        if refused is None:
            try:
                code = issuer.code((await _form(request)).get("persona", ""), asked)
            except GrantError as error:
                refused = error
            else:
                return _back(issuer, asked, code=code)
        return _back(issuer, asked, error=refused.code, error_description=str(refused))

    @router.post("/token")
    async def token(request: Request) -> Response:
        try:
            return JSONResponse(issuer.given(await _form(request)), headers=_NO_STORE)
        except GrantError as error:
            # RFC 6749 §5.2.
            told = {"error": error.code, "error_description": str(error)}
            return JSONResponse(told, 400, _NO_STORE)

    @router.post("/revoke")
    async def revoke(request: Request) -> Response:
        issuer.revoke((await _form(request)).get("token", ""))
        return Response(headers=_NO_STORE)

    @router.get("/end-session")
    async def end_session(request: Request) -> Response:
        # Nobody stays signed in here.
        back = request.query_params.get("post_logout_redirect_uri", "")
        try:
            asked = Asked.of({**request.query_params, "redirect_uri": back})
        except UnknownClientError as error:
            raise ApiError(ErrorType.INVALID, f"{error} (here: post_logout_redirect_uri).") from None
        return RedirectResponse(asked.redirect_uri, 303, _NO_STORE)

    return router, pages.stylesheet(_STYLE)


def issuer_app(issuer: DemoIssuer) -> FastAPI:
    """The issuer by itself."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    for router in issuer_routes(issuer):
        app.include_router(router)
    answer_problems(app, {})
    app.add_middleware(Limits)
    return app


def issuer_client(issuer: DemoIssuer) -> httpx.AsyncClient:
    """What asks it within this process."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(issuer_app(issuer)))


def _asked(request: Request) -> tuple[Asked, GrantError | None]:
    query = dict(request.query_params)
    try:
        asked = Asked.of(query)
    except UnknownClientError as error:
        raise ApiError(ErrorType.INVALID, f"{error}.") from None
    try:
        asked.check(query)
    except GrantError as error:
        return asked, error
    return asked, None


def _back(issuer: DemoIssuer, asked: Asked, **answer: str) -> Response:
    query = urlencode({**answer, "state": asked.state, "iss": issuer.issuer})
    join = "&" if urlsplit(asked.redirect_uri).query else "?"
    return RedirectResponse(f"{asked.redirect_uri}{join}{query}", 303, _NO_STORE)


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form, those that stand there once."""
    try:
        found = parse_qs((await request.body()).decode("ascii"), max_num_fields=20)
    except ValueError:
        return {}
    return {name: values[0] for name, values in found.items() if len(values) == 1}


class _OnThisMachine(APIRoute):
    """A page in a browser here may have a name of its own that leads to this machine."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            if not is_loopback(request.url.hostname or ""):
                raise ApiError(ErrorType.FORBIDDEN, "This issuer is for this machine only.")
            return await handle(request)

        return handler
