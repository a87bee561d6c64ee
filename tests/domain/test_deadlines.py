"""The clocks of an application: what starts, stops and moves them, and what a missed one does."""

from datetime import timedelta

import pytest

from domain import decisions
from domain.inquiry import AccessOutcome
from domain.notices import Notice
from tests import payloads
from tests.domain.applications import MISSING, STAGES, Journey, journey_to, set_clocks, signature


def is_overdue(journey: Journey) -> bool:
    return journey.status.overdue


def told(notices: tuple[type[Notice], ...]) -> list[str]:
    """The templates of these notices."""
    return [notice.model_fields["template"].default for notice in notices]


class TestDeadlines:
    """What the table of mails can't say about them."""

    def test_a_missed_review_escalates_and_decides_nothing(self) -> None:
        journey = journey_to("under_review")
        journey.wait()
        assert not is_overdue(journey)

        journey.wait()

        assert (journey.status.stage, journey.status.overdue) == ("under_review", True)
        assert decisions.next_clock(journey.application) is None
        assert journey.status.due_at == journey.now

    def test_a_reminder_of_a_deadline_that_is_past_is_not_sent(self) -> None:
        journey = journey_to("under_review")
        review = decisions.next_clock(journey.application)
        assert review
        journey.now = review.due_at

        assert told(journey.wait().notices) == ["review_overdue"]
        assert decisions.next_clock(journey.application) is None

    def test_answering_a_justification_resumes_the_days_that_were_left(self) -> None:
        journey = journey_to("under_review")
        journey.now += timedelta(days=2)
        journey.say("request_justification", question="How many?")
        assert {clock.kind for clock in journey.application.clocks} == {"expiry"}
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

        [clock] = journey.application.clocks
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
            journey.wait(AccessOutcome(granted=False, missing=(MISSING,)))
            [clock] = journey.application.clocks
            waits.append(int((clock.due_at - journey.now).total_seconds() / 60))

        assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60]
        assert journey.application.access_missing == (MISSING,)
        assert [mail.template for mail in journey.mails].count("access_delayed") == 1

        journey.wait()
        assert journey.status.stage == "active"
        assert not journey.status.access.missing

    def test_an_outage_of_a_moment_is_told_to_nobody(self) -> None:
        down = AccessOutcome(granted=False, missing=("an answer",), outage=True)
        journey = journey_to("activating")
        assert told(journey.wait(down).notices) == []
        assert told(journey.wait(down).notices) == ["access_delayed", "access_alert"], "but one that lasts is"
        assert told(journey.wait(down).notices) == []

        short = journey_to("activating")
        short.wait(down)
        assert told(short.wait().notices) == ["access_granted"]

    def test_what_is_missing_after_an_outage_is_told(self) -> None:
        journey = journey_to("activating")
        journey.wait(AccessOutcome(granted=False, missing=("an answer",), outage=True))
        missing = AccessOutcome(granted=False, missing=(MISSING,))
        assert told(journey.wait(missing).notices) == ["access_delayed", "access_alert"]
        assert told(journey.wait(missing).notices) == []

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
        for stage in STAGES[:10]:
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
        assert journey.application.clocks == set_clocks(requests, journey.now)
