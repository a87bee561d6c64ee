"""What is known of the applications: newest state, audit trail, revisions of the decision sheet."""

from collections.abc import Callable
from typing import Final, TypeVar

from sqlalchemy import ColumnElement, Connection, bindparam, case, exists, func, select

from activities.db.documents import Brought, restored, sheet_rows, with_changes
from activities.db.email_ledger import LedgerState
from activities.db.engine import AnyRow, Database
from activities.db.lists import Brief
from activities.db.resets import Ranges, counting_events, within
from activities.db.tables import ApplicationRow, AuditEventRow, AuditHeadRow, EmailRow, FormRow
from domain import coverage
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
T = TypeVar("T")


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
        found = await self.shown(company_master_uid, lambda brief: brief)
        return found and found[0]

    async def shown(
        self, company_master_uid: str, to: Callable[[Brief], T | None], *, application_id: str | None = None
    ) -> tuple[StoredApplication, T] | None:
        """The applicant's latest application, or the one of this ID, and ``to`` whom it is shown, which is
        asked before the rest is read; ``None``: there is none, or to nobody."""
        values = {"uid": company_master_uid, "application": application_id}
        query = _LATEST if application_id is None else _NAMED

        def read(connection: Connection) -> tuple[StoredApplication, T] | None:
            row = connection.execute(query, values).one_or_none()
            reader = None if row is None else to(Brief.model_validate(row, from_attributes=True))
            if row is None or reader is None:
                return None
            return _whole(connection, row), reader

        return await self._database.read(read)

    async def applications_of(self, company_master_uid: str) -> tuple[StoredApplication, ...]:
        """All applications of an applicant, the latest first."""

        def read(connection: Connection) -> tuple[StoredApplication, ...]:
            rows = connection.execute(_ALL, {"uid": company_master_uid}).all()
            return tuple(_whole(connection, row) for row in rows)

        return await self._database.read(read)

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


def _of_mine(table: type[AuditEventRow] | type[EmailRow] | type[FormRow]) -> ColumnElement[bool]:
    return table.application_id == ApplicationRow.application_id


_TURNS: Final = ("reset", *coverage.CHANGES)
"""Events by which it is not all of the trail that counts, or not in its order."""
_ROW: Final = select(
    # What follows from the state is not read, but where there is none: rows of release 0.1.0.
    *(column for column in ApplicationRow.__table__.c if column.name != "status"),
    case((ApplicationRow.state.is_(None), ApplicationRow.status)).label("status"),
    select(func.count())
    .where(_of_mine(EmailRow), EmailRow.state == LedgerState.PENDING)
    .scalar_subquery()
    .label("waiting"),
    select(FormRow.content)
    .where(_of_mine(FormRow), FormRow.revision == ApplicationRow.state["submitted_revision"].as_integer())
    .scalar_subquery()
    .label("form"),
    exists().where(_of_mine(AuditEventRow), AuditEventRow.error.is_not(None)).label("refused"),
    exists().where(_of_mine(AuditEventRow), AuditEventRow.command.in_(_TURNS)).label("turned"),
)
"""A row with what says whether more has to be read: another statement costs more than all of these."""
_ALL: Final = _ROW.where(ApplicationRow.company_master_uid == bindparam("uid")).order_by(*_LATEST_FIRST)
_LATEST: Final = _ALL.limit(1)
_NAMED: Final = _LATEST.where(ApplicationRow.application_id == bindparam("application"))


def _whole(connection: Connection, row: AnyRow) -> StoredApplication:
    """The row with what has tables of its own: documents, e-mails, refusals."""
    application_id = row.application_id
    if row.state is None:
        return StoredApplication.model_validate(row, from_attributes=True)
    brought = Brought()
    if row.form is not None:
        brought["form"] = {"revision": row.state["submitted_revision"], "content": row.form}
    sheets: dict[int, IssuedSheet] = {}
    if named := row.state.get("sheet"):
        for each, sheet in with_changes(sheet_rows(connection, application_id)):
            sheets[each.revision] = sheet
            if each.revision == named["revision"]:
                brought["sheet"] = each._asdict()
    application = restored(connection, row.state, brought)
    if application.sheet and application.sheet.revision in sheets:
        application = application.but(sheet=sheets[application.sheet.revision])
    refusals = _refusals(connection, row) if row.refused else ()
    whole = describe(application, sequence=row.sequence, refusals=refusals, pending_emails=row.waiting)
    values = {name: getattr(row, name) for name in StoredApplication.model_fields if name != "status"}
    return StoredApplication.model_validate(values | {"status": whole})


def _refusals(connection: Connection, row: AnyRow) -> list[Refusal]:
    """The newest refusals, in order."""
    counting: Ranges = ((1, row.sequence),)
    if row.turned:
        # What a reset has undone was not refused.
        counting = counting_events(connection, row.application_id, row.sequence)
    query = (
        select(AuditEventRow.__table__)
        .where(
            AuditEventRow.application_id == row.application_id,
            AuditEventRow.error.is_not(None),
            within(AuditEventRow.sequence, counting),
        )
        .order_by(AuditEventRow.sequence.desc())
        .limit(SHOWN_REFUSALS)
    )
    events = connection.execute(query).all()
    return [Refusal.of(AuditEvent.model_validate(event, from_attributes=True)) for event in reversed(events)]
