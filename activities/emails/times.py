"""Times as people read them, in mails and on the console: the end of a day, an hour, the zone named once."""

from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

_INSTANT: Final = timedelta(microseconds=1)


def known_zone(name: str) -> tuple[tzinfo, str]:
    """The time zone and its name; one this release does not know is UTC, and called so.

    What is told is about an application that may have begun under other tables: it must be told all the same.
    """
    try:
        return ZoneInfo(name), name
    # A key that names a directory of the database ("America") is an OSError; an unknown one is a KeyError.
    except (KeyError, ValueError, OSError):
        return UTC, "UTC"


def in_zone(value: datetime, zone: str) -> datetime:
    """The instant on the clocks of the zone."""
    return value.astimezone(known_zone(zone)[0])


def day_that_ends(value: datetime, zone: str) -> date | None:
    """The day that ends at this instant, the local midnight after it; ``None`` for any other hour.

    Where clocks go forward at midnight the day before ends with the gap.
    """
    before = in_zone(value - _INSTANT, zone).date()
    return before if before < in_zone(value, zone).date() else None


def last_day(due_at: datetime, zone: str) -> date:
    """The day in which the last instant before this one lies."""
    return in_zone(due_at - _INSTANT, zone).date()
