"""The clocks of an application: what starts, stops and moves them, and what a missed one does."""

from datetime import datetime, timedelta

import pytest

from domain import decisions
from domain.clocks import ClockKind
from domain.inquiry import AccessOutcome
from domain.notice import Audience
from domain.policy import Policy
from domain.status import AccessCause, Missing
from domain.steps import OPEN
from tests import payloads
from tests.domain.applications import MISSING, UID, Journey, journey_to, set_clocks, signature
from tests.domain.situations import told


def is_overdue(journey: Journey) -> bool:
    return journey.status.overdue


class TestDeadlines:
    """What the table of mails can't say about them."""

    def test_a_missed_review_escalates_and_decides_nothing(self) -> None:
        journey = journey_to("under_review")
        journey.wait()
        assert not is_overdue(journey)

        journey.wait()

        assert (journey.status.stage, journey.status.overdue) == ("under_review", True)
        assert journey.status.due_at == journey.now
        assert told(journey.wait().notices) == ["review_overdue"]
        assert decisions.next_clock(journey.application) is None

    def test_a_reminder_of_a_deadline_that_is_past_is_not_sent(self) -> None:
        journey = journey_to("under_review")
        review = decisions.next_clock(journey.application)
        assert review
        journey.now = review.due_at

        assert told(journey.wait().notices) == []
        assert told(journey.wait().notices) == ["review_overdue"]
        assert decisions.next_clock(journey.application) is None

    def test_answering_a_justification_resumes_the_days_that_were_left(self) -> None:
        journey = journey_to("under_review")
        journey.now += timedelta(days=2)
        journey.say("request_justification", question="How many?")
        assert {clock.kind for clock in journey.application.clocks} == {"reminder", "expiry"}
        journey.now += timedelta(days=40)

        journey.say("provide_justification", answer="Twelve.")

        [review] = journey.application.clocks
        assert review.days_counted == ((journey.now + timedelta(days=1)).date(),)

    def test_at_least_one_day_is_left_and_overdue_is_over(self) -> None:
        journey = journey_to("under_review")
        journey.wait()
        journey.wait()
        journey.say("request_justification", question="How many?")
        assert not is_overdue(journey)

        journey.say("provide_justification", answer="Twelve.")

        [review] = journey.application.clocks
        assert len(review.days_counted) == 1
        assert review.due_at > journey.now

    def test_a_second_question_pauses_what_the_first_had_left(self) -> None:
        journey = journey_to("under_review")
        journey.now += timedelta(days=1)
        for question in ("How many?", "Which?"):
            journey.say("request_justification", question=question)
            journey.say("provide_justification", answer=f"To {question} twelve.")

        [review] = journey.application.clocks
        assert len(review.days_counted) == 2

    @pytest.mark.parametrize("situation", ["under_review", "justifying", "answered"])
    def test_resubmitting_restarts_the_review_clock(self, situation: str) -> None:
        journey = journey_to(situation)
        journey.now += timedelta(days=2)
        journey.say("withdraw_application")
        assert journey.status.form_revision == 2

        journey.say("submit_application", **journey.said["submit_application"])

        [review] = journey.application.clocks
        assert len(review.days_counted) == 3
        assert journey.status.form_revision == 2
        assert journey.status.justification is None

    def test_withdrawing_keeps_the_data_in_an_editable_form(self) -> None:
        journey = journey_to("withdrawn")

        assert journey.status.application == journey_to("under_review").status.application
        assert "submit_application" in journey.status.allowed_commands

    def test_contact_in_time_stops_its_clock_and_starts_reminders(self) -> None:
        journey = journey_to("awaiting_signatures")
        journey.say("record_contact")

        assert [clock.kind for clock in journey.application.clocks] == ["reminder"]
        assert journey.status.contacted_at == journey.now

    def test_notes_about_a_contact_put_no_reminder_off(self) -> None:
        journey = journey_to("awaiting_signatures")
        journey.say("record_contact")
        reminder = journey.application.clock(ClockKind.REMINDER)
        for day in range(2):
            journey.now += timedelta(days=1)
            journey.say("record_contact", note=f"Called on day {day}.")
            assert journey.application.clock(ClockKind.REMINDER) == reminder

        assert told(journey.wait().notices) == ["signature_reminder", "signature_reminder_to_bd"]
        again = journey.application.clock(ClockKind.REMINDER)
        journey.now += timedelta(days=1)
        journey.say("record_contact", note="Called once more.")
        assert journey.application.clock(ClockKind.REMINDER) == again

    def test_nor_does_a_note_after_a_signature(self) -> None:
        journey = journey_to("partner_signed")
        reminder = journey.application.clock(ClockKind.REMINDER)
        journey.now += timedelta(days=1)
        journey.say("record_contact", note="The papers are on their way.")
        assert journey.application.clock(ClockKind.REMINDER) == reminder

    def test_contact_too_late_ends_the_escalation(self) -> None:
        journey = journey_to("awaiting_signatures")
        journey.wait()
        assert is_overdue(journey)

        journey.say("record_contact", note="Met.")

        assert not is_overdue(journey)
        assert [clock.kind for clock in journey.application.clocks] == ["reminder"]

    def test_a_signature_counts_as_contact(self) -> None:
        journey = journey_to("awaiting_signatures")
        journey.wait()
        journey.say("sign_contract", role="esign", **signature(journey, "vendor"))

        assert not is_overdue(journey)
        assert journey.status.contacted_at == journey.now
        assert [clock.kind for clock in journey.application.clocks] == ["reminder"]
        assert journey.status.waiting_on == "partner"

    def test_reopened_and_confirmed_again_bd_has_to_make_contact_again(self) -> None:
        journey = journey_to("contacted")
        journey.say("reopen_terms", reason="Currency.")
        assert journey.status.contacted_at is None
        journey.say("issue_decision_sheet", sheet=payloads.sheet(ecs="20"))
        journey.say("confirm_terms", **journey.terms())

        assert [clock.kind for clock in journey.application.clocks] == ["contact"]
        assert journey.status.signing.path == "online_esign"

    def test_a_partner_silent_for_90_days_expires(self) -> None:
        journey = journey_to("drafting")
        joined = journey.now
        while not journey.application.ended:
            journey.wait()

        assert (journey.now.date() - joined.date()).days == 91, "the 90th day has ended"
        assert journey.application.closing
        assert journey.application.closing.by == "system"
        assert "90 days" in str(journey.application.closing.reason)

    def test_the_start_date_is_the_start_of_that_day_in_the_contracts_zone(self) -> None:
        journey = journey_to("signed")
        assert journey.status.contract_start_at
        assert journey.status.contract_start_at.isoformat() == "2026-08-31T16:00:00+00:00"
        assert journey.status.due_at == journey.status.contract_start_at

    def test_an_amendment_moves_the_timer_and_leaves_the_sheet_as_it_is(self) -> None:
        journey = journey_to("signed")
        sheet = journey.status.sheet
        journey.say("amend_start_date", start_date="2026-10-01", time_zone="Europe/Paris", reason="Later.")

        clock = journey.application.clock(ClockKind.START_DATE)
        assert clock
        assert clock.due_at.isoformat() == "2026-09-30T22:00:00+00:00"
        assert journey.status.contract_start_at == clock.due_at
        assert journey.status.sheet == sheet
        [amendment] = journey.status.amendments
        assert (amendment.reason, amendment.at) == ("Later.", journey.now)

    def test_a_date_already_reached_is_due_at_once(self) -> None:
        journey = journey_to("signed")
        journey.say("amend_start_date", start_date="2026-01-01", time_zone="Asia/Shanghai", reason="Earlier.")
        now = journey.now

        journey.wait()
        journey.wait()

        assert (journey.status.stage, journey.now) == ("active", now)

    def test_access_is_tried_again_ever_more_rarely_but_told_once(self) -> None:
        journey = journey_to("activating")
        waits = []
        for _ in range(12):
            attempt(journey, MISSING)
            clock = journey.application.clock(ClockKind.ACCESS_CHECK)
            assert clock
            waits.append(int((clock.due_at - journey.now).total_seconds() / 60))

        assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60]
        assert journey.application.access_missing == (MISSING,)
        assert [mail.template for mail in journey.mails].count("access_delayed") == 1

        attempt(journey)
        assert journey.status.stage == "active"
        assert not journey.status.access.missing

    def test_the_next_reminder_counts_from_the_day_that_has_just_ended(self) -> None:
        journey = journey_to("qualified")
        journey.wait()
        first = journey.now
        journey.wait()
        assert journey.now - first == timedelta(days=3)

    def test_long_after_a_reminder_was_due_the_next_counts_from_now(self) -> None:
        journey = journey_to("qualified")
        journey.now += timedelta(days=30)
        [request] = journey.wait().requests
        assert request.since == journey.now
        assert journey.status.due_at
        assert journey.status.due_at > journey.now + timedelta(days=2)

    def test_temporals_own_cancel_ends_every_stage_also_after_signing(self) -> None:
        for stage in OPEN:
            journey = journey_to(stage)
            decision = decisions.cancelled_by_operator(journey.application, journey.now)
            journey.carry_out(decision)

            assert journey.status.outcome == "cancelled"
            assert journey.application.closing
            assert journey.application.closing.by == "system"
            assert told(decision.notices) == ["application_cancelled", "closed_to_bd"]

    def test_the_calendars_answer_is_what_runs(self) -> None:
        journey = journey_to("signed")
        requests = decisions.opening(journey.application, journey.now).requests
        [counted] = set_clocks(requests, journey.now)
        assert journey.application.clock(ClockKind.START_DATE) == counted


