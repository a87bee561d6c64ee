"""What a run remembers: answers, refusals, mails and events, also across continue-as-new."""

from datetime import timedelta
from typing import Any

import pytest

from domain import decisions, intake
from domain.audit import Verdict
from domain.contract import Actor, Command, ErrorType, Role, Stage
from domain.refusal import RefusedError
from tests import payloads
from tests.payloads import Json
from tests.unit.applications import JOINED_AT, SITUATIONS, Journey, journey_to
from workflows import memory, outbox
from workflows.memory import Desk, Memory

SYSTEM = Actor(role=Role.SYSTEM, id="onboarding")


def command(command_id: str = "c-1", kind: str = "confirm_company", **payload: Any) -> Command:
    return intake.parse_command(kind, (payloads.command(kind, command_id=command_id, **payload),))


def refusal(error: ErrorType = ErrorType.WRONG_STAGE, message: str = "Not now.") -> RefusedError:
    return RefusedError(error, message)


def handed_over(before: Desk) -> Desk:
    """The desk of the next run: memory crosses continue-as-new as JSON."""
    return Desk(Memory.model_validate_json(before.memory().model_dump_json()))


def desk_of(situation: str) -> Desk:
    return Desk.of(journey_to(situation).application)


class TestAnswers:
    """The same command ID gets the same answer (design §3)."""

    def test_a_new_one_has_none(self) -> None:
        assert desk_of("drafting").answered_before(command()) is None

    def test_an_accepted_command(self) -> None:
        worktop = desk_of("drafting")
        worktop.remember(command())
        answer = worktop.answered_before(command())
        assert answer
        assert (answer.error, answer.message, answer.refusal) == (None, None, None)

    def test_a_refused_command_is_refused_in_the_same_words(self) -> None:
        worktop = desk_of("drafting")
        worktop.remember(command(), refusal())
        answer = worktop.answered_before(command())
        assert answer
        assert answer.refusal
        assert (answer.refusal.error, answer.refusal.message) == ("wrong_stage", "Not now.")

    def test_another_payload_under_the_same_id_is_invalid(self) -> None:
        worktop = desk_of("drafting")
        worktop.remember(command())
        other = command(kind="decline")

        with pytest.raises(RefusedError, match="'c-1' was used for another command already") as refused:
            worktop.answered_before(other)
        worktop.remember(other, refused.value)

        assert refused.value.error == "invalid"
        first = worktop.answered_before(command())
        assert first
        assert first.error is None, "the first answer stands"

    def test_when_it_was_sent_does_not_count(self) -> None:
        worktop = desk_of("drafting")
        said = payloads.command("confirm_company", command_id="c-1")
        worktop.remember(intake.parse_command("confirm_company", (said,)))
        late = intake.parse_command("confirm_company", (said | {"occurred_at": "2026-03-02T00:00:00Z"},))
        assert worktop.answered_before(late)

    def test_unavailable_is_not_kept_since_the_caller_is_to_send_it_again(self) -> None:
        worktop = desk_of("drafting")
        worktop.remember(command(), refusal(ErrorType.UNAVAILABLE))
        assert worktop.answered_before(command()) is None

    def test_the_latest_2000_are_kept(self) -> None:
        worktop = desk_of("drafting")
        for number in range(2_003):
            worktop.remember(command(f"c-{number}"))

        assert len(worktop.memory().answers) == memory.KEPT_ANSWERS == 2_000
        assert worktop.answered_before(command("c-2")) is None
        assert worktop.answered_before(command("c-3"))
        assert worktop.answered_before(command("c-2002"))

    def test_a_long_message_is_shortened(self) -> None:
        worktop = desk_of("drafting")
        worktop.remember(command(), refusal(message="x" * 5_000))
        answer = worktop.answered_before(command())
        assert answer
        assert answer.message == "x" * 1_000


