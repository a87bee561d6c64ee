"""Deadlines: what the process asks the calendar for, and what it gets back.

The calendar is read in an activity and its answer is kept in history, so that a calendar or time-zone
update never breaks replay.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Self

from pydantic import Field

from domain.values import Contract, Day, Instant, TimeZone, says_nothing


class ClockKind(StrEnum):
    """What happens when the time is up."""

    REVIEW = "review"
    CONTACT = "contact"
    REMINDER = "reminder"
    EXPIRY = "expiry"
    START_DATE = "start_date"
    START_RECOUNT = "start_recount"
    ACCESS_CHECK = "access_check"
    ACCESS_DELAY = "access_delay"
    CALENDAR_CHECK = "calendar_check"


RECHECKS: Final = frozenset({ClockKind.START_RECOUNT, ClockKind.CALENDAR_CHECK})
"""Clocks by which only what has been counted is counted again."""


class PausedClock(Contract):
    """A review clock stopped for a justification: the days it had counted, and when it was stopped."""

    days_counted: tuple[Day, ...]
    paused_at: Instant


class ClockRequest(Contract):
    """Please set this clock, counted from ``since`` or, without it, from now. One way to count is given:

    ``working_days`` after the event; ``resume`` (the whole working days that were left, at least one);
    ``calendar_days`` after the event; ``on`` a date in ``time_zone`` (its start).
    """

    kind: ClockKind
    since: Instant | None = None
    working_days: int | None = None
    resume: PausedClock | None = None
    calendar_days: int | None = None
    on: Day | None = None
    time_zone: TimeZone | None = None

    def counted_from(self, now: datetime) -> Self:
        """The same request with the instant it counts from."""
        return self if self.since else self.model_copy(update={"since": now})


class Clock(Contract):
    """A clock that runs: when it is due and why then.

    ``due_at`` is exclusive: the local midnight after the last day counted. ``remind_at`` is one working day
    before. ``calendar`` names region and package version. ``provisional``: counted in a year whose holidays
    are only predicted. ``estimate`` says why this is only an estimate, which is another thing: the calendar
    or the zone was not known to the release that counted; it is counted again, by ``request``, until one
    knows it.
    """

    kind: ClockKind
    due_at: Instant
    remind_at: Instant | None = None
    calendar: str | None = None
    time_zone: TimeZone | None = None
    days_counted: tuple[Day, ...] = Field(default=(), exclude_if=says_nothing)
    provisional: bool = Field(default=False, exclude_if=says_nothing)
    passed: bool = Field(default=False, exclude_if=says_nothing)
    estimate: str | None = None
    request: ClockRequest | None = None

    @classmethod
    def after(cls, kind: ClockKind, now: datetime, duration: timedelta) -> Self:
        """A clock that needs no calendar."""
        return cls(kind=kind, due_at=now + duration)

    @property
    def estimated(self) -> bool:
        """Whether it runs, and is only an estimate."""
        return self.estimate is not None and not self.passed

    @property
    def next_at(self) -> Instant | None:
        """When this clock next has something to say; ``None`` once its time is up."""
        if self.passed:
            return None
        return self.remind_at or self.due_at
