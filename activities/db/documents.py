"""The documents of an application as they are stored: submitted forms and issued decision sheets, by revision."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from activities.db.tables import DecisionSheetRow, FormRow
from domain.documents import ApplicationForm, DecisionSheet
from domain.status import IssuedSheet, field_changes


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


def with_changes(rows: Sequence[DecisionSheetRow]) -> list[tuple[DecisionSheetRow, IssuedSheet]]:
    """The sheets of these rows, which are all of an application."""
    contents: Mapping[int, dict[str, Any]] = {row.revision: row.content for row in rows}
    return [
        (
            row,
            IssuedSheet(
                revision=row.revision,
                hash=row.hash,
                content=DecisionSheet.model_validate(row.content),
                changes=field_changes(contents[row.replaces], row.content)
                if row.replaces is not None and row.replaces in contents
                else (),
            ),
        )
        for row in rows
    ]
