"""The answers to commands that a run keeps, so that a repeated one gets the same answer and does nothing."""

from collections.abc import Iterable
from typing import Final

from pydantic import Field

from domain import intake
from domain.audit import Verdict
from domain.contract import Command, ErrorType, Stage
from domain.refusal import RefusedError
from domain.status import Answered
from domain.values import Contract, says_nothing

KEPT_ANSWERS: Final = 2_000
ANSWERS_BYTES: Final = 320 * 1024
"""2,000 answers to commands that were carried out, with UUIDs as their IDs."""


class Answer(Contract):
    """How a command was answered; the same ID gets the same answer again.

    ``stage`` and ``sequence``: as it left them. ``no_op``: its effect was in place.
    """

    command_id: str
    fingerprint: str
    stage: Stage
    sequence: int
    no_op: bool = Field(default=False, exclude_if=says_nothing)
    error: ErrorType | None = None
    message: str | None = None

    @property
    def answered(self) -> Answered:
        """What became of the command."""
        verdict = Verdict.REFUSED if self.error else Verdict.NO_OP if self.no_op else Verdict.ACCEPTED
        return Answered(verdict=verdict, stage=self.stage, sequence=self.sequence)

    @property
    def refusal(self) -> RefusedError | None:
        """The refusal it was, if it was one."""
        return RefusedError(self.error, self.message or "") if self.error else None

    @property
    def size(self) -> int:
        """Bytes it takes in the memory, with the comma to the next one."""
        return len(self.model_dump_json(exclude_none=True).encode()) + 1


class KeptAnswers:
    """As many of the answers as there is room for, by command ID.

    Where there are too many, refusals go first, then commands whose effect was in place, each the oldest
    first: what was carried out must not be carried out again.
    """

    def __init__(self, answers: Iterable[Answer]) -> None:
        self._by_id = {answer.command_id: answer for answer in answers}
        self._size = sum(answer.size for answer in self._by_id.values())

    @property
    def all(self) -> tuple[Answer, ...]:
        """The oldest first."""
        return tuple(self._by_id.values())

    def to(self, command: Command) -> Answer | None:
        """The answer this command ID has got.

        Raises `RefusedError` (``invalid``) if it stood for another command then.
        """
        answer = self._by_id.get(command.command_id)
        if answer and answer.fingerprint != intake.fingerprint(command):
            raise RefusedError(
                ErrorType.INVALID,
                "command_id: was used for another command; send this one under an ID of its own",
            )
        return answer

    def keep(self, answer: Answer) -> None:
        """Keep this one; the first answer to an ID stands."""
        if answer.command_id in self._by_id:
            return
        self._by_id[answer.command_id] = answer
        self._size += answer.size
        while len(self._by_id) > KEPT_ANSWERS or self._size > ANSWERS_BYTES:
            # Of two that are alike `min` finds the older one.
            leaves = min(self._by_id.values(), key=_worth)
            self._size -= self._by_id.pop(leaves.command_id).size


def _worth(answer: Answer) -> int:
    """How much harm it would do to forget it."""
    return 0 if answer.error else 1 if answer.no_op else 2
