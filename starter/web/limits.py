"""What a request may take of us: the size of its body, and the time it has to arrive."""

import asyncio
import json
from datetime import timedelta
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.intake import MAX_COMMAND_BYTES
from starter.web.problems import ApiError, DoorError, answer

BODY_WITHIN: Final = timedelta(seconds=10)


class Limits:
    """Hands on a request once its body is there, or answers that it is too large or too slow."""

    def __init__(self, app: ASGIApp, *, body_within: timedelta = BODY_WITHIN) -> None:
        self._app = app
        self._body_within = body_within

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._body_within.total_seconds()):
                arrived = await _body(Headers(scope=scope), receive)
        except TimeoutError:
            within = f"{self._body_within.total_seconds():g} s"
            error = ApiError(
                DoorError.TIMED_OUT, f"The body did not come within {within}. Send it again.", headers=_CLOSE
            )
            await answer(error)(scope, receive, send)
            return
        except ApiError as error:
            await answer(error)(scope, receive, send)
            return
        if arrived is None:
            return

        async def again() -> Message:
            return arrived.pop() if arrived else await receive()

        await self._app(scope, again, send)


_CLOSE: Final = {"Connection": "close"}
"""What is still on its way is not read."""


async def _body(headers: Headers, receive: Receive) -> list[Message] | None:
    """The whole body as one message; ``None``: its sender has gone.

    Raises:
        ApiError: it is too large.
    """
    announced = headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > MAX_COMMAND_BYTES:
        raise _too_large()
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > MAX_COMMAND_BYTES:
            raise _too_large()
        if not message.get("more_body", False):
            return [{"type": "http.request", "body": bytes(body), "more_body": False}]


def _too_large() -> ApiError:
    most = f"{MAX_COMMAND_BYTES // 1024} KiB"
    return ApiError(DoorError.TOO_LARGE, f"The body must not be larger than {most}.", headers=_CLOSE)


class StrictRequest(Request):
    """A request whose JSON says everything once: of a key that is there twice, readers before and behind this
    one may each have taken another value (RFC 8259 §4)."""

    async def json(self) -> Any:
        """The body as JSON.

        Raises:
            ApiError: a key is there twice.
            json.JSONDecodeError: it is none.
        """
        return json.loads(await self.body(), object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ApiError(DoorError.BAD_REQUEST, "An object of the body has a key twice. Send each once.")
    return found


def check_media_type(request: Request, body: bytes) -> None:
    """Raises `ApiError` for a body that is not JSON by its own word, or is compressed: what it would come to
    can't be told by its size."""
    if not body:
        return
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiError(DoorError.UNSUPPORTED_MEDIA_TYPE, "Send Content-Type: application/json.")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise ApiError(
            DoorError.UNSUPPORTED_MEDIA_TYPE,
            "Send the body as it is, without Content-Encoding.",
            headers={"Accept-Encoding": "identity"},
        )
