"""Deadlines: what the process asks the calendar for, and what it gets back.

The calendar is read in an activity and its answer is kept in history, so that a calendar or time-zone
update never breaks replay.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal, Self

from pydantic import Field

from domain.values import Contract, CountedDay, Day, Instant, TimeZone, says_nothing


class ClockKind(StrEnum):
    """What happens when the time is up."""

    REVIEW = "review"
    CONTACT = "contact"
    REMINDER = "reminder"
    QUESTION = "question"
    EXPIRY = "expiry"
    START_DATE = "start_date"
    START_RECOUNT = "start_recount"
    ACCESS_CHECK = "access_check"
    ACCESS_DELAY = "access_delay"
    CALENDAR_CHECK = "calendar_check"


class When(StrEnum):
    """What of a clock has come: the time to remind of it ``before`` it is ``due``, that, or the ``morning``
    after."""

    BEFORE = "before"
    DUE = "due"
    MORNING = "morning"


MARKED: Final = frozenset({ClockKind.REVIEW, ClockKind.CONTACT})
"""Clocks of BD: that one is missed is shown at once, and told in the morning."""
ONLY_TOLD: Final = frozenset({ClockKind.REMINDER, ClockKind.QUESTION, ClockKind.ACCESS_DELAY})
"""Clocks that lead to nothing but e-mails, for which nobody waits at midnight: they wait for the morning."""
MORNINGS: Final = frozenset({"remind_at", "remind_again_at", "notify_at"})
"""The fields of a clock that say when its e-mails leave."""
RECHECKS: Final = frozenset({ClockKind.START_RECOUNT, ClockKind.CALENDAR_CHECK})
"""Clocks by which only what has been counted is counted again."""


class PausedClock(Contract):
    """A review clock stopped for a justification: the days it had counted, and when it was stopped."""

    days_counted: tuple[CountedDay, ...]
    paused_at: Instant


class ClockRequest(Contract):
    """Please set this clock, counted from ``since`` or, without it, from now. One way to count is given:

    ``working_days`` after the event; ``resume`` (the whole working days that were left, at least one);
    ``calendar_days`` after the event; ``on`` a date in ``time_zone`` (its start).

    ``remind_days_before``: to be reminded of so many calendar days before.
    """

    kind: ClockKind
    since: Instant | None = None
    working_days: int | None = None
    resume: PausedClock | None = None
    calendar_days: int | None = None
    remind_days_before: tuple[int, ...] = Field(default=(), exclude_if=says_nothing)
    on: Day | None = None
    time_zone: TimeZone | None = None

    def counted_from(self, now: datetime) -> Self:
        """The same request with the instant it counts from."""
        return self if self.since else self.model_copy(update={"since": now})


class Unknown(Contract):
    """What a release has no table of, by its name: the calendar of a region, or a time zone."""

    what: Literal["calendar", "time_zone"]
    name: str


class Clock(Contract):
    """A clock that runs: when it is due and why then.

    ``due_at`` is exclusive: the local midnight after the last day counted. ``notify_at``: the morning of the
    next working day, when that is told by e-mail; without one, it is told as soon as it is due.
    ``remind_at``: the morning of a working day on which it is reminded of before, then at
    ``remind_again_at``. ``passed``: it was due. ``calendar`` names region and package version.
    ``provisional``: counted in a year whose holidays are only predicted. ``estimate`` says why this is only
    an estimate, which is another thing: the calendar or the zone was not known to the release that counted;
    it is counted again, by ``request``, until one knows it. ``unknown``: what was not known. ``last_day``:
    the day at whose end it is due, where no days are counted one by one.
    """

    kind: ClockKind
    due_at: Instant
    remind_at: Instant | None = None
    remind_again_at: tuple[Instant, ...] = Field(default=(), exclude_if=says_nothing)
    notify_at: Instant | None = None
    calendar: str | None = None
    time_zone: TimeZone | None = None
    days_counted: tuple[CountedDay, ...] = Field(default=(), exclude_if=says_nothing)
    provisional: bool = Field(default=False, exclude_if=says_nothing)
    passed: bool = Field(default=False, exclude_if=says_nothing)
    estimate: str | None = None
    unknown: Unknown | None = None
    request: ClockRequest | None = None
    last_day: Day | None = None

    @classmethod
    def after(cls, kind: ClockKind, now: datetime, duration: timedelta) -> Self:
        """A clock that needs no calendar."""
        return cls(kind=kind, due_at=now + duration)

    @property
    def ends_on(self) -> Day | None:
        """The day at whose end it is due; ``None`` for what is due at some hour."""
        return self.days_counted[-1] if self.days_counted else self.last_day

    @property
    def estimated(self) -> bool:
        """Whether it runs, and is only an estimate."""
        return self.estimate is not None and not self.passed

    @property
    def next_at(self) -> Instant | None:
        """When this clock next has something to say; ``None`` once it has said all."""
        if self.passed:
            return self.notify_at
        if self.kind in ONLY_TOLD:
            return self.notify_at or self.due_at
        return self.remind_at or self.due_at

    @property
    def reminders(self) -> tuple[Instant, ...]:
        """When it is still to be reminded of before it is due."""
        return (self.remind_at, *self.remind_again_at) if self.remind_at else ()

    def reminding(self, times: Sequence[Instant]) -> Self:
        """The same clock, to be reminded of at these times, in their order, and no others."""
        first, again = (times[0], tuple(times[1:])) if times else (None, ())
        return self.model_copy(update={"remind_at": first, "remind_again_at": again})

    @property
    def told(self) -> Self:
        """The clock as e-mails tell it: until when, and how sure that is; not how it was counted, nor when
        they leave."""
        facts = self.model_dump(include={"kind", "due_at", "time_zone", "provisional", "estimate"})
        return type(self).model_validate(facts)

    def come(self, now: datetime) -> When:
        """What of it has come; no reminder of a deadline that is past."""
        if self.passed or self.kind in ONLY_TOLD:
            return When.MORNING
        return When.BEFORE if self.remind_at and now < self.due_at else When.DUE

    def said(self, now: datetime) -> Self:
        """The same clock once it has said what has `come`; of reminders that are late, only one is sent."""
        match self.come(now):
            case When.BEFORE:
                return self.reminding([at for at in self.reminders if at > now])
            case When.DUE:
                morning = self.notify_at or self.due_at
                spent = {"passed": True, "notify_at": morning if self.kind in MARKED else None}
            case When.MORNING:
                spent = {"passed": True, "notify_at": None}
        return self.reminding(()).model_copy(update=spent)
