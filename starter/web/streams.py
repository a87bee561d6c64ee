"""Events as they happen, for who stays connected: server-sent events, each reader his own.

The form is that of the HTML standard (§9.2): ``data`` is a `StreamedEvent`, ``id`` where to resume after it.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Annotated, Final

from fastapi import APIRouter, Header
from fastapi.sse import format_sse_event
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from activities.db.lists import Brief
from domain.readers import audit_for
from starter.client.errors import OnboardingError
from starter.client.event_streams import Events, StreamedEvent, told
from starter.web.callers import Caller, CallerRole, InCharge, Reader, roles_on
from starter.web.door import (
    API,
    CallerDependency,
    FrontDoor,
    UidInPath,
    WhichDependency,
    authenticated_route,
    in_charge,
)
from starter.web.problems import ApiError

KEEP_ALIVE: Final = 15.0
"""Seconds of silence after which something is sent: what stands between closes connections that are idle."""
RETRY: Final = 2_000
"""Milliseconds after which a client comes again that was cut off."""
_LAST_WORD_WITHIN: Final = 1.0
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Vary": "Authorization",
    # Asks a reverse proxy (nginx) to pass on each event as it comes.
    "X-Accel-Buffering": "no",
}
_CONTENT: Final = {
    "responses": {
        "200": {
            "content": {"text/event-stream": {"schema": {"$ref": "#/components/schemas/StreamedEvent"}}},
        }
    }
}
"""The library describes what is not JSON as a text."""

Shows = Callable[[Events], Awaitable[list[StreamedEvent] | None]]
"""What the caller may read of these events; ``None``: nothing any more."""
LastEventId = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        description="The `id` of the last event one has: what came after it follows, with none missing. `0`:"
        " all from the beginning. Without, from now on.",
        max_length=100,
    ),
]

log: Final = logging.getLogger("onboarding.web")


class EventStream(StreamingResponse):
    """A stream of events, until it ends, its client goes, or his token opens nothing any more."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[Events], shows: Shows, expires_at: float | None) -> None:
        self._chunks = _chunks(events, shows)
        super().__init__(self._chunks, headers=_HEADERS)
        self._left = None if expires_at is None else expires_at - time.time()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        sending = asyncio.create_task(self.stream_response(send))
        gone = asyncio.create_task(self.listen_for_disconnect(receive))
        try:
            await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            # Each is cancelled once, so that what it holds is given back in order.
            sending.cancel()
            gone.cancel()
            await asyncio.wait({sending, gone})

    async def stream_response(self, send: Send) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        with suppress(TimeoutError):
            async with asyncio.timeout(self._left), aclosing(self._chunks) as chunks:
                async for chunk in chunks:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        # Who does not read what was sent is not waited for.
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORD_WITHIN):
                await send({"type": "http.response.body", "body": b"", "more_body": False})


def streams(door: FrontDoor) -> APIRouter:
    """The routes of streams."""
    router = APIRouter(prefix=API, route_class=authenticated_route(door), tags=["Events"])

    @router.get(
        "/applications/{uid}/events",
        response_class=Response,
        response_model=StreamedEvent,
        response_description="Server-sent events: the `data` of each is a `StreamedEvent`.",
        openapi_extra=_CONTENT,
        operation_id="stream_application_events",
    )
    async def application_events(
        uid: UidInPath, caller: CallerDependency, which: WhichDependency, last_event_id: LastEventId = None
    ) -> EventStream:
        """The events of an application as they happen; `id` is their `sequence`."""
        found, _ = await door.found(caller, uid, which)
        events = await _opened(door.streams.of(found.application_id, last_event_id))

        async def shows(some: Events) -> list[StreamedEvent] | None:
            charged = await _in_charge(door, caller, some)
            reader = _reader(caller, uid, charged.get(found.application_id))
            return _read(reader, some) if reader else None

        return EventStream(events, shows, caller.expires_at)

    @router.get(
        "/events",
        response_class=Response,
        response_model=StreamedEvent,
        response_description="Server-sent events: the `data` of each is a `StreamedEvent`.",
        openapi_extra=_CONTENT,
        operation_id="stream_events",
    )
    async def all_events(caller: CallerDependency, last_event_id: LastEventId = None) -> EventStream:
        """The events of all applications one may see, as they happen; `id` is opaque."""
        events = await _opened(door.streams.all(last_event_id))

        async def shows(some: Events) -> list[StreamedEvent]:
            charged = await _in_charge(door, caller, some)
            shown: list[StreamedEvent] = []
            for each in some:
                reader = _reader(caller, each.company_master_uid, charged.get(each.application_id))
                shown += _read(reader, (each,)) if reader else ()
            return shown

        return EventStream(events, shows, caller.expires_at)

    return router


async def _chunks(events: AsyncGenerator[Events], shows: Shows) -> AsyncGenerator[bytes]:
    """What is sent, piece by piece."""
    yield format_sse_event(retry=RETRY)
    passed: int | None = None
    coming = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            done, _ = await asyncio.wait({coming}, timeout=KEEP_ALIVE)
            if not done:
                # An ID alone is no event, and has its reader resume after what was not for him.
                yield b":\n\n" if passed is None else format_sse_event(id=str(passed))
                passed = None
                continue
            some = coming.result()
            shown = await shows(some) if some else None
            if some is None or shown is None:
                return
            coming = asyncio.ensure_future(anext(events, None))
            passed = None if shown and shown[-1].id == str(some[-1].position) else some[-1].position
            if shown:
                yield b"".join(
                    format_sse_event(id=each.id, data_str=each.model_dump_json()) for each in shown
                )
    # A database that can't be reached is an OSError to one of the drivers.
    except (SQLAlchemyError, OSError) as error:
        log.warning("A stream of events ended, as the database failed: %s", type(error).__name__)
    finally:
        coming.cancel()
        await asyncio.wait({coming})
        await events.aclose()


async def _opened(opening: Awaitable[AsyncGenerator[Events]]) -> AsyncGenerator[Events]:
    try:
        return await opening
    except OnboardingError as error:
        raise ApiError.of_field(error) from None


async def _in_charge(door: FrontDoor, caller: Caller, some: Events) -> Mapping[str, Brief]:
    # Only who is in charge has to be looked up.
    if {CallerRole.BD, CallerRole.BD_LEAD}.isdisjoint(caller.roles):
        return {}
    return await door.lists.in_charge({each.application_id for each in some})


def _reader(caller: Caller, uid: str, charged: Brief | None) -> Reader | None:
    whose = in_charge(uid, charged) if charged else InCharge(uid)
    roles = roles_on(caller, whose)
    return Reader(caller, roles) if roles else None


def _read(reader: Reader, some: Events) -> list[StreamedEvent]:
    """What he reads of an application's events, as in its audit trail."""
    read = {event.sequence for event in audit_for([each.event for each in some], reader.role)}
    return [told(each) for each in some if each.event.sequence in read]
