"""The database: its engine, and what is done with it in threads, the same for SQLite and PostgreSQL.

What is sent often is a constant of its module, with `bindparam` for its values: making a statement takes
SQLAlchemy longer than sending it.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar, cast

from sqlalchemy import URL, Connection, Engine, Executable, Row, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import NullPool, Pool, QueuePool

from activities.db.idle import ask_when_in_doubt
from activities.db.pooler import NEVER, PARAMETER, keeps_prepared_statements
from activities.db.threads import Threads, watch
from activities.loopback import is_loopback

SETTING: Final = "ONBOARDING_DATABASE_URL"

POOL_SIZE: Final = 20

_BUSY_TIMEOUT_MS: Final = 5_000
_POSTGRESQL_OPTIONS: Final[dict[str, int]] = {
    "connect_timeout": 2,  # seconds; libpq takes less for 2
    "tcp_user_timeout": 10_000,  # milliseconds; a server that vanished does not keep a connection for minutes
}
_SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_BEGIN: Final = "sqlite_begin"
Insert: TypeAlias = postgresql.Insert | sqlite.Insert
AnyRow: TypeAlias = Row[*tuple[Any, ...]]
T = TypeVar("T")


class Database:
    """One database, named by an SQLAlchemy URL; any event loop may use it, and none is held up.

    ``sqlite:///FILE`` is driven by Python's own module, ``postgresql://…`` (or ``postgres://…``) by psycopg.
    """

    def __init__(self, url: str, *, pool_size: int = POOL_SIZE) -> None:
        """Connect lazily: nothing is opened before the first use.

        ``pool_size``: the most connections at a time, each with a thread; who needs one more waits. The
        URL's parameters go to libpq: ``?sslmode=verify-full&sslrootcert=FILE`` and the like; with
        ``prepare_threshold=none`` nothing is prepared on the server, as a pooler in transaction mode needs
        it.

        Raises:
            ValueError: not a URL of these two databases, SQLite without a file, or a parameter that is wrong.
        """
        self._url = _driven(url)
        _check_parameters(self._url)
        self._size: Final = pool_size
        self._engine: Final = _engine(self._url, QueuePool, pool_size=pool_size, max_overflow=0)
        self._at_once = (
            self._engine if self._is_sqlite else self._engine.execution_options(isolation_level="AUTOCOMMIT")
        )
        self._threads = self._new_threads()

    @property
    def engine(self) -> Engine:
        """The engine: whoever uses it himself, blocks."""
        return self._engine

    @property
    def name(self) -> str:
        """The URL without its passwords, to be shown."""
        shown = self._url
        if shown.query and shown.get_backend_name() == "postgresql":
            shown = shown.difference_update_query(_secret_parameters())
        return shown.render_as_string(hide_password=True)

    @property
    def perhaps_unencrypted(self) -> str | None:
        """The other machine that gets plain text if it offers no TLS, as nothing says whether it may."""
        if self._url.get_backend_name() != "postgresql":
            return None
        given = _libpq_defaults() | {"host": self._url.host or ""} | dict(self._url.query)
        if given["sslmode"] not in {"allow", "prefer"}:
            return None
        hosts = str(given.get("hostaddr") or given["host"]).split(",")
        # Nothing, a folder or an abstract name: a socket of this machine.
        return next(
            (
                host
                for host in hosts
                if not host.startswith(("/", "@")) and not is_loopback(host or "localhost")
            ),
            None,
        )

    def insert(self, table: type[DeclarativeBase]) -> Insert:
        """An ``INSERT`` that knows ``ON CONFLICT`` in this database's dialect, the same one each time.

        Its rows are better handed to ``execute``: with them in it, it is compiled anew each time.
        """
        return _insert(self._engine.dialect.name, table)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Do the work in one transaction, which is finished or rolled back though the caller is cancelled.

        He learns of it afterwards: what is left alone within a transaction may keep its locks. On SQLite
        it waits for others 5 s at most. On PostgreSQL it may wait for a lock for ever: as long after the
        caller was cancelled the server is asked to roll back, and if it does not answer, left.
        """
        return await self._threads.to_the_end(partial(self._in_transaction, work))

    async def change(self, statement: Executable, values: Mapping[str, Any]) -> AnyRow | None:
        """What one statement returns, which is a transaction of its own: on PostgreSQL one round trip instead
        of three. Otherwise as `write`."""

        def changed(connection: Connection) -> AnyRow | None:
            return connection.execute(statement, values).one_or_none()

        alone = self._in_transaction if self._is_sqlite else self._each_alone
        return await self._threads.to_the_end(partial(alone, changed))

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Do work that only reads; once the caller is cancelled, nobody waits for it.

        On PostgreSQL each statement is a transaction of its own: to who only reads, beginning and ending
        another adds two round trips, and nothing else.
        """
        return await self._threads.while_wanted(partial(self._each_alone, work))

    async def rows(self, statement: Executable, values: Mapping[str, Any]) -> Sequence[AnyRow]:
        """What one statement reads."""
        return await self.read(lambda connection: connection.execute(statement, values).all())

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Do work that blocks and sees to its connection itself; otherwise as `write`."""
        return await self._threads.to_the_end(work)

    def _in_transaction(self, work: Callable[[Connection], T]) -> T:
        with self._engine.begin() as connection:
            return work(connection)

    def _each_alone(self, work: Callable[[Connection], T]) -> T:
        with self._at_once.connect() as connection:
            return work(connection)

    @property
    def _is_sqlite(self) -> bool:
        return self._url.get_backend_name() == "sqlite"

    def _new_threads(self) -> Threads:
        return Threads(self._size, None if self._is_sqlite else _BUSY_TIMEOUT_MS / 1000)

    def in_one_transaction(self, work: Callable[[Connection], T]) -> T:
        """Do work in one transaction, over a connection of its own. Blocks: for threads.

        On SQLite nobody else writes from its beginning on.
        """
        engine = _engine(self._url, NullPool)
        try:
            with engine.connect() as connection:
                connection = connection.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
                with connection.begin():
                    return work(connection)
        finally:
            engine.dispose()

    async def keeps_prepared_statements(self) -> bool:
        """Whether prepared statements stay where they were made, if any are made; found out by trying.

        Raises:
            sqlalchemy.exc.OperationalError: it can't be reached.
        """
        if self._is_sqlite or PARAMETER in self._url.query:
            return True
        from psycopg import Error

        _, arguments = self._engine.dialect.create_connect_args(self._url)
        try:
            return await self._threads.while_wanted(
                partial(keeps_prepared_statements, {**arguments, **_connect_args(self._url)})
            )
        except Error as error:
            raise OperationalError(None, None, error) from error

    async def dispose(self) -> None:
        """End all threads and connections, once what is under way has ended; on PostgreSQL it is given up if
        it takes longer than 5 s. The object may be used again."""
        threads, self._threads = self._threads, self._new_threads()
        await asyncio.to_thread(self._close, threads)

    def _close(self, threads: Threads) -> None:
        threads.close()
        self._engine.dispose()


