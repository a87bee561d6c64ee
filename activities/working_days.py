"""Working-day arithmetic for the review deadlines of the onboarding process.

Source of the rule: the process guide promises a review, and contact about signing, "within three working
days". The event's *local* date is day 0, the n-th working day
after it is the last one that counts, and the deadline is the exclusive next local midnight, kept in UTC.

Which days are worked comes from the ``holidays`` package alone: public holidays, the week-end that was in
force on the date, and week-end days a government turned into working days.
"""

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib.metadata import version
from typing import Any
from zoneinfo import ZoneInfo

import holidays

_PACKAGE_VERSION = version("holidays")
_ONE_DAY = timedelta(days=1)
_COUNTRY_CODE = re.compile(r"[A-Z]{2}")


@dataclass(frozen=True)
class WorkingDays:
    """A period counted in working days.

    ``days``: the local dates that count, in order; day 0 (the event's date) is not among them.
    ``due_at``: UTC; the exclusive local midnight that ends the last counted day.
    ``provisional``: a year from the event to the last counted day is only predicted by the calendar, so an
    official announcement may still change the result. See ``WorkingCalendar.working_days_after``.
    """

    days: tuple[date, ...]
    due_at: datetime
    provisional: bool


class WorkingCalendar:
    """The working days of one business-development desk: a public-holiday region and a time zone.

    Instances hold no mutable state and may be shared by threads.
    """

    def __init__(self, region: str, time_zone: str) -> None:
        """Take the desk's ``region`` (ISO 3166, ``"CN"`` or ``"US-CA"``) and IANA ``time_zone``.

        Raises ValueError when the ``holidays`` package does not know the region or its subdivision, or when
        the time zone database does not know the zone.
        """
        self._country, self._subdivision = _known_region(region)
        self._region = region
        self._time_zone = time_zone
        self._zone = _known_zone(time_zone)

    @property
    def label(self) -> str:
        """The calendar and package version to record with a deadline, e.g. ``"CN (holidays 0.109)"``."""
        return f"{self._region} (holidays {_PACKAGE_VERSION})"

    def working_days_after(self, event: datetime, count: int) -> WorkingDays:
        """Count ``count`` (at least 1) working days after the local date of ``event``, in any time zone.

        A year is provisional when the ``holidays`` package itself shows that it only predicts it:

        * the package enumerates the officially moved working days of the country year by year, and the year
          is later than the last one it lists (China: the State Council's yearly notice; the entries of
          ``special_public_holidays`` that name the day they were moved from);
        * a holiday of the year carries the country's ``estimated_label`` (lunar and Islamic dates outside
          the years the package has confirmed; ``islamic_show_estimated`` and its like are switched on);
        * the year is outside the country's ``start_year`` to ``end_year``.

        The first rule is cautious on purpose: a country that has given up moving working days stays
        provisional after its last moved one.

        Raises ValueError when ``event`` has no time zone or ``count`` is below 1.
        """
        if count < 1:
            raise ValueError(f"count must be at least 1 working day, not {count}")
        day_zero = self.local_date(event)
        days: list[date] = []
        day = day_zero
        while len(days) < count:
            day += _ONE_DAY
            if day in self._year(day.year).working_days:
                days.append(day)
        return WorkingDays(
            days=tuple(days),
            due_at=self._end_of(days[-1]),
            provisional=any(self._year(year).provisional for year in range(day_zero.year, day.year + 1)),
        )

    def is_provisional(self, year: int) -> bool:
        """Whether the calendar only predicts the year, by the rules of `working_days_after`."""
        return self._year(year).provisional

    def local_year(self, instant: datetime) -> int:
        """The year on the desk's calendar. Raises ValueError when ``instant`` has no time zone."""
        return self.local_date(instant).year

    def first_working_day(self, day: date) -> date:
        """The first working day that is not before ``day``."""
        while day not in self._year(day.year).working_days:
            day += _ONE_DAY
        return day

    def last_working_day(self, day: date) -> date:
        """The last working day that is not after ``day``."""
        while day not in self._year(day.year).working_days:
            day -= _ONE_DAY
        return day

    def at_hour(self, day: date, hour: int) -> datetime:
        """Return, in UTC, when it is ``hour`` o'clock on the local date ``day``.

        Where the clocks skip that hour, it is as much later; where they show it twice, the first time.
        """
        return datetime.combine(day, time(hour), self._zone).astimezone(UTC)

    def local_date(self, instant: datetime) -> date:
        """The date on the desk's calendar. Raises ValueError when ``instant`` has no time zone."""
        if instant.utcoffset() is None:
            raise ValueError(f"{instant.isoformat()} has no time zone, so its local date is not known")
        return instant.astimezone(self._zone).date()

    def end_of_calendar_day(self, event: datetime, days: int) -> datetime:
        """Return, in UTC, the exclusive local midnight that ends the calendar day ``days`` after ``event``.

        ``days`` 0 is the end of the event's own local date.

        Raises ValueError when ``event`` has no time zone or ``days`` is negative.
        """
        if days < 0:
            raise ValueError(f"days must not be negative, got {days}")
        return self._end_of(self.local_date(event) + timedelta(days=days))

    def remaining(self, days_counted: Sequence[date], paused_at: datetime) -> int:
        """Return how many whole working days were left when the review clock was paused.

        Those are the counted days strictly after the local date of ``paused_at``. The result is at least 1,
        also when the deadline had passed, so that a review which resumes always has a working day.

        Raises ValueError when ``paused_at`` has no time zone.
        """
        paused_on = self.local_date(paused_at)
        return max(1, sum(day > paused_on for day in days_counted))

    def _end_of(self, day: date) -> datetime:
        return start_of_day(day + _ONE_DAY, self._time_zone)

    def _year(self, year: int) -> "_Year":
        return _calendar_year(self._country, self._subdivision, year)


