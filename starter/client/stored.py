"""What is stored of the applications, as the console script reads it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from activities.acpn_access import Grant
from activities.db.accounts import SqlAccountDirectory
from activities.db.applications import ApplicationRecords, StoredApplication, StoredSheet
from activities.db.email_ledger import EmailLedger, LedgerRow
from activities.db.engine import Database
from activities.db.schema import Schema, SchemaMismatchError
from activities.db.tables import AccessGrantRow
from activities.outside_service import UnusableAnswerError
from domain.audit import AuditEvent
from domain.contract import ErrorType
from domain.inquiry import Account
from runtime.errors import first_line
from starter.client.errors import ArchiveError, OnboardingError

_NO_FILE: Final = (
    "Is this the folder you mean? ONBOARDING_DATA or ONBOARDING_DATABASE_URL name another."
    " A worker prepares it (`onboarding up`), and so does `onboarding setup`."
)


class StoredArchive:
    """What is stored, in the database. Raises `sqlalchemy.exc.SQLAlchemyError` on an outage."""

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

    async def sheets(self, application_id: str) -> tuple[StoredSheet, ...]:
        """The revisions of the decision sheet in order, also those undone by Temporal's Reset."""
        return await self._records.sheets(application_id)

    async def mails(self, application_id: str) -> list[LedgerRow]:
        """The e-mails in the order they were queued."""
        return await EmailLedger(self._database).of(application_id)

    async def grant(self, uid: str) -> Grant | None:
        """The access an account has."""
        mine = select(AccessGrantRow.__table__).where(AccessGrantRow.uid == uid)
        query = mine.order_by(AccessGrantRow.granted_at)
        row = await self._database.read(lambda connection: connection.execute(query).first())
        return None if row is None else Grant.model_validate(row, from_attributes=True)

    @property
    def name(self) -> str:
        """Which database it is, without a password."""
        return self._database.name

    async def accounts(self, uids: Sequence[str] | None = None) -> tuple[Account, ...]:
        """The accounts in the embedded directory, as they were entered: those with these UIDs, or all."""
        return await (self._accounts.all() if uids is None else self._accounts.stored(uids))

    async def put_accounts(self, accounts: Sequence[Account]) -> None:
        """Enter accounts into the embedded directory, or replace them: all or none.

        Raises `OnboardingError` (``invalid``) for one that a look-up could not use.
        """
        try:
            await self._accounts.put(*accounts)
        except UnusableAnswerError as error:
            raise OnboardingError(ErrorType.INVALID, str(error)) from None

    async def delete_account(self, uid: str) -> bool:
        """Delete an account from the embedded directory; false: it was not there."""
        return await self._accounts.delete(uid)


@asynccontextmanager
async def open_archive(url: str) -> AsyncIterator[StoredArchive]:
    """The archive at an SQLAlchemy URL; it is never made here, or a wrong folder would have one of its own.

    Raises:
        ArchiveError: also when the database fails later, within the block.
    """
    async with open_database(url) as database:
        yield StoredArchive(database)


@asynccontextmanager
async def open_database(url: str) -> AsyncIterator[Database]:
    """The database `open_archive` reads, on the same terms.

    Raises:
        ArchiveError: also when it fails later, within the block.
    """
    database = Database(url)
    try:
        if has_no_file(database):
            raise SchemaMismatchError(f"{database.name} does not exist", _NO_FILE)
        if _is_folder(database):
            raise OSError("it is a folder, not a file")
        await Schema(database).check()
        yield database
    except SchemaMismatchError as error:
        raise ArchiveError(f"The database is not ready: {error}.", error.remedy) from None
    except (SQLAlchemyError, OSError) as error:
        raise ArchiveError(
            f"The database {database.name} can't be used: {first_line(error)}",
            "Check ONBOARDING_DATABASE_URL.",
        ) from None
    finally:
        await database.dispose()


def has_no_file(database: Database) -> bool:
    """Whether this is SQLite, which would make an empty file when asked."""
    file = _file(database)
    return file is not None and not file.exists()


def _is_folder(database: Database) -> bool:
    file = _file(database)
    return file is not None and file.is_dir()


def _file(database: Database) -> Path | None:
    """That of SQLite."""
    url = database.engine.url
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None
