"""Events as they happen, over HTTP: each reader his own, with none missing, until his token expires."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr
from sqlalchemy.exc import OperationalError

from activities.db.event_log import EventLog
from activities.db.trail import AuditTrail
from domain.audit import Verdict
from domain.contract import Person
from settings import Settings
from starter.web import streams
from starter.web.idp import PATH, token_of
from starter.web.personas import DEFAULT
from starter.web.serving import front_door, listening
from tests.activities.examples import entry, publication
from tests.activities.receivers import until
from tests.web.doors import CALLERS, OTHERS, OWN, Doors, two_applications
from tests.web.test_matrix import SEES
from tests.web.test_serving import free_address

OF_OWN = f"/applications/{OWN}/events"


class Stream:
    """A stream that is open."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def block(self) -> dict[str, str]:
        """The next block: its fields, or those of a comment, which has none."""
        found: dict[str, str] = {}
        async with asyncio.timeout(20):
            while line := await anext(self._lines):
                name, _, value = line.partition(":")
                found[name] = value.strip()
        return found

    async def event(self) -> dict[str, Any]:
        """The next event."""
        while "data" not in (block := await self.block()):
            pass
        told: dict[str, Any] = json.loads(block["data"])
        assert told["id"] == block["id"]
        return told

    async def rest(self) -> str:
        """What comes until it ends."""
        async with asyncio.timeout(20):
            return "\n".join([line async for line in self._lines])


@pytest_asyncio.fixture
async def address(doors: Doors) -> AsyncIterator[str]:
    """Where the front door listens: what is made for tests of ASGI gives an answer only once it is whole."""
    found = free_address()
    async with listening(doors.app, found):
        try:
            yield found
        finally:
            await doors.door.streams.close()


@asynccontextmanager
async def streaming(address: str, path: str, who: str, last: str | None = None) -> AsyncIterator[Stream]:
    """A stream."""
    headers = {"Authorization": f"Bearer {who}"} | ({} if last is None else {"Last-Event-ID": last})
    async with (
        httpx.AsyncClient(base_url=f"http://{address}/api/v1", headers=headers, timeout=20) as http,
        http.stream("GET", path) as response,
    ):
        yield Stream(response)


async def happens(doors: Doors, name: str, sequence: int, *, bd: str | None = None, **event: Any) -> None:
    """Another event of an application; with a ``bd``, it is of no desk."""
    subject = next(each for each in two_applications() if each.application_id == name)
    if bd is not None:
        subject = subject.but(bd=Person(name="Bo Chen", email=bd), desk=None)
    await AuditTrail(doors.database).publish(publication(subject, entry(sequence, **event)))


async def test_an_application_is_followed_and_taken_up_again(doors: Doors, address: str) -> None:
    async with streaming(address, OF_OWN, "partner") as stream:
        assert stream.response.headers["content-type"].startswith("text/event-stream")
        assert await stream.block() == {"retry": "2000"}
        await happens(doors, "run-2", 2)
        await happens(doors, "run-1", 2)
        told = await stream.event()
    assert (told["id"], told["data"]["company_master_uid"]) == ("2", OWN), "from now on, and no other's"
    await happens(doors, "run-1", 3)
    async with streaming(address, OF_OWN, "partner", "1") as again:
        assert [(await again.event())["id"] for _ in range(2)] == ["2", "3"]
    async with streaming(address, f"{OF_OWN}?application=run-1", "bd", "0") as whole:
        assert [(await whole.event())["id"] for _ in range(3)] == ["1", "2", "3"]


