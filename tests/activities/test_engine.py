"""Database URLs, and what a transaction promises."""

import asyncio
import gc
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import delete, func, insert, make_url, select, text
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection

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


@pytest.mark.parametrize("scheme", ["sqlite", "sqlite+aiosqlite"])
def test_every_spelling_of_sqlite_is_driven_by_aiosqlite(scheme: str) -> None:
    assert Database(f"{scheme}:///file.db").name == "sqlite+aiosqlite:///file.db"


async def test_sqlite_can_be_read_while_it_is_written_and_waits_for_its_turn(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    async with database.engine.connect() as connection:
        pragmas = {
            name: await connection.scalar(text(f"PRAGMA {name}"))
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


async def test_a_write_is_one_transaction_and_gives_its_result(database: Database) -> None:
    async def given_and_counted(connection: AsyncConnection) -> int:
        await connection.execute(insert(AccessGrantRow).values(GRANT))
        return int((await connection.execute(select(func.count()).select_from(AccessGrantRow))).scalar_one())

    async def given_and_failed(connection: AsyncConnection) -> None:
        await connection.execute(insert(AccessGrantRow).values(GRANT | {"uid": "2"}))
        raise KeyError("a bug")

    assert await database.write(given_and_counted) == 1
    with pytest.raises(KeyError, match="a bug"):
        await database.write(given_and_failed)
    async with database.session() as session:
        assert (await session.scalars(select(AccessGrantRow.uid))).all() == ["1"]


async def test_one_statement_is_a_transaction_of_its_own(database: Database) -> None:
    row = insert(AccessGrantRow).returning(AccessGrantRow.uid)
    given = await database.change(row, GRANT)
    assert given
    assert given.uid == "1"
    with pytest.raises(IntegrityError):
        await database.change(row, GRANT)
    async with database.session() as session:
        assert (await session.scalars(select(AccessGrantRow.uid))).all() == ["1"]
    assert await database.change(delete(AccessGrantRow).returning(AccessGrantRow.uid), {}) is not None
    assert await database.change(delete(AccessGrantRow).returning(AccessGrantRow.uid), {}) is None


@pytest.mark.parametrize("believed_for", [1000, 0], ids=["just used", "long idle"])
async def test_connections_the_server_has_ended_are_not_used_again(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch, believed_for: float
) -> None:
    monkeypatch.setattr(idle, "BELIEVED_FOR", believed_for)
    database, other = Database(postgresql_url), Database(postgresql_url)
    own = text("SELECT pg_backend_pid()")

    async def at_work(connection: AsyncConnection) -> int:
        return int((await connection.execute(own)).scalar_one())

    processes = {await database.write(at_work) for _ in range(2)}
    assert len(processes) == 1, "there is one connection"
    async with other.session() as session:
        ended = text("SELECT pg_terminate_backend(:process, 10000)")
        assert await session.scalar(ended, {"process": processes.pop()})
    assert await database.write(at_work)
    for each in (database, other):
        await each.dispose()


async def test_a_write_is_not_cut_off_however_often_its_caller_is_cancelled(database: Database) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(connection: AsyncConnection) -> None:
        await connection.execute(insert(AccessGrantRow).values(GRANT))
        begun.set()
        await go_on.wait()

    writing = asyncio.create_task(database.write(slow))
    await begun.wait()
    for _ in range(3):
        writing.cancel()
        await asyncio.sleep(0)
    assert not writing.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    async with database.session() as session:
        assert (await session.scalars(select(AccessGrantRow.uid))).all() == ["1"]


async def test_a_write_that_waited_for_another_process_leaves_no_lock_when_it_is_cancelled(
    sqlite_url: str,
) -> None:
    database = Database(sqlite_url)
    row = database.insert(AccessGrantRow).values(GRANT).on_conflict_do_nothing().returning(AccessGrantRow.uid)

    async def insertion(connection: AsyncConnection) -> None:
        await connection.execute(row)

    # What is not finished would go with what is collected.
    gc.disable()
    try:
        with closing(sqlite3.connect(str(make_url(sqlite_url).database), timeout=0)) as other:
            other.isolation_level = None
            other.execute("BEGIN IMMEDIATE")
            writing = [asyncio.create_task(database.write(insertion)) for _ in range(3)]
            # Until each has its connection, and its driver's thread the statement.
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
    async with database.engine.connect() as other:
        await other.execute(row)
        writing = asyncio.create_task(database.write(lambda connection: connection.execute(row)))
        waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        while not await other.scalar(waits):
            await other.execute(text("SELECT pg_sleep(0.01)"))
        writing.cancel()
        await asyncio.wait({writing}, timeout=20)
        assert writing.cancelled()
        assert not await other.scalar(waits)
        await other.rollback()
    async with database.session() as session:
        assert not (await session.scalars(select(AccessGrantRow.uid))).all()
    await database.dispose()


async def test_a_write_that_takes_too_long_is_told_so_once_it_is_finished(database: Database) -> None:
    async def slow(connection: AsyncConnection) -> None:
        await connection.execute(insert(AccessGrantRow).values(GRANT))
        await asyncio.sleep(0.05)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await database.write(slow)
    async with database.session() as session:
        assert (await session.scalars(select(AccessGrantRow.uid))).all() == ["1"]


async def test_instants_come_back_in_utc_from_whatever_zone(database: Database) -> None:
    instant = datetime(2026, 3, 31, 8, 30, 15, 123456, tzinfo=timezone(timedelta(hours=8)))
    row = {"application_id": "a", "uid": "1", "company_master_uid": "1", "granted_at": instant}
    async with database.session.begin() as session:
        session.add(AccessGrantRow(**row))
    async with database.session() as session:
        read = await session.get_one(AccessGrantRow, ("a", "1"))
    assert read.granted_at == instant
    assert read.granted_at.tzinfo is UTC


async def test_an_instant_without_a_zone_is_refused(database: Database) -> None:
    naive = datetime(2026, 3, 31, tzinfo=UTC).replace(tzinfo=None)
    row = {"application_id": "a", "uid": "1", "company_master_uid": "1", "granted_at": naive}
    with pytest.raises(StatementError, match="no time zone"):
        async with database.session.begin() as session:
            session.add(AccessGrantRow(**row))


def test_numbers_json_does_not_have_become_null() -> None:
    assert to_json({"a": [float("nan"), float("-inf"), 1.5]}) == '{"a": [null, null, 1.5]}'
