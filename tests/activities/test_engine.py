"""Database URLs, and what a transaction promises."""

import asyncio
import gc
import sqlite3
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Connection, delete, func, insert, make_url, select, text
from sqlalchemy.exc import IntegrityError, StatementError

from activities.db import engine, idle
from activities.db.engine import Database, to_json
from activities.db.tables import AccessGrantRow


@pytest.mark.parametrize(
    "url", ["mysql://u:secret@h/d", "postgresql+asyncpg://u:secret@h/d", "secret", "", "sqlite://"]
)
def test_another_url_is_refused_by_the_name_of_its_setting(url: str) -> None:
    with pytest.raises(ValueError, match="ONBOARDING_DATABASE_URL") as refusal:
        Database(url)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_postgresql_is_driven_by_psycopg(scheme: str) -> None:
    assert Database(f"{scheme}://u:secret@h/d").name == "postgresql+psycopg://u:***@h/d"


def test_a_password_among_the_parameters_is_not_shown_either() -> None:
    url = "postgresql://h/d?user=u&password=secret&sslpassword=secret&sslmode=require"
    assert Database(url).name == "postgresql+psycopg://h/d?sslmode=require&user=u"


@pytest.mark.parametrize("scheme", ["sqlite", "sqlite+pysqlite", "sqlite+aiosqlite"])
def test_every_spelling_of_sqlite_is_driven_by_pythons_own_module(scheme: str) -> None:
    assert Database(f"{scheme}:///file.db").name == "sqlite:///file.db"


async def test_sqlite_can_be_read_while_it_is_written_and_waits_for_its_turn(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with database.engine.connect() as connection:
        pragmas = {
            name: connection.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "busy_timeout", "foreign_keys")
        }
    await database.dispose()
    assert pragmas == {"journal_mode": "wal", "busy_timeout": 5000, "foreign_keys": 1}


GRANT = {
    "application_id": "a",
    "uid": "1",
    "company_master_uid": "1",
    "granted_at": datetime(2026, 1, 1, tzinfo=UTC),
}


async def given(database: Database) -> list[str]:
    """The accounts that have access."""
    return [uid for [uid] in await database.rows(select(AccessGrantRow.uid), {})]


async def test_a_write_is_one_transaction_and_gives_its_result(database: Database) -> None:
    def given_and_counted(connection: Connection) -> int:
        connection.execute(insert(AccessGrantRow).values(GRANT))
        return connection.execute(select(func.count()).select_from(AccessGrantRow)).scalar_one()

    def given_and_failed(connection: Connection) -> None:
        connection.execute(insert(AccessGrantRow).values(GRANT | {"uid": "2"}))
        raise KeyError("a bug")

    assert await database.write(given_and_counted) == 1
    with pytest.raises(KeyError, match="a bug"):
        await database.write(given_and_failed)
    assert await given(database) == ["1"]


async def test_one_statement_is_a_transaction_of_its_own(database: Database) -> None:
    row = insert(AccessGrantRow).returning(AccessGrantRow.uid)
    changed = await database.change(row, GRANT)
    assert changed
    assert changed.uid == "1"
    with pytest.raises(IntegrityError):
        await database.change(row, GRANT)
    assert await given(database) == ["1"]
    assert await database.change(delete(AccessGrantRow).returning(AccessGrantRow.uid), {}) is not None
    assert await database.change(delete(AccessGrantRow).returning(AccessGrantRow.uid), {}) is None


@pytest.mark.parametrize("believed_for", [1000, 0], ids=["just used", "long idle"])
async def test_connections_the_server_has_ended_are_not_used_again(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch, believed_for: float
) -> None:
    monkeypatch.setattr(idle, "BELIEVED_FOR", believed_for)
    database, other = Database(postgresql_url), Database(postgresql_url)
    own = text("SELECT pg_backend_pid()")

    def at_work(connection: Connection) -> int:
        return int(connection.execute(own).scalar_one())

    processes = {await database.write(at_work) for _ in range(2)}
    assert len(processes) == 1, "there is one connection"
    ended = text("SELECT pg_terminate_backend(:process, 10000)")
    assert await other.rows(ended, {"process": processes.pop()}) == [(True,)]
    assert await database.write(at_work)
    for each in (database, other):
        await each.dispose()


