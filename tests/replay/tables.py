"""The tables of the process as applications of one edition have them, to be compared with an older release's.

Applications of a released edition keep their rows; what is new, or other, holds since the next edition.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import timedelta
from enum import Enum
from typing import Any, Final

from pydantic import JsonValue

from domain import coverage
from domain.contract import Stage
from domain.editions import In, in_force, of_edition
from domain.lifecycle import MOMENTS, STAGES, STEPS, attempts_of
from domain.periods import BY_EDITION
from domain.state import OUTCOMES
from domain.steps import Condition, Moment, Step

Tables = dict[str, dict[str, JsonValue]]
"""Rows by table and name."""

_STEPS: Final = "steps"
_COUNTED: Final = frozenset({"rules", "timed_rules", "account_rules"})
_LEFT_OUT: Final = frozenset(
    {"command", "name", "where", "branch", "since", "until", "current", "status_text"}
    | {"speaks_for", "done", "revision", "asks", "entries", "changes", "resends", "when"}
)
"""What names a row or is worded for readers of today, and functions, whose names mean nothing: what they do,
histories show."""


def tables(edition: int) -> Tables:
    """Stages, steps, moments, attempts and fixed periods of this edition; of rules, how many.

    Without stages no application of the edition comes to: rows for "any time before …" name later ones, too.
    """
    steps = [step for step in STEPS if step.holds(edition)]
    moments = [moment for moment in MOMENTS if moment.holds(edition)]
    reached = _reached(steps, moments)
    return {
        "stages": {
            stage.value: _row(row, edition, reached) for stage, row in STAGES.items() if stage in reached
        },
        _STEPS: {step.name: _row(step, edition, reached) for step in (*steps, *coverage.STEPS)},
        "moments": {
            f"{moment.name} in {', '.join(_where(moment, reached))}": _row(moment, edition, reached)
            for moment in moments
        },
        "attempts": {row.name: _row(row, edition, reached) for row in attempts_of(edition)},
        "periods": {
            str(number): period.total_seconds() if isinstance(period, timedelta) else period
            for number, period in enumerate(in_force(periods, edition) for periods in BY_EDITION)
        },
    }


def _reached(steps: Iterable[Step], moments: Iterable[Moment]) -> frozenset[Stage]:
    ways = [(set(step.where), step.to) for step in steps]
    ways += [(set(step.where), step.branch.to) for step in steps if step.branch]
    ways += [(set(moment.where), moment.to) for moment in moments]
    reached = {Stage.DRAFTING, *OUTCOMES}
    while more := {to for where, to in ways if to and where & reached} - reached:
        reached |= more
    return frozenset(reached)


def _where(row: Step | Moment, reached: frozenset[Stage]) -> list[str]:
    return [stage.value for stage in row.where if stage in reached]


def changed(then: Tables, now: Tables) -> list[str]:
    """Rows that are not what they were; a step that is new takes nothing from anybody."""
    found = []
    for table, rows in then.items():
        present = now.get(table, {})
        found += [f"{table}: {name} has gone" for name in rows.keys() - present.keys()]
        found += [
            f"{table}: {name} was {_differing(rows[name], present[name])}, is now"
            f" {_differing(present[name], rows[name])}"
            for name in rows.keys() & present.keys()
            if rows[name] != present[name]
        ]
        if table != _STEPS:
            found += [f"{table}: {name} is new" for name in present.keys() - rows.keys()]
    return sorted(found)


def _differing(one: JsonValue, other: JsonValue) -> JsonValue:
    if isinstance(one, dict) and isinstance(other, dict):
        return {name: value for name, value in one.items() if other.get(name) != value}
    return one


def _row(row: Any, edition: int, reached: frozenset[Stage]) -> JsonValue:
    """A row without what says nothing."""
    said: dict[str, Any] = {
        field.name: _said(getattr(row, field.name), edition)
        for field in fields(row)
        if field.name not in _LEFT_OUT
    }
    if isinstance(row, Step | Moment):
        said["where"] = _where(row, reached)
    if isinstance(row, Step) and row.branch:
        said["branch"] = _row(row.branch, edition, reached)
    counted = {name: len(rows) for name, rows in said.items() if name in _COUNTED and isinstance(rows, list)}
    return {name: value for name, value in (said | counted).items() if value}


def _said(value: Any, edition: int) -> JsonValue:
    match value:
        case Enum():
            return str(value.value)
        case timedelta():
            return value.total_seconds()
        case Condition():
            return value.meaning
        case Mapping():
            return [_said(item, edition) for item in value]
        case tuple():
            return [_said(item, edition) for item in of_edition(_items(value), edition)]
        case None | bool() | int() | str():
            return value
    return str(value.__name__)


def _items(value: Iterable[Any]) -> Iterable[Any | In[Any]]:
    return value
