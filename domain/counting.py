"""What the answers of the calendar make of an application's clocks: counted, estimated, counted again."""

from datetime import datetime
from typing import Final

from domain.clocks import Clock, ClockKind
from domain.periods import calendar_clock
from domain.state import Application

DESK: Final = "desk"
"""What stands for the desk's calendar and zone among what deadlines are counted by."""


def counted(application: Application, answers: tuple[Clock, ...], now: datetime) -> Application:
    """The application with the clocks the calendar has set; what it could only estimate is asked for again.

    ``estimates_told`` grows by what the lead is to be told of.
    """
    clocks = tuple(_resumed(clock, application) for clock in answers if not _known_better(clock, application))
    start = next((clock.due_at for clock in clocks if clock.kind is ClockKind.START_DATE), None)
    becomes = with_clocks(application, clocks)
    estimated = dict.fromkeys(_counted_by(clock) for clock in becomes.clocks if clock.estimated)
    known = {_counted_by(clock) for clock in clocks if not clock.estimate}
    told = tuple(each for each in application.estimates_told if each not in known)
    news = tuple(each for each in estimated if each not in told)
    becomes = becomes.but(
        contract_start_at=start or application.contract_start_at, estimates_told=(*told, *news)
    )
    if not estimated:
        return without_recheck(becomes)
    if becomes.clock(ClockKind.CALENDAR_CHECK) is None:
        return with_clocks(becomes, (calendar_clock(becomes, now),))
    return becomes


def with_clocks(application: Application, clocks: tuple[Clock, ...]) -> Application:
    """The application with these clocks in the place of those of the same kind."""
    replaced = {clock.kind for clock in clocks}
    kept = tuple(clock for clock in application.clocks if clock.kind not in replaced)
    return application.but(clocks=(*kept, *clocks))


def without_recheck(application: Application) -> Application:
    """The application with no need to ask the calendar again."""
    running = tuple(clock for clock in application.clocks if clock.kind is not ClockKind.CALENDAR_CHECK)
    return application.but(clocks=running)


def _counted_by(clock: Clock) -> str:
    """What a clock is counted by: the zone of a contract, or the calendar of the desk."""
    zone = clock.request.time_zone if clock.request else clock.time_zone
    return zone if zone and clock.kind is ClockKind.START_DATE else DESK


def _known_better(clock: Clock, application: Application) -> bool:
    """Whether it is an estimate of what runs already, counted by a release that could."""
    running = application.clock(clock.kind)
    return clock.estimate is not None and running is not None and not (running.passed or running.estimate)


def _resumed(clock: Clock, application: Application) -> Clock:
    """A clock that was estimated before and is counted again does not remind of the same a second time."""
    estimated = application.clock(clock.kind)
    if estimated is None or estimated.estimate is None:
        return clock
    spent = max(0, len(clock.reminders) - len(estimated.reminders))
    return clock.reminding(clock.reminders[spent:])
