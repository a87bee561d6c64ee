"""How long each wait lasts: the clocks a stage or a step sets, in the periods of the application's policy.

A period that is no policy is given by edition: ``{1: timedelta(minutes=1), 2: timedelta(minutes=5)}``.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

from domain.clocks import Clock, ClockKind, ClockRequest
from domain.editions import FIRST, in_force
from domain.state import Application
from domain.status import unanswered

SetClock = Callable[[Application, datetime], ClockRequest | Clock | None]
"""Asks the calendar for a clock or, where none is needed, sets it; ``None``: what runs, runs on."""

FIRST_ACCESS_RECHECK: Final[Mapping[int, timedelta]] = {FIRST: timedelta(minutes=1)}
"""How long after the first failed attempt access is tried again; then doubling."""
LONGEST_ACCESS_RECHECK: Final[Mapping[int, timedelta]] = {FIRST: timedelta(hours=1)}
CALENDAR_RECHECK: Final[Mapping[int, timedelta]] = {FIRST: timedelta(hours=1)}
"""How often a deadline that could only be estimated is counted again."""
ACCESS_TOLD_AGAIN: Final[Mapping[int, timedelta]] = {FIRST: timedelta(days=1)}
"""How long what held access up, and went away, is not told again if it comes back."""
FIRST_START_RECOUNT: Final[Mapping[int, timedelta]] = {FIRST: timedelta(days=30)}
"""How long before the contract start date its start is counted again: zone rules may have changed."""
LAST_START_RECOUNT: Final[Mapping[int, timedelta]] = {FIRST: timedelta(days=4)}
"""And once more; a count that is no older than this is not repeated."""
UNANSWERED_REMINDERS: Final[Mapping[int, int]] = {FIRST: 3}
"""After how many reminders in a row that nobody has answered they come more rarely, and the lead is told."""
PAPER_SIGNED_BEFORE: Final[Mapping[int, timedelta]] = {FIRST: timedelta(days=7)}
"""How long before the decision sheet was issued a contract may have been signed on paper: BD may enter later
what was signed at a meeting, and a date on paper has no time of day."""
START_WITHIN: Final[Mapping[int, timedelta]] = {FIRST: timedelta(days=5 * 365 + 2)}
"""How far a contract start date lies from the day it is set, five years with their leap days: what is further
back is a slip of the pen, and what is further ahead may be one."""
BY_EDITION: Final = (
    *(FIRST_ACCESS_RECHECK, LONGEST_ACCESS_RECHECK, CALENDAR_RECHECK, ACCESS_TOLD_AGAIN),
    *(FIRST_START_RECOUNT, LAST_START_RECOUNT, UNANSWERED_REMINDERS, PAPER_SIGNED_BEFORE, START_WITHIN),
)


def oldest_start(application: Application, now: datetime) -> date:
    """The earliest contract start date that can be meant."""
    return now.date() - in_force(START_WITHIN, application.edition)


def latest_start_expected(application: Application, now: datetime) -> date:
    """The latest contract start date that needs no warning."""
    return now.date() + in_force(START_WITHIN, application.edition)


def review_clock(application: Application, now: datetime) -> ClockRequest:
    """Three working days for BD (guide §2.2); after a justification, the whole days that were left."""
    if application.paused_review:
        return ClockRequest(kind=ClockKind.REVIEW, resume=application.paused_review)
    return ClockRequest(kind=ClockKind.REVIEW, working_days=application.policy.review_working_days)


def contact_clock(application: Application, now: datetime) -> ClockRequest:
    """Three working days for BD to contact the partner about signing (guide §2.3)."""
    return ClockRequest(kind=ClockKind.CONTACT, working_days=application.policy.contact_working_days)


def reminder_clock(application: Application, now: datetime) -> ClockRequest:
    """Working days until whoever has to move is reminded; more of them once nobody has answered for long."""
    return _reminder(ClockKind.REMINDER, application, application.reminders)


def question_clock(application: Application, now: datetime) -> ClockRequest | None:
    """The same for the questions of the partner, while one waits; another one puts no reminder off."""
    running = application.clock(ClockKind.QUESTION)
    if not unanswered(application.questions) or (running and not running.passed):
        return None
    return _reminder(ClockKind.QUESTION, application, application.question_reminders)


def _reminder(kind: ClockKind, application: Application, sent: int) -> ClockRequest:
    policy = application.policy
    days = policy.reminder_working_days
    if sent >= in_force(UNANSWERED_REMINDERS, application.edition):
        days = max(days, policy.later_reminder_working_days)
    return ClockRequest(kind=kind, working_days=days)


def first_contact_clock(application: Application, now: datetime) -> ClockRequest | None:
    """The reminder that follows the first contact; a later note puts no reminder off."""
    return reminder_clock(application, now) if application.contacted_at == now else None


def expiry_clock(application: Application, now: datetime) -> ClockRequest:
    """Calendar days a partner's silence may last; he is warned before."""
    policy = application.policy
    return ClockRequest(
        kind=ClockKind.EXPIRY,
        calendar_days=policy.partner_expiry_days,
        remind_days_before=policy.expiry_warning_days,
    )


def start_date_clock(application: Application, now: datetime) -> ClockRequest:
    """The start of the contract start date in the contract's time zone (guide §2.4)."""
    return ClockRequest(
        kind=ClockKind.START_DATE, on=application.start_date, time_zone=application.start_zone
    )


def start_recount_clock(application: Application, now: datetime) -> Clock | None:
    """When the start is counted again: zone rules change, at times within weeks of being announced.

    Weeks and days before the date as it begins in UTC, which is near enough.
    """
    day = application.start_date
    if day is None:
        return None
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    last = in_force(LAST_START_RECOUNT, application.edition)
    times = (start - in_force(FIRST_START_RECOUNT, application.edition), start - last)
    due_at = next((at for at in times if at - now > last), None)
    return Clock(kind=ClockKind.START_RECOUNT, due_at=due_at) if due_at else None


def access_clock(application: Application, now: datetime) -> Clock:
    """When access is tried: at once, then again after doubling pauses."""
    if not application.access_attempts:
        return Clock.after(ClockKind.ACCESS_CHECK, now, timedelta())
    first = in_force(FIRST_ACCESS_RECHECK, application.edition)
    doubled: timedelta = first * 2 ** min(application.access_attempts - 1, 10)
    pause = min(doubled, in_force(LONGEST_ACCESS_RECHECK, application.edition))
    return Clock.after(ClockKind.ACCESS_CHECK, now, pause)


def access_delay_clock(application: Application, now: datetime) -> ClockRequest | None:
    """Working days until the lead is told that access is still held up, since that was first told."""
    running = application.clock(ClockKind.ACCESS_DELAY)
    if running and not running.passed:
        # Or a cause that changes every day would keep it from the lead for ever.
        return None
    days = application.policy.access_delay_working_days
    return ClockRequest(kind=ClockKind.ACCESS_DELAY, working_days=days)


def calendar_clock(application: Application, now: datetime) -> Clock:
    """When the calendar is asked again for what it could only estimate."""
    return Clock.after(ClockKind.CALENDAR_CHECK, now, in_force(CALENDAR_RECHECK, application.edition))
