"""What goes on record, and what waits to be published."""

from datetime import timedelta

import pytest

from domain import decisions
from domain.audit import Verdict
from domain.contract import SYSTEM, ErrorType
from domain.notices import SheetToConfirm
from domain.publication import UNSAID, Receipt, stored_state
from domain.state import Application
from domain.values import instant_text
from tests import payloads
from tests.domain.applications import JOINED_AT, journey_to
from tests.payloads import Json
from tests.workflows.remembered import command, handed_over, memory_of, note, publish, refusal
from workflows import memory
from workflows.memory import RunMemory


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
            "role": "partner",
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


def said_of(application: Application) -> Json:
    """All of it that is to be said: an empty list, false and zero are what is read anyway."""
    return {name: value for name, value in stored_state(application).items() if value or name not in UNSAID}


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
        assert (first.since, first.hold) == (None, True)
        assert first.changes == said_of(journey.application)
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
        assert Application.model_validate(whole | {"sheet": None}) == Application.model_validate(
            stored_state(journey.application) | {"sheet": None}
        )
        assert second.changes["sheet"] == {
            "revision": 1,
            "hash": journey.terms()["sheet_hash"],
            "issued_at": instant_text(JOINED_AT),
        }
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
        assert not kept.take_in(kept.publication(hold=False), Receipt(behind=True), JOINED_AT)
        again = kept.publication(hold=False)
        assert (again.since, again.changes) == (None, said_of(kept.application))

    def test_what_a_run_that_was_reset_elsewhere_has_published_waits(self) -> None:
        kept = memory_of("qualified")
        note(kept)
        assert not kept.take_in(kept.publication(hold=False), Receipt(superseded=True), JOINED_AT)
        assert [entry.event.sequence for entry in kept.backlog] == [1]
        assert kept.take_in(kept.publication(hold=False), Receipt(), JOINED_AT)
        assert kept.backlog == []

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
