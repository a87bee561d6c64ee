"""What holds of working days whatever the desk, the event and the period."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import holidays
from hypothesis import given
from hypothesis import strategies as st

from activities.working_days import WorkingCalendar

DESKS = st.sampled_from(
    [
        ("CN", "Asia/Shanghai"),
        ("SA", "Asia/Riyadh"),
        ("AE", "Asia/Dubai"),
        ("EG", "Africa/Cairo"),
        ("CL", "America/Santiago"),
        ("US-CA", "America/Los_Angeles"),
        ("DE", "Europe/Berlin"),
    ]
)
EVENTS = st.datetimes(
    datetime.fromisoformat("2023-01-01"), datetime.fromisoformat("2029-12-31"), timezones=st.just(UTC)
)
COUNTS = st.integers(1, 15)


@given(DESKS, EVENTS, COUNTS)
def test_the_counted_days_are_exactly_the_working_days_after_the_event(
    desk: tuple[str, str], event: datetime, count: int
) -> None:
    region, time_zone = desk
    country, _, subdivision = region.partition("-")
    period = WorkingCalendar(region, time_zone).working_days_after(event, count)
    day_zero = event.astimezone(ZoneInfo(time_zone)).date()
    reference = holidays.country_holidays(
        country, subdiv=subdivision or None, years=range(day_zero.year, period.days[-1].year + 1)
    )

    assert len(period.days) == count
    after_the_event = [day_zero + timedelta(days=n) for n in range(1, (period.days[-1] - day_zero).days + 1)]
    assert list(period.days) == [day for day in after_the_event if reference.is_working_day(day)]


@given(DESKS, EVENTS, COUNTS)
def test_one_more_day_extends_the_period(desk: tuple[str, str], event: datetime, count: int) -> None:
    calendar = WorkingCalendar(*desk)
    shorter = calendar.working_days_after(event, count)
    longer = calendar.working_days_after(event, count + 1)

    assert longer.days[:-1] == shorter.days
    assert longer.due_at > shorter.due_at > event
    assert longer.provisional or not shorter.provisional


@given(DESKS, EVENTS, COUNTS)
def test_a_later_event_is_never_due_earlier(desk: tuple[str, str], event: datetime, count: int) -> None:
    calendar = WorkingCalendar(*desk)

    later = calendar.working_days_after(event + timedelta(hours=31), count)
    assert later.due_at >= calendar.working_days_after(event, count).due_at


@given(DESKS, EVENTS, COUNTS)
def test_a_deadline_is_the_instant_the_local_date_changes(
    desk: tuple[str, str], event: datetime, count: int
) -> None:
    zone = ZoneInfo(desk[1])
    period = WorkingCalendar(*desk).working_days_after(event, count)

    last = period.days[-1]
    assert (period.due_at - timedelta(microseconds=1)).astimezone(zone).date() == last
    assert period.due_at.astimezone(zone).date() == last + timedelta(days=1)


@given(EVENTS, COUNTS, st.integers(0, 40))
def test_the_days_left_at_a_pause_lie_between_one_and_all(
    event: datetime, count: int, days_later: int
) -> None:
    calendar = WorkingCalendar("CN", "Asia/Shanghai")
    counted = calendar.working_days_after(event, count).days

    assert 1 <= calendar.remaining(counted, event + timedelta(days=days_later)) <= count
    assert calendar.remaining(counted, event) == count
