"""What Temporal is told when a statement is refused: short, in our words, nothing personal."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import TypeAdapter
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from activities.db.accounts import SqlAccountDirectory
from activities.db.engine import Database
from activities.db.tables import AccessGrantRow, AccountRow
from activities.failures import BriefFailures, in_brief
from domain.inquiry import Account
from domain.status import Company
from tests.activities.examples import NOON

NAME, NUMBER = "Ann Tan ann.tan@acme.example.com", "91310000775785552L"
ACCOUNT = Account(
    uid="5123456789", enterprise=Company(legal_name=NAME, registration_number=NUMBER, country="CN")
)
KEPT = 2048
"""Bytes. The server warns of a larger failure, and of one twice as large keeps nothing but that it was."""


class Attempt(ActivityInboundInterceptor):
    """An activity that does this."""

    def __init__(self, work: Callable[[], Awaitable[Any]]) -> None:
        self._work = work

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        return await self._work()


async def failed(work: Callable[[], Awaitable[Any]]) -> tuple[Exception, Failure]:
    """What the activity ends with, and what is sent of it."""
    activity = BriefFailures().intercept_activity(Attempt(work))
    try:
        await activity.execute_activity(None)  # type: ignore[arg-type]  # it needs no input
    except Exception as error:
        failure = Failure()
        await DataConverter.default.encode_failure(error, failure)
        return error, failure
    raise AssertionError("it did not fail")


async def refusing(database: Database, url: str) -> Database:
    """The same database, which takes nothing any more."""
    with database.engine.begin() as connection:
        if database.engine.dialect.name == "postgresql":
            name = connection.execute(text("SELECT current_database()")).scalar_one()
            connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
        else:
            connection.execute(
                text("CREATE TRIGGER t BEFORE INSERT ON accounts BEGIN SELECT RAISE(ABORT, 'read-only'); END")
            )
    return Database(url)


async def test_of_a_refused_write_neither_statement_nor_values_are_told(
    database: Database, database_url: str
) -> None:
    refused = await refusing(database, database_url)
    error, failure = await failed(lambda: SqlAccountDirectory(refused).put(ACCOUNT))
    await refused.dispose()
    assert "read-only" in str(error)
    assert failure.application_failure_info.type in {"InternalError", "IntegrityError"}
    sent = failure.SerializeToString()
    assert len(sent) < KEPT
    for hidden in (NAME, NUMBER, "INSERT INTO", "legal_name"):
        assert hidden.encode() not in sent
    assert not failure.HasField("cause")


async def test_the_row_that_exists_already_is_not_told(database: Database) -> None:
    def twice(connection: Connection) -> None:
        for _ in range(2):
            connection.execute(
                insert(AccessGrantRow).values(
                    application_id=NAME, uid=NUMBER, company_master_uid="1", granted_at=NOON
                )
            )

    error, failure = await failed(lambda: database.write(twice))
    assert "unique" in str(error).lower()
    assert failure.application_failure_info.type == "IntegrityError"
    for hidden in (NAME, NUMBER):
        assert hidden.encode() not in failure.SerializeToString()


async def test_a_value_that_can_not_be_read_is_not_told(postgresql_url: str) -> None:
    database = Database(postgresql_url)
    query = text("SELECT CAST(:value AS integer)")
    with pytest.raises(DBAPIError) as refused:
        await database.rows(query, {"value": NAME})
    await database.dispose()
    assert in_brief(refused.value) == ("the database refused it (InvalidTextRepresentation, SQLSTATE 22P02)")


async def test_a_value_that_can_not_be_sent_is_not_told(database: Database) -> None:
    row = insert(AccessGrantRow).values(application_id="a", uid="1", company_master_uid="1", granted_at=NAME)
    error, failure = await failed(lambda: database.write(lambda connection: connection.execute(row)))
    assert "could not be made" in str(error)
    assert NAME.encode() not in failure.SerializeToString()


async def test_a_database_that_is_down_is_told_as_such() -> None:
    database = Database("postgresql://u:geheim@127.0.0.1:1/d")
    error, _ = await failed(lambda: database.write(lambda connection: connection.execute(select(AccountRow))))
    assert "127.0.0.1" in str(error)
    assert "geheim" not in str(error)


async def test_what_a_service_answered_is_not_told() -> None:
    async def read() -> None:
        TypeAdapter(list[Account]).validate_python([{"uid": NAME}])

    error, failure = await failed(read)
    assert "0.uid" in str(error)
    assert NAME.encode() not in failure.SerializeToString()


async def test_long_words_are_cut_and_other_errors_are_left() -> None:
    assert len(in_brief(SQLAlchemyError("x" * 10_000))) == 300
    bug = KeyError("a bug")

    async def breaks() -> None:
        raise bug

    assert (await failed(breaks))[0] is bug
