"""How values are written in notices: dates with their zone, money, names of fields."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from markupsafe import Markup, escape
from pydantic import JsonValue

from activities.emails.times import in_zone, known_zone, last_day
from activities.emails.wording import Wording
from domain.clocks import Clock
from domain.values import normalised_decimal, without_misleading_marks


def printable(value: Any) -> Any:
    """What may come out of ``{{ }}``: anything but ``None``, which a template has to put into words.

    Raises TypeError on ``None``.
    """
    if value is None:
        raise TypeError("a notice would have said 'None'")
    return without_misleading_marks(value) if isinstance(value, str) else value


def line_breaks(text: str) -> Markup:
    """User text with its line breaks, for HTML."""
    return Markup("<br>\n").join(escape(line) for line in text.splitlines())


def quoted(text: str) -> str:
    """User text as a plain-text quotation."""
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def one_line(text: str) -> str:
    """White space of a template's source is no white space of the notice."""
    return " ".join(text.split())


def amount(value: Decimal) -> str:
    """Money with its thousands marked: ``1,250,000.5``."""
    whole, point, fraction = normalised_decimal(value).partition(".")
    return f"{int(whole):,}{point}{fraction}"


def percent(value: Decimal) -> str:
    """A percentage: ``12.5 %``."""
    return f"{normalised_decimal(value)} %"


def _moment(wording: Wording, value: datetime, zone: str) -> str:
    return wording.moment(in_zone(value, zone), known_zone(zone)[1])


def _end_of(wording: Wording, clock: Clock, zone: str) -> str:
    of_clock = clock.time_zone or zone
    if known_zone(of_clock)[1] != of_clock:
        # No day ends then where the reader is.
        return _moment(wording, clock.due_at, of_clock)
    return wording.end_of(last_day(clock.due_at, of_clock), of_clock)


def _last_day(wording: Wording, clock: Clock, zone: str) -> str:
    return wording.day(last_day(clock.due_at, clock.time_zone or zone))


def _changed(wording: Wording, value: JsonValue) -> str:
    if value is None:
        return wording.not_set
    if isinstance(value, list):
        return wording.listed(value)
    return str(value)


def filters_for(wording: Wording) -> dict[str, Callable[..., Any]]:
    """The template filters of a locale."""
    return {
        "amount": amount,
        "changed": partial(_changed, wording),
        "day": wording.day,
        "end_of": partial(_end_of, wording),
        "field": wording.field,
        "last_day": partial(_last_day, wording),
        "line_breaks": line_breaks,
        "listed": wording.listed,
        "moment": partial(_moment, wording),
        "name": wording.name,
        "one_line": one_line,
        "percent": percent,
        "quoted": quoted,
        "reason": wording.reason,
        "status": wording.status,
        "unknown": wording.unknown,
        "warning": wording.warning,
    }
