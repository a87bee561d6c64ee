"""The ASGI application of the front door, put together from what it is given."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from starter.web import pages, reference_page
from starter.web.door import API, FrontDoor
from starter.web.limits import Limits
from starter.web.observed import Observed, Requests
from starter.web.openapi import described
from starter.web.problems import answer_problems
from starter.web.reads import reads
from starter.web.ready import Ready
from starter.web.sessions import Sessions
from starter.web.sign_in import sign_in_pages
from starter.web.streams import streams
from starter.web.webhooks import webhooks
from starter.web.writes import writes


def front_door_app(
    door: FrontDoor, ready: Ready, *, sessions: Sessions | None = None, more: Iterable[APIRouter] = ()
) -> FastAPI:
    """The application.

    ``ready``: whether the parts it needs answer. ``sessions``: those of the pages, which there are none
    without. ``more``: routes that stand beside.
    """
    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    requests = Requests()
    portal = sign_in_pages(sessions, door.desks) if sessions else ()
    routers = (*api(door), *portal, *more, _about(app, ready, requests))
    for router in routers:
        app.include_router(router)
    answer_problems(app, _allowed(routers), pages.problem if sessions else None)
    app.add_middleware(Limits)
    app.add_middleware(Observed, requests=requests)
    return app


def api(door: FrontDoor) -> tuple[APIRouter, ...]:
    """The routes of the API, as it lists them."""
    return reads(door), streams(door), writes(door), webhooks(door)


def _allowed(routers: Iterable[APIRouter]) -> Mapping[str, str]:
    """The methods that go with each path."""
    methods: defaultdict[str, set[str]] = defaultdict(set)
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute):
                methods[route.path] |= route.methods or set()
    return {path: ", ".join(sorted(each)) for path, each in methods.items()}


def _about(app: FastAPI, ready: Ready, requests: Requests) -> APIRouter:
    """What anybody may ask: whether it lives, what it can do, and the description of the API."""
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    async def lives() -> Response:
        return PlainTextResponse("alive\n")

    @router.get("/readyz")
    async def is_ready() -> Response:
        problems = await ready.problems()
        return JSONResponse(
            {"ready": not problems, "problems": problems},
            503 if problems else 200,
            {"Cache-Control": "no-store"},
        )

    @router.get("/metrics")
    async def metrics() -> Response:
        return PlainTextResponse(requests.text())

    @router.get(f"{API}/openapi.json")
    async def openapi() -> Response:
        return JSONResponse(described(app))

    @router.get("/api/docs")
    async def reference() -> Response:
        return HTMLResponse(reference_page.page(described(app)), headers=reference_page.HEADERS)

    return router
