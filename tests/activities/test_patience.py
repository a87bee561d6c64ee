"""Only the outside's own time counts against its limit: not our queue, nor a busy event loop."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import Connection, text
from temporalio.testing import ActivityEnvironment

from activities.access import AccessActivities
from activities.access_http import HttpAcpnAccess
from activities.account_directory_http import HttpAccountDirectory
from activities.db.access import SqlAcpnAccess
from activities.db.accounts import SqlAccountDirectory
from activities.db.covered import CoveredAccounts
from activities.db.engine import Database
from activities.db.trail import AuditTrail
from activities.look_up import LookUpActivities
from activities.patience import Asked
from domain.inquiry import AccessRequest, Account, AccountQuery, Answers, Inquiry
from domain.status import Company
from tests.activities.examples import NOON
from tests.activities.services import VendorServices

LIMIT = timedelta(milliseconds=64)
ACME = Company(legal_name="Acme", registration_number="91-1", verified=True)
INQUIRY = Inquiry(at=NOON, accounts=AccountQuery(company_master_uid="1001"))
REQUEST = AccessRequest(
    application_id="run-1",
    company_master_uid="1001",
    uids=("1001",),
    require_credit_control=False,
    at=NOON,
)


async def turns(number: int) -> str:
    """An answer that takes this many turns of the event loop."""
    for _ in range(number):
        await asyncio.sleep(0)
    return "answer"


async def busy(stop: asyncio.Event) -> None:
    """Takes the event loop for a third of the limit at each turn."""
    while not stop.is_set():
        time.sleep(LIMIT.total_seconds() / 3)  # noqa: ASYNC251 - nobody else is to have a turn
        await asyncio.sleep(0)


async def test_a_busy_event_loop_does_not_count() -> None:
    stop = asyncio.Event()
    hog = asyncio.create_task(busy(stop))
    asked = Asked(turns(20))
    assert await asked.wait(LIMIT), "twenty thirds of the limit"
    assert asked.task.result() == "answer"
    stop.set()
    await hog


async def test_silence_counts_on_a_busy_event_loop_as_well() -> None:
    stop = asyncio.Event()
    hog = asyncio.create_task(busy(stop))
    asked = Asked(asyncio.Event().wait())
    assert not await asked.wait(LIMIT)
    asked.task.cancel()
    stop.set()
    await hog


@asynccontextmanager
async def all_connections_at_work(database: Database, seconds: float) -> AsyncIterator[None]:
    """The only one is given back after so long."""
    begun = threading.Event()

    def work(_connection: Connection) -> None:
        begun.set()
        time.sleep(seconds)

    working = asyncio.create_task(database.read(work))
    await asyncio.to_thread(begun.wait)
    yield
    await working


async def test_our_queue_for_the_database_does_not_count(database_url: str) -> None:
    """In it the questions wait for longer than their limit."""
    database = Database(database_url, pool_size=1)
    directory, access = SqlAccountDirectory(database), SqlAcpnAccess(database)
    await directory.put(Account(uid="1001", enterprise=ACME))
    within = timedelta(seconds=1)
    look_up = LookUpActivities(directory, access, CoveredAccounts(database), answer_within=within)
    gate = AccessActivities(directory, access, AuditTrail(database), answer_within=within)
    async with all_connections_at_work(database, 1.5):
        answers: Answers = await ActivityEnvironment().run(look_up.look_up, INQUIRY)
        assert answers.accounts
    async with all_connections_at_work(database, 1.5):
        assert (await ActivityEnvironment().run(gate.open_access, REQUEST)).granted
    await database.dispose()


async def test_our_queue_for_a_service_does_not_count(services: VendorServices) -> None:
    """It takes one request at a time from us; the last waits for the others for longer than its limit."""
    services.answers["/accounts/1001"] = Account(uid="1001", enterprise=ACME).model_dump(mode="json")
    services.takes = 0.1
    one = httpx.Limits(max_connections=1)
    timeout = httpx.Timeout(5, pool=None)
    async with httpx.AsyncClient(base_url=services.url, limits=one, timeout=timeout) as client:
        questions = [Asked(HttpAccountDirectory(client).find(["1001"])) for _ in range(10)]
        answered = await asyncio.gather(*(asked.wait(timedelta(seconds=0.8)) for asked in questions))
    assert answered == [True] * 10


async def test_a_silent_service_is_not_waited_for_in_the_queue_either(
    services: VendorServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue does not move; the service answers only after everybody has gone."""
    monkeypatch.setattr("activities.patience.MOST_QUEUED", LIMIT)
    services.takes, services.lanes = 0.001, threading.Semaphore(0)
    # Whom it answers has gone by then.
    monkeypatch.setattr(services, "handle_error", lambda *_: None)
    one = httpx.Limits(max_connections=1)
    async with httpx.AsyncClient(base_url=services.url, limits=one, timeout=60) as client:
        questions = [Asked(HttpAcpnAccess(client).is_partner("1001")) for _ in range(2)]
        answered = await asyncio.gather(*(asked.wait(LIMIT) for asked in questions))
        assert answered == [False, False]
        for asked in questions:
            asked.task.cancel()
        await asyncio.wait({asked.task for asked in questions})
    services.lanes.release(2)


async def test_a_database_that_keeps_access_waiting_is_an_outage(postgresql_url: str) -> None:
    """The lock is held until the activity has ended."""
    database, other = Database(postgresql_url), Database(postgresql_url)
    directory = SqlAccountDirectory(database)
    gate = AccessActivities(directory, SqlAcpnAccess(database), AuditTrail(database), answer_within=LIMIT)
    with other.engine.connect() as connection:
        connection.execute(text("LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(TimeoutError):
            await ActivityEnvironment().run(gate.open_access, REQUEST)
    for each in (database, other):
        await each.dispose()
