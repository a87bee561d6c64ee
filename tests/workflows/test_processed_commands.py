"""The same command ID gets the same answer; what is forgotten first."""

from uuid import uuid4

import pytest

from domain import intake
from domain.audit import Verdict
from domain.contract import ErrorType
from domain.refusal import RefusedError
from tests import payloads
from tests.domain.applications import JOINED_AT, journey_to
from tests.workflows.remembered import command, handed_over, memory_of, note, refusal
from workflows.processed_commands import COMMANDS_BYTES, KEPT_COMMANDS


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

        assert len(kept.memory().answers) == KEPT_COMMANDS == 2_000
        assert kept.answered_before(command(ids[2])) is None
        assert kept.answered_before(command(ids[3]))
        assert kept.answered_before(command(ids[2_002]))

    def test_what_was_carried_out_outlives_what_was_refused(self) -> None:
        kept = memory_of("drafting")
        kept.remember(command("accepted"))
        for number in range(KEPT_COMMANDS + 50):
            kept.remember(command(f"refused-{number}"), refusal(message="x" * 1_000))

        assert kept.answered_before(command("accepted")), "however many refusals came after it"
        assert kept.answered_before(command("refused-0")) is None
        assert sum(answer.size for answer in kept.memory().answers) <= COMMANDS_BYTES
        newest = kept.answered_before(command(f"refused-{KEPT_COMMANDS + 49}"))
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
        for number in range(KEPT_COMMANDS + 50):
            tried = command(f"{idle} {number}".ljust(100, "."))
            kept.remember(tried, refused, no_op=refused is None)

        assert all(kept.answered_before(each) for each in done)
        assert kept.answered_before(command(f"{idle} 0".ljust(100, "."))) is None
        newest = kept.answered_before(command(f"{idle} {KEPT_COMMANDS + 49}".ljust(100, ".")))
        assert newest
        assert newest.answered.verdict is (Verdict.REFUSED if refused else Verdict.NO_OP)
        assert sum(answer.size for answer in kept.memory().answers) <= COMMANDS_BYTES

    def test_refusals_go_before_what_was_in_place(self) -> None:
        kept = memory_of("drafting")
        kept.remember(command("in place"), no_op=True)
        for number in range(KEPT_COMMANDS + 50):
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
