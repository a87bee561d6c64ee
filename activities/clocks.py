"""Sets the clocks the process asks for, by the desk's calendar; what it can't count exactly, it estimates."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Final

from activities.working_days import WorkingCalendar, start_of_day
from domain.clocks import Clock, ClockKind, ClockRequest
from domain.policy import Policy

_LATEST: Final = timezone(timedelta(hours=-12))
"""Where a date begins last: an estimate of a contract start must not open access too early."""
_FRIDAY: Final = 4


class UnknownCalendarError(Exception):
    """The libraries of this release have no such region or zone."""


def set_clocks(requests: tuple[ClockRequest, ...], at: datetime, policy: Policy) -> tuple[Clock, ...]:
    """The clocks asked for, counted from ``at`` unless a request says since when.

    A calendar or zone this release does not know ends nothing: the clock is an estimate, and says why.

    Raises:
        ValueError: a request names no way to count.
    """
    return tuple(_clock(request.counted_from(at), request.since or at, policy) for request in requests)


def _clock(request: ClockRequest, at: datetime, policy: Policy) -> Clock:
    """The clock, counted from ``at``, which the request names as well: it may be counted once more by it."""
    try:
        return _counted(request, at, policy)
    except UnknownCalendarError as error:
        return _estimated(request, at, str(error))


def _counted(request: ClockRequest, at: datetime, policy: Policy) -> Clock:
    match request:
        case ClockRequest(on=day, time_zone=zone) if day is not None and zone is not None:
            try:
                return Clock(kind=request.kind, due_at=start_of_day(day, zone), time_zone=zone)
            except ValueError as error:
                raise UnknownCalendarError(str(error)) from None
    try:
        calendar = WorkingCalendar(policy.calendar, policy.time_zone)
    except ValueError as error:
        raise UnknownCalendarError(str(error)) from None
    match request:
        case ClockRequest(working_days=int(count)):
            return _working_days(request.kind, at, count, policy, calendar)
        case ClockRequest(resume=paused) if paused is not None:
            left = calendar.remaining(paused.days_counted, paused.paused_at)
            return _working_days(request.kind, at, left, policy, calendar)
        case ClockRequest(calendar_days=int(days)):
            due_at = calendar.end_of_calendar_day(at, days)
            return Clock(kind=request.kind, due_at=due_at, time_zone=policy.time_zone)
    raise _no_way(request)


def _working_days(
    kind: ClockKind, at: datetime, count: int, policy: Policy, calendar: WorkingCalendar
) -> Clock:
    counted = calendar.working_days_after(at, count)
    return Clock(
        kind=kind,
        due_at=counted.due_at,
        remind_at=counted.remind_at if kind is ClockKind.REVIEW else None,
        calendar=calendar.label,
        time_zone=policy.time_zone,
        days_counted=counted.days,
        provisional=counted.provisional,
    )


def _estimated(request: ClockRequest, at: datetime, why: str) -> Clock:
    """Monday to Friday in UTC; a date begins where it does so last."""
    at = at.astimezone(UTC)
    estimate = {"estimate": why, "request": request}
    if request.on is not None:
        due_at = datetime.combine(request.on, time(), _LATEST).astimezone(UTC)
        return Clock.model_validate({"kind": request.kind, "due_at": due_at, **estimate})
    if request.calendar_days is not None:
        due_at = _midnight(at) + timedelta(days=request.calendar_days)
        return Clock.model_validate({"kind": request.kind, "due_at": due_at, **estimate})
    count = request.working_days
    if count is None and request.resume:
        paused_on = request.resume.paused_at.astimezone(UTC).date()
        count = max(1, sum(day > paused_on for day in request.resume.days_counted))
    if count is None:
        raise _no_way(request)
    days: list[date] = []
    day = at.date()
    while len(days) < count:
        day += timedelta(days=1)
        if day.weekday() <= _FRIDAY:
            days.append(day)
    due_at = datetime.combine(days[-1] + timedelta(days=1), time(), UTC)
    before = datetime.combine(days[-2] if len(days) > 1 else at.date(), time(), UTC) + timedelta(days=1)
    remind_at = before if request.kind is ClockKind.REVIEW else None
    return Clock.model_validate(
        {
            "kind": request.kind,
            "due_at": due_at,
            "remind_at": remind_at,
            "days_counted": tuple(days),
            **estimate,
        }
    )


def _no_way(request: ClockRequest) -> ValueError:
    return ValueError(f"the request for the clock {request.kind} names no way to count")


def _midnight(at: datetime) -> datetime:
    return datetime.combine(at.date() + timedelta(days=1), time(), UTC)