class TestEvents:
    """The audit trail, and the refusals the status shows."""

    def test_a_command_is_on_record_with_its_own_payload(self) -> None:
        worktop = desk_of("under_review")
        said = command(kind="withdraw_application", reason="A typo.")
        worktop.note(JOINED_AT, said.kind, Verdict.ACCEPTED, Stage.WITHDRAWN, command=said)

        [event] = worktop.record(JOINED_AT).events
        assert event.model_dump(exclude={"actor"}) == {
            "sequence": 1,
            "at": JOINED_AT,
            "command": "withdraw_application",
            "verdict": "accepted",
            "command_id": "c-1",
            "occurred_at": None,
            "from_stage": "under_review",
            "to_stage": "withdrawn",
            "error": None,
            "message": None,
            "sheet_revision": None,
            "details": {"reason": "A typo."},
        }
        assert event.actor == said.actor
        assert not worktop.refusals

    def test_what_the_service_does_is_on_record_as_its_own(self) -> None:
        worktop = desk_of("under_review")
        worktop.note(JOINED_AT, "review_reminder", Verdict.ACCEPTED, Stage.UNDER_REVIEW, actor=SYSTEM)
        [event] = worktop.unstored
        assert (event.actor, event.command_id, event.details) == (SYSTEM, None, {})

    def test_a_refused_command_is_shown_too(self) -> None:
        worktop = desk_of("signed")
        worktop.note(
            JOINED_AT,
            "confirm_company",
            Verdict.REFUSED,
            Stage.SIGNED,
            command=command(),
            refusal=refusal(message="y" * 2_000),
        )
        [shown] = worktop.refusals
        assert shown.model_dump() == {
            "at": JOINED_AT,
            "command": "confirm_company",
            "command_id": "c-1",
            "error": "wrong_stage",
            "message": "y" * 1_000,
        }
        [event] = worktop.unstored
        assert (event.error, event.message) == (shown.error, shown.message)
        assert worktop.record(JOINED_AT).refusals == (shown,)

    def test_a_message_that_did_not_parse_is_kept_as_it_came(self) -> None:
        worktop = desk_of("drafting")
        said = ({"command_id": "c-9\x00", "oops": "\ud800"},)
        worktop.note(
            JOINED_AT,
            "decline",
            Verdict.REFUSED,
            Stage.DRAFTING,
            arguments=said,
            refusal=refusal(ErrorType.INVALID),
        )
        [event] = worktop.unstored
        assert event.command_id == "c-9\\x00"
        assert event.details == {"arguments": '[{"command_id": "c-9\\u0000", "oops": "\\ud800"}]'}
        assert event.actor is None
        assert event.model_dump_json().isascii()

    def test_the_latest_20_refusals_are_shown(self) -> None:
        worktop = desk_of("drafting")
        for number in range(25):
            worktop.note(
                JOINED_AT + timedelta(minutes=number),
                f"signal_{number}",
                Verdict.REFUSED,
                Stage.DRAFTING,
                refusal=refusal(),
            )
        assert [shown.command for shown in worktop.refusals] == [f"signal_{n}" for n in range(5, 25)]
        assert [event.sequence for event in worktop.unstored] == list(range(1, 26)), "numbered without gaps"

    def test_what_is_stored_is_kept_no_longer(self) -> None:
        worktop = desk_of("drafting")
        worktop.note(JOINED_AT, "one", Verdict.ACCEPTED, Stage.DRAFTING)
        record = worktop.record(JOINED_AT)
        worktop.note(JOINED_AT, "two", Verdict.ACCEPTED, Stage.DRAFTING)

        worktop.stored(record)
        assert [event.command for event in worktop.unstored] == ["two"]
        worktop.stored(record)
        assert [event.command for event in worktop.unstored] == ["two"]
        worktop.stored(worktop.record(JOINED_AT))
        assert not worktop.unstored
        worktop.stored(worktop.record(JOINED_AT))
        assert worktop.sequence == 2

    def test_a_record_takes_as_many_events_as_one_payload_holds(self) -> None:
        worktop = desk_of("drafting")
        for _ in range(3):
            worktop.note(JOINED_AT, "decline", Verdict.REFUSED, Stage.DRAFTING, arguments=("x" * 30_000,))
            large = worktop.unstored.pop()
            worktop.unstored.append(
                large.model_copy(update={"details": {"a": "x" * (memory.RECORD_CHARACTERS // 2)}})
            )
        told = []
        while worktop.unstored:
            record = worktop.record(JOINED_AT)
            told.append([event.sequence for event in record.events])
            worktop.stored(record)
        assert told == [[1], [2], [3]]

    def test_while_nothing_is_stored_what_many_refused_messages_said_is_not_kept(self) -> None:
        worktop = desk_of("drafting")
        for _ in range(memory.EVENTS_WITH_REFUSED_PAYLOADS + 2):
            worktop.note(
                JOINED_AT, "decline", Verdict.REFUSED, Stage.DRAFTING, arguments=("x",), refusal=refusal()
            )
        kept = [bool(event.details) for event in worktop.unstored]
        assert kept == [True] * memory.EVENTS_WITH_REFUSED_PAYLOADS + [False] * 2

    def test_a_record_shows_what_a_transition_will_make_of_it(self) -> None:
        worktop = desk_of("drafting")
        becomes = journey_to("company_confirmed").application
        worktop.outbox.append(journey_to("expired").mails[0])

        record = worktop.record(JOINED_AT, becomes, letters=2)

        assert (record.application, record.pending_emails, record.at) == (becomes, 3, JOINED_AT)
        assert worktop.record(JOINED_AT).application is worktop.application


class TestMails:
    """The outbox, and letters that could not be delivered."""

    def test_one_activity_takes_as_many_letters_as_its_payload_holds_but_one_at_least(self) -> None:
        letter = journey_to("qualified").mails[0]
        large = letter.model_copy(update={"key": "k" * (outbox.BATCH_CHARACTERS // 2)})
        larger = letter.model_copy(update={"key": "k" * (outbox.BATCH_CHARACTERS * 2)})
        assert outbox.next_batch([letter, large, large, letter]) == (letter, large)
        assert outbox.next_batch([larger, letter]) == (larger,)
        assert outbox.next_batch([letter] * 1_000) == (letter,) * outbox.BATCH_OF_LETTERS

    def test_what_has_left_is_out_and_the_rest_waits_in_order(self) -> None:
        worktop = desk_of("qualified")
        first, second, third = journey_to("qualified").mails
        worktop.outbox.extend([first, second, third])

        worktop.delivered((second,))
        assert worktop.outbox == [first, third]
        worktop.delivered((second, first))
        assert worktop.outbox == [third]

    def failed(self) -> tuple[Desk, Journey, str]:
        journey = journey_to("confirming_terms")
        key = journey.bounce()
        worktop = Desk.of(journey.application)
        letter = journey.mails[-2].model_copy(update={"key": key})
        worktop.keep_failed((letter,))
        return worktop, journey, key

    def test_a_failed_letter_is_sent_again_to_the_corrected_contact(self) -> None:
        worktop, journey, key = self.failed()
        journey.say("correct_contact", email="ann@acme.example.com", name="Ann T.")
        journey.say("resend_email", key=key)
        worktop.application, worktop.sequence = journey.application, 9

        worktop.send_again(key, journey.now)

        [letter] = worktop.outbox
        assert (letter.to.name, letter.to.email) == ("Ann T.", "ann@acme.example.com")
        assert (letter.template, letter.key, letter.at) == (
            "sheet_to_confirm",
            "9.sheet_to_confirm",
            journey.now,
        )
        assert not worktop.memory().failed_letters

    def test_it_survives_continue_as_new(self) -> None:
        worktop, journey, key = self.failed()
        [kept] = handed_over(worktop).memory().failed_letters
        assert kept.key == key
        after = handed_over(worktop)
        after.send_again(key, journey.now)
        assert len(after.outbox) == 1

    def test_only_what_the_status_shows_is_kept(self) -> None:
        worktop, journey, _ = self.failed()
        worktop.application = journey.application.but(failed_emails=())
        worktop.keep_failed(())
        assert not worktop.memory().failed_letters

    def test_the_latest_50_failures_are_shown(self) -> None:
        journey = journey_to("confirming_terms")
        keys = [journey.bounce() for _ in range(55)]
        assert [failed.key for failed in journey.status.failed_emails] == keys[5:]


class TestMemory:
    """What the next run is handed."""

    @pytest.mark.parametrize("situation", SITUATIONS)
    def test_it_survives_as_json_in_every_situation(self, situation: str) -> None:
        journey = journey_to(situation)
        worktop = Desk.of(journey.application)
        worktop.outbox.extend(journey.mails)
        worktop.remember(command())
        worktop.remember(command("c-2"), refusal())
        worktop.note(JOINED_AT, "one", Verdict.ACCEPTED, Stage.DRAFTING, command=command())
        worktop.note(JOINED_AT, "two", Verdict.REFUSED, Stage.DRAFTING, refusal=refusal())

        after = handed_over(worktop)

        assert after.memory() == worktop.memory()
        assert after.application == journey.application
        assert after.sequence == 2
        assert after.answered_before(command())
        assert after.record(JOINED_AT) == worktop.record(JOINED_AT)

    def test_a_run_goes_on_where_the_one_before_was(self) -> None:
        journey = journey_to("sheet_2")
        sheet: Json = journey.terms()
        journey.application = handed_over(Desk.of(journey.application)).application
        assert journey.terms() == sheet

        journey.say("confirm_terms", **sheet)

        assert journey.status.stage == "awaiting_signatures"
        assert decisions.next_clock(journey.application)
