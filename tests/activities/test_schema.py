"""The schema: made from nothing, by anybody, at once; changed under releases that do not know the change."""

import asyncio
import sys
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from activities.db.access import SqlAcpnAccess
from activities.db.accounts import SqlAccountDirectory
from activities.db.applications import ApplicationRecords
from activities.db.email_ledger import EmailLedger, LedgerState
from activities.db.engine import Database
from activities.db.lists import ApplicationLists, Brief
from activities.db.schema import MIGRATIONS, Phase, Schema, SchemaMismatchError
from activities.db.tables import Base, SchemaRow
from activities.db.trail import AuditTrail
from domain.contract import Person
from domain.inquiry import Account
from domain.publication import Receipt
from tests.activities.examples import application, entry, form, grant, publication
from tests.activities.schemas import ADDS, TAKES_AWAY, alembic, breaches, differences, release
from tests.activities.senders import (
    FIRST,
    LI,
    MEI,
    NOWHERE,
    SECOND,
    activities,
    deliver,
    publish,
    stored,
    take_up,
)
from tests.activities.stored import intact
from tests.long import ENGINES, SHORT
from tests.smtp_server import Plan, SmtpServer

MIGRATE = """
import asyncio, sys
from activities.db.engine import Database
from activities.db.schema import Schema
async def main():
    database = Database(sys.argv[1])
    await Schema(database).migrate()
    await Schema(database).check()
    await database.dispose()
asyncio.run(main())
"""
STEPS = Schema(Database("sqlite:///none.db")).migrations
TODAY = STEPS[-1].revision
TABLES = tuple(table.name for table in Base.metadata.sorted_tables if table.name != SchemaRow.__tablename__)
EVERYWHERE = (
    Phase.EXPAND,
    f"""
for table in {TABLES}:
    op.add_column(table, sa.Column("new_optional", sa.JSON(), nullable=True))
    op.add_column(table, sa.Column("new_counted", sa.Integer(), nullable=False, server_default="0"))
    op.create_index(f"ix_{{table}}_new_counted", table, ["new_counted"])
op.create_table("new_rows", sa.Column("name", sa.Text(), primary_key=True))
""",
)
"""Adds whatever may be added, to every table."""


# Made by the migrations


@SHORT
async def test_migrations_make_the_schema_from_nothing_and_again_do_nothing(unmigrated_url: str) -> None:
    database = Database(unmigrated_url)
    schema = Schema(database)
    for taken in ([step.revision for step in STEPS], []):
        assert [step.revision for step in (await schema.migrate()).taken] == taken
        assert (await schema.check()).words == f"schema {TODAY}, that of this release"
        assert await database.read(differences) == []
    await database.dispose()


async def test_who_is_in_charge_is_known_of_what_was_stored_before_there_were_columns(
    unmigrated_url: str,
) -> None:
    database = Database(unmigrated_url)
    await Schema(database).migrate()
    kept = application("run-1", uid="1001").but(bd=Person(name="Li", email="Li@Vendor.example"))
    await AuditTrail(database).publish(publication(kept, entry(1)))

    def again(connection: Connection) -> None:
        command.downgrade(alembic(connection), "0004")
        command.upgrade(alembic(connection), "head")

    await database.write(again)
    found = await ApplicationLists(database).brief("1001")
    assert found == Brief(
        application_id="run-1", sequence=1, bd="li@vendor.example", bd_lead="chen@vendor.example"
    )
    await database.dispose()