@cache
def _insert(dialect: str, table: type[DeclarativeBase]) -> Insert:
    rows = cast("Table", table.__table__)
    return postgresql.insert(rows) if dialect == "postgresql" else sqlite.insert(rows)


def _driven(url: str) -> URL:
    try:
        parsed = make_url(url)
    # ValueError: the port is no number; the message quotes what is there.
    except (ArgumentError, ValueError):
        raise ValueError(f"{SETTING} is not an SQLAlchemy URL, such as sqlite:///onboarding.db") from None
    match parsed.drivername:
        # The last is how releases before 0.2.0 showed it.
        case "sqlite" | "sqlite+pysqlite" | "sqlite+aiosqlite":
            # An in-memory database is another one for each connection.
            if parsed.database in (None, "", ":memory:"):
                raise ValueError(f"{SETTING}: SQLite needs a file, such as sqlite:///onboarding.db")
            return parsed.set(drivername="sqlite")
        case "postgresql" | "postgres" | "postgresql+psycopg":
            return parsed.set(drivername="postgresql+psycopg")
        case other:
            raise ValueError(f"{SETTING} names {other!r}; it must begin with sqlite: or postgresql:")


def _check_parameters(url: URL) -> None:
    """What else only the first connection would tell, which may be long after the start.

    SQLite's parameters are the driver's affair.
    """
    if url.get_backend_name() != "postgresql":
        return
    # SQLite starts faster without libpq.
    from psycopg import ProgrammingError
    from psycopg.conninfo import make_conninfo

    parameters = {name: value for name, value in url.query.items() if isinstance(value, str)}
    if len(parameters) != len(url.query):
        raise ValueError(f"{SETTING} names a parameter twice")
    # The driver's, not libpq's. Its 0 prepares at once, which others' 0 means the contrary of.
    if parameters.pop(PARAMETER, NEVER) != NEVER:
        raise ValueError(f"{SETTING}: {PARAMETER} can only be {NEVER}: nothing is prepared on the server")
    try:
        make_conninfo("", **parameters)
    # Its message may quote what was sent.
    except ProgrammingError:
        raise ValueError(f"{SETTING} has a parameter after the ? that libpq does not know") from None
    mode = parameters.get("sslmode")
    if mode is not None and mode not in _SSL_MODES:
        raise ValueError(f"{SETTING}: sslmode must be one of {', '.join(_SSL_MODES)}")
    for name in ("sslrootcert", "sslcert", "sslkey", "sslcrl"):
        file = parameters.get(name)
        # libpq's word for the authorities of the system.
        if file and file != "system" and not Path(file).is_file():
            raise ValueError(f"{SETTING}: {name} names no file: {file}")


