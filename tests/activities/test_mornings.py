"""When what a clock tells leaves: in the morning of a working day, spread over some minutes."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from activities.clocks import SPREAD, set_clocks
from domain.clocks import Clock, ClockKind, ClockRequest
from domain.policy import Policy

SHANGHAI: Final = ZoneInfo("Asia/Shanghai")
DESK: Final = Policy()
UNKNOWN: Final = Policy(calendar="XX")


def local(text: str) -> datetime:
    """A time on the wall in Shanghai."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def clock(at: datetime, policy: Policy = DESK, kind: ClockKind = ClockKind.REVIEW, **way: Any) -> Clock:
    """The clock of an application without an ID, which is told at the mail hour itself."""
    [clock] = set_clocks((ClockRequest(kind=kind, **(way or {"working_days": 3})),), at, policy)
    return clock


@pytest.mark.parametrize(
    ("event", "due", "reminded", "told"),
    [
        ("2025-03-14T17:30", "2025-03-20", "2025-03-19T09:00", "2025-03-20T09:00"),
        ("2025-01-24T17:30", "2025-02-06", "2025-02-05T09:00", "2025-02-06T09:00"),
        ("2026-02-13T17:30", "2026-02-26", "2026-02-25T09:00", "2026-02-26T09:00"),
        # Due with a make-up Saturday, which is worked; told on Monday, as Sunday is not.
        ("2026-09-30T17:30", "2026-10-11", "2026-10-10T09:00", "2026-10-12T09:00"),
        ("2025-03-18T17:30", "2025-03-22", "2025-03-21T09:00", "2025-03-24T09:00"),
        # Due with the last day before the Spring Festival.
        ("2025-01-23T17:30", "2025-01-28", "2025-01-27T09:00", "2025-02-05T09:00"),
    ],
)
def test_a_deadline_ends_at_midnight_and_is_told_in_the_morning(
    event: str, due: str, reminded: str, told: str
) -> None:
    review = clock(local(event))
    assert review.due_at == local(due)
    assert review.reminders == (local(reminded),)
    assert review.notify_at == local(told)


@pytest.mark.parametrize("kind", [ClockKind.CONTACT, ClockKind.REMINDER, ClockKind.ACCESS_DELAY])
def test_so_is_whatever_reminds_or_escalates(kind: ClockKind) -> None:
    counted = clock(local("2025-03-14T17:30"), kind=kind)
    assert (counted.due_at, counted.reminders) == (local("2025-03-20"), ())
    assert counted.notify_at == local("2025-03-20T09:00")


def test_what_somebody_waits_for_is_not_put_off() -> None:
    start = clock(local("2025-03-14"), kind=ClockKind.START_DATE, on=date(2025, 5, 1), time_zone="UTC")
    assert (start.next_at, start.notify_at) == (datetime(2025, 5, 1, tzinfo=UTC), None)
    expiry = clock(local("2025-03-14"), kind=ClockKind.EXPIRY, calendar_days=90)
    assert (expiry.next_at, expiry.notify_at) == (expiry.due_at, None)


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (Policy(mail_hour=7), datetime(2025, 3, 19, 23, tzinfo=UTC)),
        (Policy(mail_hour=0), datetime(2025, 3, 19, 16, tzinfo=UTC)),
        (Policy(calendar="US", time_zone="America/New_York"), datetime(2025, 3, 20, 13, tzinfo=UTC)),
        (UNKNOWN, datetime(2025, 3, 20, 9, tzinfo=UTC)),
    ],
)
def test_it_is_the_hour_of_the_policy_in_its_zone(policy: Policy, told: datetime) -> None:
    assert clock(local("2025-03-14T17:30"), policy).notify_at == told


def test_an_estimate_is_told_on_a_week_day() -> None:
    friday = clock(datetime(2025, 3, 18, 4, tzinfo=UTC), UNKNOWN)
    assert friday.due_at == datetime(2025, 3, 22, tzinfo=UTC)
    assert friday.notify_at == datetime(2025, 3, 24, 9, tzinfo=UTC)


WARNED: Final[dict[str, Any]] = {"kind": ClockKind.EXPIRY, "calendar_days": 90, "remind_days_before": (14, 3)}


@pytest.mark.parametrize(
    ("event", "last_day", "warned"),
    [
        # 14 days before it Thursday, 29 May; 3 days before Monday, 9 June.
        ("2025-03-14", "2025-06-12", ["2025-05-29", "2025-06-09"]),
        # Both on a week-end: the Friday before.
        ("2025-03-16", "2025-06-14", ["2025-05-30", "2025-06-11"]),
        # Three days before it is National Day's week: the last day worked before.
        ("2025-07-09", "2025-10-07", ["2025-09-23", "2025-09-30"]),
    ],
)
def test_warnings_leave_on_a_working_day_that_is_not_too_late(
    event: str, last_day: str, warned: list[str]
) -> None:
    expiry = clock(local(f"{event}T12:00"), **WARNED)
    assert expiry.due_at == local(last_day) + timedelta(days=1)
    assert expiry.reminders == tuple(local(f"{day}T09:00") for day in warned)
    assert expiry.next_at == expiry.reminders[0]


def test_warnings_that_would_come_before_the_wait_begins_are_left_out() -> None:
    for days, left in ((90, 2), (14, 1), (10, 1), (3, 0), (1, 0)):
        expiry = clock(local("2025-03-14T12:00"), **WARNED | {"calendar_days": days})
        assert len(expiry.reminders) == left


def test_two_warnings_that_fall_on_one_morning_are_one() -> None:
    expiry = clock(local("2025-07-09T12:00"), **WARNED | {"remind_days_before": (6, 5, 4, 3)})
    assert expiry.reminders == (local("2025-09-30T09:00"),)


def test_an_estimate_warns_on_week_days_too() -> None:
    expiry = clock(datetime(2025, 3, 16, 4, tzinfo=UTC), UNKNOWN, **WARNED)
    assert expiry.reminders == (
        datetime(2025, 5, 30, 9, tzinfo=UTC),
        datetime(2025, 6, 11, 9, tzinfo=UTC),
    )


def test_the_mornings_of_many_applications_are_spread_and_each_keeps_its_own() -> None:
    requests = (ClockRequest(kind=ClockKind.REVIEW, working_days=3), ClockRequest(**WARNED))
    hour, minutes = local("2025-03-20T09:00"), Counter[int]()
    for number in range(3000):
        review, expiry = set_clocks(requests, local("2025-03-14T17:30"), DESK, f"application-{number}")
        assert review.notify_at
        late = review.notify_at - hour
        assert timedelta() <= late < SPREAD
        assert {at - local("2025-03-19T09:00") for at in review.reminders} == {late}
        assert expiry.reminders[0] - local("2025-05-29T09:00") == late
        minutes[int(late.total_seconds()) // 60] += 1
        assert review.due_at == local("2025-03-20"), "deadlines are the same for all"
    assert len(minutes) == 30
    assert max(minutes.values()) < 3000 / 30 * 1.5
    again = set_clocks(requests, local("2025-04-14T17:30"), DESK, "application-7")[0].notify_at
    first = set_clocks(requests, local("2025-03-14T17:30"), DESK, "application-7")[0].notify_at
    assert again
    assert first
    assert again.time() == first.time()
