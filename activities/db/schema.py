"""The schema: the steps that lead to it, which code may run on it, and how it changes while others work."""

import threading
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, column, delete, insert, inspect, select, table, text

from activities.db.engine import SETTING, Database
from activities.db.tables import SchemaRow

MIGRATIONS: Final = Path(__file__).parent / "migrations"

_ALEMBIC: Final = threading.Lock()
"""Alembic's ``context`` and ``op`` are globals of the process: one migration at a time."""
_MIGRATION_LOCK: Final = 0x4F6E626F61726431
"""Key of the PostgreSQL advisory lock under which the schema changes (spells ``Onboard1``)."""
_LOCK_TIMEOUT: Final = "3s"
"""How long a step waits for a table others use: whoever comes after it waits as well."""
_VERSION: Final = table("alembic_version", column("version_num"))


class Phase(StrEnum):
    """What a step means to the code that works beside it; why: docs/decisions/0022."""

    EXPAND = "expand"
    """It only adds: the releases from before it run on."""
    CONTRACT = "contract"
    """It takes away what the release it comes with does without: that one runs before and after it, and those
    from before it no more."""
    BREAK = "break"
    """The release it comes with needs it, and those from before it do not run on it. No new one may be."""


@dataclass(frozen=True)
class Migration:
    """One migration, named by Alembic's ``revision``."""

    revision: str
    phase: Phase
    title: str


@dataclass(frozen=True)
class SchemaState:
    """A schema that this code runs on.

    Attributes:
        revision: that of the database.
        newest: the newest that this code knows.
        waiting: the contract steps that were not taken yet.
        taken: what `Schema.migrate` has just done.
    """

    revision: str
    newest: str
    waiting: tuple[Migration, ...] = ()
    taken: tuple[Migration, ...] = ()

    @property
    def words(self) -> str:
        """To be shown."""
        if self.waiting:
            steps = ", ".join(step.revision for step in self.waiting)
            return f"schema {self.revision}, which this release runs on; contract step {steps} is to come"
        if self.revision != self.newest:
            return (
                f"schema {self.revision} of a newer release, which this one ({self.newest}) runs on as well"
            )
        return f"schema {self.revision}, that of this release"


class SchemaMismatchError(Exception):
    """This code does not run on the schema the database has; ``remedy`` says what to do.

    ``found``: its revision, ``None`` without a schema; ``ahead``: this code does not know it.
    """

    def __init__(self, message: str, remedy: str, *, found: str | None = None, ahead: bool = False) -> None:
        super().__init__(message)
        self.remedy: Final = remedy
        self.found: Final = found
        self.ahead: Final = ahead