def _libpq_defaults() -> dict[str, str]:
    """What libpq takes where the URL says nothing: its own, or that of a variable such as ``PGSSLMODE``."""
    from psycopg.pq import Conninfo

    return {option.keyword.decode(): option.val.decode() for option in Conninfo.get_defaults() if option.val}


def _secret_parameters() -> list[str]:
    """The parameters that libpq itself would not show: passwords, and keys."""
    from psycopg.pq import Conninfo

    return [option.keyword.decode() for option in Conninfo.get_defaults() if option.dispchar]


def _engine(url: URL, pool: type[Pool], **options: int) -> Engine:
    try:
        engine = create_engine(
            url,
            poolclass=pool,
            connect_args=_connect_args(url),
            json_serializer=to_json,
            # Errors end up in Temporal's history, and parameters are what people wrote.
            hide_parameters=True,
            **options,
        )
    # Of the parameters SQLAlchemy reads itself, such as port; its messages quote them.
    except (ArgumentError, ValueError):
        raise ValueError(f"{SETTING} has a parameter after the ? that can't be read") from None
    watch(engine)
    if engine.dialect.name == "sqlite":
        _configure(engine)
    else:
        ask_when_in_doubt(engine)
    return engine


def _connect_args(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"timeout": _BUSY_TIMEOUT_MS / 1000}
    options = {name: value for name, value in _POSTGRESQL_OPTIONS.items() if name not in url.query}
    return options | {PARAMETER: None} if PARAMETER in url.query else options


def _configure(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        # The driver's own transactions begin late and leave DDL out; SQLAlchemy's events begin them instead.
        connection.isolation_level = None
        cursor = connection.cursor()
        for setting in (f"busy_timeout={_BUSY_TIMEOUT_MS}", "journal_mode=WAL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {setting}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))


def to_json(value: object) -> str:
    """JSON that both databases take: pure ASCII, and ``null`` for the numbers JSON does not have."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(json.loads(json.dumps(value), parse_constant=lambda _name: None))
