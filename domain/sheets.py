"""The decision sheet by its revisions: each as it was issued, what differs, and what is wanted otherwise."""

from typing import Any

from pydantic import JsonValue

from domain.contract import Role
from domain.documents import DecisionSheet
from domain.values import Contract, Instant


class SheetChange(Contract):
    """One field that differs from the revision before; ``field`` is a path such as ``basic.term_months``."""

    field: str
    before: JsonValue = None
    after: JsonValue = None


class SheetShown(Contract):
    """A revision of the decision sheet, by number and hash where its content can be read elsewhere.

    ``issued_at``: when, by the service's clock; not known of one issued by a release that did not keep it.
    """

    revision: int
    hash: str
    issued_at: Instant | None = None
    content: DecisionSheet | None = None
    changes: tuple[SheetChange, ...] = ()


class IssuedSheet(SheetShown):
    """An immutable revision of the decision sheet."""

    content: DecisionSheet


class Modification(Contract):
    """What the partner, or BD by ``reopen_terms``, wants changed in a revision of the sheet."""

    sheet_revision: int
    description: str
    fields: tuple[str, ...] = ()
    by: Role = Role.PARTNER


def field_changes(before: dict[str, Any], after: dict[str, Any]) -> tuple[SheetChange, ...]:
    """The field-by-field difference between two revisions in JSON form, in the order of the sheet.

    Lists of named things are compared by name (``discounts[ecs].percent``), other lists by position.
    """
    flat_before, flat_after = dict(_leaves(before, "")), dict(_leaves(after, ""))
    fields = [*flat_before, *(field for field in flat_after if field not in flat_before)]
    return tuple(
        SheetChange(field=field, before=flat_before.get(field), after=flat_after.get(field))
        for field in fields
        if flat_before.get(field) != flat_after.get(field)
    )


def _leaves(value: Any, path: str) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [
            leaf for name, part in value.items() for leaf in _leaves(part, f"{path}.{name}" if path else name)
        ]
    if isinstance(value, list) and any(isinstance(part, dict) for part in value):
        return [
            leaf
            for index, part in enumerate(value)
            for leaf in _leaves(part, f"{path}[{part.get('product_code', index + 1)}]")
        ]
    return [] if value == [] else [(path, value)]