class Schema:
    """The schema of one database, as this code knows it."""

    def __init__(self, database: Database, migrations: Path = MIGRATIONS) -> None:
        """``migrations``: Alembic's folder; its steps are one line, and each says its `Phase`."""
        self._database = database
        self._folder = migrations
        self.migrations: Final = _migrations(migrations)
        """All there are, oldest first."""

    async def migrate(self, *, contract: bool = False) -> SchemaState:
        """Bring the schema as far as this code may; any number of processes may do so at once.

        A database without a schema gets all steps, any other the expand steps up to the first of another
        phase. With ``contract`` it gets all of them: only when no older code works on it any more. All steps
        are one transaction under a lock of the database, so that nobody ever sees half a schema. The schema
        of a newer release stays as it is.

        Raises:
            SchemaMismatchError: this code does not run on what the database has then.
            sqlalchemy.exc.OperationalError: it can't be reached, or a table was in use for longer than 3 s.
        """
        return await self._database.in_thread(partial(self._migrate, contract))

    async def check(self) -> SchemaState:
        """Make sure that the database can be reached and has a schema this code runs on.

        Raises:
            SchemaMismatchError: it has another one.
            sqlalchemy.exc.OperationalError: it can't be reached.
        """
        return self._judged(*await self._database.read(_stored))

    def _migrate(self, contract: bool) -> SchemaState:
        url = self._database.engine.url
        if url.get_backend_name() == "sqlite" and url.database:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        with _ALEMBIC:
            found, runs_from, taken = self._database.in_one_transaction(
                lambda connection: self._upgrade(connection, contract)
            )
        return self._judged(found, runs_from, taken)

    def _upgrade(
        self, connection: Connection, contract: bool
    ) -> tuple[str | None, str | None, tuple[Migration, ...]]:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
        found, runs_from = _stored(connection)
        taken = self._missing_from(found, contract)
        if not taken:
            return found, runs_from, ()
        config = Config()
        config.set_main_option("script_location", str(self._folder).replace("%", "%%"))
        config.attributes["connection"] = connection
        found = taken[-1].revision
        command.upgrade(config, found)
        # The newest step that ended the compatibility with the code before it.
        so_far = self.migrations[: self._position(found) + 1]
        runs_from = [step.revision for step in so_far if step.phase is not Phase.EXPAND][-1]
        connection.execute(delete(SchemaRow))
        connection.execute(insert(SchemaRow).values(revision=found, runs_from=runs_from))
        return found, runs_from, taken

    def _missing_from(self, found: str | None, contract: bool) -> tuple[Migration, ...]:
        """What is to be done to this schema."""
        if found is None:
            return self.migrations
        if not self._knows(found):
            return ()
        missing = self.migrations[self._position(found) + 1 :]
        others = (place for place, migration in enumerate(missing) if migration.phase is not Phase.EXPAND)
        return missing if contract else missing[: next(others, len(missing))]

    def _judged(
        self, found: str | None, runs_from: str | None, taken: tuple[Migration, ...] = ()
    ) -> SchemaState:
        name, newest = self._database.name, self.migrations[-1].revision
        if found is None:
            raise SchemaMismatchError(f"{name} has no schema yet", _EXPAND)
        if not self._knows(found):
            # Steps are one line: code that knows this one has all that came before it.
            if self._knows(runs_from):
                return SchemaState(found, newest)
            told = "does not say which older ones run on it"
            if runs_from is not None:
                told = f"only releases that know step {runs_from} run on it"
            raise SchemaMismatchError(
                f"{name} has the schema of a newer release ({found}), and {told}; this one knows {newest}",
                _RUN_THAT_RELEASE,
                found=found,
                ahead=True,
            )
        missing = self.migrations[self._position(found) + 1 :]
        needed = [step for step in missing if step.phase is not Phase.CONTRACT]
        if needed:
            on_the_way = missing[: missing.index(needed[-1]) + 1]
            only_adds = all(step.phase is Phase.EXPAND for step in on_the_way)
            raise SchemaMismatchError(
                f"{name} has the schema of an older release ({found}); this one needs {needed[-1].revision}",
                _EXPAND if only_adds else _CONTRACT,
                found=found,
            )
        return SchemaState(found, newest, waiting=missing, taken=taken)

    def _knows(self, revision: str | None) -> bool:
        return any(each.revision == revision for each in self.migrations)

    def _position(self, revision: str) -> int:
        return [each.revision for each in self.migrations].index(revision)


_EXPAND: Final = "`onboarding setup` makes it ready, a worker at its start as well."
_CONTRACT: Final = (
    "Stop every worker of an older release, back the database up, and run `onboarding setup --contract`:"
    " older releases don't run on it any more then."
)
_RUN_THAT_RELEASE: Final = (
    "Run that release, or one that knows this step; go back to a backup from before it; or name another"
    f" database in {SETTING}."
)


def _migrations(folder: Path) -> tuple[Migration, ...]:
    scripts = list(ScriptDirectory(str(folder)).walk_revisions())
    return tuple(
        Migration(script.revision, Phase(script.module.PHASE), script.doc) for script in reversed(scripts)
    )


def _stored(connection: Connection) -> tuple[str | None, str | None]:
    """The revision the database has, and the step that code must know to run on it, if that is recorded."""
    inspector = inspect(connection)
    if not inspector.has_table(_VERSION.name):
        return None, None
    query = select(_VERSION.c.version_num)
    if not inspector.has_table(SchemaRow.__tablename__):
        return connection.scalar(query), None
    # One statement: between two of them somebody else might take a step.
    recorded = query.add_columns(SchemaRow.runs_from).outerjoin_from(
        _VERSION, SchemaRow, SchemaRow.revision == _VERSION.c.version_num
    )
    found, runs_from = connection.execute(recorded).one_or_none() or (None, None)
    return found, runs_from
