"""Working-day arithmetic (docs/reference/working-days.md)."""

from datetime import UTC, date, datetime, time, timedelta
from importlib.metadata import version
from zoneinfo import ZoneInfo

import pytest
from holidays.countries.china import ChinaStaticHolidays

from activities.working_days import WorkingCalendar, start_of_day

SHANGHAI = "Asia/Shanghai"


def local(text: str, time_zone: str = SHANGHAI) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(time_zone))


def china() -> WorkingCalendar:
    return WorkingCalendar("CN", SHANGHAI)


@pytest.mark.parametrize(
    ("event", "days"),
    [
        pytest.param(
            "2025-03-14T17:30", ["2025-03-17", "2025-03-18", "2025-03-19"], id="over an ordinary week-end"
        ),
        pytest.param(
            "2025-01-24T17:30",
            ["2025-01-26", "2025-01-27", "2025-02-05"],
            id="make-up Sunday, Spring Festival",
        ),
        pytest.param(
            "2026-02-13T17:30",
            ["2026-02-14", "2026-02-24", "2026-02-25"],
            id="make-up Saturday, Spring Festival",
        ),
        pytest.param(
            "2026-09-30T17:30",
            ["2026-10-08", "2026-10-09", "2026-10-10"],
            id="National Day, make-up Saturday last",
        ),
    ],
)
def test_the_worked_examples_of_the_design(event: str, days: list[str]) -> None:
    period = china().working_days_after(local(event), 3)

    assert [day.isoformat() for day in period.days] == days
    midnight = local(days[-1]) + timedelta(days=1)
    assert period.due_at == midnight
    assert period.due_at.tzinfo is UTC
    assert not period.provisional


def test_the_first_worked_example_in_utc() -> None:
    period = china().working_days_after(local("2025-03-14T17:30"), 3)

    assert period.due_at.isoformat() == "2025-03-19T16:00:00+00:00"


@pytest.mark.parametrize(
    ("event", "first_day"),
    [
        # 15:59:59 UTC is still Tuesday in Shanghai, one second later it is Wednesday.
        (datetime(2025, 3, 18, 15, 59, 59, tzinfo=UTC), date(2025, 3, 19)),
        (datetime(2025, 3, 18, 16, 0, 0, tzinfo=UTC), date(2025, 3, 20)),
        (local("2025-03-18T20:00", "America/New_York"), date(2025, 3, 20)),
    ],
)
def test_day_zero_is_the_date_at_the_desk_whatever_zone_the_event_is_in(
    event: datetime, first_day: date
) -> None:
    assert china().working_days_after(event, 1).days == (first_day,)


@pytest.mark.parametrize(
    ("day", "first", "last"),
    [
        pytest.param("2025-03-20", "2025-03-20", "2025-03-20", id="a Thursday"),
        pytest.param("2025-03-22", "2025-03-24", "2025-03-21", id="a Saturday"),
        pytest.param("2025-01-28", "2025-02-05", "2025-01-27", id="Spring Festival"),
        pytest.param("2025-01-26", "2025-01-26", "2025-01-26", id="a make-up Sunday"),
        pytest.param("2026-02-15", "2026-02-24", "2026-02-14", id="Spring Festival, before it a Saturday"),
        pytest.param("2026-10-11", "2026-10-12", "2026-10-10", id="after the last make-up Saturday"),
    ],
)
def test_the_working_days_around_a_day(day: str, first: str, last: str) -> None:
    calendar = china()
    assert calendar.first_working_day(date.fromisoformat(day)).isoformat() == first
    assert calendar.last_working_day(date.fromisoformat(day)).isoformat() == last


@pytest.mark.parametrize(
    ("zone", "day", "hour", "in_utc"),
    [
        ("Asia/Shanghai", "2025-03-20", 9, "2025-03-20T01:00"),
        ("America/New_York", "2025-03-08", 9, "2025-03-08T14:00"),
        ("America/New_York", "2025-03-10", 9, "2025-03-10T13:00"),
        # That day has no two o'clock, and two o'clock twice.
        ("America/New_York", "2025-03-09", 2, "2025-03-09T07:00"),
        ("Europe/Berlin", "2025-10-26", 2, "2025-10-26T00:00"),
        ("Africa/Cairo", "2024-04-26", 0, "2024-04-25T22:00"),
    ],
)
def test_an_hour_of_a_day(zone: str, day: str, hour: int, in_utc: str) -> None:
    at = WorkingCalendar("CN", zone).at_hour(date.fromisoformat(day), hour)
    assert at == datetime.fromisoformat(f"{in_utc}:00+00:00")


