"""What leaves in the morning: reminders, escalations and warnings; and who is told when nobody answers."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import pytest

from domain import decisions
from domain.clocks import Clock, ClockKind, When
from domain.contract import Stage
from domain.counting import with_clocks
from domain.decisions import Decision
from domain.inquiry import AccessOutcome
from domain.policy import Policy
from tests import payloads
from tests.domain.applications import MAIL_HOUR, MISSING, Journey, journey_to, signature

Sent = list[tuple[datetime, str]]
DAY: Final = timedelta(days=1)
EXPIRING: Final = ("drafting", "justifying", "withdrawn", "confirming_terms")


def told(decision: Decision) -> list[str]:
    """The templates of the notices that leave."""
    return [notice.model_fields["template"].default for notice in decision.notices]


def sent(journey: Journey, *templates: str) -> Sent:
    """When mails of these templates left."""
    return [(mail.at, mail.template) for mail in journey.mails if mail.template in templates]


def missed(situation: str) -> Journey:
    """BD has just missed the deadline."""
    journey = journey_to(situation)
    while not journey.status.overdue:
        journey.wait()
    return journey


def days_between(times: list[datetime]) -> list[int]:
    return [(later - earlier).days for earlier, later in pairwise(times)]


class TestEscalations:
    """The mark is set at midnight; the lead is told in the morning, of what is so then."""

    @pytest.mark.parametrize(
        ("situation", "escalation"),
        [("under_review", "review_overdue"), ("awaiting_signatures", "contact_overdue")],
    )
    def test_the_mark_at_midnight_and_the_mail_in_the_morning(self, situation: str, escalation: str) -> None:
        journey = missed(situation)
        midnight = journey.status.due_at
        assert midnight == journey.now
        assert escalation not in [mail.template for mail in journey.mails]

        assert told(journey.wait()) == [escalation]

        assert (journey.now, journey.status.overdue) == (midnight + MAIL_HOUR, True)
        assert journey.status.due_at == midnight, "the deadline stays what it was"

    @pytest.mark.parametrize(
        ("situation", "kind", "payload"),
        [
            ("under_review", "approve_application", {"form_revision": 1}),
            ("under_review", "reject_application", {"reason_code": "X", "explanation": "No team."}),
            ("under_review", "request_justification", {"question": "How many?"}),
            ("under_review", "withdraw_application", {}),
            ("awaiting_signatures", "record_contact", {"note": "Called."}),
            ("awaiting_signatures", "reopen_terms", {"reason": "Currency."}),
        ],
    )
    def test_what_happens_before_the_morning_lets_no_escalation_leave(
        self, situation: str, kind: str, payload: dict[str, Any]
    ) -> None:
        journey = missed(situation)
        morning = journey.now + MAIL_HOUR
        journey.now = morning - timedelta(hours=1)
        journey.say(kind, **payload)
        while not journey.application.ended and journey.now <= morning:
            journey.wait()
        assert sent(journey, "review_overdue", "contact_overdue") == []
        assert not journey.status.overdue

    def test_nor_does_a_signature(self) -> None:
        journey = missed("awaiting_signatures")
        journey.say("sign_contract", role="vendor", **signature(journey, "vendor"))
        journey.wait()
        assert sent(journey, "contact_overdue") == []

    def test_who_was_made_bd_meanwhile_is_named(self) -> None:
        journey = missed("under_review")
        journey.say("reassign_bd", bd={"name": "Nia New", "email": "nia@vendor.example.com"})
        journey.wait()
        assert (journey.mails[-1].template, journey.mails[-1].bd.name) == ("review_overdue", "Nia New")

    def test_nobody_at_work_over_midnight_and_morning_it_is_made_up_for(self) -> None:
        journey = journey_to("under_review")
        review = journey.application.clock(ClockKind.REVIEW)
        assert review
        journey.now = late = review.due_at + 3 * DAY
        assert [told(journey.wait()), told(journey.wait())] == [[], ["review_overdue"]]
        assert (journey.now, decisions.next_clock(journey.application)) == (late, None)

    @pytest.mark.parametrize("situation", ["under_review", "awaiting_signatures"])
    def test_a_clock_of_before_mornings_is_told_when_it_is_due(self, situation: str) -> None:
        journey = without_mornings(journey_to(situation))
        while not journey.status.overdue:
            journey.wait()
        midnight = journey.now
        assert told(journey.wait()) in (["review_overdue"], ["contact_overdue"])
        assert journey.now == midnight

    def test_and_so_is_its_reminder(self) -> None:
        journey = without_mornings(journey_to("qualified"))
        reminder = journey.application.clock(ClockKind.REMINDER)
        assert reminder
        assert told(journey.wait()) == ["sheet_reminder"]
        assert journey.now == reminder.due_at
        again = journey.application.clock(ClockKind.REMINDER)
        assert again
        assert again.notify_at == again.due_at + MAIL_HOUR == reminder.due_at + 3 * DAY + MAIL_HOUR


def without_mornings(journey: Journey) -> Journey:
    """As a history has it that was written before there were any."""
    stored = [clock.model_dump(mode="json", exclude_none=True) for clock in journey.application.clocks]
    for clock in stored:
        clock.pop("notify_at", None)
    clocks = tuple(Clock.model_validate(clock) for clock in stored)
    journey.application = with_clocks(journey.application, clocks)
    return journey


class TestReminders:
    """Whoever has to move is reminded in the morning; then the lead is told, and it comes more rarely."""

    REMINDERS: Final = (
        *("sheet_reminder", "terms_reminder", "signature_reminder", "signature_reminder_to_bd"),
        "justification_reminder",
    )

    @pytest.mark.parametrize(
        "situation", ["justifying", "qualified", "correcting_terms", "confirming_terms", "contacted"]
    )
    def test_three_then_the_lead_is_told_once_then_more_rarely(self, situation: str) -> None:
        journey = journey_to(situation)
        while len(sent(journey, *self.REMINDERS)) < 6:
            journey.wait()

        times = [at for at, _ in sent(journey, *self.REMINDERS)]
        assert {at.time().hour for at in times} == {9}
        assert days_between(times) == [3, 3, 10, 10, 10]
        assert sent(journey, "reminders_unanswered") == [(times[2], "reminders_unanswered")]
        assert journey.status.stage == journey_to(situation).status.stage

    def test_of_what_was_not_answered_the_lead_is_told_what_it_was(self) -> None:
        journey = journey_to("confirming_terms")
        while not sent(journey, "reminders_unanswered"):
            journey.wait()
        notice = journey.mails[-1]
        assert (notice.to.email, notice.said["stage"], notice.said["reminders"]) == (
            payloads.BD_LEAD["email"],
            Stage.CONFIRMING_TERMS,
            3,
        )

    def test_an_answer_begins_anew(self) -> None:
        """A signature of one party, a corrected sheet, a first contact after the deadline."""
        journey = journey_to("awaiting_signatures")
        self.unanswered(journey)
        journey.say("record_contact", note="Called.")
        assert self.unanswered(journey) == [4, 3, 3]
        journey.say("sign_contract", role="vendor", **signature(journey, "vendor"))
        assert self.unanswered(journey) == [4, 3, 3]
        assert len(sent(journey, "reminders_unanswered")) == 3

        sheet = journey_to("confirming_terms")
        self.unanswered(sheet)
        sheet.say("issue_decision_sheet", sheet=payloads.sheet(ecs="20"))
        assert self.unanswered(sheet) == [4, 3, 3]

    def unanswered(self, journey: Journey) -> list[int]:
        """Until the lead is told (again): on which days from now, and then after how many, is reminded."""
        before, began = len(sent(journey, "reminders_unanswered")), journey.now
        while len(sent(journey, "reminders_unanswered")) == before:
            journey.wait()
        times = dict.fromkeys(at for at, _ in sent(journey, *self.REMINDERS) if at > began)
        dates = [datetime.combine(at.date(), datetime.min.time(), UTC) for at in (began, *times)]
        return days_between(dates)

    def test_a_note_is_no_answer(self) -> None:
        journey = journey_to("contacted")
        for _ in range(2):
            journey.wait()
            journey.say("record_contact", note=f"Called at {journey.now}.")
        assert "reminders_unanswered" in told(journey.wait())

    def test_access_that_is_held_up_is_told_to_the_lead_ever_more_rarely(self) -> None:
        journey = journey_to("activating")
        while len(sent(journey, "access_still_delayed")) < 6:
            journey.wait(AccessOutcome(granted=False, missing=(MISSING,)))
        times = [at for at, _ in sent(journey, "access_still_delayed")]
        assert days_between(times) == [3, 3, 3, 10, 10]
        assert sent(journey, "reminders_unanswered") == [], "he knows"

    @pytest.mark.parametrize(
        ("policy", "days"),
        [
            ({"reminder_working_days": 5, "later_reminder_working_days": 7}, [5, 5, 7, 7]),
            ({"reminder_working_days": 20}, [20, 20, 20, 20]),
        ],
    )
    def test_the_pace_is_the_policy_s_and_never_quickens(
        self, policy: dict[str, int], days: list[int]
    ) -> None:
        journey = journey_to("qualified")
        journey.application = journey.application.but(policy=Policy.model_validate(policy))
        while len(sent(journey, "sheet_reminder")) < 5:
            journey.wait()
        assert days_between([at for at, _ in sent(journey, "sheet_reminder")]) == days


class TestExpiry:
    """Before an application expires the partner is warned: 14 and 3 days before, unless he answers."""

    def joined(self, situation: str) -> Journey:
        journey = journey_to(situation)
        journey.mails.clear()
        return journey

    @pytest.mark.parametrize("situation", EXPIRING)
    def test_two_warnings_in_every_stage_that_expires(self, situation: str) -> None:
        journey = self.joined(situation)
        expiry = journey.application.clock(ClockKind.EXPIRY)
        assert expiry
        while not journey.application.ended:
            journey.wait()

        last_day = expiry.due_at - DAY
        assert sent(journey, "expiry_warning", "application_expired") == [
            (last_day - 14 * DAY + MAIL_HOUR, "expiry_warning"),
            (last_day - 3 * DAY + MAIL_HOUR, "expiry_warning"),
            (expiry.due_at, "application_expired"),
        ]
        warnings = [mail for mail in journey.mails if mail.template == "expiry_warning"]
        assert [(mail.said["stage"], mail.said["expiry"].due_at) for mail in warnings] == [
            (situation, expiry.due_at)
        ] * 2
        assert {mail.audience for mail in warnings} == {"partner"}

    def test_who_answers_is_not_warned_again(self) -> None:
        journey = self.joined("withdrawn")
        assert told(journey.wait()) == ["expiry_warning"]
        journey.say("submit_application", application=payloads.form(journey.status.company_master_uid))
        journey.wait()
        assert len(sent(journey, "expiry_warning")) == 1

    def test_long_asleep_it_warns_once_and_not_after_the_end(self) -> None:
        journey = self.joined("drafting")
        expiry = journey.application.clock(ClockKind.EXPIRY)
        assert expiry
        journey.now = expiry.due_at - DAY
        assert told(journey.wait()) == ["expiry_warning"]
        assert told(journey.wait()) == ["application_expired"]

        journey = self.joined("drafting")
        journey.now = expiry.due_at
        assert told(journey.wait()) == ["application_expired"]

    def test_who_was_warned_by_an_estimate_is_not_warned_of_the_same_again(self) -> None:
        journey = Journey(calendar_known=False)
        while not sent(journey, "expiry_warning"):
            journey.wait()
        journey.calendar_known = True
        while not journey.application.ended:
            journey.wait()
        assert len(sent(journey, "expiry_warning")) == 2
        assert journey.application.closing


def test_a_clock_says_what_has_come_of_it_and_each_thing_once() -> None:
    due = datetime(2026, 3, 6, tzinfo=UTC)
    review = Clock(
        kind=ClockKind.REVIEW, due_at=due, remind_at=due - timedelta(hours=15), notify_at=due + MAIL_HOUR
    )
    said, when = [], review.next_at
    clock = review
    while when:
        said.append((clock.come(when), when))
        clock = clock.said(when)
        when = clock.next_at
    assert said == [
        (When.BEFORE, due - timedelta(hours=15)),
        (When.DUE, due),
        (When.MORNING, due + MAIL_HOUR),
    ]
    assert clock.passed
