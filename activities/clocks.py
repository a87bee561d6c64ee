"""Sets the clocks the process asks for, by the desk's calendar; what it can't count exactly, it estimates.

Nobody waits at midnight for what a clock tells: it is told in the morning of a working day, at the desk's
mail hour and some minutes, which differ from application to application lest all of them wake at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from hashlib import sha256
from typing import Final

from activities.working_days import WorkingCalendar, start_of_day
from domain.clocks import MARKED, ONLY_TOLD, Clock, ClockKind, ClockRequest, Unknown
from domain.policy import Policy

SPREAD: Final = timedelta(minutes=30)
"""Over how long after the mail hour the mornings of all applications are spread."""
_LATEST: Final = timezone(timedelta(hours=-12))
"""Where a date begins last: an estimate of a contract start must not open access too early."""
_FRIDAY: Final = 4
_ONE_DAY: Final = timedelta(days=1)


class UnknownCalendarError(Exception):
    """The libraries of this release have no such region or zone."""

    def __init__(self, why: ValueError, unknown: Unknown) -> None:
        super().__init__(str(why))
        self.unknown = unknown


class _WeekDays:
    """The calendar of an estimate: Monday to Friday, in UTC."""

    def first_working_day(self, day: date) -> date:
        while day.weekday() > _FRIDAY:
            day += _ONE_DAY
        return day

    def last_working_day(self, day: date) -> date:
        while day.weekday() > _FRIDAY:
            day -= _ONE_DAY
        return day

    def at_hour(self, day: date, hour: int) -> datetime:
        return datetime.combine(day, time(hour), UTC)


@dataclass(frozen=True)
class _Mornings:
    """When the e-mails of a clock leave: of working days, at this hour and some minutes."""

    calendar: WorkingCalendar | _WeekDays
    hour: int
    minutes: timedelta

    def of(self, clock: Clock, request: ClockRequest, since: datetime, last: date) -> Clock:
        """The clock, which counts ``since`` then to the end of the day ``last``, with its mornings."""
        notify_at = None
        if clock.kind in MARKED | ONLY_TOLD:
            after = self._at(self.calendar.first_working_day(last + _ONE_DAY))
            notify_at = max(after, clock.due_at)
        before = sorted({at for at in self._before(clock, request, last) if since < at < clock.due_at})
        return clock.reminding(before).model_copy(update={"notify_at": notify_at})

    def _before(self, clock: Clock, request: ClockRequest, last: date) -> Iterator[datetime]:
        if clock.kind is ClockKind.REVIEW:
            yield self._at(last)
        for days in request.remind_days_before:
            # Not later than that, or a long holiday would swallow it.
            yield self._at(self.calendar.last_working_day(last - timedelta(days=days)))

    def _at(self, day: date) -> datetime:
        return self.calendar.at_hour(day, self.hour) + self.minutes


def set_clocks(
    requests: tuple[ClockRequest, ...], at: datetime, policy: Policy, application_id: str | None = None
) -> tuple[Clock, ...]:
    """The clocks asked for, counted from ``at`` unless a request says since when.

    A calendar or zone this release does not know ends nothing: the clock is an estimate, and says why.

    Raises:
        ValueError: a request names no way to count.
    """
    minutes = _minutes_of(application_id)
    return tuple(
        _clock(request.counted_from(at), request.since or at, policy, minutes) for request in requests
    )


def _minutes_of(application_id: str | None) -> timedelta:
    """Always the same of one application, evenly spread over all: whole seconds, less than `SPREAD`."""
    if application_id is None:
        return timedelta()
    number = int.from_bytes(sha256(application_id.encode()).digest()[:8])
    return timedelta(seconds=number % int(SPREAD.total_seconds()))


def _clock(request: ClockRequest, at: datetime, policy: Policy, minutes: timedelta) -> Clock:
    """The clock, counted from ``at``, which the request names as well: it may be counted once more by it."""
    try:
        return _counted(request, at, policy, minutes)
    except UnknownCalendarError as error:
        return _estimated(request, at, error, _Mornings(_WeekDays(), policy.mail_hour, minutes))


def _counted(request: ClockRequest, at: datetime, policy: Policy, minutes: timedelta) -> Clock:
    match request:
        case ClockRequest(on=day, time_zone=zone) if day is not None and zone is not None:
            try:
                return Clock(kind=request.kind, due_at=start_of_day(day, zone), time_zone=zone)
            except ValueError as error:
                raise UnknownCalendarError(error, Unknown(what="time_zone", name=zone)) from None
    try:
        calendar = WorkingCalendar(policy.calendar, policy.time_zone)
    except ValueError as error:
        raise UnknownCalendarError(error, _unknown_of(policy, at)) from None
    mornings = _Mornings(calendar, policy.mail_hour, minutes)
    match request:
        case ClockRequest(calendar_days=int(days)):
            due_at = calendar.end_of_calendar_day(at, days)
            last = calendar.local_date(at) + timedelta(days=days)
            clock = Clock(kind=request.kind, due_at=due_at, time_zone=policy.time_zone, last_day=last)
            return mornings.of(clock, request, at, last)
        case ClockRequest(working_days=int(count)):
            pass
        case ClockRequest(resume=paused) if paused is not None:
            count = calendar.remaining(paused.days_counted, paused.paused_at)
        case _:
            raise _no_way(request)
    counted = calendar.working_days_after(at, count)
    clock = Clock(
        kind=request.kind,
        due_at=counted.due_at,
        calendar=calendar.label,
        time_zone=policy.time_zone,
        days_counted=counted.days,
        provisional=counted.provisional,
    )
    return mornings.of(clock, request, at, counted.days[-1])


def _unknown_of(policy: Policy, at: datetime) -> Unknown:
    """What no calendar of the desk can be made of."""
    try:
        start_of_day(at.date(), policy.time_zone)
    except ValueError:
        return Unknown(what="time_zone", name=policy.time_zone)
    return Unknown(what="calendar", name=policy.calendar)


def _estimated(request: ClockRequest, at: datetime, why: UnknownCalendarError, mornings: _Mornings) -> Clock:
    """Monday to Friday in UTC; a date begins where it does so last."""
    day_zero = at.astimezone(UTC).date()
    estimate = {"kind": request.kind, "estimate": str(why), "unknown": why.unknown, "request": request}
    if request.on is not None:
        due_at = datetime.combine(request.on, time(), _LATEST).astimezone(UTC)
        return Clock.model_validate({"due_at": due_at, **estimate})
    days: list[date] = []
    if request.calendar_days is not None:
        last = day_zero + timedelta(days=request.calendar_days)
    else:
        last = day_zero
        while len(days) < _working_days(request):
            last = mornings.calendar.first_working_day(last + _ONE_DAY)
            days.append(last)
    due_at = datetime.combine(last + _ONE_DAY, time(), UTC)
    clock = Clock.model_validate({"due_at": due_at, "days_counted": tuple(days), **estimate})
    return mornings.of(clock, request, at, last)


def _working_days(request: ClockRequest) -> int:
    if request.working_days is not None:
        return request.working_days
    if request.resume is None:
        raise _no_way(request)
    paused_on = request.resume.paused_at.astimezone(UTC).date()
    return max(1, sum(day > paused_on for day in request.resume.days_counted))


def _no_way(request: ClockRequest) -> ValueError:
    return ValueError(f"the request for the clock {request.kind} names no way to count")
