"""What is known of the applications: newest state, audit trail, revisions of the decision sheet."""

from typing import Any, Final

from sqlalchemy import Connection, Select, func, select

from activities.db.documents import issued_sheets, restored, sheet_rows, with_changes
from activities.db.email_ledger import LedgerState
from activities.db.engine import AnyRow, Database
from activities.db.resets import counting_events, within
from activities.db.tables import ApplicationRow, AuditEventRow, AuditHeadRow, EmailRow
from domain.audit import AuditEvent
from domain.chain import ChainedEvent, Link
from domain.contract import ErrorType, Stage, WaitingOn
from domain.inquiry import Head
from domain.sheets import IssuedSheet
from domain.state import OUTCOMES, Application
from domain.status import Refusal, Status
from domain.values import Contract, Instant
from domain.view import describe

SHOWN_REFUSALS: Final = 20


class StoredApplication(Contract):
    """An application as last written; ``created_at`` and ``updated_at`` are workflow time."""

    application_id: str
    workflow_id: str
    company_master_uid: str
    company_name: str
    stage: Stage
    waiting_on: WaitingOn
    due_at: Instant | None
    overdue: bool
    sequence: int
    status: Status
    created_at: Instant
    updated_at: Instant


class OpenApplication(Contract):
    """An application that has not ended, as far as is stored."""

    application_id: str
    workflow_id: str
    company_master_uid: str
    updated_at: Instant


class StoredSheet(Contract):
    """A revision of the decision sheet and when it was issued (workflow time); ``void``: before a reset."""

    sheet: IssuedSheet
    issued_at: Instant
    void: bool = False


_LATEST_FIRST: Final = (ApplicationRow.created_at.desc(), ApplicationRow.updated_at.desc())


