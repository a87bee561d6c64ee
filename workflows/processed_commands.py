"""The commands a run has processed, so that a repeated one gets the same answer and does nothing."""

from collections.abc import Iterable
from typing import Final

from pydantic import Field

from domain import intake
from domain.audit import Verdict
from domain.contract import Command, ErrorType, Stage
from domain.refusal import RefusedError, used_for_another
from domain.status import CommandResult
from domain.values import Contract, says_nothing

KEPT_COMMANDS: Final = 2_000
COMMANDS_BYTES: Final = 320 * 1024
"""2,000 commands that were carried out, with UUIDs as their IDs."""


class ProcessedCommand(Contract):
    """What became of a command; its ID gets the same answer again.

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
    def answered(self) -> CommandResult:
        """What became of the command."""
        verdict = Verdict.REFUSED if self.error else Verdict.NO_OP if self.no_op else Verdict.ACCEPTED
        return CommandResult(verdict=verdict, stage=self.stage, sequence=self.sequence)

    @property
    def refusal(self) -> RefusedError | None:
        """The refusal it was, if it was one."""
        return RefusedError(self.error, self.message or "") if self.error else None

    @property
    def size(self) -> int:
        """Bytes it takes in the memory, with the comma to the next one."""
        return len(self.model_dump_json(exclude_none=True).encode()) + 1


class ProcessedCommands:
    """As many of them as there is room for, by command ID.

    Where there are too many, refusals go first, then commands whose effect was in place, each the oldest
    first: what was carried out must not be carried out again.
    """

    def __init__(self, commands: Iterable[ProcessedCommand]) -> None:
        self._by_id = {each.command_id: each for each in commands}
        self._size = sum(each.size for each in self._by_id.values())

    @property
    def all(self) -> tuple[ProcessedCommand, ...]:
        """The oldest first."""
        return tuple(self._by_id.values())

    def before(self, command: Command) -> ProcessedCommand | None:
        """What became of it, if this command ID was processed before.

        Raises `RefusedError` (``invalid``) if it stood for another command then.
        """
        earlier = self._by_id.get(command.command_id)
        if earlier and earlier.fingerprint != intake.fingerprint(command):
            raise used_for_another()
        return earlier

    def keep(self, command: ProcessedCommand) -> None:
        """Keep this one; the first answer to an ID stands."""
        if command.command_id in self._by_id:
            return
        self._by_id[command.command_id] = command
        self._size += command.size
        while len(self._by_id) > KEPT_COMMANDS or self._size > COMMANDS_BYTES:
            # Of two that are alike `min` finds the older one.
            leaves = min(self._by_id.values(), key=_worth)
            self._size -= self._by_id.pop(leaves.command_id).size


def _worth(command: ProcessedCommand) -> int:
    """How much harm it would do to forget it."""
    return 0 if command.error else 1 if command.no_op else 2
