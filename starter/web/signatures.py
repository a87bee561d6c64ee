"""Where providers of electronic signatures deliver what was signed: ``POST /webhooks/signatures/{provider}``.

A delivery is verified by its raw bytes, read, stored, and answered; what was stored is carried to its
application by a run of its own, and by the sweep where that could not be started.
"""

import asyncio
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from temporalio.client import Client
from temporalio.service import RPCError

from activities.db.engine import Database
from activities.db.signatures import SignatureStore
from activities.signatures.carrying import start_carrying
from activities.signatures.configuration import SignatureSettings
from activities.signatures.reading import Delivery, UnreadableError, read
from activities.signatures.verification import Verifier, verifier
from domain.signatures import Provider
from runtime.errors import keep_cancellation
from runtime.signature_sweep import keep_sweeping
from starter.web.problems import MEDIA_TYPE, URN

PATH: Final = "/webhooks/signatures"
MOST_BYTES: Final = 1024 * 1024
"""The largest body: a provider tells of every field of a document, not only of signatures."""
ARRIVES_WITHIN: Final = timedelta(seconds=10)
"""What a body may take to arrive."""
START_WITHIN: Final = timedelta(milliseconds=500)
"""What starting the run may add to the answer; providers give up after some seconds, and the sweep is
there."""
_TITLES: Final[Mapping[str, tuple[int, str]]] = {
    "not_found": (404, "Not found"),
    "unauthenticated": (401, "Not signed by the provider"),
    "method_not_allowed": (405, "This method is not possible here"),
    "timed_out": (408, "The request came too slowly"),
    "too_large": (413, "The body is too large"),
    "invalid": (422, "The delivery is not valid"),
    "unavailable": (503, "Not available now"),
}
_METHOD_NOT_ALLOWED: Final = 405
_CHALLENGES: Final[Mapping[Provider, str]] = {
    Provider.STANDARD: "WebhookSignature",
    Provider.DOCUMENSO: "DocumensoSecret",
    Provider.DOCUSEAL: "DocusealSignature",
    Provider.DOCUSIGN: "DocusignSignature",
}
"""What a 401 asks for (RFC 9110 §11.6.1)."""

Start = Callable[[str], Awaitable[None]]
"""Has the signature with this command ID carried to its application."""

log: Final = logging.getLogger("onboarding.signatures")