class ApplicationRecords:
    """The records of all applications, as they are read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self, company_master_uid: str) -> StoredApplication | None:
        """The applicant's latest application."""
        return next(iter(await self._wholes(_of(company_master_uid).limit(1))), None)

    async def stored(self, application_id: str) -> StoredApplication | None:
        """The application of this ID."""
        query = select(ApplicationRow.__table__).where(ApplicationRow.application_id == application_id)
        return next(iter(await self._wholes(query)), None)

    async def applications_of(self, company_master_uid: str) -> tuple[StoredApplication, ...]:
        """All applications of an applicant, the latest first."""
        return await self._wholes(_of(company_master_uid))

    async def _wholes(self, query: Select[Any]) -> tuple[StoredApplication, ...]:
        return await self._database.read(
            lambda connection: tuple(_whole(connection, row) for row in connection.execute(query).all())
        )

    async def newest_stage(self, company_master_uid: str) -> Stage | None:
        """The stage of the applicant's latest application."""
        query = (
            select(ApplicationRow.stage)
            .where(ApplicationRow.company_master_uid == company_master_uid)
            .order_by(*_LATEST_FIRST)
        )
        stage = await self._database.read(lambda connection: connection.scalars(query).first())
        return None if stage is None else Stage(stage)

    async def newest_id(self, company_master_uid: str) -> str | None:
        """The ID of the applicant's latest application, of those this release can go on with."""
        query = (
            select(ApplicationRow.application_id)
            .where(ApplicationRow.company_master_uid == company_master_uid, ApplicationRow.state.is_not(None))
            .order_by(*_LATEST_FIRST)
        )
        return await self._database.read(lambda connection: connection.scalars(query).first())

    async def recalled(self, application_id: str) -> tuple[Application, Head]:
        """The application as it is stored, and where its trail ends, for going on with it."""
        query = (
            select(ApplicationRow.state, AuditHeadRow.generation, AuditHeadRow.sequence)
            .join(AuditHeadRow, AuditHeadRow.application_id == ApplicationRow.application_id)
            .where(ApplicationRow.application_id == application_id)
        )

        def read(connection: Connection) -> tuple[Application, Head]:
            state, generation, sequence = connection.execute(query).one()
            return restored(connection, state), Head(generation=generation, sequence=sequence)

        return await self._database.read(read)

    async def answered(self, application_id: str, command_id: str, last: int) -> AuditEvent | None:
        """The first event of the command with this ID, of those that count for who stands after the event
        ``last``; what did not parse, or was to be sent again, is no answer to it."""

        def read(connection: Connection) -> AnyRow | None:
            counting = counting_events(connection, application_id, last)
            query = (
                select(AuditEventRow.__table__)
                .where(
                    AuditEventRow.application_id == application_id,
                    AuditEventRow.command_id == command_id,
                    AuditEventRow.actor.is_not(None),
                    func.coalesce(AuditEventRow.error, "") != ErrorType.UNAVAILABLE,
                    within(AuditEventRow.sequence, counting),
                )
                .order_by(AuditEventRow.sequence)
            )
            return connection.execute(query).first()

        row = await self._database.read(read)
        return None if row is None else AuditEvent.model_validate(row, from_attributes=True)

    async def open(self, company_master_uid: str | None = None) -> tuple[OpenApplication, ...]:
        """The applications that have not ended, all of them or those of an applicant."""
        columns = [getattr(ApplicationRow, name) for name in OpenApplication.model_fields]
        query = select(*columns).where(
            ApplicationRow.stage.not_in(OUTCOMES), ApplicationRow.state.is_not(None)
        )
        if company_master_uid is not None:
            query = query.where(ApplicationRow.company_master_uid == company_master_uid)
        rows = await self._database.rows(query.order_by(ApplicationRow.application_id), {})
        return tuple(OpenApplication.model_validate(row, from_attributes=True) for row in rows)

    async def audit(self, application_id: str) -> tuple[AuditEvent, ...]:
        """The audit trail in order; gaps mean that the database lags behind the workflow."""
        return tuple(stored.event for stored in await self.trail(application_id))

    async def trail(self, application_id: str) -> tuple[ChainedEvent, ...]:
        """The audit trail with its chain."""
        query = (
            select(AuditEventRow.__table__)
            .where(AuditEventRow.application_id == application_id)
            .order_by(AuditEventRow.sequence)
        )
        rows = await self._database.rows(query, {})
        return tuple(
            ChainedEvent(
                event=AuditEvent.model_validate(row, from_attributes=True),
                link=Link(
                    previous=row.previous_hash,
                    salt=row.salt,
                    commitment=row.commitment or "",
                    hash=row.hash or "",
                ),
            )
            for row in rows
        )

    async def sheets(self, application_id: str) -> tuple[StoredSheet, ...]:
        """The revisions of the decision sheet in order, each with its differences from the one it
        replaced."""
        rows = await self._database.read(lambda connection: sheet_rows(connection, application_id))
        return tuple(
            StoredSheet(sheet=sheet, issued_at=row.issued_at, void=row.void)
            for row, sheet in with_changes(rows)
        )


def _of(company_master_uid: str) -> Select[Any]:
    """An applicant's applications, the latest first."""
    return (
        select(ApplicationRow.__table__)
        .where(ApplicationRow.company_master_uid == company_master_uid)
        .order_by(*_LATEST_FIRST)
    )


def _whole(connection: Connection, row: AnyRow) -> StoredApplication:
    """The row with what has tables of its own: documents, e-mails, refusals."""
    application_id = row.application_id
    if row.state is None:
        return StoredApplication.model_validate(row, from_attributes=True)
    application = restored(connection, row.state)
    mine = EmailRow.application_id == application_id
    waiting = connection.scalar(select(func.count()).where(mine, EmailRow.state == LedgerState.PENDING))
    # What a reset has undone was not refused.
    counting = counting_events(connection, application_id, row.sequence)
    refused = (
        select(AuditEventRow.__table__)
        .where(
            AuditEventRow.application_id == application_id,
            AuditEventRow.error.is_not(None),
            within(AuditEventRow.sequence, counting),
        )
        .order_by(AuditEventRow.sequence.desc())
        .limit(SHOWN_REFUSALS)
    )
    refusals = [
        Refusal.of(AuditEvent.model_validate(event, from_attributes=True))
        for event in reversed(connection.execute(refused).all())
    ]
    if application.sheet:
        revision = application.sheet.revision
        sheets = issued_sheets(connection, application_id, [revision])
        application = application.but(sheet=sheets[revision])
    whole = describe(application, sequence=row.sequence, refusals=refusals, pending_emails=waiting or 0)
    values = {name: getattr(row, name) for name in StoredApplication.model_fields if name != "status"}
    return StoredApplication.model_validate(values | {"status": whole})
