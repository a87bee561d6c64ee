"""Clocks by the desk's calendar, and estimates of what a release can't count."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities import working_days
from activities.clocks import set_clocks
from activities.working_days import WorkingCalendar, start_of_day
from domain.clocks import Clock, ClockKind, ClockRequest, PausedClock
from domain.policy import Policy
from tests.activities.examples import NOON

WEDNESDAY_ENDS = datetime(2025, 3, 19, 16, tzinfo=UTC)
WEDNESDAY_BEGINS = datetime(2025, 3, 19, 1, tzinfo=UTC)
THURSDAY_BEGINS = datetime(2025, 3, 20, 1, tzinfo=UTC)
"""Nine o'clock in Shanghai."""
REVIEW = ClockRequest(kind=ClockKind.REVIEW, working_days=3)
EXPIRY = ClockRequest(kind=ClockKind.EXPIRY, calendar_days=90)
STARTS = ClockRequest(kind=ClockKind.START_DATE, on=date(2025, 5, 1), time_zone="Asia/Shanghai")
PAUSED = PausedClock(
    days_counted=(date(2025, 3, 12), date(2025, 3, 13), date(2025, 3, 14)),
    paused_at=datetime(2025, 3, 12, 4, tzinfo=UTC),
)
RESUMED = ClockRequest(kind=ClockKind.REVIEW, resume=PAUSED)
WAYS = (REVIEW, EXPIRY, STARTS, RESUMED)
UNKNOWN_CALENDAR = Policy(calendar="XX")
UNKNOWN_ZONE = Policy(time_zone="Mars/Olympus")
ZONES = sorted(zone for zone in available_timezones() if zone != "localtime")


def clock(request: ClockRequest, policy: Policy | None = None, at: datetime = NOON) -> Clock:
    """The clock that is set, at noon on Friday, 14 March 2025, unless told otherwise."""
    [clock] = set_clocks((request,), at, policy or Policy())
    return clock


# Counted


def test_a_review_is_due_after_the_working_days_and_reminded_of_on_the_last() -> None:
    review = clock(REVIEW)
    assert (review.due_at, review.remind_at) == (WEDNESDAY_ENDS, WEDNESDAY_BEGINS)
    assert review.notify_at == THURSDAY_BEGINS
    assert review.days_counted == (date(2025, 3, 17), date(2025, 3, 18), date(2025, 3, 19))
    assert review.calendar is not None
    assert review.calendar.startswith("CN (holidays ")
    assert (review.time_zone, review.provisional) == ("Asia/Shanghai", False)
    assert (review.estimate, review.request) == (None, None)


@pytest.mark.parametrize("policy", [Policy(), UNKNOWN_CALENDAR])
def test_days_are_counted_beyond_the_last_date_that_can_be_given(policy: Policy) -> None:
    """A contract may start on the last one, and its access wait."""
    counted = clock(REVIEW, policy, datetime(2200, 12, 31, tzinfo=UTC))
    assert counted.days_counted[-1].year == counted.due_at.year == 2201
    paused = PausedClock(days_counted=counted.days_counted, paused_at=datetime(2200, 12, 31, tzinfo=UTC))
    resumed = ClockRequest(kind=ClockKind.REVIEW, resume=paused)
    assert clock(resumed, policy, datetime(2201, 1, 31, tzinfo=UTC)).due_at.year == 2201


def test_the_days_are_those_of_the_policy_s_desk() -> None:
    """4 July, and noon in Shanghai is still the day before in New York."""
    policy = Policy(calendar="US", time_zone="America/New_York")
    counted = clock(REVIEW, policy, datetime(2025, 7, 3, 2, tzinfo=UTC))
    assert counted.days_counted == (date(2025, 7, 3), date(2025, 7, 7), date(2025, 7, 8))
    assert counted.due_at == datetime(2025, 7, 9, 4, tzinfo=UTC)


@pytest.mark.parametrize("kind", [ClockKind.CONTACT, ClockKind.REMINDER])
def test_only_a_review_has_a_reminder_before_it_is_due(kind: ClockKind) -> None:
    counted = clock(ClockRequest(kind=kind, working_days=3))
    assert (counted.due_at, counted.remind_at) == (WEDNESDAY_ENDS, None)


