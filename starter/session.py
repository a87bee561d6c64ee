"""What the commands of the console script work with: the running service, and what is stored of it."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

from rich.console import Console
from sqlalchemy import select

from activities.acpn_access import Grant
from activities.db.accounts import SqlAccountDirectory
from activities.db.applications import ApplicationRecords, StoredApplication
from activities.db.email_ledger import EmailLedger, LedgerRow
from activities.db.engine import Database, SchemaMismatchError
from activities.db.tables import AccessGrantRow
from settings import load_settings, load_temporal_settings
from starter.client import Joined, Listed, OnboardingClient
from workflows.audit import AuditEvent
from workflows.facts import Account
from workflows.messages import Command, OnboardingInput, Stage, WaitingOn
from workflows.status import Status


class Service(Protocol):
    """The running service; `OnboardingClient` is it."""

    async def join(self, joining: OnboardingInput) -> Joined:
        """Start an application, or enter the one that runs."""

    async def send(self, uid: str, command: Command) -> Status:
        """Send a command."""

    async def status(self, uid: str) -> Status:
        """The whole status."""

    def list(
        self,
        *,
        stage: Stage | None = None,
        waiting_on: WaitingOn | None = None,
        overdue: bool | None = None,
    ) -> AsyncIterator[Listed]:
        """Applications by what they wait for."""


class Archive(Protocol):
    """What is stored; it lags behind the workflow by a moment, or for as long as the database was down."""

    async def newest(self, uid: str) -> StoredApplication | None:
        """The applicant's latest application."""

    async def audit(self, application_id: str) -> tuple[AuditEvent, ...]:
        """Every command and every due deadline, accepted or refused."""

    async def mails(self, application_id: str) -> list[LedgerRow]:
        """The e-mails in the order they were queued."""

    async def grant(self, uid: str) -> Grant | None:
        """The access an account has."""

    async def account(self, uid: str) -> Account | None:
        """The account in the embedded directory."""

    async def put_account(self, account: Account) -> None:
        """Enter an account into the embedded directory, or replace it."""


class Session(Protocol):
    """Where a command prints, and what it may open; it closes it when done."""

    @property
    def console(self) -> Console:
        """Standard output."""

    def service(self) -> AbstractAsyncContextManager[Service]:
        """The running service."""

    def archive(self, *, create: bool = False) -> AbstractAsyncContextManager[Archive]:
        """What is stored; ``create`` makes the database ready if no worker has done so."""


class UnreachableError(Exception):
    """Temporal does not answer; the message names where."""


class StoredArchive:
    """The `Archive` in the database of the settings. Raises `sqlalchemy.exc.SQLAlchemyError` on an outage."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._records = ApplicationRecords(database)
        self._accounts = SqlAccountDirectory(database)

    async def newest(self, uid: str) -> StoredApplication | None:
        """The applicant's latest application."""
        return await self._records.newest(uid)

    async def audit(self, application_id: str) -> tuple[AuditEvent, ...]:
        """Every command and every due deadline, accepted or refused."""
        return await self._records.audit(application_id)

    async def mails(self, application_id: str) -> list[LedgerRow]:
        """The e-mails in the order they were queued."""
        return await EmailLedger(self._database).of(application_id)

    async def grant(self, uid: str) -> Grant | None:
        """The access an account has."""
        query = select(AccessGrantRow).where(AccessGrantRow.uid == uid).order_by(AccessGrantRow.granted_at)
        async with self._database.session() as session:
            row = (await session.scalars(query)).first()
        return None if row is None else Grant.model_validate(row, from_attributes=True)

    async def account(self, uid: str) -> Account | None:
        """The account in the embedded directory."""
        return next(iter(await self._accounts.find([uid])), None)

    async def put_account(self, account: Account) -> None:
        """Enter an account into the embedded directory, or replace it."""
        await self._accounts.put(account)


class SettingsSession:
    """The `Session` the environment describes.

    Both openings raise `settings.SettingsError` when a setting is wrong.
    """

    def __init__(self) -> None:
        self.console: Console = Console(highlight=False)

    @asynccontextmanager
    async def service(self) -> AsyncIterator[Service]:
        """The service at ``TEMPORAL_ADDRESS``.

        Raises:
            UnreachableError: nothing answers there.
        """
        temporal = load_temporal_settings()
        try:
            client = await OnboardingClient.connect(load_settings(), temporal)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            # Of others, TLS above all, the reason helps; of this one it is only long.
            detail = "" if "ConnectionRefused" in reason else f" ({reason})"
            raise UnreachableError(f"{temporal.address}{detail}") from None
        yield client

    @asynccontextmanager
    async def archive(self, *, create: bool = False) -> AsyncIterator[Archive]:
        """The database at ``ONBOARDING_DATABASE_URL``; ``create`` brings its schema up to date.

        Raises:
            SchemaMismatchError: no worker of this release has run with it.
            sqlalchemy.exc.SQLAlchemyError: it can't be reached.
        """
        database = Database(load_settings().database)
        try:
            if create:
                await database.migrate()
            elif _has_no_file(database):
                raise SchemaMismatchError(f"{database.name} does not exist")
            await database.check()
            yield StoredArchive(database)
        finally:
            await database.dispose()


def _has_no_file(database: Database) -> bool:
    """Whether this is SQLite, which would make an empty file when asked."""
    file = database.engine.url.database
    return database.engine.dialect.name == "sqlite" and file is not None and not Path(file).exists()
