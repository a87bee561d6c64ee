"""The documents of an application as they are stored: submitted forms and issued decision sheets, by
revision."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, TypedDict

from pydantic_core import to_json
from sqlalchemy import Connection, Integer, Select, bindparam, or_, select

from activities.db.engine import AnyRow
from activities.db.tables import DecisionSheetRow, FormRow
from domain.documents import DecisionSheet
from domain.sheets import IssuedSheet, field_changes
from domain.state import Application


class Brought(TypedDict, total=False):
    """Rows of documents that have just been stored."""

    form: Mapping[str, Any]
    sheet: Mapping[str, Any]


def form_rows(connection: Connection, application_id: str, revisions: Collection[int]) -> Sequence[AnyRow]:
    """The forms of these revisions."""
    values = {"application": application_id, "revisions": tuple(revisions)}
    return connection.execute(_FORMS, values).all()


def sheet_rows(connection: Connection, application_id: str) -> Sequence[AnyRow]:
    """All revisions, in order."""
    return connection.execute(_SHEETS, {"application": application_id}).all()


def issued_sheets(
    connection: Connection, application_id: str, revisions: Collection[int]
) -> dict[int, IssuedSheet]:
    """The decision sheets of these revisions, each with its differences from the one it replaced."""
    rows = sheet_rows(connection, application_id)
    return {row.revision: sheet for row, sheet in with_changes(rows) if row.revision in revisions}


def restored(connection: Connection, state: Mapping[str, Any], brought: Brought | None = None) -> Application:
    """The application from its stored state (`domain.publication.stored_state`), with the documents it names.

    One that is not stored yet, as a later publication brings it, is stood for by the one before it. The sheet
    comes without its differences to the one it replaced. ``brought``: rows that need not be read.
    """
    whole, rows = dict(state), brought or {}
    application_id = whole["application_id"]
    if revision := whole.get("submitted_revision"):
        form = rows.get("form")
        if form is None or form["revision"] != revision:
            form = _newest(connection, _NEWEST_FORM, application_id, revision)
        whole["form"] = form and form["content"]
    if sheet := whole.get("sheet"):
        issued = rows.get("sheet")
        if issued is None or issued["revision"] != sheet["revision"]:
            issued = _newest(connection, _NEWEST_SHEET, application_id, sheet["revision"])
        whole["sheet"] = issued and {name: issued[name] for name in _OF_SHEET}
    return Application.model_validate_json(to_json(whole))


def _newest(
    connection: Connection, query: Select[Any], application_id: str, revision: int
) -> Mapping[str, Any] | None:
    values = {"application": application_id, "revision": revision}
    row = connection.execute(query, values).mappings().one_or_none()
    return None if row is None else {str(name): value for name, value in row.items()}


def _newest_of(table: type[FormRow] | type[DecisionSheetRow], *columns: str) -> Select[Any]:
    """The document of this revision, or the last one before it that counts."""
    wanted = bindparam("revision", type_=Integer)
    return (
        select(*(getattr(table, name) for name in columns))
        .where(
            table.application_id == bindparam("application"),
            table.revision <= wanted,
            or_(table.revision == wanted, table.void.is_(False)),
        )
        .order_by(table.revision.desc())
        .limit(1)
    )


_SHEETS: Final = (
    select(DecisionSheetRow.__table__)
    .where(DecisionSheetRow.application_id == bindparam("application"))
    .order_by(DecisionSheetRow.revision)
)
_FORMS: Final = select(FormRow.revision, FormRow.content).where(
    FormRow.application_id == bindparam("application"),
    FormRow.revision.in_(bindparam("revisions", expanding=True)),
)
_OF_SHEET: Final = ("revision", "hash", "content", "issued_at")
_NEWEST_FORM: Final = _newest_of(FormRow, "content")
_NEWEST_SHEET: Final = _newest_of(DecisionSheetRow, *_OF_SHEET)


def with_changes(rows: Sequence[AnyRow]) -> list[tuple[AnyRow, IssuedSheet]]:
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