async def test_processes_may_migrate_at_once(unmigrated_url: str) -> None:
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", MIGRATE, unmigrated_url, stderr=asyncio.subprocess.PIPE
        )
        for _ in range(3)
    ]
    here = [Database(unmigrated_url) for _ in range(2)]
    await asyncio.gather(*(Schema(database).migrate() for database in here))
    errors = [(await process.communicate())[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], errors
    for database in here:
        await Schema(database).check()
        await database.dispose()


async def test_a_schema_nobody_knows_is_noticed(database: Database) -> None:
    """Such as that of another program, which does not say who runs on it."""
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    schema = Schema(database)
    for attempt in (schema.check, schema.migrate):
        with pytest.raises(SchemaMismatchError, match=r"9999.* does not say which older ones") as mismatch:
            await attempt()
        assert (mismatch.value.found, mismatch.value.ahead) == ("9999", True)
    with database.engine.begin() as connection:
        connection.execute(text("DROP TABLE schema_revision"))
    with pytest.raises(SchemaMismatchError, match=r"9999.* does not say which older ones"):
        await schema.check()


async def test_a_database_without_schema_is_noticed(unmigrated_postgresql_url: str) -> None:
    database = Database(unmigrated_postgresql_url)
    with pytest.raises(SchemaMismatchError, match="has no schema yet") as mismatch:
        await Schema(database).check()
    assert (mismatch.value.found, mismatch.value.ahead) == (None, False)
    await database.dispose()


async def test_a_database_that_is_not_there_can_not_be_checked(unmigrated_sqlite_url: str) -> None:
    database = Database(unmigrated_sqlite_url)
    with pytest.raises(OperationalError):
        await Schema(database).check()
    await database.dispose()


# Changed while an older release works: today's code is the older one, the newer ones are made up


async def test_after_an_expand_step_the_release_before_it_writes_all_it_writes(
    database: Database, tmp_path: Path
) -> None:
    newer = Schema(database, release(tmp_path, EVERYWHERE))
    assert [step.title for step in (await newer.migrate()).taken] == ["Made up expand"]
    older = Schema(database)
    for attempt in (older.check, older.migrate):
        state = await attempt()
        assert (state.revision, state.newest, state.taken) == ("next1", TODAY, ())
        assert "schema next1 of a newer release" in state.words
    await everything_is_written(database)
    assert (await newer.check()).words == "schema next1, that of this release"


async def test_what_was_begun_before_an_expand_step_goes_on_after_it(
    database: Database, tmp_path: Path
) -> None:
    """A worker that was at work meanwhile, and whose connections know the tables as they were."""
    down = activities(database, NOWHERE)
    assert await publish(down, FIRST) == Receipt(pending=2)
    await Schema(database, release(tmp_path, EVERYWHERE)).migrate()
    async with SmtpServer(Plan()).running() as server:
        assert await publish(activities(database, server.url), SECOND) == Receipt()
    assert [mail.recipient for mail in server.accepted] == [MEI, LI, MEI]
    assert await stored(database) == (2, 0)


async def test_this_release_writes_before_the_contract_steps_it_brings(
    unmigrated_sqlite_url: str, unmigrated_postgresql_url: str
) -> None:
    """It does without what they take away."""
    Path(unmigrated_sqlite_url.removeprefix("sqlite:///")).parent.mkdir()
    for url in (unmigrated_sqlite_url, unmigrated_postgresql_url):
        database = Database(url)
        await database.write(before_contract_steps)
        await Schema(database).check()
        await everything_is_written(database)
        await database.dispose()


def before_contract_steps(connection: Connection) -> None:
    needed = [step.revision for step in STEPS if step.phase is not Phase.CONTRACT][-1]
    command.upgrade(alembic(connection), needed)


async def everything_is_written(database: Database) -> None:
    """The whole write path: events, documents, mails, their sending, a reset, access, accounts; and read."""
    records, ledger = ApplicationRecords(database), EmailLedger(database)
    assert await publish(activities(database, NOWHERE), FIRST) == Receipt(pending=2)
    async with SmtpServer(Plan()).running() as server:
        publishing = activities(database, server.url)
        assert await deliver(publishing) == Receipt()
        for _ in range(2):
            assert await publish(publishing, SECOND) == Receipt()
        assert (await take_up(publishing)).generation == 1
    assert [mail.recipient for mail in server.accepted] == [MEI, LI, MEI]
    await intact(records, 1, 2)
    assert {row.state for row in await ledger.of("run-1")} == {LedgerState.SENT}
    assert [kept.void for kept in await records.sheets("run-1")] == [True]
    newest = await records.newest("1001")
    assert newest is not None
    assert newest.status.application == form(1)

    access, accounts = SqlAcpnAccess(database), SqlAccountDirectory(database)
    for _ in range(2):
        await access.give([grant("1001")])
        await accounts.put(Account(uid="1001"))
    assert await access.is_partner("1001")
    assert [account.uid for account in await accounts.find(["1001"])] == ["1001"]
    assert await access.take_back("1001", "run-1")


async def test_a_contract_step_is_taken_when_told_and_ends_the_way_back(
    database: Database, tmp_path: Path
) -> None:
    newer, older = Schema(database, release(tmp_path, EVERYWHERE, TAKES_AWAY)), Schema(database)
    for attempt in (newer.migrate, newer.check, newer.migrate):
        state = await attempt()
        assert (state.revision, [step.revision for step in state.waiting]) == ("next1", ["next2"])
        assert "contract step next2 is to come" in state.words
    assert (await older.check()).revision == "next1"

    for taken in (["next2"], []):
        state = await newer.migrate(contract=True)
        assert ([step.revision for step in state.taken], state.waiting) == (taken, ())
    for attempt in (older.check, older.migrate, lambda: older.migrate(contract=True)):
        with pytest.raises(
            SchemaMismatchError,
            match=r"release \(next2\), and only releases that know step next2 run on it; this one knows "
            + TODAY,
        ) as mismatch:
            await attempt()
        assert (mismatch.value.found, mismatch.value.ahead) == ("next2", True)
        assert "Run that release" in mismatch.value.remedy


async def test_after_a_contract_step_the_release_that_brought_it_runs_on_what_comes_next(
    database: Database, tmp_path: Path
) -> None:
    newest = Schema(database, release(tmp_path, EVERYWHERE, TAKES_AWAY, ADDS))
    with pytest.raises(
        SchemaMismatchError, match=r"older release \(next1\); this one needs next3"
    ) as mismatch:
        await newest.migrate()
    assert "--contract" in mismatch.value.remedy
    assert (await Schema(database).check()).revision == "next1"

    assert [step.revision for step in (await newest.migrate(contract=True)).taken] == ["next2", "next3"]
    brought_it = Schema(database, release(tmp_path, EVERYWHERE, TAKES_AWAY))
    assert (await brought_it.check()).revision == "next3"
    with pytest.raises(SchemaMismatchError, match="only releases that know step next2"):
        await Schema(database).check()


async def test_an_expand_step_that_is_missing_is_a_matter_of_a_start(
    database: Database, tmp_path: Path
) -> None:
    newer = Schema(database, release(tmp_path, EVERYWHERE, ADDS))
    with pytest.raises(
        SchemaMismatchError, match=rf"older release \({TODAY}\); this one needs next2"
    ) as mismatch:
        await newer.check()
    assert "worker at its start" in mismatch.value.remedy
    assert "--contract" not in mismatch.value.remedy
    await newer.migrate()
    await newer.check()


async def test_a_step_does_not_hold_up_those_who_work(
    postgresql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks for a table waits behind a step that waits for it."""
    monkeypatch.setattr("activities.db.schema._LOCK_TIMEOUT", "200ms")
    database = Database(postgresql_url)
    newer = Schema(database, release(tmp_path, EVERYWHERE))
    with database.engine.connect() as reading:
        reading.execute(text("SELECT * FROM applications"))
        for _ in range(2):
            with pytest.raises(OperationalError, match="lock timeout"):
                await newer.migrate()
    assert [step.revision for step in (await newer.migrate()).taken] == ["next1"]
    await database.dispose()


# The rule for expand steps


def test_no_release_breaks_with_the_one_before_it_any_more() -> None:
    assert [step.revision for step in STEPS if step.phase is Phase.BREAK] == ["0001", "0002"]


@SHORT
@pytest.mark.parametrize("engine", ENGINES)
def test_an_expand_step_only_adds(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Columns that may be left out, tables, and indexes that refuse nothing."""
    made_up = release(tmp_path, EVERYWHERE)
    assert breaches_of(request.getfixturevalue(f"unmigrated_{engine}_url"), made_up) == []


@pytest.mark.parametrize(
    ("engine", "work", "breach"),
    [
        ("sqlite", 'op.drop_table("forms")', "forms: is gone"),
        ("sqlite", 'op.rename_table("forms", "papers")', "forms: is gone"),
        ("sqlite", 'op.drop_column("emails", "deferrals")', "emails: deferrals is gone"),
        (
            "postgresql",
            'op.add_column("emails", sa.Column("language", sa.Text(), nullable=False))',
            "emails: language is new, and must be written",
        ),
        (
            "postgresql",
            'op.alter_column("emails", "locale", nullable=True)',
            "emails: locale may be null, or may no more",
        ),
        (
            "postgresql",
            'op.alter_column("emails", "reason", nullable=False)',
            "emails: reason may be null, or may no more",
        ),
        (
            "postgresql",
            'op.alter_column("emails", "position", type_=sa.Text())',
            "emails: position has another type",
        ),
        (
            "postgresql",
            'op.alter_column("decision_sheets", "void", server_default=None)',
            "decision_sheets: void has lost its default",
        ),
        (
            "sqlite",
            'op.create_index("one", "accounts", ["legal_name"], unique=True)',
            "accounts: unique index one is new, or is gone",
        ),
        (
            "postgresql",
            'op.create_check_constraint("some", "emails", "attempts < 9")',
            "emails: CheckConstraint attempts < 9 is new, or is gone",
        ),
        (
            "postgresql",
            'op.create_foreign_key("whose", "forms", "applications", ["application_id"], ["application_id"])',
            "forms: ForeignKeyConstraint application_id is new, or is gone",
        ),
        (
            "postgresql",
            'op.execute("ALTER TABLE accounts DROP CONSTRAINT pk_accounts")',
            "accounts: PrimaryKeyConstraint uid is new, or is gone",
        ),
    ],
)
def test_what_does_more_is_no_expand_step(
    engine: str, work: str, breach: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    made_up = release(tmp_path, (Phase.EXPAND, work))
    assert breach in breaches_of(request.getfixturevalue(f"unmigrated_{engine}_url"), made_up)


@SHORT
def test_the_steps_of_this_release_keep_to_it(unmigrated_url: str) -> None:
    assert breaches_of(unmigrated_url, MIGRATIONS) == []


def breaches_of(url: str, migrations: Path) -> list[str]:
    """What the expand steps do that older code may fail on, each beside its revision."""
    database = Database(url)
    if database.engine.dialect.name == "sqlite":
        Path(str(database.engine.url.database)).parent.mkdir()
    found: list[str] = []

    def take_all(connection: Connection) -> None:
        for step in Schema(database, migrations).migrations:
            said = breaches(connection, migrations, step.revision)
            found.extend(said if step.phase is Phase.EXPAND else ())

    database.in_one_transaction(take_all)
    return found