class _RefusedError(Exception):
    def __init__(self, error: str, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.error = error
        self.detail = detail
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class SignaturesIn:
    """The deliveries of all providers that have a secret.

    Args:
        secrets: by provider; one without is not there.
        store: where deliveries and signatures are kept.
        start: has a stored signature carried out; it may fail, as the sweep takes up what it left.
        now: the wall clock.
    """

    def __init__(
        self,
        secrets: Mapping[Provider, str],
        store: SignatureStore,
        start: Start,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._verifiers: Mapping[str, tuple[Provider, Verifier]] = {
            provider.value: (provider, verifier(provider, secret, lambda: now().timestamp()))
            for provider, secret in secrets.items()
        }
        self._store = store
        self._start = start
        self._now = now

    async def take(self, request: Request) -> Response:
        """One delivery: 200 once it is stored, and whatever is in it."""
        try:
            provider, genuine = self._of(request)
            body = await _body(request)
            if not genuine(request.scope["headers"], body):
                raise _RefusedError(
                    "unauthenticated",
                    f"The delivery is not signed with the secret of {provider} that is set here, or not now.",
                    WWW_Authenticate=_CHALLENGES[provider],
                )
            return JSONResponse(await self._taken(provider, request, body))
        except ClientDisconnect:
            return Response(status_code=400)
        except _RefusedError as refused:
            return _problem(refused)
        # A database that can't be reached is an OSError to one of the drivers.
        except (SQLAlchemyError, OSError) as error:
            log.warning("A delivery was not stored: %s", type(error).__name__)
            return _problem(
                _RefusedError("unavailable", "The database does not answer. Send it again.", Retry_After="30")
            )

    def _of(self, request: Request) -> tuple[Provider, Verifier]:
        found = self._verifiers.get(request.path_params["provider"])
        if found is None:
            raise _RefusedError(
                "not_found", "No such provider is set up; its secret is ONBOARDING_SIGNATURE_PROVIDER_SECRET."
            )
        return found

    async def _taken(self, provider: Provider, request: Request, body: bytes) -> dict[str, Any]:
        body_hash = hashlib.sha256(body).hexdigest()
        try:
            delivery = read(provider, body, request.headers.get("webhook-id", ""))
        except UnreadableError as error:
            log.warning("A delivery of %s can't be read: %s", provider, error)
            if provider is Provider.STANDARD:
                raise _RefusedError("invalid", f"{error}. Correct it, and send it again.") from None
            # Sent again, it would be no other: what must be known is in the log, and who sends goes on.
            delivery = Delivery(body_hash, nothing="not readable")
        state = delivery.nothing or "signatures"
        waiting = await self._store.take(
            delivery.signatures, self._now(), delivery=(provider, delivery.event, body_hash, state)
        )
        await self._carry(waiting)
        return {"delivery": delivery.event, "signatures": len(delivery.signatures), "contained": state}

    async def _carry(self, waiting: tuple[str, ...]) -> None:
        try:
            async with asyncio.timeout(START_WITHIN.total_seconds()):
                await asyncio.gather(*map(self._start, waiting))
        # What the SDK was told to stop it reports as an error of its own.
        except (TimeoutError, RPCError, RuntimeError) as error:
            keep_cancellation()
            log.warning("%d signatures are left to the sweep: %s", len(waiting), type(error).__name__)


def signatures_app(signatures: SignaturesIn) -> Starlette:
    """The receiver alone, as an ASGI application."""
    app = Starlette(
        routes=[Route(f"{PATH}/{{provider}}", signatures.take, methods=["POST"])],
        exception_handlers={HTTPException: _told},
    )
    app.router.redirect_slashes = False
    return app


async def _told(_request: Request, error: Exception) -> Response:
    """What the library refuses by itself."""
    if isinstance(error, HTTPException) and error.status_code == _METHOD_NOT_ALLOWED:
        return _problem(_RefusedError("method_not_allowed", "Use POST.", Allow="POST"))
    return _problem(_RefusedError("not_found", f"Deliveries go to {PATH}/PROVIDER."))


async def open_signatures(settings: SignatureSettings, database: Database, client: Client) -> SignaturesIn:
    """The receiver the settings ask for, with the sweep behind it."""
    if settings.takes_signatures:
        await keep_sweeping(client, timedelta(minutes=settings.signature_sweep))
    return SignaturesIn(settings.signature_secrets, SignatureStore(database), carried_by(client))


class WithSignatures:
    """An ASGI application with the receiver beside it, which has limits of its own."""

    def __init__(self, app: ASGIApp, signatures: SignaturesIn) -> None:
        self._app = app
        self._signatures = signatures_app(signatures)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the lifespan."""
        ours = scope["type"] == "http" and scope["path"].startswith(f"{PATH}/")
        await (self._signatures if ours else self._app)(scope, receive, send)


def carried_by(client: Client) -> Start:
    """Has signatures carried out by runs on this client's service."""
    return lambda command_id: start_carrying(client, command_id)


async def _body(request: Request) -> bytes:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > MOST_BYTES:
        raise _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(ARRIVES_WITHIN.total_seconds()):
            async for part in request.stream():
                body += part
                if len(body) > MOST_BYTES:
                    raise _too_large()
    except TimeoutError:
        within = f"{ARRIVES_WITHIN.total_seconds():g} s"
        told = f"The body did not come within {within}. Send it again."
        raise _RefusedError("timed_out", told, Connection="close") from None
    return bytes(body)


def _too_large() -> _RefusedError:
    most = f"{MOST_BYTES // 1024} KiB"
    return _RefusedError("too_large", f"The body must not be larger than {most}.", Connection="close")


def _problem(refused: _RefusedError) -> Response:
    """A problem document (RFC 9457)."""
    status, title = _TITLES[refused.error]
    problem = {"type": f"{URN}{refused.error}", "title": title, "status": status, "detail": refused.detail}
    headers = {"Cache-Control": "no-store", **refused.headers}
    return Response(json.dumps(problem), status, headers, MEDIA_TYPE)
