"""What a run remembers: answers, refusals, what waits to be published; across continue-as-new and reset."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from domain import decisions, intake
from domain.audit import AuditEvent, Verdict
from domain.contract import SYSTEM, Command, ErrorType, Stage
from domain.decisions import Decision
from domain.inquiry import Head
from domain.notices import DeadlineEstimated, SheetToConfirm
from domain.publication import Entry, Receipt, TurnedBack, stored_state
from domain.refusal import RefusedError
from tests import payloads
from tests.domain.applications import JOINED_AT, SITUATIONS, Journey, journey_to
from tests.payloads import Json
from workflows import answers, memory
from workflows.memory import Memory, RunMemory


def command(command_id: str = "c-1", kind: str = "confirm_company", **payload: Any) -> Command:
    return intake.parse_command(kind, (payloads.command(kind, command_id=command_id, **payload),))


def refusal(error: ErrorType = ErrorType.WRONG_STAGE, message: str = "Not now.") -> RefusedError:
    return RefusedError(error, message)


def handed_over(before: RunMemory) -> RunMemory:
    """The memory of the next run: it crosses continue-as-new as JSON."""
    return RunMemory(Memory.model_validate_json(before.memory().model_dump_json(exclude_none=True)))


def memory_of(situation: str) -> RunMemory:
    return RunMemory.of(journey_to(situation).application)


def note(
    kept: RunMemory,
    name: str = "decline",
    verdict: Verdict = Verdict.ACCEPTED,
    at: timedelta = timedelta(),
    **more: Any,
) -> AuditEvent:
    """Put an event on record that leaves the application as it is."""
    event = kept.event(JOINED_AT + at, name, verdict, kept.application, **more)
    kept.note(event)
    return event


def publish(kept: RunMemory) -> list[int]:
    """Publish what one activity takes; the numbers of its events."""
    entries = kept.publication(hold=False).entries
    kept.published(entries, JOINED_AT)
    return [entry.event.sequence for entry in entries]


class TestAnswers:
    """The same command ID gets the same answer."""

    def test_a_new_one_has_none(self) -> None:
        assert memory_of("drafting").answered_before(command()) is None

    def test_an_accepted_command(self) -> None:
        kept = memory_of("drafting")
        kept.remember(command())
        answer = kept.answered_before(command())
        assert answer
        assert (answer.error, answer.message, answer.refusal) == (None, None, None)

    def test_a_refused_command_is_refused_in_the_same_words(self) -> None:
        kept = memory_of("drafting")
        kept.remember(command(), refusal())
        answer = kept.answered_before(command())
        assert answer
        assert answer.refusal
        assert (answer.refusal.error, answer.refusal.message) == ("wrong_stage", "Not now.")

    def test_another_payload_under_the_same_id_is_invalid(self) -> None:
        kept = memory_of("drafting")
        kept.remember(command())
        other = command(kind="decline")

        with pytest.raises(RefusedError, match="command_id: was used for another command") as refused:
            kept.answered_before(other)
        kept.remember(other, refused.value)

        assert refused.value.error == "invalid"
        first = kept.answered_before(command())
        assert first
        assert first.error is None, "the first answer stands"

    def test_when_it_was_sent_does_not_count(self) -> None:
        kept = memory_of("drafting")
        said = payloads.command("confirm_company", command_id="c-1")
        kept.remember(intake.parse_command("confirm_company", (said,)))
        late = intake.parse_command("confirm_company", (said | {"occurred_at": "2026-03-02T00:00:00Z"},))
        assert kept.answered_before(late)

    def test_unavailable_is_not_kept_since_the_caller_is_to_send_it_again(self) -> None:
        kept = memory_of("drafting")
        kept.remember(command(), refusal(ErrorType.UNAVAILABLE))
        assert kept.answered_before(command()) is None

    def test_the_latest_2000_are_kept(self) -> None:
        kept = memory_of("drafting")
        ids = [str(uuid4()) for _ in range(2_003)]
        for command_id in ids:
            kept.remember(command(command_id))

        assert len(kept.memory().answers) == answers.KEPT_ANSWERS == 2_000
        assert kept.answered_before(command(ids[2])) is None
        assert kept.answered_before(command(ids[3]))
        assert kept.answered_before(command(ids[2_002]))

    def test_what_was_carried_out_outlives_what_was_refused(self) -> None:
        kept = memory_of("drafting")
        kept.remember(command("accepted"))
        for number in range(answers.KEPT_ANSWERS + 50):
            kept.remember(command(f"refused-{number}"), refusal(message="x" * 1_000))

        assert kept.answered_before(command("accepted")), "however many refusals came after it"
        assert kept.answered_before(command("refused-0")) is None
        assert sum(answer.size for answer in kept.memory().answers) <= answers.ANSWERS_BYTES
        newest = kept.answered_before(command(f"refused-{answers.KEPT_ANSWERS + 49}"))
        assert newest
        assert newest.refusal

    @pytest.mark.parametrize("idle", ["refused", "in place already"])
    def test_a_loop_that_does_nothing_makes_nothing_forgotten_that_was_done(self, idle: str) -> None:
        """Neither by their number nor by their size."""
        kept = memory_of("drafting")
        done = [command(f"done-{number}") for number in range(100)]
        for each in done:
            kept.remember(each)
        refused = refusal(message="x" * 1_000) if idle == "refused" else None
        for number in range(answers.KEPT_ANSWERS + 50):
            tried = command(f"{idle} {number}".ljust(100, "."))
            kept.remember(tried, refused, no_op=refused is None)

        assert all(kept.answered_before(each) for each in done)
        assert kept.answered_before(command(f"{idle} 0".ljust(100, "."))) is None
        newest = kept.answered_before(command(f"{idle} {answers.KEPT_ANSWERS + 49}".ljust(100, ".")))
        assert newest
        assert newest.answered.verdict is (Verdict.REFUSED if refused else Verdict.NO_OP)
        assert sum(answer.size for answer in kept.memory().answers) <= answers.ANSWERS_BYTES

    def test_refusals_go_before_what_was_in_place(self) -> None:
        kept = memory_of("drafting")
        kept.remember(command("in place"), no_op=True)
        for number in range(answers.KEPT_ANSWERS + 50):
            kept.remember(command(f"refused-{number}"), refusal())
        assert kept.answered_before(command("in place"))

    def test_it_says_what_became_of_it_then_also_in_the_next_run(self) -> None:
        kept = memory_of("drafting")
        note(kept)
        kept.remember(command("c-1"))
        note(kept)
        kept.remember(command("c-2"), no_op=True)
        kept.refuse(JOINED_AT, refusal(), command("c-3"))
        kept.application = journey_to("under_review").application
        note(kept)

        for each in (kept, handed_over(kept)):
            found = [each.answered_before(command(f"c-{number}")) for number in (1, 2, 3)]
            assert [answer and answer.answered.model_dump() for answer in found] == [
                {"verdict": "accepted", "stage": "drafting", "sequence": 1},
                {"verdict": "no_op", "stage": "drafting", "sequence": 2},
                {"verdict": "refused", "stage": "drafting", "sequence": 3},
            ]

    def test_a_long_message_is_shortened(self) -> None:
        kept = memory_of("drafting")
        kept.remember(command(), refusal(message="x" * 5_000))
        answer = kept.answered_before(command())
        assert answer
        assert answer.message == "x" * 1_000


class TestEvents:
    """The audit trail, and the refusals the status shows."""

    def test_a_command_is_on_record_with_its_own_payload(self) -> None:
        kept = memory_of("under_review")
        said = command(kind="withdraw_application", reason="A typo.", via={"channel": "cli"})
        withdrawn = journey_to("withdrawn").application
        kept.note(kept.event(JOINED_AT, said.kind, Verdict.ACCEPTED, withdrawn, command=said))

        [entry] = kept.backlog
        assert entry.event.model_dump(exclude={"actor"}, exclude_none=True) == {
            "sequence": 1,
            "at": JOINED_AT,
            "command": "withdraw_application",
            "verdict": "accepted",
            "command_id": "c-1",
            "from_stage": "under_review",
            "to_stage": "withdrawn",
            "via": {"channel": "cli"},
            "details": {"reason": "A typo."},
        }
        assert entry.event.actor == said.actor
        assert not kept.refusals

    @pytest.mark.parametrize(
        ("kind", "revision"),
        [
            ("submit_application", {"form_revision": 2}),
            ("approve_application", {"form_revision": 1}),
            ("issue_decision_sheet", {"sheet_revision": 1}),
            ("confirm_terms", {"sheet_revision": 1}),
            ("modify_terms", {"sheet_revision": 1}),
            ("sign_contract", {"sheet_revision": 1}),
            ("record_contact", {}),
        ],
    )
    def test_the_revision_it_is_about_is_on_record(self, kind: str, revision: Json) -> None:
        before = {"submit_application": "withdrawn", "approve_application": "under_review"}
        before |= {"issue_decision_sheet": "qualified", "modify_terms": "confirming_terms"}
        before |= {"confirm_terms": "confirming_terms"}
        journey = journey_to(before.get(kind, "awaiting_signatures"))
        kept = RunMemory.of(journey.application)
        said = journey.command(kind, **journey.something_new(kind))
        decision = journey.say(kind, **journey.something_new(kind))

        event = kept.event(JOINED_AT, kind, Verdict.ACCEPTED, decision.application, command=said)

        found = {"form_revision": event.form_revision, "sheet_revision": event.sheet_revision}
        assert {name: value for name, value in found.items() if value} == revision
        assert not {"application", "sheet", "kind", "command_id", "actor"} & event.details.keys()

    def test_documents_are_published_with_the_event_that_brought_them(self) -> None:
        journey = journey_to("withdrawn")
        kept = RunMemory.of(journey.application)
        for kind in ("submit_application", "approve_application", "issue_decision_sheet"):
            said = journey.command(kind, **journey.something_new(kind))
            decision = journey.say(kind, **journey.something_new(kind))
            kept.carry_out(
                decision, kept.event(JOINED_AT, kind, decision.verdict, decision.application, command=said)
            )

        submitted, approved, issued = kept.backlog
        assert submitted.form == journey.application.form
        assert (submitted.sheet, approved.form, approved.sheet, issued.form) == (None, None, None, None)
        assert journey.application.sheet
        assert issued.sheet == journey.application.sheet.content
        assert (issued.sheet_replaces, issued.event.sheet_revision) == (None, 1)
        assert kept.pending_emails == len(submitted.notices) + len(approved.notices) + len(issued.notices) > 3
        assert isinstance(issued.notices[0], SheetToConfirm)

        second = journey.say("issue_decision_sheet", sheet=payloads.sheet(ecs="44"))
        again = journey.command("issue_decision_sheet", sheet=payloads.sheet(ecs="44"))
        event = kept.event(JOINED_AT, again.kind, second.verdict, second.application, command=again)
        kept.carry_out(second, event)
        assert (kept.backlog[-1].sheet_replaces, kept.backlog[-1].event.sheet_revision) == (1, 2)

    def test_what_is_sent_once_more_and_what_is_closed_is_published(self) -> None:
        journey = journey_to("confirming_terms")
        key = journey.bounce()
        kept = RunMemory.of(journey.application)
        decision = journey.say("resend_email", key=key)
        kept.carry_out(
            decision, kept.event(JOINED_AT, "resend_email", decision.verdict, decision.application)
        )
        cancelled = decisions.cancelled_by_operator(journey_to("activating").application, JOINED_AT)
        kept.carry_out(
            cancelled, kept.event(JOINED_AT, "cancel_application", cancelled.verdict, cancelled.application)
        )

        resent, closed = kept.backlog
        assert (resent.resend, resent.close_access_of) == (key, None)
        assert (closed.resend, closed.close_access_of) == (None, journey.application.company_master_uid)
        assert kept.pending_emails == 1 + len(closed.notices)

    def test_what_the_service_does_is_on_record_as_its_own(self) -> None:
        event = note(memory_of("under_review"), "review_reminder")
        assert (event.actor, event.command_id, event.details) == (SYSTEM, None, {})

    def test_a_refused_command_is_shown_too(self) -> None:
        kept = memory_of("signed")
        note(
            kept,
            "confirm_company",
            Verdict.REFUSED,
            command=command(if_sequence=3),
            refusal=refusal(message="y" * 2_000),
        )
        [shown] = kept.refusals
        assert shown.model_dump() == {
            "at": JOINED_AT,
            "command": "confirm_company",
            "command_id": "c-1",
            "error": "wrong_stage",
            "message": "y" * 1_000,
        }
        [entry] = kept.backlog
        assert (entry.event.error, entry.event.message) == (shown.error, shown.message)
        assert entry.event.details == {"if_sequence": 3}
        assert kept.status().last_refusals == (shown,)

    def test_what_a_refused_command_said_is_kept_up_to_a_bound(self) -> None:
        kept = memory_of("qualified")
        small = journey_to("company_confirmed").command("submit_application", application=payloads.form("1"))
        large = command(kind="issue_decision_sheet", sheet=large_sheet())
        for said in (small, large):
            note(kept, said.kind, Verdict.REFUSED, command=said, refusal=refusal())
        first, second = kept.backlog
        assert first.event.details["application"]
        assert second.event.details == {"not_kept": "more than 8 KiB"}

    def test_a_message_that_did_not_parse_is_kept_as_it_came(self) -> None:
        said = ({"command_id": "c-9\x00", "oops": "\ud800"},)
        broken = refusal(ErrorType.INVALID)
        event = note(memory_of("drafting"), "decline", Verdict.REFUSED, arguments=said, refusal=broken)
        assert event.command_id == "c-9\\x00"
        assert event.details == {"arguments": '[{"command_id": "c-9\\u0000", "oops": "\\ud800"}]'}
        assert event.actor is None
        assert event.model_dump_json().isascii()

    def test_the_latest_20_refusals_are_shown(self) -> None:
        kept = memory_of("drafting")
        for number in range(25):
            note(kept, f"signal_{number}", Verdict.REFUSED, timedelta(minutes=number), refusal=refusal())
        assert [shown.command for shown in kept.refusals] == [f"signal_{n}" for n in range(5, 25)]
        numbers = [entry.event.sequence for entry in kept.backlog]
        assert numbers == list(range(1, 26)), "numbered without gaps"


def large_sheet() -> Json:
    sheet = payloads.sheet()
    sheet["discounts"] = [{"product_code": f"product-{n}", "percent": "1"} for n in range(500)]
    return sheet


class TestPublication:
    """What is published is kept no longer; what changed is told since what is stored."""

    def test_what_is_stored_is_kept_no_longer(self) -> None:
        kept = memory_of("drafting")
        note(kept, "one")
        entries = kept.publication(hold=False).entries
        note(kept, "two")

        kept.published(entries, JOINED_AT)

        assert [entry.event.command for entry in kept.backlog] == ["two"]
        assert publish(kept) == [2]
        assert not kept.backlog
        assert not kept.unpublished
        assert kept.sequence == 2

    def test_one_activity_takes_as_many_entries_as_its_payload_holds_but_one_at_least(self) -> None:
        kept = memory_of("drafting")
        for size in (memory.BATCH_BYTES // 2, memory.BATCH_BYTES // 3, 10, memory.BATCH_BYTES * 2, 10):
            note(kept, details={"a": "x" * size})
        assert [publish(kept), publish(kept), publish(kept)] == [[1, 2, 3], [4], [5]]

    def test_the_first_says_all_and_the_next_what_has_changed_since(self) -> None:
        journey = journey_to("qualified")
        kept = RunMemory.of(journey.application)
        note(kept)
        first = kept.publication(hold=True)
        assert (first.since, first.changes, first.hold) == (None, stored_state(journey.application), True)
        assert first.lineage.application_id == "run-1"
        kept.published(first.entries, JOINED_AT)

        decision = journey.say("issue_decision_sheet", sheet=payloads.sheet(start="2026-09-01"))
        kept.carry_out(
            decision, kept.event(JOINED_AT, "issue_decision_sheet", decision.verdict, decision.application)
        )
        second = kept.publication(hold=False)

        assert second.since == 1
        assert second.changes.keys() == {"stage", "clocks", "sheet", "sheets_used"}
        whole = first.changes | second.changes
        assert {name: value for name, value in whole.items() if value is not None} == stored_state(
            journey.application
        )
        assert second.changes["sheet"] == {"revision": 1, "hash": journey.terms()["sheet_hash"]}
        assert "form" not in whole

    def test_what_is_unset_is_told(self) -> None:
        journey = journey_to("correcting_terms")
        kept = RunMemory.of(journey.application)
        note(kept)
        publish(kept)
        decision = journey.say("issue_decision_sheet", sheet=payloads.sheet(ecs="12"))
        kept.carry_out(
            decision, kept.event(JOINED_AT, "issue_decision_sheet", decision.verdict, decision.application)
        )
        changes = kept.publication(hold=False).changes
        assert changes["modification"] is None
        assert "company" not in changes

    def test_a_database_that_has_lost_it_is_told_all(self) -> None:
        kept = memory_of("qualified")
        note(kept)
        publish(kept)
        note(kept)
        kept.forget_published()
        again = kept.publication(hold=False)
        assert (again.since, again.changes) == (None, stored_state(kept.application))

    def test_a_run_that_goes_on_tells_all_once(self) -> None:
        kept = memory_of("qualified")
        note(kept)
        publish(kept)
        after = handed_over(kept)
        note(after)
        assert after.publication(hold=False).since is None

    def test_how_the_mails_stand_comes_back_with_the_receipt(self) -> None:
        kept = memory_of("qualified")
        kept.received(Receipt(pending=3, failed_through=7))
        kept.received(Receipt(pending=1, failed_through=2))
        assert (kept.pending, kept.failed_through) == (1, 7), "what is known to have failed stays known"
        assert kept.status().pending_emails == 1


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
