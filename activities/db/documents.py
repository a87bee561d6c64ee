"""The documents of an application as they are stored: submitted forms and issued decision sheets, by
revision."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydantic_core import to_json
from sqlalchemy import Select, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from activities.db.tables import DecisionSheetRow, FormRow
from domain.documents import ApplicationForm, DecisionSheet
from domain.sheets import IssuedSheet, field_changes
from domain.state import Application


async def submitted_forms(
    session: AsyncSession, application_id: str, revisions: Collection[int]
) -> dict[int, ApplicationForm]:
    """The forms of these revisions."""
    query = select(FormRow).where(FormRow.application_id == application_id, FormRow.revision.in_(revisions))
    rows = (await session.scalars(query)).all()
    return {row.revision: ApplicationForm.model_validate(row.content) for row in rows}


async def sheet_rows(session: AsyncSession, application_id: str) -> Sequence[DecisionSheetRow]:
    """All revisions, in order."""
    query = (
        select(DecisionSheetRow)
        .where(DecisionSheetRow.application_id == application_id)
        .order_by(DecisionSheetRow.revision)
    )
    return (await session.scalars(query)).all()


async def issued_sheets(
    session: AsyncSession, application_id: str, revisions: Collection[int]
) -> dict[int, IssuedSheet]:
    """The decision sheets of these revisions, each with its differences from the one it replaced."""
    rows = await sheet_rows(session, application_id)
    return {row.revision: sheet for row, sheet in with_changes(rows) if row.revision in revisions}


async def restored(connection: AsyncConnection | AsyncSession, state: Mapping[str, Any]) -> Application:
    """The application from its stored state (`domain.publication.stored_state`), with the documents it names.

    One that is not stored yet, as a later publication brings it, is stood for by the one before it. The sheet
    comes without its differences to the one it replaced.
    """
    whole = dict(state)
    application_id = whole["application_id"]
    if revision := whole.get("submitted_revision"):
        form = _newest(FormRow, application_id, revision).with_only_columns(FormRow.content)
        whole["form"] = (await connection.execute(form)).scalar_one_or_none()
    if sheet := whole.get("sheet"):
        issued = _newest(DecisionSheetRow, application_id, sheet["revision"]).with_only_columns(
            DecisionSheetRow.revision,
            DecisionSheetRow.hash,
            DecisionSheetRow.content,
            DecisionSheetRow.issued_at,
        )
        found = (await connection.execute(issued)).mappings().one_or_none()
        whole["sheet"] = dict(found) if found else None
    return Application.model_validate_json(to_json(whole))


def _newest(table: type[FormRow] | type[DecisionSheetRow], application_id: str, revision: int) -> Select[Any]:
    """The document of this revision, or the last one before it that counts."""
    return (
        select(table)
        .where(
            table.application_id == application_id,
            table.revision <= revision,
            or_(table.revision == revision, table.void.is_(False)),
        )
        .order_by(table.revision.desc())
        .limit(1)
    )


def with_changes(rows: Sequence[DecisionSheetRow]) -> list[tuple[DecisionSheetRow, IssuedSheet]]:
    """The sheets of these rows, which are all of an application."""
    contents: Mapping[int, dict[str, Any]] = {row.revision: row.content for row in rows}
    return [
        (
            row,
            IssuedSheet(
                revision=row.revision,
                hash=row.hash,
                issued_at=row.issued_at,
                content=DecisionSheet.model_validate(row.content),
                changes=field_changes(contents[row.replaces], row.content)
                if row.replaces is not None and row.replaces in contents
                else (),
            ),
        )
        for row in rows
    ]