@pytest.mark.parametrize(
    ("region", "time_zone", "event", "day"),
    [
        pytest.param(
            "SA", "Asia/Riyadh", "2025-05-15T12:00", "2025-05-18", id="Saudi Arabia: Friday, Saturday"
        ),
        pytest.param(
            "SA", "Asia/Riyadh", "2012-05-16T12:00", "2012-05-19", id="and before 2013 Thursday, Friday"
        ),
        pytest.param("AE", "Asia/Dubai", "2025-05-15T12:00", "2025-05-16", id="UAE: a Friday is worked"),
        pytest.param(
            "AE", "Asia/Dubai", "2025-05-16T12:00", "2025-05-19", id="UAE: Saturday, Sunday since 2022"
        ),
        pytest.param(
            "AE", "Asia/Dubai", "2021-05-20T12:00", "2021-05-23", id="UAE: Friday, Saturday until 2021"
        ),
        pytest.param("US-CA", "America/Los_Angeles", "2025-03-28T12:00", "2025-04-01", id="Cesar Chavez Day"),
        pytest.param(
            "US", "America/Los_Angeles", "2025-03-28T12:00", "2025-03-31", id="is California's alone"
        ),
    ],
)
def test_week_ends_and_holidays_are_those_of_the_region(
    region: str, time_zone: str, event: str, day: str
) -> None:
    period = WorkingCalendar(region, time_zone).working_days_after(local(event, time_zone), 1)

    assert period.days == (date.fromisoformat(day),)


@pytest.mark.parametrize(
    ("region", "time_zone", "event", "due_at"),
    [
        pytest.param(
            "US", "America/New_York", "2025-03-07T17:30", "2025-03-11T04:00", id="New York, forward"
        ),
        pytest.param("US", "America/New_York", "2025-10-31T17:30", "2025-11-04T05:00", id="New York, back"),
        pytest.param("DE", "Europe/Berlin", "2025-03-28T17:30", "2025-03-31T22:00", id="Berlin, forward"),
        pytest.param("DE", "Europe/Berlin", "2025-10-24T17:30", "2025-10-27T23:00", id="Berlin, back"),
    ],
)
def test_the_deadline_is_local_midnight_across_a_clock_change(
    region: str, time_zone: str, event: str, due_at: str
) -> None:
    period = WorkingCalendar(region, time_zone).working_days_after(local(event, time_zone), 1)

    assert period.due_at == datetime.fromisoformat(due_at).replace(tzinfo=UTC)
    assert period.due_at.astimezone(ZoneInfo(time_zone)).time() == time.min


@pytest.mark.parametrize(
    ("time_zone", "day", "in_utc", "on_the_clock"),
    [
        pytest.param("Asia/Shanghai", "2025-03-20", "2025-03-19T16:00:00", "2025-03-20T00:00:00", id="plain"),
        pytest.param(
            "Africa/Cairo", "2025-04-25", "2025-04-24T22:00:00", "2025-04-25T01:00:00", id="Cairo gap"
        ),
        pytest.param(
            "America/Santiago", "2025-09-07", "2025-09-07T04:00:00", "2025-09-07T01:00:00", id="Santiago gap"
        ),
        pytest.param(
            "Asia/Beirut", "2025-03-30", "2025-03-29T22:00:00", "2025-03-30T01:00:00", id="Beirut gap"
        ),
        pytest.param(
            "America/Havana", "2025-11-02", "2025-11-02T04:00:00", "2025-11-02T00:00:00", id="two midnights"
        ),
        pytest.param(
            "America/Toronto", "1919-03-31", "1919-03-31T04:30:00", "1919-03-31T00:30:00", id="gap from 23:30"
        ),
        pytest.param(
            "Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00", "2011-12-31T00:00:00", id="skipped date"
        ),
    ],
)
def test_start_of_day_is_the_first_instant_of_the_date(
    time_zone: str, day: str, in_utc: str, on_the_clock: str
) -> None:
    start = start_of_day(date.fromisoformat(day), time_zone)

    assert start == datetime.fromisoformat(in_utc).replace(tzinfo=UTC)
    assert start.tzinfo is UTC
    assert start.astimezone(ZoneInfo(time_zone)).replace(tzinfo=None) == datetime.fromisoformat(on_the_clock)
    a_moment_before = start - timedelta(microseconds=1)
    assert a_moment_before.astimezone(ZoneInfo(time_zone)).date() < date.fromisoformat(day)


