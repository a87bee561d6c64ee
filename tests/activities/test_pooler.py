"""PostgreSQL behind a pooler in transaction mode: it works by its setting, and without it is found out."""

import asyncio
from datetime import timedelta
from typing import Self

import pytest
from psycopg import Connection
from psycopg.errors import InvalidSqlStatementName, ProtocolViolation
from sqlalchemy import literal, select
from sqlalchemy.exc import DBAPIError, OperationalError

from activities.db.engine import Database
from activities.db.pooler import REMEDY
from runtime.startup import StartupError, prepare_database
from settings import SettingsError, load_settings
from starter.doctor.examination import Doctor
from starter.doctor.report import Part, State
from tests.activities.transaction_pooler import transaction_pooler

SETTING = "?prepare_threshold=none"
OFTEN = 12
"""More than twice as often as the driver sends a statement before it prepares it."""


def worked(url: str) -> bool:
    """Whether two connections, each with a statement of its own that it sends often, get their answers."""
    database = Database(url)
    try:
        with database.engine.connect() as one, database.engine.connect() as two:
            for _ in range(OFTEN):
                for number, connection in enumerate((one, two)):
                    answers = connection.execute(select(*[literal(number)] * (number + 1)))
                    assert answers.one() == (number,) * (number + 1)
                    connection.commit()
    except DBAPIError:
        return False
    finally:
        database.engine.dispose()
    return True


async def test_a_pooler_in_transaction_mode_works_by_its_setting_and_only_so(postgresql_url: str) -> None:
    async with transaction_pooler(postgresql_url) as url:
        assert await asyncio.to_thread(worked, f"{url}{SETTING}")
        assert not await asyncio.to_thread(worked, url)


async def test_it_is_found_out(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with transaction_pooler(postgresql_url) as url:
        database, pooled = Database(f"{url}{SETTING}"), Database(url)
        await prepare_database(database)
        for _ in range(2):
            with pytest.raises(StartupError, match="prepare_threshold=none"):
                await prepare_database(pooled)
        # The machine may be slow.
        monkeypatch.setenv("ONBOARDING_DATABASE_URL", f"{url}?connect_timeout=30")
        limit = timedelta(seconds=60)
        doctor = Doctor(load_settings(), {}, SettingsError("TEMPORAL_ADDRESS"), limit=limit)
        found = (await doctor.report("CN", "Asia/Shanghai")).of(Part.DATABASE)
        assert (found.state, found.remedy) == (State.FAILED, REMEDY)
        await database.dispose()
        await pooled.dispose()


class Mixed:
    """A connection that gets another's answer, or an error; ``closed``: it is lost with it."""

    def __init__(self, answer: Exception | tuple[int, ...], *, closed: bool = False) -> None:
        self.answer = answer
        self.closed = closed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def execute(self, _statement: str) -> Self:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self

    def fetchone(self) -> object:
        return self.answer


BIND = ProtocolViolation("bind message supplies 0 parameters, but prepared statement requires 6")


@pytest.mark.parametrize("answer", [BIND, InvalidSqlStatementName("does not exist"), (7,)])
async def test_whatever_another_connection_s_statement_leads_to_is_found_out(
    monkeypatch: pytest.MonkeyPatch, answer: Exception | tuple[int, ...]
) -> None:
    def connect(**_: object) -> Mixed:
        return Mixed(answer)

    monkeypatch.setattr(Connection, "connect", connect)
    assert not await Database("postgresql://h/d").keeps_prepared_statements()


async def test_a_pooler_that_had_no_connection_to_give_is_not_taken_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def connect(**_: object) -> Mixed:
        return Mixed(ProtocolViolation("query_wait_timeout"), closed=True)

    monkeypatch.setattr(Connection, "connect", connect)
    with pytest.raises(OperationalError, match="query_wait_timeout"):
        await Database("postgresql://h/d").keeps_prepared_statements()


async def test_a_server_asked_itself_keeps_what_was_prepared(database: Database) -> None:
    assert await database.keeps_prepared_statements()


async def test_a_server_that_is_down_is_no_pooler() -> None:
    with pytest.raises(OperationalError):
        await Database("postgresql://u@127.0.0.1:1/d").keeps_prepared_statements()


@pytest.mark.parametrize("value", ["0", "5", "None"])
def test_only_one_value_means_that_nothing_is_prepared(value: str) -> None:
    with pytest.raises(ValueError, match="prepare_threshold can only be none"):
        Database(f"postgresql://h/d?prepare_threshold={value}")
