"""What one run of an onboarding remembers, and what it hands to the next one by continue-as-new."""

from typing import Any, Final, Self

from pydantic import JsonValue

from domain import decisions, intake, rules
from domain.audit import AuditEvent, Verdict
from domain.contract import Actor, Command, ErrorType, Stage
from domain.decisions import Decision
from domain.letters import AnyLetter, addressed_again, compose
from domain.records import Record
from domain.rules import RefusedError
from domain.state import Application
from domain.status import Refusal
from domain.values import Contract, Instant

KEPT_REFUSALS: Final = 20
RECORD_CHARACTERS: Final = 256 * 1024
EVENTS_WITH_REFUSED_PAYLOADS: Final = 100
KEPT_ANSWERS: Final = 2_000
MAX_MESSAGE_CHARACTERS: Final = 1_000


class Answer(Contract):
    """How a command was answered; the same ID gets the same answer again."""

    command_id: str
    fingerprint: str
    error: ErrorType | None = None
    message: str | None = None

    @property
    def refusal(self) -> RefusedError | None:
        """The refusal it was, if it was one."""
        return RefusedError(self.error, self.message or "") if self.error else None


class Memory(Contract):
    """A run's memory as it crosses continue-as-new."""

    application: Application
    sequence: int = 0
    answers: tuple[Answer, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    outbox: tuple[AnyLetter, ...] = ()
    failed_letters: tuple[AnyLetter, ...] = ()
    unstored: tuple[AuditEvent, ...] = ()


class Desk:
    """The working memory of a run: the application, and what is still to be mailed and stored."""

    def __init__(self, memory: Memory) -> None:
        self.application = memory.application
        self.sequence = memory.sequence
        self.refusals = list(memory.refusals)
        self.outbox: list[AnyLetter] = list(memory.outbox)
        self._failed_letters = {letter.key: letter for letter in memory.failed_letters}
        self.unstored = list(memory.unstored)
        self._answers = {answer.command_id: answer for answer in memory.answers}

    @classmethod
    def of(cls, application: Application) -> Self:
        """The desk of a new application."""
        return cls(Memory(application=application))

    def memory(self) -> Memory:
        """Everything the next run has to know."""
        return Memory.model_construct(
            application=self.application,
            sequence=self.sequence,
            answers=tuple(self._answers.values()),
            refusals=tuple(self.refusals),
            outbox=tuple(self.outbox),
            failed_letters=tuple(self._failed_letters.values()),
            unstored=tuple(self.unstored),
        )

    def record(self, at: Instant, becomes: Application | None = None, letters: int = 0) -> Record:
        """The newest state, for the database and for whoever asks.

        ``becomes``: the application a transition makes of it, with so many more ``letters`` to send.
        """
        return Record.model_construct(
            application=becomes or self.application,
            sequence=self.sequence,
            at=at,
            events=self._next_events(),
            refusals=tuple(self.refusals),
            pending_emails=len(self.outbox) + letters,
        )

    def _next_events(self) -> tuple[AuditEvent, ...]:
        """As many events, the oldest first, as one payload holds: Temporal takes none over 2 MiB."""
        events: list[AuditEvent] = []
        characters = 0
        for event in self.unstored:
            characters += len(event.model_dump_json())
            if events and characters > RECORD_CHARACTERS:
                break
            events.append(event)
        return tuple(events)

    def answered_before(self, command: Command) -> Answer | None:
        """The answer this command ID had; raises `RefusedError` when it came with another payload."""
        answer = self._answers.get(command.command_id)
        if answer and answer.fingerprint != intake.fingerprint(command):
            raise RefusedError(
                ErrorType.INVALID,
                f"command_id: '{command.command_id}' was used for another command already; "
                "give every command an ID of its own.",
            )
        return answer

    def remember(self, command: Command, refusal: RefusedError | None = None) -> None:
        """Keep the answer to this command ID, the latest `KEPT_ANSWERS` of them.

        ``unavailable`` is not kept: the caller is told to send the same command again.
        """
        if refusal and refusal.error is ErrorType.UNAVAILABLE:
            return
        answer = Answer(
            command_id=command.command_id,
            fingerprint=intake.fingerprint(command),
            error=refusal.error if refusal else None,
            message=refusal.message[:MAX_MESSAGE_CHARACTERS] if refusal else None,
        )
        self._answers.setdefault(command.command_id, answer)
        while len(self._answers) > KEPT_ANSWERS:
            del self._answers[next(iter(self._answers))]

    def note(
        self,
        at: Instant,
        name: str,
        verdict: Verdict,
        to: Stage,
        *,
        command: Command | None = None,
        actor: Actor | None = None,
        arguments: tuple[Any, ...] = (),
        refusal: RefusedError | None = None,
        sheet_revision: int | None = None,
    ) -> None:
        """Add an event to the audit trail; a refusal is shown in the status, too.

        ``arguments`` are those of a message that did not become a ``command``.
        """
        self.sequence += 1
        details = _payload(command) if command else _kept(arguments)
        if refusal and len(self.unstored) >= EVENTS_WITH_REFUSED_PAYLOADS:
            # With the database down, what was refused must not fill what a run can hand to the next one.
            details = {}
        command_id = command.command_id if command else intake.claimed_id(arguments)
        message = refusal.message[:MAX_MESSAGE_CHARACTERS] if refusal else None
        self.unstored.append(
            AuditEvent(
                sequence=self.sequence,
                at=at,
                command=name,
                verdict=verdict,
                command_id=command_id,
                actor=command.actor if command else actor,
                occurred_at=command.occurred_at if command else None,
                from_stage=self.application.stage,
                to_stage=to,
                error=refusal.error if refusal else None,
                message=message,
                details=details,
                sheet_revision=sheet_revision,
            )
        )
        if refusal:
            self.refusals.append(
                Refusal(
                    at=at,
                    command=name,
                    command_id=command_id,
                    error=refusal.error,
                    message=message or "",
                )
            )
            del self.refusals[:-KEPT_REFUSALS]

    def stored(self, record: Record) -> None:
        """The database has this record now."""
        newest = record.events[-1].sequence if record.events else 0
        self.unstored = [event for event in self.unstored if event.sequence > newest]

    def delivered(self, letters: tuple[AnyLetter, ...]) -> None:
        """These letters are done with: they have left, or have failed for good."""
        gone = {letter.key for letter in letters}
        self.outbox = [letter for letter in self.outbox if letter.key not in gone]

    def write(self, decision: Decision, at: Instant) -> None:
        """Queue the letters of a decision that has been carried out."""
        self.outbox.extend(
            compose(
                letter,
                self.application,
                sequence=self.sequence,
                now=at,
                status_text=decisions.status_text(self.application),
                warnings=rules.warnings(self.application),
            )
            for letter in decision.letters
        )
        for key in decision.resends:
            self.send_again(key, at)

    def send_again(self, key: str, at: Instant) -> None:
        """Put a letter that failed into the outbox once more, for who gets such letters now."""
        letter = self._failed_letters.pop(key)
        self.outbox.append(addressed_again(letter, self.application, sequence=self.sequence, now=at))

    def keep_failed(self, letters: tuple[AnyLetter, ...]) -> None:
        """Keep letters that failed as long as the application shows them, so that they can be sent again."""
        shown = {failed.key for failed in self.application.failed_emails}
        known = self._failed_letters | {letter.key: letter for letter in letters}
        self._failed_letters = {key: letter for key, letter in known.items() if key in shown}


def _payload(command: Command) -> dict[str, JsonValue]:
    return command.model_dump(mode="json", exclude={"kind", "command_id", "actor", "occurred_at"})


def _kept(arguments: tuple[Any, ...]) -> dict[str, JsonValue]:
    return intake.kept_payload(arguments) if arguments else {}