def start_of_day(day: date, time_zone: str) -> datetime:
    """Return, in UTC, the first instant of the local date ``day`` in the IANA ``time_zone``.

    Where midnight does not exist (clocks go forward at midnight, as in Africa/Cairo) that is the end of the
    gap; where it happens twice, the first one. For a date the zone skipped altogether (Pacific/Apia,
    2011-12-30) it is the first instant of the next date.

    Raises ValueError when the time zone database does not know the zone.
    """
    zone = _known_zone(time_zone)
    midnight = datetime.combine(day, time.min)
    at_old_offset = midnight.replace(tzinfo=zone, fold=0).astimezone(UTC)
    at_new_offset = midnight.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if at_old_offset <= at_new_offset:
        return at_old_offset
    # PEP 495: only inside a gap is fold=0 the later instant. The clocks change between the two readings, and
    # not always at local midnight itself (a gap may start at 23:30), so look for the change to the second.
    seconds = range(int((at_old_offset - at_new_offset).total_seconds()))
    passed = bisect_left(
        seconds,
        True,
        key=lambda second: (at_new_offset + timedelta(seconds=second)).astimezone(zone).date() >= day,
    )
    return at_new_offset + timedelta(seconds=passed)


@dataclass(frozen=True)
class _Year:
    working_days: frozenset[date]
    provisional: bool


# Years are immutable, so threads may share them: a race costs one more computation, never a wrong answer.
@lru_cache(maxsize=256)
def _calendar_year(country: str, subdivision: str | None, year: int) -> _Year:
    calendar = _holiday_calendar(country, subdivision, year)
    first = date(year, 1, 1)
    dates = (first + timedelta(days=n) for n in range((date(year, 12, 31) - first).days + 1))
    return _Year(
        working_days=frozenset(day for day in dates if calendar.is_working_day(day)),
        provisional=_is_predicted(calendar, year),
    )


def _holiday_calendar(country: str, subdivision: str | None, year: int) -> holidays.HolidayBase:
    supported: Mapping[str, Any] = getattr(holidays, country).get_supported_options()
    show_estimated: dict[str, Any] = {
        option: True for option in supported if option.endswith("_show_estimated")
    }
    # expand=False: the calendar answers for the one year it was built for and never fills in another.
    return holidays.country_holidays(country, subdiv=subdivision, years=year, expand=False, **show_estimated)


def _is_predicted(calendar: holidays.HolidayBase, year: int) -> bool:
    if not calendar.start_year <= year <= calendar.end_year:
        return True
    enumerated = _years_with_moved_days(calendar)
    if enumerated and year > max(enumerated):
        return True
    label: str | None = getattr(calendar, "estimated_label", None)
    if label is None:
        return False
    # From "%s (estimated)", in the language the names are in; "(observed, estimated)" contains it too.
    estimated = calendar.tr(label).replace("%s", "").strip(" ()（）")
    return any(estimated in name for name in calendar.values())


def _years_with_moved_days(calendar: holidays.HolidayBase) -> set[int]:
    special: Mapping[int, tuple[Any, ...]] = getattr(calendar, "special_public_holidays", {})
    years = set()
    for year, entries in special.items():
        # The package writes a single entry without the enclosing tuple. A one-off holiday is (month, day,
        # name); a moved day is (month, day, from month, from day), and the year it came from if another.
        each = entries if isinstance(entries[0], tuple) else (entries,)
        if any(len(entry) > 3 for entry in each):
            years.add(year)
    return years


def check_region(region: str) -> None:
    """Raises ValueError when the ``holidays`` package does not know the region or its subdivision."""
    _known_region(region)


@lru_cache(maxsize=256)
def _known_region(region: str) -> tuple[str, str | None]:
    country, _, subdivision = region.partition("-")
    # The pattern keeps other names of the package's module from being taken for a country.
    if _COUNTRY_CODE.fullmatch(country) and not region.endswith("-"):
        # What the package raises for a country or subdivision it does not have.
        with suppress(NotImplementedError):
            holidays.country_holidays(country, subdiv=subdivision or None)
            return country, subdivision or None
    raise ValueError(
        f"region {region!r} is not in the calendars of holidays {_PACKAGE_VERSION}; use an ISO 3166 "
        'country code such as "CN", or one with a subdivision such as "US-CA"'
    )


def _known_zone(time_zone: str) -> ZoneInfo:
    try:
        return ZoneInfo(time_zone)
    # A key that names a directory of the database ("America") is an OSError; an unknown one is a KeyError.
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"time zone {time_zone!r} is not in the IANA time zone database; "
            'use a name such as "Asia/Shanghai"'
        ) from None
