"""The threads in which the database's work is done: nobody waits for them for ever, the event loop never."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import DBAPIError

from activities.db import engine, threads
from activities.db.engine import Database
from activities.db.tables import AccessGrantRow
from tests.activities.examples import NOON

GRANT = insert(AccessGrantRow).values(application_id="a", uid="1", company_master_uid="1", granted_at=NOON)
OWN = text("SELECT pg_backend_pid()")
SLEEPS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"
)


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_BUSY_TIMEOUT_MS", 50)
    monkeypatch.setattr(threads, "ANSWER_WITHIN", 0.2)


@pytest_asyncio.fixture
async def other(postgresql_url: str) -> AsyncIterator[Database]:
    """Another one of the same server, with the usual patience."""
    database = Database(postgresql_url)
    yield database
    await database.dispose()


class Silent:
    """A process of the server that does not answer any more."""

    def __init__(self) -> None:
        self.process: int | None = None
        self.asked = threading.Event()

    def made(self, connection: Connection) -> None:
        """Stop the process of this connection, and ask it something."""
        connection.execute(GRANT)
        self.process = connection.execute(OWN).scalar_one()
        os.kill(self.process, signal.SIGSTOP)
        self.asked.set()
        connection.execute(text("SELECT 1"))


@pytest.fixture
def silent() -> Iterator[Silent]:
    silent = Silent()
    yield silent
    if silent.process is not None:
        os.kill(silent.process, signal.SIGCONT)


async def given(database: Database) -> list[str]:
    """The accounts that have access."""
    return [uid for [uid] in await database.rows(select(AccessGrantRow.uid), {})]


def ours() -> list[threading.Thread]:
    """The threads there are of databases."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("database")]


async def test_no_work_is_done_in_the_thread_of_the_event_loop(database: Database) -> None:
    here = threading.get_ident()
    assert await database.write(lambda _: threading.get_ident()) != here
    assert await database.read(lambda _: threading.get_ident()) != here


def test_several_event_loops_may_use_one(database_url: str) -> None:
    database = Database(database_url, pool_size=1)

    async def at_once() -> None:
        assert await asyncio.gather(*(given(database) for _ in range(3))) == [[], [], []]

    for _ in range(2):
        asyncio.run(at_once())
    asyncio.run(database.dispose())


async def test_it_ends_its_threads_and_may_be_used_again(database_url: str) -> None:
    before = set(ours())
    database = Database(database_url)
    for _ in range(2):
        await given(database)
        assert set(ours()) - before
        await database.dispose()
        assert not set(ours()) - before


async def test_what_was_not_begun_when_its_caller_was_cancelled_never_is(database_url: str) -> None:
    database = Database(database_url, pool_size=1)
    begun, go_on = threading.Event(), threading.Event()

    def work(_connection: Connection) -> None:
        begun.set()
        go_on.wait()

    first = asyncio.create_task(database.read(work))
    await asyncio.to_thread(begun.wait)
    writing = asyncio.create_task(database.write(lambda connection: connection.execute(GRANT)))
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    go_on.set()
    await first
    assert await given(database) == []
    await database.dispose()


async def test_what_is_read_for_nobody_is_given_up(postgresql_url: str, other: Database) -> None:
    database = Database(postgresql_url)
    reading = asyncio.create_task(database.rows(text("SELECT pg_sleep(600)"), {}))
    while not (await other.rows(SLEEPS, {}))[0][0]:
        pass
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    while (await other.rows(SLEEPS, {}))[0][0]:
        pass
    assert await given(database) == []
    await database.dispose()


@pytest.mark.usefixtures("short_patience")
async def test_a_server_that_hangs_is_left(postgresql_url: str, other: Database, silent: Silent) -> None:
    database = Database(postgresql_url)
    writing = asyncio.create_task(database.write(silent.made))
    await asyncio.to_thread(silent.asked.wait)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    os.kill(silent.process or 0, signal.SIGCONT)
    silent.process = None
    assert await given(database) == []
    assert await given(other) == []
    await database.dispose()


@pytest.mark.usefixtures("short_patience")
async def test_a_server_that_hangs_holds_up_no_end(postgresql_url: str, silent: Silent) -> None:
    before = set(ours())
    database = Database(postgresql_url)
    writing = asyncio.create_task(database.write(silent.made))
    await asyncio.to_thread(silent.asked.wait)
    await database.dispose()
    assert not set(ours()) - before
    with pytest.raises(DBAPIError):
        await writing


UNDISPOSED = """
import asyncio, sys
from sqlalchemy import text
from activities.db.engine import Database

async def main():
    database = Database(sys.argv[1])
    await database.rows(text("SELECT 1"), {})
    if "postgresql" in sys.argv[1]:
        asyncio.create_task(database.rows(text("SELECT pg_sleep(600)"), {}))
        await asyncio.sleep(0.1)

asyncio.run(main())
"""


def test_a_process_that_leaves_it_open_ends(database_url: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", UNDISPOSED, database_url], capture_output=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
