"""Deadlines that can only be estimated, as the calendar or the zone is not known, and how they heal."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pytest

from activities.clocks import set_clocks
from domain import decisions
from domain.clocks import Clock, ClockKind, ClockRequest, PausedClock
from domain.contract import Stage
from domain.counting import with_clocks
from domain.decisions import Decision
from domain.inquiry import AccessOutcome
from domain.notice import Audience
from domain.notices import DeadlineEstimated
from domain.periods import start_recount_clock
from domain.policy import Policy
from domain.steps import OPEN
from tests import payloads
from tests.domain.applications import (
    MAIL_HOUR,
    MISSING,
    NOT_KNOWN,
    START,
    UID,
    Journey,
    journey_to,
    signature,
)

FRIDAY: Final = datetime(2025, 3, 14, 9, 30, tzinfo=UTC)
KNOWN: Final = Policy()
UNKNOWN: Final = (Policy(calendar="XX"), Policy(time_zone="Mars/Base"))
AN_HOUR: Final = timedelta(hours=1)
STAGES_THAT_COUNT: Final = OPEN
NEEDS_NO_CALENDAR: Final = {"start_recount", "access_check"}
DOWN: Final = AccessOutcome(granted=False, missing=(MISSING,))


def estimates(journey: Journey) -> dict[str, Clock]:
    return {clock.kind.value: clock for clock in journey.application.clocks if clock.estimate}


def told(journey: Journey) -> int:
    """How often the lead was told of an estimate."""
    return sum(isinstance(mail.notice, DeadlineEstimated) for mail in journey.mails)


def uncounted(stage: str) -> Journey:
    """In this stage, with a calendar nobody knows since just before."""
    before: dict[str, tuple[str, str, dict[str, Any]]] = {
        "under_review": ("company_confirmed", "submit_application", {"application": payloads.form(UID)}),
        "justifying": ("under_review", "request_justification", {"question": "How many?"}),
        "withdrawn": ("under_review", "withdraw_application", {}),
        "qualified": ("under_review", "approve_application", {"form_revision": 1}),
        "confirming_terms": ("qualified", "issue_decision_sheet", {"sheet": payloads.sheet(start=START)}),
        "correcting_terms": ("confirming_terms", "modify_terms", {"sheet_revision": 1, "description": "x"}),
        "awaiting_signatures": ("confirming_terms", "confirm_terms", journey_to("confirming_terms").terms()),
    }
    if stage == "drafting":
        return Journey(calendar_known=False)
    if stage == "activating":
        journey = journey_to("activating")
        journey.calendar_known = False
        journey.wait(DOWN)
        return journey
    if stage == "signed":
        journey = journey_to("partner_signed")
        journey.calendar_known = False
        journey.say("sign_contract", role="vendor", **signature(journey, "vendor"))
        return journey
    start, kind, payload = before[stage]
    journey = journey_to(start)
    journey.calendar_known = False
    journey.say(kind, **payload)
    return journey


def counted(stage: str) -> Journey:
    """In this stage, with its clocks as the calendar counts them."""
    journey = journey_to(stage)
    if stage == "activating":
        journey.wait(DOWN)
    return journey


def next_check(journey: Journey) -> Decision:
    """Let time pass until the calendar has been asked again; access is still missing."""
    while True:
        decision = journey.wait(DOWN if journey.application.stage is Stage.ACTIVATING else None)
        if journey.moments[-1][0].name == "calendar_check":
            return decision


class TestEstimated:
    """The application goes on; the lead is told; the calendar is asked again."""

    @pytest.mark.parametrize("stage", STAGES_THAT_COUNT)
    def test_in_every_stage(self, stage: str) -> None:
        journey = uncounted(stage)
        assert journey.status.stage == stage
        exact = {clock.kind.value for clock in counted(stage).application.clocks} - NEEDS_NO_CALENDAR
        assert estimates(journey).keys() == exact
        recheck = journey.application.clock(ClockKind.CALENDAR_CHECK)
        assert recheck
        assert recheck.due_at == journey.now + AN_HOUR
        assert told(journey) == 1
        notice = journey.mails[-1]
        assert notice.audience is Audience.BD_LEAD
        assert [clock.estimate for clock in notice.said["estimates"]] == [NOT_KNOWN] * len(exact)
        assert journey.status.deadline
        next_attempt = journey.status.deadline.kind is ClockKind.ACCESS_CHECK
        assert journey.status.deadline.estimate == (None if next_attempt else NOT_KNOWN)

    @pytest.mark.parametrize("stage", STAGES_THAT_COUNT)
    def test_and_healed_in_every_stage(self, stage: str) -> None:
        journey = uncounted(stage)
        began = journey.application
        journey.calendar_known = True

        decision = next_check(journey)

        [(moment, where)] = journey.moments[-1:]
        assert (moment.name, where) == ("calendar_check", stage)
        assert decision.notices == ()
        assert not estimates(journey)
        exact = {clock.kind: clock for clock in counted(stage).application.clocks}
        tries_access = {ClockKind.ACCESS_CHECK}
        healed = {clock.kind: clock for clock in journey.application.clocks}
        assert healed.keys() == exact.keys()
        assert all(healed[kind] == exact[kind] for kind in exact.keys() - tries_access), (
            "counted from when it began"
        )
        unlike = {"clocks": (), "contract_start_at": None, "estimates_told": (), "access_attempts": 0}
        assert journey.application.but(**unlike) == began.but(**unlike)
        assert journey.status.contract_start_at == counted(stage).status.contract_start_at

    def test_it_is_told_once_and_asked_every_hour(self) -> None:
        journey = uncounted("under_review")
        asked_at = []
        for _ in range(5):
            journey.wait()
            asked_at.append(journey.now)
        assert asked_at == [journey_to("under_review").now + n * AN_HOUR for n in range(1, 6)]
        assert told(journey) == 1
        review = estimates(journey)["review"]
        assert review.request
        assert review.request.since == journey_to("under_review").now, "counted from then, however often"

    def test_asking_in_vain_is_nothing_to_record(self) -> None:
        journey = uncounted("under_review")
        events, review = journey.transitions, journey.status.deadline
        for hours in (1, 2):
            journey.wait()
            assert journey.transitions == events
            recheck = journey.application.clock(ClockKind.CALENDAR_CHECK)
            assert recheck
            assert recheck.due_at == journey_to("under_review").now + (hours + 1) * AN_HOUR
        assert journey.status.deadline == review

        journey.calendar_known = True
        journey.wait()
        assert journey.transitions == events + 1, "that it has healed is"

    def test_it_is_told_once_whatever_comes_until_it_heals(self) -> None:
        journey = uncounted("under_review")
        journey.say("approve_application", form_revision=1)
        assert estimates(journey).keys() == {"reminder"}
        journey.say("issue_decision_sheet", sheet=payloads.sheet(start=START))
        assert told(journey) == 1

        journey.calendar_known = True
        journey.wait()
        journey.calendar_known = False
        journey.say("modify_terms", sheet_revision=1, description="x")
        assert told(journey) == 2, "lost once more, it is told once more"
        journey.say("issue_decision_sheet", sheet=payloads.sheet(start=START, ecs="11"))
        assert told(journey) == 2

    def test_the_zone_of_a_contract_is_another_thing_to_know_than_the_desks_calendar(self) -> None:
        journey = uncounted("awaiting_signatures")
        for party in ("partner", "vendor"):
            journey.say("sign_contract", role="esign", **signature(journey, party))
        assert estimates(journey).keys() == {"start_date"}
        assert told(journey) == 2
        assert journey.application.estimates_told == ("desk", "Asia/Singapore")

    def test_the_application_goes_all_its_way(self) -> None:
        journey = Journey(calendar_known=False)
        journey.say("confirm_company")
        journey.say("submit_application", application=payloads.form(UID))
        journey.say("approve_application", form_revision=1)
        journey.say("issue_decision_sheet", sheet=payloads.sheet(start=START))
        journey.say("confirm_terms", **journey.terms())
        for party in ("partner", "vendor"):
            journey.say("sign_contract", role="esign", **signature(journey, party))
        while not journey.application.ended:
            journey.wait()
        assert journey.status.outcome == "active"
        start = journey.status.contract_start_at
        assert start
        assert start.date() == date(2026, 9, 1), "an estimated start is late, never early"
        assert journey.now >= start

    def test_an_exact_clock_set_meanwhile_ends_the_asking(self) -> None:
        journey = uncounted("signed")
        journey.calendar_known = True
        journey.say("amend_start_date", start_date="2026-12-24", time_zone="UTC", reason="Later.")
        assert {clock.kind for clock in journey.application.clocks} == {"start_date", "start_recount"}

    def test_commands_meanwhile_put_nothing_off(self) -> None:
        journey = uncounted("under_review")
        due = journey.now + AN_HOUR
        journey.now += timedelta(minutes=50)
        journey.say("correct_contact", email="ann@acme.example.com")
        recheck = journey.application.clock(ClockKind.CALENDAR_CHECK)
        assert recheck
        assert recheck.due_at == due

    def test_a_calendar_that_is_lost_later_is_told_then(self) -> None:
        journey = journey_to("qualified")
        assert told(journey) == 0
        journey.calendar_known = False
        journey.wait()
        assert (told(journey), list(estimates(journey))) == (1, ["reminder"])


class TestReminders:
    """A deadline that is counted again reminds nobody a second time."""

    def to_the_reminder(self) -> Journey:
        journey = uncounted("under_review")
        while journey.moments[-1:] == [] or journey.moments[-1][0].name != "review_reminder":
            journey.wait()
        return journey

    def test_one_reminder_though_it_heals_after_it(self) -> None:
        journey = self.to_the_reminder()
        journey.calendar_known = True
        while not journey.status.overdue:
            journey.wait()
        names = [moment.name for moment, _ in journey.moments if moment.name != "calendar_check"]
        assert names == ["review_reminder", "review_overdue"]

    def test_one_reminder_though_it_is_estimated_again(self) -> None:
        journey = self.to_the_reminder()
        while not journey.status.overdue:
            journey.wait()
        names = [moment.name for moment, _ in journey.moments if moment.name != "calendar_check"]
        assert names == ["review_reminder", "review_overdue"]
        assert told(journey) == 1

    def test_healed_before_it_reminds_in_time(self) -> None:
        journey = uncounted("under_review")
        journey.calendar_known = True
        journey.wait()
        [review] = journey.application.clocks
        assert review.remind_at
        assert review.remind_at == review.due_at - timedelta(days=1) + MAIL_HOUR

    def test_what_has_passed_is_not_counted_again(self) -> None:
        journey = uncounted("awaiting_signatures")
        while not journey.status.overdue:
            journey.wait()
        contact = journey.application.clock(ClockKind.CONTACT)
        assert contact
        assert (contact.passed, contact.estimate) == (True, NOT_KNOWN)
        journey.calendar_known = True
        asked = journey.wait().requests
        assert [request.kind for request in asked] == ["reminder"]
        assert journey.application.clock(ClockKind.CONTACT) == contact
        assert journey.application.clock(ClockKind.CALENDAR_CHECK) is None

    def test_a_recheck_with_nothing_left_to_ask_asks_nothing(self) -> None:
        journey = journey_to("under_review")
        again = Clock.after(ClockKind.CALENDAR_CHECK, journey.now, AN_HOUR)
        application = with_clocks(journey.application, (again,))
        decision = decisions.time_is_up(application, again, journey.now)
        assert (decision.requests, decision.notices) == ((), ())
        assert decision.application == journey.application


def one(policy: Policy, kind: ClockKind = ClockKind.REVIEW, **way: Any) -> Clock:
    """The clock for one request."""
    [clock] = set_clocks((ClockRequest(kind=kind, **way),), FRIDAY, policy)
    return clock


class TestTheCalendarsOwn:
    """What the activity estimates where it can't count: Monday to Friday in UTC, no start too early."""

    @pytest.mark.parametrize("policy", UNKNOWN, ids=["calendar", "zone"])
    def test_working_days(self, policy: Policy) -> None:
        clock = one(policy, working_days=3)
        assert clock.estimate
        assert ("XX" in clock.estimate) or ("Mars/Base" in clock.estimate)
        assert [str(day) for day in clock.days_counted] == ["2025-03-17", "2025-03-18", "2025-03-19"]
        assert clock.due_at == datetime(2025, 3, 20, tzinfo=UTC)
        assert clock.remind_at == datetime(2025, 3, 19, 9, tzinfo=UTC)
        assert clock.notify_at == datetime(2025, 3, 20, 9, tzinfo=UTC)
        assert (clock.provisional, clock.calendar, clock.passed) == (False, None, False)
        assert clock.request == ClockRequest(kind=ClockKind.REVIEW, working_days=3, since=FRIDAY)

    def test_one_working_day_is_reminded_of_in_its_morning(self) -> None:
        clock = one(UNKNOWN[0], working_days=1)
        assert (clock.due_at.day, clock.remind_at) == (18, datetime(2025, 3, 17, 9, tzinfo=UTC))

    def test_only_a_review_reminds(self) -> None:
        assert one(UNKNOWN[0], ClockKind.CONTACT, working_days=3).remind_at is None
        assert one(KNOWN, ClockKind.CONTACT, working_days=3).remind_at is None

    @pytest.mark.parametrize(("left", "due"), [(0, 18), (1, 18), (2, 19)])
    def test_the_days_that_were_left(self, left: int, due: int) -> None:
        days = tuple(date(2025, 3, 14) + timedelta(days=n) for n in range(left + 1))
        clock = one(UNKNOWN[0], resume=PausedClock(days_counted=days, paused_at=FRIDAY))
        assert clock.due_at == datetime(2025, 3, due, tzinfo=UTC)

    def test_calendar_days(self) -> None:
        clock = one(UNKNOWN[1], ClockKind.EXPIRY, calendar_days=90)
        assert clock.due_at == datetime(2025, 6, 13, tzinfo=UTC)
        assert clock.estimate

    def test_a_start_date_in_a_zone_nobody_knows_begins_where_it_does_so_last(self) -> None:
        clock = one(KNOWN, ClockKind.START_DATE, on=date(2025, 4, 1), time_zone="Mars/Base")
        assert clock.due_at == datetime(2025, 4, 1, 12, tzinfo=UTC)
        assert clock.estimate

    @pytest.mark.parametrize("policy", UNKNOWN, ids=["calendar", "zone"])
    def test_a_start_date_needs_no_desks_calendar(self, policy: Policy) -> None:
        clock = one(policy, ClockKind.START_DATE, on=date(2025, 4, 1), time_zone="Asia/Singapore")
        assert (clock.due_at, clock.estimate) == (datetime(2025, 3, 31, 16, tzinfo=UTC), None)

    def test_what_is_known_is_no_estimate(self) -> None:
        clock = one(KNOWN, working_days=3)
        assert (clock.estimate, clock.request, clock.time_zone) == (None, None, "Asia/Shanghai")
        assert clock.due_at == datetime(2025, 3, 19, 16, tzinfo=UTC)
        assert clock.calendar
        assert one(KNOWN, ClockKind.EXPIRY, calendar_days=1).estimate is None

    def test_counted_since_the_event_not_since_the_question(self) -> None:
        before = FRIDAY - timedelta(days=7)
        assert one(KNOWN, working_days=3, since=before).days_counted[0] == date(2025, 3, 10)
        assert one(UNKNOWN[0], working_days=3, since=before).days_counted[0] == date(2025, 3, 10)

    @pytest.mark.parametrize("policy", [KNOWN, *UNKNOWN])
    def test_a_request_that_names_no_way_to_count_is_a_bug(self, policy: Policy) -> None:
        with pytest.raises(ValueError, match="names no way to count"):
            one(policy)


def test_without_a_start_date_there_is_nothing_to_count_again() -> None:
    drafting = journey_to(Stage.DRAFTING).application
    assert start_recount_clock(drafting, datetime.fromisoformat(START)) is None