async def test_each_is_told_what_he_may_see_and_resumes_after_the_rest(
    doors: Doors, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until he has come to the last event, be it by an ID alone: it is no event, as it has no data."""
    monkeypatch.setattr(streams, "KEEP_ALIVE", 0.02)
    refused = {"verdict": Verdict.REFUSED, "error": "wrong_stage", "message": "Too late."}
    await happens(doors, "run-1", 2, **refused)
    await happens(doors, "run-2", 2)
    await happens(doors, "run-1", 3)
    await happens(doors, "run-2", 3, **refused)
    log = EventLog(doors.database)
    await log.extend()
    last = str(await log.end())
    for who in CALLERS:
        found = []
        async with streaming(address, "/events", who, "0") as stream:
            while (block := await stream.block()).get("id") != last:
                found += [json.loads(block["data"])["data"]] if "data" in block else []
            found += [json.loads(block["data"])["data"]] if "data" in block else []
        for uid in (OWN, OTHERS):
            sequences = [each["sequence"] for each in found if each["company_master_uid"] == uid]
            # What BD was refused is not for the company.
            refusal = {OWN: 2, OTHERS: 3}[uid]
            outside = "partner" in who or (who, uid) == ("all-with-the-uid", OWN)
            seen = [number for number in (1, 2, 3) if not outside or number != refusal]
            assert sequences == (seen if uid in SEES[who] else []), (who, uid)


async def test_who_is_not_bd_any_more_is_told_nothing_more(doors: Doors, address: str) -> None:
    async with (
        streaming(address, OF_OWN, "bd", "1") as his,
        streaming(address, OF_OWN, "bd_lead", "1") as leads,
    ):
        await happens(doors, "run-1", 2, bd="bo@vendor.example")
        assert (await leads.event())["id"] == "2"
        assert "data:" not in await his.rest(), "and it ends"
    await happens(doors, "run-2", 2)
    async with streaming(address, "/events", "bd", "0") as stream:
        told = [(await stream.event())["data"]["company_master_uid"] for _ in range(2)]
    assert told == [OTHERS, OTHERS]


async def test_a_stream_ends_with_its_token(doors: Doors, address: str) -> None:
    doors.verifier.expires_at = time.time() + 0.2
    async with streaming(address, "/events", "ops", "0") as stream:
        await stream.rest()


async def test_streams_come_to_their_end_when_the_front_door_stops(doors: Doors, sqlite_url: str) -> None:
    """Nobody waits for the other, and none is cut off in the middle."""
    settings = Settings(database_url=SecretStr(sqlite_url), serve_address=free_address())
    nobody: Any = None
    async with (
        AsyncExitStack() as open_still,
        front_door(nobody, settings, DEFAULT) as address,
        httpx.AsyncClient() as http,
    ):
        token = await token_of(http, f"{address}{PATH}", "ops")
        for path in ("/events", OF_OWN):
            stream = streaming(settings.serve_address, path, token)
            opened = await open_still.enter_async_context(stream)
            assert await opened.block() == {"retry": "2000"}
            open_still.push_async_callback(opened.rest)


async def test_who_goes_leaves_nothing_behind(doors: Doors, address: str) -> None:
    async def is_open() -> bool:
        return doors.door.streams.open == 2

    async def is_over() -> bool:
        return doors.door.streams.open == 0

    async with streaming(address, "/events", "ops"), streaming(address, OF_OWN, "partner"):
        await until(is_open)
    await until(is_over)


async def test_a_stream_ends_when_the_database_fails(
    doors: Doors, address: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its reader comes again, and is told that the database is down."""

    async def fails(*_: object, **__: object) -> None:
        raise OperationalError("SELECT", {}, OSError())

    async with streaming(address, "/events", "bd") as stream:
        monkeypatch.setattr(doors.door.lists, "in_charge", fails)
        with caplog.at_level(logging.WARNING, "onboarding.web"):
            await happens(doors, "run-1", 2)
            assert "data:" not in await stream.rest()
        assert "OperationalError" in caplog.text
        monkeypatch.setattr(EventLog, "end", fails)
        assert (await doors.get("/events", "bd")).status_code == 503


@pytest.mark.parametrize("path", ["/events", OF_OWN])
@pytest.mark.parametrize("last", ["", "x", "-1", "1.5", "9" * 40])
async def test_an_id_that_no_event_has_is_refused_before_anything_is_sent(
    doors: Doors, path: str, last: str
) -> None:
    response = await doors.get(path, "partner", headers={"Last-Event-ID": last})
    assert response.status_code == 422
    assert [each["field"] for each in response.json()["errors"]] == ["Last-Event-ID"]