async def test_a_write_is_not_cut_off_however_often_its_caller_is_cancelled(database: Database) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        connection.execute(insert(AccessGrantRow).values(GRANT))
        begun.set()
        go_on.wait()

    writing = asyncio.create_task(database.write(slow))
    await asyncio.to_thread(begun.wait)
    for _ in range(3):
        writing.cancel()
        await asyncio.sleep(0)
    assert not writing.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await given(database) == ["1"]


async def test_a_write_that_waited_for_another_process_leaves_no_lock_when_it_is_cancelled(
    sqlite_url: str,
) -> None:
    database = Database(sqlite_url)
    row = database.insert(AccessGrantRow).values(GRANT).on_conflict_do_nothing().returning(AccessGrantRow.uid)

    def insertion(connection: Connection) -> None:
        connection.execute(row)

    # What is not finished would go with what is collected.
    gc.disable()
    try:
        with closing(sqlite3.connect(str(make_url(sqlite_url).database), timeout=0)) as other:
            other.isolation_level = None
            other.execute("BEGIN IMMEDIATE")
            writing = [asyncio.create_task(database.write(insertion)) for _ in range(3)]
            # Until each thread has its connection, and sends the statement.
            await asyncio.sleep(0.2)
            for each in writing:
                each.cancel()
            other.execute("ROLLBACK")
            told = await asyncio.gather(*writing, return_exceptions=True)
            assert all(isinstance(each, asyncio.CancelledError) for each in told)
            other.execute("BEGIN IMMEDIATE")
            assert other.execute("SELECT uid FROM access_grants").fetchall() == [("1",)]
            other.execute("ROLLBACK")
    finally:
        gc.enable()
        await database.dispose()


async def test_a_cancelled_write_does_not_wait_for_ever_for_anothers_lock(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_BUSY_TIMEOUT_MS", 50)
    database = Database(postgresql_url)
    row = database.insert(AccessGrantRow).values(GRANT)
    with database.engine.connect() as other:
        other.execute(row)
        writing = asyncio.create_task(database.write(lambda connection: connection.execute(row)))
        waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")

        def until_it_waits() -> None:
            while not other.scalar(waits):
                time.sleep(0.01)

        await asyncio.to_thread(until_it_waits)
        writing.cancel()
        await asyncio.wait({writing}, timeout=20)
        assert writing.cancelled()
        assert not other.scalar(waits)
        other.rollback()
    assert not await given(database)
    await database.dispose()


async def test_a_write_that_takes_too_long_is_told_so_once_it_is_finished(database: Database) -> None:
    def slow(connection: Connection) -> None:
        connection.execute(insert(AccessGrantRow).values(GRANT))
        time.sleep(0.05)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await database.write(slow)
    assert await given(database) == ["1"]


async def test_instants_come_back_in_utc_from_whatever_zone(database: Database) -> None:
    instant = datetime(2026, 3, 31, 8, 30, 15, 123456, tzinfo=timezone(timedelta(hours=8)))
    row = {"application_id": "a", "uid": "1", "company_master_uid": "1", "granted_at": instant}
    await database.write(lambda connection: connection.execute(insert(AccessGrantRow), row))
    [read] = await database.rows(select(AccessGrantRow.__table__), {})
    assert read.granted_at == instant
    assert read.granted_at.tzinfo is UTC


async def test_an_instant_without_a_zone_is_refused(database: Database) -> None:
    naive = datetime(2026, 3, 31, tzinfo=UTC).replace(tzinfo=None)
    row = {"application_id": "a", "uid": "1", "company_master_uid": "1", "granted_at": naive}
    with pytest.raises(StatementError, match="no time zone"):
        await database.write(lambda connection: connection.execute(insert(AccessGrantRow), row))


def test_numbers_json_does_not_have_become_null() -> None:
    assert to_json({"a": [float("nan"), float("-inf"), 1.5]}) == '{"a": [null, null, 1.5]}'
