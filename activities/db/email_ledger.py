"""The e-mail ledger: what has been tried, sent, or has failed for good (design §4).

A row is unique on application and key, so that a retry after a recorded send sends nothing. ``sent`` and
``failed`` are final; no later call changes them.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Update, func, select, update

from activities.db.engine import Database
from activities.db.tables import EmailRow
from domain.letters import Letter
from domain.values import Contract, Instant


class LedgerState(StrEnum):
    """What became of an e-mail; the last two are final."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


class LedgerRow(Contract):
    """An e-mail of the ledger. Times are workflow time.

    ``reason``: why it failed; of a pending one, why its recipient was put off.
    """

    key: str
    template: str
    locale: str
    recipient: str
    subject: str
    message_id: str
    state: LedgerState
    attempts: int
    reason: str | None
    queued_at: Instant
    sent_at: Instant | None
    failed_at: Instant | None


class EmailLedger:
    """The ledger of all applications. Every method raises `sqlalchemy.exc.SQLAlchemyError` on an outage."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def state(self, application_id: str, key: str) -> LedgerState | None:
        """What became of an e-mail; ``None`` when it has never been tried."""
        query = select(EmailRow.state).where(EmailRow.application_id == application_id, EmailRow.key == key)
        async with self._database.session() as session:
            found = await session.scalar(query)
        return LedgerState(found) if found else None

    async def attempt(self, letter: Letter, message_id: str, subject: str) -> None:
        """Record, before sending, that the letter is about to be sent (again)."""
        position = (
            select(func.coalesce(func.max(EmailRow.position), 0) + 1)
            .where(EmailRow.application_id == letter.application_id)
            .scalar_subquery()
        )
        row = self._database.insert(EmailRow).values(
            application_id=letter.application_id,
            key=letter.key,
            position=position,
            template=letter.template,
            locale=letter.locale,
            recipient=letter.to.email,
            subject=subject,
            message_id=message_id,
            state=LedgerState.PENDING,
            attempts=1,
            deferrals=0,
            queued_at=letter.at,
        )
        statement = row.on_conflict_do_update(
            index_elements=["application_id", "key"],
            set_={"attempts": EmailRow.attempts + 1},
            where=EmailRow.state == LedgerState.PENDING,
        )
        async with self._database.session.begin() as session:
            await session.execute(statement)

    async def deferred(self, application_id: str, key: str, reason: str) -> int:
        """Record that the mail server put the recipient off, and why; how often it has by now.

        Of an e-mail that has been closed meanwhile nothing changes, and 0 is returned.
        """
        statement = (
            _pending(application_id, key)
            .values(deferrals=EmailRow.deferrals + 1, reason=reason)
            .returning(EmailRow.deferrals)
        )
        async with self._database.session.begin() as session:
            return await session.scalar(statement) or 0

    async def sent(self, application_id: str, key: str, at: datetime) -> None:
        """Record that the mail server took the e-mail."""
        await self._close(application_id, key, state=LedgerState.SENT, sent_at=at, reason=None)

    async def failed(self, application_id: str, key: str, reason: str, at: datetime) -> None:
        """Record that the e-mail will never be delivered, and why."""
        await self._close(application_id, key, state=LedgerState.FAILED, failed_at=at, reason=reason)

    async def of(self, application_id: str) -> list[LedgerRow]:
        """The e-mails of an application in the order they were queued."""
        query = select(EmailRow).where(EmailRow.application_id == application_id).order_by(EmailRow.position)
        async with self._database.session() as session:
            rows = (await session.scalars(query)).all()
        return [LedgerRow.model_validate(row, from_attributes=True) for row in rows]

    async def _close(self, application_id: str, key: str, **values: object) -> None:
        statement = _pending(application_id, key).values(values)
        async with self._database.session.begin() as session:
            await session.execute(statement)


def _pending(application_id: str, key: str) -> Update:
    """A change of this e-mail's row, as long as it is not closed."""
    return update(EmailRow).where(
        EmailRow.application_id == application_id,
        EmailRow.key == key,
        EmailRow.state == LedgerState.PENDING,
    )
