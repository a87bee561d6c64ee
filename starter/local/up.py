"""`onboarding up`: Temporal, database, mail sink, worker and front door on this machine, in one foreground
process."""

import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

from pydantic import SecretStr

from activities.db.engine import Database
from domain.values import Contract
from runtime.process import log_plainly
from runtime.startup import connect_when_up, prepare_database
from settings import Settings, TemporalSettings
from starter.client.stored import open_archive
from starter.local.dev_server import DevServer
from starter.local.mail_sink import MailSink
from starter.web.door import API
from starter.web.personas import Persona, accounts_of, personas_of, served_by
from starter.web.serving import front_door
from starter.web.signed_in import SIGN_IN
from worker import running_worker


class AlreadyUpError(Exception):
    """Another `onboarding up` uses this data folder."""


class DataFolderError(Exception):
    """The data folder can't be made, or written to."""


class Addresses(Contract):
    """Where everything is."""

    temporal: str
    web_ui: str | None
    database: str
    mail_server: str
    mails: Path | None
    logs: Path
    api: str
    sign_in: str | None


async def run_up(settings: Settings, *, port: int, ui_port: int, ready: Callable[[Addresses], None]) -> None:
    """Run everything until cancelled, then end it in order: front door, worker, mail sink, Temporal.

    The mail sink takes the place of a mail server unless one is named, and an issuer of its own that of an
    identity provider; the accounts of its personas are entered into an empty directory. What the data folder
    holds is taken up again.

    Raises:
        AlreadyUpError: another one uses the folder.
        DataFolderError: it can't be written to.
        DevServerError: a port is taken, Temporal does not start, or it ends by itself.
        DesksError, ListenError, PersonasError: the front door can't be opened.
        StartupError, SearchAttributesError: the database or the namespace can't be used as it is.
    """
    folder = settings.data
    logs = folder / "logs"
    personas = personas_of(settings.personas)
    desks = served_by(settings.desks, personas)
    try:
        logs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataFolderError(f"The data folder {folder} can't be made: {error.strerror}") from None
    async with AsyncExitStack() as stack:
        stack.enter_context(_only_one(folder))
        log_plainly(logging.FileHandler(logs / "worker.log", encoding="utf-8"))
        server = await stack.enter_async_context(
            DevServer(
                log_file=logs / "temporal.log",
                db_filename=folder / "temporal.db",
                port=port,
                ui_port=ui_port,
            )
        )
        mails = None
        if "smtp_url" not in settings.model_fields_set:
            mails = folder / "mails"
            sink = await stack.enter_async_context(MailSink(mails).running())
            settings = settings.model_copy(update={"smtp_url": SecretStr(sink.url)})
        client = await connect_when_up(
            TemporalSettings(
                server.address,
                server.namespace,
                {"target_host": server.address, "namespace": server.namespace},
            ),
            settings.codec,
        )
        if settings.database_url is None:
            await _take_over(Database(settings.database))
        # The only worker there is: a version that nobody promotes would do nothing.
        settings = settings.model_copy(update={"build_id": None})
        await stack.enter_async_context(running_worker(client, settings))
        if settings.oidc_issuer is None and settings.accounts_url is None:
            await _enter_accounts(settings, personas)
        api = await stack.enter_async_context(front_door(client, settings, personas, desks=desks))
        ready(
            Addresses(
                temporal=server.address,
                web_ui=server.ui_url,
                database=Database(settings.database).name,
                mail_server=settings.smtp_server,
                mails=mails,
                logs=logs,
                api=f"{api}{API}",
                sign_in=f"{api}{SIGN_IN}" if settings.oidc_issuer is None else None,
            )
        )
        await server.until_it_ends()


async def _take_over(database: Database) -> None:
    """Nobody else works on the folder's own database, so that no older code can be in the way."""
    try:
        await prepare_database(database, contract=True)
    finally:
        await database.dispose()


async def _enter_accounts(settings: Settings, personas: Sequence[Persona]) -> None:
    """Into a directory that has none."""
    async with open_archive(settings.database) as archive:
        if not await archive.accounts():
            await archive.put_accounts(accounts_of(personas))


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Hold the folder against a second `up`.

    A lock of SQLite's: it works on every system, and ends with the process however that ends.
    """
    try:
        lock = sqlite3.connect(folder / "up.lock", timeout=0, isolation_level=None)
    except sqlite3.OperationalError as error:
        raise DataFolderError(f"The data folder {folder} can't be written to: {error}") from None
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        lock.close()
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise AlreadyUpError(f"`onboarding up` runs already with the data folder {folder}") from None
        raise DataFolderError(f"The data folder {folder} can't be written to: {error}") from None
    try:
        yield
    finally:
        lock.close()