def test_a_deadline_at_a_midnight_that_does_not_exist_is_the_end_of_the_gap() -> None:
    # Thursday 2025-04-24 is the last day; Cairo's clocks go from 23:59:59 to 01:00:00 on the 25th.
    period = WorkingCalendar("EG", "Africa/Cairo").working_days_after(
        local("2025-04-23T12:00", "Africa/Cairo"), 1
    )

    assert period.days == (date(2025, 4, 24),)
    assert period.due_at == datetime(2025, 4, 24, 22, tzinfo=UTC)


def test_the_leap_day_counts() -> None:
    period = WorkingCalendar("US", "UTC").working_days_after(datetime(2028, 2, 28, 12, tzinfo=UTC), 2)

    assert period.days == (date(2028, 2, 29), date(2028, 3, 1))


def test_a_period_may_cross_the_year() -> None:
    period = china().working_days_after(local("2025-12-31T09:00"), 2)

    # 1 to 3 January 2026 are holidays and Sunday the 4th is worked for Friday the 2nd.
    assert period.days == (date(2026, 1, 4), date(2026, 1, 5))
    assert not period.provisional


# The last year whose State Council notice the installed package holds (0.109: 2026, so 2027 is predicted).
# Read from the package, so that the tests also hold when an update brings the next notice.
CHINA_LAST_ANNOUNCED = max(ChinaStaticHolidays.special_public_holidays)


@pytest.mark.parametrize(
    ("event", "count", "provisional"),
    [
        pytest.param(f"{CHINA_LAST_ANNOUNCED}-09-10T12:00", 3, False, id="announced year"),
        pytest.param(f"{CHINA_LAST_ANNOUNCED}-12-25T12:00", 1, False, id="ends in the announced year"),
        pytest.param(f"{CHINA_LAST_ANNOUNCED}-12-31T12:00", 1, True, id="runs into the predicted year"),
        pytest.param(f"{CHINA_LAST_ANNOUNCED + 1}-03-15T12:00", 3, True, id="predicted year"),
        pytest.param(f"{CHINA_LAST_ANNOUNCED + 2}-03-15T12:00", 3, True, id="later predicted year"),
    ],
)
def test_china_is_provisional_after_the_last_state_council_notice(
    event: str, count: int, provisional: bool
) -> None:
    assert CHINA_LAST_ANNOUNCED >= 2026
    assert china().working_days_after(local(event), count).provisional is provisional


@pytest.mark.parametrize(
    ("region", "time_zone", "event", "provisional"),
    [
        pytest.param("AE", "Asia/Dubai", "2025-03-10T12:00", False, id="UAE, confirmed Islamic dates"),
        pytest.param("AE", "Asia/Dubai", "2035-03-10T12:00", True, id="UAE, estimated Islamic dates"),
        pytest.param("SA", "Asia/Riyadh", "2025-05-15T12:00", False, id="Saudi Arabia, confirmed"),
        pytest.param(
            "SA", "Asia/Riyadh", "2035-05-15T12:00", True, id="Saudi Arabia, estimated, label off by default"
        ),
        pytest.param("US", "UTC", "2035-03-14T12:00", False, id="United States, fixed by law"),
        pytest.param("US", "UTC", "2101-03-14T12:00", True, id="after the last year of the package"),
    ],
)
def test_a_period_in_a_year_the_calendar_only_predicts_is_provisional(
    region: str, time_zone: str, event: str, provisional: bool
) -> None:
    period = WorkingCalendar(region, time_zone).working_days_after(local(event, time_zone), 3)

    assert period.provisional is provisional