@pytest.mark.parametrize(("paused_on", "left"), [(12, 2), (13, 1), (20, 1)])
def test_a_resumed_review_has_the_days_that_were_left_but_at_least_one(paused_on: int, left: int) -> None:
    paused = PAUSED.model_copy(update={"paused_at": datetime(2025, 3, paused_on, 4, tzinfo=UTC)})
    counted = clock(ClockRequest(kind=ClockKind.REVIEW, resume=paused))
    assert counted.days_counted == (date(2025, 3, 17), date(2025, 3, 18))[:left]
    assert counted.remind_at == counted.due_at - timedelta(hours=15)


def test_an_expiry_ends_with_the_calendar_day() -> None:
    assert clock(EXPIRY).due_at == datetime(2025, 6, 12, 16, tzinfo=UTC)


def test_a_start_date_begins_in_the_contract_s_own_zone() -> None:
    starts = clock(STARTS.model_copy(update={"time_zone": "America/New_York"}))
    assert (starts.due_at, starts.time_zone) == (datetime(2025, 5, 1, 4, tzinfo=UTC), "America/New_York")


@pytest.mark.parametrize("policy", [UNKNOWN_CALENDAR, UNKNOWN_ZONE], ids=["calendar", "zone"])
def test_a_start_date_needs_no_calendar_of_a_desk(policy: Policy) -> None:
    assert clock(STARTS, policy) == clock(STARTS)


@pytest.mark.parametrize("request_", [REVIEW, EXPIRY, RESUMED])
@pytest.mark.parametrize("policy", [Policy(), UNKNOWN_CALENDAR], ids=["counted", "estimated"])
def test_it_counts_from_when_it_is_told_to(request_: ClockRequest, policy: Policy) -> None:
    earlier = NOON - timedelta(days=30)
    since = request_.model_copy(update={"since": earlier})
    assert clock(since, policy) == clock(request_, policy, at=earlier)
    assert clock(since, policy).due_at < clock(request_, policy).due_at


def test_each_request_gets_its_clock_in_order() -> None:
    assert set_clocks(WAYS, NOON, Policy()) == tuple(clock(request) for request in WAYS)
    assert set_clocks((), NOON, UNKNOWN_CALENDAR) == ()


def test_a_year_that_is_only_predicted_is_marked() -> None:
    assert clock(REVIEW, at=datetime(2099, 3, 13, 4, tzinfo=UTC)).provisional


@pytest.mark.parametrize("policy", [Policy(), UNKNOWN_CALENDAR, UNKNOWN_ZONE])
def test_a_request_that_names_no_way_to_count_is_a_bug(policy: Policy) -> None:
    with pytest.raises(ValueError, match="review names no way to count"):
        clock(ClockRequest(kind=ClockKind.REVIEW), policy)


# Estimated


@pytest.mark.parametrize(
    ("policy", "says"),
    [(UNKNOWN_CALENDAR, "region 'XX' is not in the calendars"), (UNKNOWN_ZONE, "'Mars/Olympus' is not in")],
)
@pytest.mark.parametrize("request_", [REVIEW, EXPIRY, RESUMED])
def test_an_estimate_says_why_and_what_was_asked(request_: ClockRequest, policy: Policy, says: str) -> None:
    estimated = clock(request_, policy)
    assert estimated.estimate is not None
    assert says in estimated.estimate
    assert estimated.request == request_.model_copy(update={"since": NOON})
    assert (estimated.kind, estimated.provisional, estimated.passed) == (request_.kind, False, False)


def test_an_estimated_review_counts_monday_to_friday_in_utc() -> None:
    review = clock(REVIEW, UNKNOWN_CALENDAR)
    assert review.days_counted == (date(2025, 3, 17), date(2025, 3, 18), date(2025, 3, 19))
    assert (review.due_at, review.remind_at, review.notify_at) == (
        datetime(2025, 3, 20, tzinfo=UTC),
        datetime(2025, 3, 19, 9, tzinfo=UTC),
        datetime(2025, 3, 20, 9, tzinfo=UTC),
    )
    one = clock(ClockRequest(kind=ClockKind.REVIEW, working_days=1), UNKNOWN_CALENDAR)
    assert (one.due_at, one.remind_at) == (
        datetime(2025, 3, 18, tzinfo=UTC),
        datetime(2025, 3, 17, 9, tzinfo=UTC),
    )


