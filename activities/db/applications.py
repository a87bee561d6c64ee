"""What is known of the applications: newest state, audit trail, revisions of the decision sheet."""

from collections.abc import Sequence
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from activities.db.engine import Database
from activities.db.tables import ApplicationRow, AuditEventRow, DecisionSheetRow
from domain.audit import AuditEvent
from domain.contract import Stage, WaitingOn, workflow_id
from domain.documents import DecisionSheet, sheet_hash
from domain.records import Record
from domain.status import IssuedSheet, Status, field_changes
from domain.values import Contract, Instant

_FIXED: Final = frozenset({"application_id", "created_at"})


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


class StoredSheet(Contract):
    """A revision of the decision sheet and when it was issued (workflow time)."""

    sheet: IssuedSheet
    issued_at: Instant


class ApplicationRecords:
    """The records of all applications."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, record: Record, status: Status, *, committed: bool) -> bool:
        """Write state, events and sheets in one transaction; writing again changes nothing.

        A record older than the one stored does not overwrite it; its events are still added. What a later
        workflow task says of the same event or sheet holds: the task that wrote it first was lost with its
        worker, and done again with the messages in another order perhaps.

        Args:
            record: what to write.
            status: the state as readers see it.
            committed: whether Temporal has what led to the record. Then it holds against a state of a lost
                task that had come further. Until then the task may still be on its way there, and the row
                would go back for a moment.

        Returns:
            Whether the row now shows this state; if not, write it again once it is committed.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database did not take it.
        """
        row = _application_values(record, status)
        state = self._database.insert(ApplicationRow).values(row)
        newer = state.excluded.sequence >= ApplicationRow.sequence
        if committed:
            newer = or_(newer, state.excluded.updated_at > ApplicationRow.updated_at)
        state = state.on_conflict_do_update(
            index_elements=["application_id"],
            set_={name: state.excluded[name] for name in row.keys() - _FIXED},
            where=newer,
        )
        statements = list[postgresql.Insert | sqlite.Insert]()
        application_id = record.application.application_id
        if events := [_event_values(application_id, audited) for audited in record.events]:
            added = self._database.insert(AuditEventRow).values(events)
            statements.append(_replacing(added, AuditEventRow, added.excluded.at > AuditEventRow.at))
        if sheets := _sheet_values(record):
            added = self._database.insert(DecisionSheetRow).values(sheets)
            # Later records repeat the newest sheet with their own time; that is no other sheet.
            another = and_(
                added.excluded.hash != DecisionSheetRow.hash,
                added.excluded.issued_at > DecisionSheetRow.issued_at,
            )
            statements.append(_replacing(added, DecisionSheetRow, another))
        async with self._database.engine.begin() as connection:
            shown = (await connection.execute(state.returning(ApplicationRow.application_id))).first()
            for statement in statements:
                await connection.execute(statement)
        return shown is not None

    async def newest(self, company_master_uid: str) -> StoredApplication | None:
        """The applicant's latest application."""
        return next(iter(await self.applications_of(company_master_uid)), None)

    async def applications_of(self, company_master_uid: str) -> tuple[StoredApplication, ...]:
        """All applications of an applicant, the latest first."""
        query = (
            select(ApplicationRow)
            .where(ApplicationRow.company_master_uid == company_master_uid)
            .order_by(ApplicationRow.created_at.desc(), ApplicationRow.updated_at.desc())
        )
        async with self._database.session() as session:
            rows = (await session.scalars(query)).all()
        return tuple(StoredApplication.model_validate(row, from_attributes=True) for row in rows)

    async def audit(self, application_id: str) -> tuple[AuditEvent, ...]:
        """The audit trail in order; gaps mean that the database lags behind the workflow."""
        query = (
            select(AuditEventRow)
            .where(AuditEventRow.application_id == application_id)
            .order_by(AuditEventRow.sequence)
        )
        async with self._database.session() as session:
            rows = (await session.scalars(query)).all()
        return tuple(AuditEvent.model_validate(row, from_attributes=True) for row in rows)

    async def sheets(self, application_id: str) -> tuple[StoredSheet, ...]:
        """The revisions of the decision sheet in order, each with its differences from the one before."""
        query = (
            select(DecisionSheetRow)
            .where(DecisionSheetRow.application_id == application_id)
            .order_by(DecisionSheetRow.revision)
        )
        async with self._database.session() as session:
            rows = (await session.scalars(query)).all()
        return _with_changes(rows)


def _replacing(
    added: postgresql.Insert | sqlite.Insert,
    table: type[AuditEventRow] | type[DecisionSheetRow],
    where: ColumnElement[bool],
) -> postgresql.Insert | sqlite.Insert:
    """Insert rows, and replace those of the same key ``where`` this holds."""
    keys = [column.name for column in table.__table__.primary_key]
    values = {
        column.name: added.excluded[column.name]
        for column in table.__table__.columns
        if column.name not in keys
    }
    return added.on_conflict_do_update(index_elements=keys, set_=values, where=where)


def _application_values(record: Record, status: Status) -> dict[str, Any]:
    application = record.application
    return {
        "application_id": application.application_id,
        "workflow_id": workflow_id(application.company_master_uid),
        "company_master_uid": application.company_master_uid,
        "company_name": application.company_name,
        "stage": status.stage,
        "waiting_on": status.waiting_on,
        "due_at": status.due_at,
        "overdue": status.overdue,
        "sequence": record.sequence,
        "status": status.model_dump(mode="json"),
        "created_at": record.at,
        "updated_at": record.at,
    }


def _event_values(application_id: str, audited: AuditEvent) -> dict[str, Any]:
    values = {name: getattr(audited, name) for name in AuditEvent.model_fields}
    actor = audited.actor.model_dump(mode="json") if audited.actor else None
    return values | {"application_id": application_id, "actor": actor}


def _sheet_values(record: Record) -> list[dict[str, Any]]:
    """The sheets whose events are in the record; of a complete record, the newest one in any case."""
    sheets = {
        audited.sheet_revision: (content, audited.at)
        for audited in record.events
        if audited.sheet_revision is not None and (content := _issued_content(audited))
    }
    newest = record.application.sheet
    complete = not record.events or record.events[-1].sequence == record.sequence
    if newest and complete:
        sheets.setdefault(newest.revision, (newest.content, record.at))
    return [
        {
            "application_id": record.application.application_id,
            "revision": revision,
            "hash": sheet_hash(content),
            "content": content.model_dump(mode="json"),
            "issued_at": at,
        }
        for revision, (content, at) in sheets.items()
    ]


def _issued_content(audited: AuditEvent) -> DecisionSheet | None:
    try:
        return DecisionSheet.model_validate(audited.details.get("sheet"))
    except ValidationError:
        return None


def _with_changes(rows: Sequence[DecisionSheetRow]) -> tuple[StoredSheet, ...]:
    contents = {row.revision: row.content for row in rows}
    return tuple(
        StoredSheet(
            sheet=IssuedSheet(
                revision=row.revision,
                hash=row.hash,
                content=DecisionSheet.model_validate(row.content),
                changes=field_changes(contents[row.revision - 1], row.content)
                if row.revision - 1 in contents
                else (),
            ),
            issued_at=row.issued_at,
        )
        for row in rows
    )
