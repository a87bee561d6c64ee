"""What a run remembers across continue-as-new and reset."""

from dataclasses import replace

import pytest

from domain import decisions
from domain.audit import Verdict
from domain.contract import SYSTEM, ErrorType, Stage
from domain.decisions import Decision, access_answered
from domain.inquiry import AccessOutcome, Head
from domain.notices import DeadlineEstimated
from domain.publication import Entry, Receipt, TurnedBack
from domain.refusal import RefusedError
from domain.status import WarningCode
from domain.view import details
from domain.warnings import in_english, of
from tests import payloads
from tests.domain.applications import ENTERPRISE, JOINED_AT, SITUATIONS, Journey, journey_to
from tests.payloads import Json
from tests.workflows.remembered import command, handed_over, memory_of, note, publish, refusal
from workflows.memory import RunMemory


class TestFailedMails:
    """Mails that could not be delivered, as the status shows them."""

    def test_the_latest_that_fit_are_shown(self) -> None:
        journey = journey_to("confirming_terms")
        keys = [journey.bounce() for _ in range(600)]
        shown = [failed.key for failed in journey.status.failed_emails]
        assert 100 < len(shown) < 600
        assert shown == keys[-len(shown) :]


class TestMemory:
    """What the next run is handed."""

    @pytest.mark.parametrize("situation", SITUATIONS)
    def test_it_survives_as_json_in_every_situation(self, situation: str) -> None:
        journey = journey_to(situation)
        kept = RunMemory.of(journey.application)
        kept.remember(command())
        kept.remember(command("c-2"), refusal())
        event = kept.event(JOINED_AT, "one", Verdict.ACCEPTED, kept.application, command=command())
        kept.note(event, Entry(event=event, notices=tuple(mail.notice for mail in journey.mails)))
        note(kept, "two", Verdict.REFUSED, refusal=refusal())
        kept.received(Receipt(pending=2, failed_through=5))
        kept.undelivered, kept.generation = True, 3

        after = handed_over(kept)

        assert after.memory() == kept.memory()
        assert after.application == journey.application
        assert (after.sequence, after.generation, after.undelivered) == (2, 3, True)
        assert after.answered_before(command())
        assert after.publication(hold=False) == kept.publication(hold=False)
        assert after.pending_emails == kept.pending_emails == 2 + len(journey.mails)

    def test_the_child_that_publishes_the_rest_needs_no_answers(self) -> None:
        kept = memory_of("active")
        kept.remember(command())
        note(kept)
        child = kept.memory(handed_over=True)
        assert child.answers == ()
        assert child.backlog == kept.memory().backlog

    def test_a_run_goes_on_where_the_one_before_was(self) -> None:
        journey = journey_to("sheet_2")
        sheet: Json = journey.terms()
        journey.application = handed_over(RunMemory.of(journey.application)).application
        assert journey.terms() == sheet

        journey.say("confirm_terms", **sheet)

        assert journey.status.stage == "awaiting_signatures"
        assert decisions.next_clock(journey.application)

    def test_estimates_survive_with_what_they_are_counted_again_by(self) -> None:
        journey = Journey(calendar_known=False)
        after = handed_over(RunMemory.of(journey.application))
        [expiry] = [clock for clock in after.application.clocks if clock.estimate]
        assert expiry.request
        assert isinstance(journey.mails[-1].notice, DeadlineEstimated)