def attempt(journey: Journey, *missing: Missing) -> list[str]:
    """Let time pass until access has been tried again; without anything missing it is granted.

    The templates of what is told then.
    """
    outcome = AccessOutcome(granted=not missing, missing=missing)
    while True:
        decision = journey.wait(outcome)
        if journey.moments[-1][0].name == "access_check":
            return told(decision.notices)


def about(cause: AccessCause, *uids: str) -> Missing:
    return Missing(cause=cause, uids=uids or (UID,))


class TestHeldUpAccess:
    """Whoever can do something about it is told: when it begins, when the cause changes, when it lasts."""

    UNVERIFIED = about(AccessCause.ENTERPRISE_NOT_VERIFIED)
    DOWN = Missing(cause=AccessCause.PLATFORM_UNAVAILABLE)
    TOLD = ("access_delayed", "access_alert")

    def test_an_outage_of_a_moment_is_told_to_nobody(self) -> None:
        journey = journey_to("activating")
        assert attempt(journey, self.DOWN) == []
        assert attempt(journey, self.DOWN) == [*self.TOLD], "but one that lasts is"
        assert attempt(journey, self.DOWN) == []

        short = journey_to("activating")
        attempt(short, self.DOWN)
        assert attempt(short) == ["access_granted"]

    def test_what_is_missing_after_an_outage_is_told(self) -> None:
        for outages in (1, 2):
            journey = journey_to("activating")
            for _ in range(outages):
                attempt(journey, self.DOWN)
            assert attempt(journey, MISSING) == [*self.TOLD]
            assert attempt(journey, MISSING) == []

    def test_a_cause_that_changes_is_told(self) -> None:
        journey = journey_to("activating")
        assert attempt(journey, self.UNVERIFIED) == [*self.TOLD]
        assert attempt(journey, MISSING) == [*self.TOLD]
        assert journey.mails[-1].said["missing"] == (MISSING,)
        assert attempt(journey, MISSING) == []
        assert journey.status.access.missing == (MISSING,)

    def test_so_is_another_account_and_a_cause_that_joins(self) -> None:
        journey = journey_to("activating")
        attempt(journey, self.UNVERIFIED)
        both = about(AccessCause.ENTERPRISE_NOT_VERIFIED, UID, "71")
        assert attempt(journey, both) == [*self.TOLD]
        assert attempt(journey, both, MISSING) == [*self.TOLD]
        assert journey.mails[-1].said["missing"] == (both, MISSING)
        assert attempt(journey, both, MISSING) == []

    def test_part_of_it_that_is_over_is_no_news(self) -> None:
        journey = journey_to("activating")
        attempt(journey, self.UNVERIFIED, MISSING)
        assert attempt(journey, MISSING) == []

    def test_an_outage_in_between_is_told_to_nobody_nor_is_what_was_told_before_it(self) -> None:
        journey = journey_to("activating")
        attempt(journey, MISSING)
        for _ in range(60):
            assert attempt(journey, self.DOWN) == []
            assert journey.status.access.missing == (self.DOWN,)
            assert attempt(journey, MISSING) == []

    def test_what_comes_and_goes_is_told_once_a_day_at_most(self) -> None:
        journey = journey_to("activating")
        began, mails = journey.now, 0
        while journey.now < began + timedelta(days=4):
            for cause in (self.UNVERIFIED, MISSING):
                mails += "access_delayed" in attempt(journey, cause)
        assert 4 <= mails <= 2 * 5

    def test_what_comes_back_later_is_told_again(self) -> None:
        journey = journey_to("activating")
        attempt(journey, self.UNVERIFIED)
        attempt(journey, MISSING)
        assert attempt(journey, self.UNVERIFIED) == [], "on the same day it is known"
        attempt(journey, MISSING)
        journey.now += timedelta(days=2)
        attempt(journey, MISSING)
        assert attempt(journey, self.UNVERIFIED) == [*self.TOLD]

    def lead(self, journey: Journey, until: datetime, *missing: Missing) -> list[datetime]:
        """When the lead is told, until then."""
        before = len(journey.mails)
        while journey.now < until:
            journey.wait(AccessOutcome(granted=False, missing=missing))
        return [mail.at for mail in journey.mails[before:] if mail.template == "access_still_delayed"]

    @pytest.mark.parametrize("cause", [MISSING, DOWN], ids=["missing", "down"])
    def test_what_lasts_is_told_to_the_lead_then_again_and_again(self, cause: Missing) -> None:
        journey = journey_to("activating")
        began = journey.now.date()
        when = self.lead(journey, journey.now + timedelta(days=12), cause)
        # The event's day is day 0; due at the end of the day counted. The start of the contract is 16:00.
        assert [(at.date() - began).days for at in when] == [2, 5, 8, 11]
        mail = next(mail for mail in journey.mails if mail.template == "access_still_delayed")
        assert mail.audience is Audience.BD_LEAD
        assert mail.said["missing"] == (cause,)
        assert mail.said["in_effect_since"] == journey.status.contract_start_at
        assert attempt(journey) == ["access_granted"]
        assert decisions.next_clock(journey.application) is None

    def test_what_is_over_soon_is_not(self) -> None:
        journey = journey_to("activating")
        for _ in range(5):
            attempt(journey, MISSING)
        attempt(journey)
        assert "access_still_delayed" not in {mail.template for mail in journey.mails}

    def test_a_cause_that_changes_every_day_is_not_kept_from_the_lead(self) -> None:
        journey = journey_to("activating")
        began = journey.now.date()
        when = []
        for cause in (self.UNVERIFIED, MISSING, self.UNVERIFIED):
            when += self.lead(journey, journey.now + timedelta(hours=25), cause)
        assert (when[0].date() - began).days == 2

    def test_another_cause_that_lasts_is_told_to_the_lead_before_the_reminder(self) -> None:
        journey = journey_to("activating")
        first = self.lead(journey, journey.now + timedelta(days=2, hours=10), MISSING)
        assert len(first) == 1
        changed = journey.now.date()
        again = self.lead(journey, journey.now + timedelta(days=9), self.UNVERIFIED)
        assert [(at.date() - changed).days for at in again] == [2, 5, 8]

    def test_it_lasts_as_long_as_the_policy_says(self) -> None:
        journey = journey_to("activating")
        policy = Policy(access_delay_working_days=4, reminder_working_days=2)
        journey.application = journey.application.but(policy=policy)
        began = journey.now.date()
        when = self.lead(journey, journey.now + timedelta(days=8), MISSING)
        assert [(at.date() - began).days for at in when] == [5, 7]

    def test_what_is_kept_of_it_is_bounded(self) -> None:
        """By the accounts of the contract, however they take turns."""
        journey = journey_to("activating")
        uids = [f"{number:032}" for number in range(201)]
        causes = [AccessCause.ENTERPRISE_NOT_VERIFIED, AccessCause.CREDIT_CONTROL_MISSING]
        for turn in range(2 * len(uids)):
            attempt(journey, about(causes[turn % 2], *uids[turn // 2 :]))
        for cause in (*causes, *AccessCause):
            attempt(journey, about(cause, *uids))
        kept = journey.application.model_dump_json(include={"access_told", "access_missing"})
        assert len(kept) < len(AccessCause) * len(uids) * 40
