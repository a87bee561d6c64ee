"""Releases to come, made up: their migrations, and whether a step only adds."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, Connection, Constraint, MetaData, Table
from sqlalchemy.schema import ColumnCollectionConstraint

from activities.db.schema import MIGRATIONS, Phase
from activities.db.tables import Base

ADDS: Final = (Phase.EXPAND, 'op.add_column("forms", sa.Column("newest", sa.Text(), nullable=True))')
TAKES_AWAY: Final = (Phase.CONTRACT, 'op.drop_column("emails", "deferrals")')
STEP: Final = '''"""{title}"""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None

PHASE = "{phase}"


def upgrade() -> None:
    {work}
'''


def release(folder: Path, *steps: tuple[Phase, str]) -> Path:
    """The migrations of a release with these steps, ``next1`` and so on, after those of today.

    Each is a phase, and what it does.
    """
    migrations = folder / "-".join(["migrations", *(phase for phase, _ in steps)])
    shutil.copytree(MIGRATIONS, migrations, ignore=shutil.ignore_patterns("__pycache__"))
    before = ScriptDirectory(str(migrations)).get_current_head()
    for number, (phase, work) in enumerate(steps, 1):
        revision = f"next{number}"
        (migrations / "versions" / f"{revision}.py").write_text(
            STEP.format(
                title=f"Made up {phase}",
                revision=revision,
                before=before,
                phase=phase,
                work=work.strip().replace("\n", "\n    "),
            ),
            encoding="utf-8",
        )
        before = revision
    return migrations


def alembic(connection: Connection, migrations: Path = MIGRATIONS) -> Config:
    """What Alembic's commands want to know."""
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def differences(connection: Connection) -> list[object]:
    """How the database differs from the tables of today's code."""
    return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))


def breaches(connection: Connection, migrations: Path, revision: str) -> list[str]:
    """Take this step; what of it code that does not know it may fail on."""
    before = _tables(connection)
    command.upgrade(alembic(connection, migrations), revision)
    after = _tables(connection)
    return [f"{name}: {breach}" for name in before for breach in _of_table(before[name], after.get(name))]


def _tables(connection: Connection) -> dict[str, Table]:
    metadata = MetaData()
    metadata.reflect(connection)
    return {name: table for name, table in metadata.tables.items() if name != "alembic_version"}


def _of_table(before: Table, after: Table | None) -> Iterator[str]:
    if after is None:
        yield "is gone"
        return
    for column in before.columns:
        now = after.columns.get(column.name)
        if now is None:
            yield f"{column.name} is gone"
        elif str(now.type) != str(column.type):
            yield f"{column.name} has another type"
        # Who reads does not expect nothing, who writes does not write it.
        elif now.nullable != column.nullable:
            yield f"{column.name} may be null, or may no more"
        elif column.server_default is not None and now.server_default is None:
            yield f"{column.name} has lost its default"
    for column in after.columns:
        if column.name not in before.columns and not (column.nullable or column.server_default is not None):
            yield f"{column.name} is new, and must be written"
    # A new index costs time only, unless it refuses rows.
    for what in sorted(_refusing(after) ^ _refusing(before)):
        yield f"{what} is new, or is gone"


def _refusing(table: Table) -> set[str]:
    unique = {f"unique index {index.name}" for index in table.indexes if index.unique}
    return unique | {_rule(constraint) for constraint in table.constraints}


def _rule(constraint: Constraint) -> str:
    said = str(constraint.sqltext) if isinstance(constraint, CheckConstraint) else ""
    columns = constraint.columns if isinstance(constraint, ColumnCollectionConstraint) else ()
    return f"{type(constraint).__name__} {', '.join(sorted(column.name for column in columns))}{said}"