def test_of_estimates_too_only_a_review_has_a_reminder() -> None:
    contact = clock(ClockRequest(kind=ClockKind.CONTACT, working_days=3), UNKNOWN_CALENDAR)
    assert (contact.due_at, contact.remind_at) == (datetime(2025, 3, 20, tzinfo=UTC), None)


@pytest.mark.parametrize(("paused_on", "left"), [(12, 2), (13, 1), (20, 1)])
def test_an_estimated_resumed_review_has_the_days_that_were_left(paused_on: int, left: int) -> None:
    paused = PAUSED.model_copy(update={"paused_at": datetime(2025, 3, paused_on, 4, tzinfo=UTC)})
    estimated = clock(ClockRequest(kind=ClockKind.REVIEW, resume=paused), UNKNOWN_CALENDAR)
    assert estimated.days_counted == (date(2025, 3, 17), date(2025, 3, 18))[:left]


def test_an_estimated_expiry_ends_with_the_day_in_utc() -> None:
    assert clock(EXPIRY, UNKNOWN_ZONE).due_at == datetime(2025, 6, 13, tzinfo=UTC)


def test_an_estimated_start_is_where_the_date_begins_last() -> None:
    starts = clock(STARTS.model_copy(update={"time_zone": "Mars/Olympus"}))
    assert starts.due_at == datetime(2025, 5, 1, 12, tzinfo=UTC)
    assert starts.estimate is not None
    assert "Mars/Olympus" in starts.estimate


@settings(deadline=None)
@given(day=st.dates(date(1900, 1, 1), date(2200, 12, 31)), zone=st.sampled_from(ZONES))
def test_an_estimate_never_opens_access_before_the_contract_starts(day: date, zone: str) -> None:
    never_early(day, zone)


@pytest.mark.parametrize(
    ("day", "zone"),
    [
        (date(2011, 12, 30), "Pacific/Apia"),  # skipped altogether
        (date(1993, 8, 21), "Pacific/Kwajalein"),  # as well, at UTC-12
        (date(2025, 5, 1), "Etc/GMT+12"),
        (date(2024, 4, 26), "Africa/Cairo"),  # begins at one o'clock
        (date(2025, 3, 30), "America/Scoresbysund"),
    ],
)
def test_nor_where_a_day_begins_oddly(day: date, zone: str) -> None:
    never_early(day, zone)


def never_early(day: date, zone: str) -> None:
    unknown = ClockRequest(kind=ClockKind.START_DATE, on=day, time_zone="Mars/Olympus")
    assert clock(unknown).due_at >= start_of_day(day, zone)


def test_it_heals_when_a_release_knows_the_calendar_again() -> None:
    """What was asked is with the estimate: asked again, it gives what would have been counted then."""
    for request, policy in ((REVIEW, UNKNOWN_CALENDAR), (EXPIRY, UNKNOWN_ZONE), (RESUMED, UNKNOWN_CALENDAR)):
        estimated = clock(request, policy)
        assert estimated.request is not None
        read_back = ClockRequest.model_validate_json(estimated.request.model_dump_json())
        later = NOON + timedelta(days=20)
        assert clock(read_back, Policy(), at=later) == clock(request, Policy(), at=NOON)
        assert clock(read_back, policy, at=later) == estimated, "until then nothing moves"


def test_a_calendar_a_release_has_lost_is_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_region(*_: Any, **__: Any) -> None:
        raise NotImplementedError

    known = clock(REVIEW, Policy(calendar="SG", time_zone="Asia/Singapore"))
    assert known.estimate is None
    monkeypatch.setattr("holidays.country_holidays", no_such_region)
    working_days._known_region.cache_clear()
    lost = clock(REVIEW, Policy(calendar="SG", time_zone="Asia/Singapore"))
    assert lost.estimate is not None
    monkeypatch.undo()
    working_days._known_region.cache_clear()
    assert lost.request is not None
    assert clock(lost.request, Policy(calendar="SG", time_zone="Asia/Singapore")) == known


def test_the_calendar_in_use_is_that_of_the_working_days() -> None:
    """The arithmetic itself is tested there."""
    calendar = WorkingCalendar("CN", "Asia/Shanghai")
    assert clock(REVIEW).days_counted == calendar.working_days_after(NOON, 3).days
    assert clock(STARTS).due_at == datetime.combine(date(2025, 5, 1), time(), ZoneInfo("Asia/Shanghai"))
