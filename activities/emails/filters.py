"""How values are written in notices: dates with their zone, money, names of fields."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape
from pydantic import JsonValue

from activities.emails.wording import Wording
from domain.clocks import Clock
from domain.values import normalised_decimal

_BIDI_CONTROLS: Final = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
"""Embeddings, overrides and isolates (UAX #9): with them a text can rearrange what stands around it."""


def without_bidi_controls(text: str) -> str:
    """The text without the characters that reorder their surroundings; right-to-left scripts need none."""
    return text.translate(_BIDI_CONTROLS)


def printable(value: Any) -> Any:
    """What may come out of ``{{ }}``: anything but ``None``, which a template has to put into words.

    Raises TypeError on ``None``.
    """
    if value is None:
        raise TypeError("a notice would have said 'None'")
    return without_bidi_controls(value) if isinstance(value, str) else value


def known_zone(name: str) -> tuple[tzinfo, str]:
    """The time zone and its name; one this release does not know is UTC, and called so.

    A notice is about an application that may have begun under other tables: it must leave all the same.
    """
    try:
        return ZoneInfo(name), name
    # A key that names a directory of the database ("America") is an OSError; an unknown one is a KeyError.
    except (KeyError, ValueError, OSError):
        return UTC, "UTC"


def last_day(midnight: datetime, zone: str) -> date:
    """The day that ends at this local midnight, as deadlines do."""
    return (midnight - timedelta(microseconds=1)).astimezone(known_zone(zone)[0]).date()


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
    in_zone, name = known_zone(zone)
    local = value.astimezone(in_zone)
    return f"{wording.day(local.date())} {local:%H:%M} ({name})"


def _end_of(wording: Wording, clock: Clock, zone: str) -> str:
    in_zone = clock.time_zone or zone
    if known_zone(in_zone)[1] != in_zone:
        # No day ends then where the reader is.
        return _moment(wording, clock.due_at, in_zone)
    return wording.end_of(last_day(clock.due_at, in_zone), in_zone)


def _last_day(wording: Wording, clock: Clock, zone: str) -> str:
    return wording.day(last_day(clock.due_at, clock.time_zone or zone))


def _changed(wording: Wording, value: JsonValue) -> str:
    if value is None:
        return wording.not_set
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
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
        "moment": partial(_moment, wording),
        "name": wording.name,
        "one_line": one_line,
        "percent": percent,
        "quoted": quoted,
        "status": wording.status,
    }