def test_an_estimated_year_is_found_whatever_language_the_machine_speaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LANGUAGE", "en_US")
    # A year no other test asks for, so that it is computed here.
    period = WorkingCalendar("AE", "Asia/Dubai").working_days_after(
        local("2041-03-11T12:00", "Asia/Dubai"), 1
    )

    assert period.provisional


@pytest.mark.parametrize(("days", "end"), [(0, "2025-03-15"), (1, "2025-03-16"), (30, "2025-04-14")])
def test_calendar_days_end_at_the_next_local_midnight(days: int, end: str) -> None:
    # 17:00 UTC on the 13th is already the 14th in Shanghai.
    deadline = china().end_of_calendar_day(datetime(2025, 3, 13, 17, tzinfo=UTC), days)

    assert deadline == local(end)
    assert deadline.tzinfo is UTC


@pytest.mark.parametrize(
    ("paused_at", "left"),
    [
        pytest.param("2025-03-14T18:00", 3, id="on day zero"),
        pytest.param("2025-03-16T12:00", 3, id="at the week-end before the first day"),
        pytest.param("2025-03-17T00:00", 2, id="during the first day"),
        pytest.param("2025-03-18T23:59", 1, id="during the second day"),
        pytest.param("2025-03-19T09:00", 1, id="during the last day: at least one"),
        pytest.param("2025-03-25T09:00", 1, id="overdue: at least one"),
    ],
)
def test_a_paused_review_keeps_the_working_days_it_has_not_begun(paused_at: str, left: int) -> None:
    counted = china().working_days_after(local("2025-03-14T17:30"), 3).days

    assert china().remaining(counted, local(paused_at)) == left


def test_a_pause_is_placed_on_the_date_at_the_desk() -> None:
    counted = (date(2025, 3, 17), date(2025, 3, 18), date(2025, 3, 19))

    assert china().remaining(counted, datetime(2025, 3, 16, 16, tzinfo=UTC)) == 2


def test_the_label_names_the_region_and_the_package_version() -> None:
    assert china().label == f"CN (holidays {version('holidays')})"
    assert WorkingCalendar("US-CA", "UTC").label == f"US-CA (holidays {version('holidays')})"


@pytest.mark.parametrize("region", ["XX", "cn", "CN-ZZ", "US-", "", "-CA", "China", "NYSE", "HolidayBase"])
def test_an_unknown_region_is_named_and_the_form_of_a_known_one_shown(region: str) -> None:
    with pytest.raises(
        ValueError, match=r'^region .* ISO 3166 country code such as "CN".*"US-CA"$'
    ) as refusal:
        WorkingCalendar(region, SHANGHAI)
    assert repr(region) in str(refusal.value)


@pytest.mark.parametrize("time_zone", ["Asia/Peking", "America", "", "../etc/passwd", "/etc/localtime"])
def test_an_unknown_time_zone_is_named_and_the_form_of_a_known_one_shown(time_zone: str) -> None:
    with pytest.raises(ValueError, match=r'^time zone .* IANA .*"Asia/Shanghai"$') as refusal:
        WorkingCalendar("CN", time_zone)
    assert repr(time_zone) in str(refusal.value)


def test_an_event_without_a_time_zone_is_refused() -> None:
    naive = datetime.fromisoformat("2025-03-14T17:30")

    with pytest.raises(ValueError, match="2025-03-14T17:30:00 has no time zone"):
        china().working_days_after(naive, 3)
    with pytest.raises(ValueError, match="has no time zone"):
        china().end_of_calendar_day(naive, 3)
    with pytest.raises(ValueError, match="has no time zone"):
        china().remaining([date(2025, 3, 17)], naive)


@pytest.mark.parametrize("count", [0, -1])
def test_fewer_than_one_working_day_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="at least 1 working day"):
        china().working_days_after(local("2025-03-14T17:30"), count)


def test_negative_calendar_days_are_refused() -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        china().end_of_calendar_day(local("2025-03-14T17:30"), -1)