class TestReset:
    """Temporal's Reset turns a run back; what is stored stays, and no number is used twice."""

    def reset(self, situation: str, *, at: int, head: Head) -> RunMemory:
        """The memory of a run reset to this situation, at which its newest event had this number."""
        kept = memory_of(situation)
        kept.sequence = at
        kept.taken_up(head, JOINED_AT)
        return kept

    def test_numbers_go_on_from_the_highest_stored(self) -> None:
        head = Head(generation=1, sequence=12, hash="ab", emails_withdrawn=2, access_taken_back=True)
        kept = self.reset("qualified", at=7, head=head)
        assert (kept.generation, kept.sequence, kept.lineage.generation) == (1, 13, 1)
        [entry] = kept.backlog
        assert (entry.event.sequence, entry.event.command, entry.event.actor) == (13, "reset", SYSTEM)
        assert entry.event.details == {
            "back_to": 7,
            "head_left": 12,
            "hash_left": "ab",
            "emails_withdrawn": 2,
            "access_taken_back": True,
        }
        assert entry.event.message
        assert "events 8 to 12" in entry.event.message
        assert kept.undelivered, "mails of before may still wait"
        assert kept.publication(hold=False).since is None

    def test_that_access_was_taken_back_is_a_warning_until_it_is_given_again(self) -> None:
        """Also where a reset after that one finds none to take back."""
        head = Head(generation=2, sequence=12, hash="ab", access_given=True)
        kept = self.reset("qualified", at=7, head=head)
        [warned] = [each for each in kept.status().warned if each.code is WarningCode.ACCESS_TAKEN_BACK]
        assert "the operators have set this application back" in in_english(warned)
        assert "**Access was taken back**" in details(kept.application)
        given = access_answered(kept.application, AccessOutcome(granted=True), JOINED_AT).application
        assert not of(given)
        assert not self.reset("qualified", at=7, head=Head(sequence=12)).status().warned
        assert not self.reset("active", at=11, head=head).application.access_taken_back

    def test_what_is_not_stored_yet_is_not_lost(self) -> None:
        kept = memory_of("qualified")
        for name in ("one", "two", "three"):
            note(kept, name)
        kept.taken_up(Head(generation=1, sequence=1, hash="ab"), JOINED_AT)
        assert [entry.event.command for entry in kept.backlog] == ["two", "three", "reset"]
        assert [entry.event.sequence for entry in kept.backlog] == [2, 3, 4]
        assert kept.backlog[-1].event.message == "Reset in Temporal: nothing that was stored is undone."

    def test_a_reset_is_told_of_until_it_is_stored(self) -> None:
        """Another may be taken up before, and has to know what no longer counts."""
        kept = self.reset("qualified", at=7, head=Head(generation=1, sequence=12, hash="ab"))
        kept.taken_up(Head(generation=2, sequence=12, hash="ab"), JOINED_AT)
        assert kept.unpublished_resets == (
            TurnedBack(sequence=13, back_to=7),
            TurnedBack(sequence=14, back_to=13),
        )
        publish(kept)
        assert not kept.unpublished_resets

    def test_a_sheet_gets_a_number_no_sheet_has_had(self) -> None:
        journey = journey_to("qualified")
        kept = self.reset("qualified", at=4, head=Head(generation=1, sequence=9, sheets_used=3, forms_used=1))
        journey.application = kept.application
        journey.say("issue_decision_sheet", sheet=payloads.sheet())
        assert journey.terms()["sheet_revision"] == 4
        journey.say("issue_decision_sheet", sheet=payloads.sheet(ecs="12"))
        assert journey.terms()["sheet_revision"] == 5

    @pytest.mark.parametrize("situation", ["company_confirmed", "withdrawn"])
    def test_a_form_gets_a_number_no_form_has_had(self, situation: str) -> None:
        journey = journey_to(situation)
        kept = self.reset(situation, at=2, head=Head(generation=1, sequence=9, forms_used=5))
        journey.application = kept.application
        journey.say("submit_application", application=payloads.form(journey.application.company_master_uid))
        assert (journey.status.form_revision, journey.application.submitted_revision) == (6, 6)
        assert journey.mails[-1].said["form_revision"] == 6
        journey.say("withdraw_application")
        assert journey.status.form_revision == 7

    def test_fewer_numbers_used_elsewhere_change_nothing(self) -> None:
        kept = self.reset("sheet_2", at=9, head=Head(generation=2, sequence=3, forms_used=0, sheets_used=0))
        assert (kept.application.forms_used, kept.application.sheets_used) == (1, 2)
        assert kept.sequence == 10

    def test_an_event_keeps_the_stage_it_happened_in(self) -> None:
        kept = self.reset("under_review", at=3, head=Head(generation=1, sequence=8))
        event = kept.backlog[-1].event
        assert (event.from_stage, event.to_stage) == (Stage.UNDER_REVIEW, Stage.UNDER_REVIEW)


def test_a_refusal_that_found_another_company_shows_that_one_and_nobody_has_confirmed_it() -> None:
    kept = memory_of("company_confirmed")
    found = ENTERPRISE.model_copy(update={"legal_name": "Acme Global Pte. Ltd."})
    told = RefusedError(ErrorType.COMPANY_NOT_CONFIRMED, "Confirm it first.", company=found)
    for number in (1, 2):
        kept.refuse(
            JOINED_AT, told, command(f"c-{number}", "submit_application", application=payloads.form("1"))
        )
        for each in (kept, handed_over(kept)):
            status = each.status()
            assert status.company
            assert (status.company.hash, status.company_confirmed) == (found.digest, False)
    kept.refuse(JOINED_AT, refusal(), command("c-3"))
    assert kept.application.company == found, "what brings no news changes nothing"


def test_nothing_is_carried_out_but_in_one_place() -> None:
    """The stage, the record and the notices change together."""
    journey = journey_to("under_review")
    kept = RunMemory.of(journey.application)
    decision = journey.judge("approve_application", form_revision=1)
    event = kept.event(JOINED_AT, "approve_application", decision.verdict, decision.application)
    kept.carry_out(decision, event)
    assert kept.application.stage == event.to_stage == "qualified"
    assert [notice.template for notice in kept.backlog[-1].notices] == ["application_approved"]

    nothing = replace(Decision(kept.application), verdict=Verdict.NO_OP)
    kept.carry_out(nothing, kept.event(JOINED_AT, "confirm_company", nothing.verdict, kept.application))
    last = kept.backlog[-1]
    assert (last.event.verdict, last.notices, last.form, last.sheet) == (Verdict.NO_OP, (), None, None)
    assert kept.sequence == 2
