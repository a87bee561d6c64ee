"""What a run of an onboarding remembers, and what it hands to the next one by continue-as-new.

Everything here has to fit into one payload (Temporal ends a run with one of more than 2 MiB), whatever
comes: each list that grows has a bound in bytes. What is over the bound is not lost from sight: it is in
the audit trail, or counted there.
"""

from collections.abc import Mapping
from typing import Any, Final, Self

from pydantic import JsonValue

from domain import intake, view
from domain.application import SubmitApplication
from domain.audit import AuditEvent, Verdict
from domain.contract import SYSTEM, Command, ErrorType, Stage
from domain.decisions import Decision
from domain.inquiry import Head
from domain.invitations import compose_all
from domain.publication import UNSAID, Entry, Lineage, Publication, Receipt, TurnedBack, stored_state
from domain.refusal import RefusedError
from domain.refused import told_of_refusal
from domain.state import Application, newest_within
from domain.status import CommandResult, Refusal, Status
from domain.terms import IssueDecisionSheet
from domain.values import Contract, Instant
from workflows.event_details import came_again, of_command, of_message
from workflows.processed_commands import ProcessedCommand, ProcessedCommands

KEPT_REFUSALS: Final = 20
MAX_MESSAGE_CHARACTERS: Final = 1_000
BACKLOG_BYTES: Final = 384 * 1024
"""When so much waits to be published, commands are refused as ``unavailable`` until the database takes it."""
BATCH_BYTES: Final = 256 * 1024
"""What one activity publishes at a time; an entry that is larger goes alone."""
RESET: Final = "reset"
"""The event by which a run goes on after Temporal's Reset."""
NOT_KEPT: Final = "refusals_not_kept"
"""The event that counts what was refused, or only repeated, while no more could be kept."""


class Memory(Contract):
    """A run's memory as it crosses continue-as-new.

    ``generation``: how often the application has been reset. ``pending``: e-mails that wait in the ledger;
    ``undelivered``: whether an activity has to be started for them. ``not_kept``: events that could not
    be kept.
    """

    application: Application
    sequence: int = 0
    generation: int = 0
    answers: tuple[ProcessedCommand, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    backlog: tuple[Entry, ...] = ()
    pending: int = 0
    undelivered: bool = False
    failed_through: int = 0
    not_kept: int = 0


class RunMemory:
    """The working memory of a run: the application, and what is still to be published."""

    def __init__(self, memory: Memory) -> None:
        self.application = memory.application
        self.sequence = memory.sequence
        self.generation = memory.generation
        self.refusals = list(memory.refusals)
        self.backlog = list(memory.backlog)
        self.pending = memory.pending
        self.undelivered = memory.undelivered
        self.failed_through = memory.failed_through
        self._not_kept = memory.not_kept
        self._state: dict[str, JsonValue] = {}
        self._published: tuple[int, dict[str, JsonValue]] | None = None
        self._processed = ProcessedCommands(memory.answers)
        self._sizes = [_size(entry) for entry in self.backlog]

    @classmethod
    def of(cls, application: Application) -> Self:
        """The memory of a new application."""
        return cls(Memory(application=application))

    def memory(self, *, handed_over: bool = False) -> Memory:
        """Everything the next run has to know; ``handed_over``: the child that publishes what an ended run
        could not."""
        return Memory.model_construct(
            application=self.application,
            sequence=self.sequence,
            generation=self.generation,
            answers=() if handed_over else self._processed.all,
            refusals=tuple(self.refusals),
            backlog=tuple(self.backlog),
            pending=self.pending,
            undelivered=self.undelivered,
            failed_through=self.failed_through,
            not_kept=self._not_kept,
        )

    @property
    def lineage(self) -> Lineage:
        """Who writes."""
        return Lineage(application_id=self.application.application_id, generation=self.generation)

    @property
    def pending_emails(self) -> int:
        """E-mails that wait to leave, in the ledger or on their way there."""
        waiting = sum(len(entry.notices) + (entry.resend is not None) for entry in self.backlog)
        return self.pending + waiting

    @property
    def backlog_full(self) -> bool:
        """Whether no command may add to what waits to be published."""
        return sum(self._sizes) >= BACKLOG_BYTES

    @property
    def unpublished_resets(self) -> tuple[TurnedBack, ...]:
        """The resets that were taken up, and whose events wait to be stored."""
        resets = (
            entry.event
            for entry in self.backlog
            # A signal nobody knows may have any name.
            if (entry.event.command, entry.event.verdict) == (RESET, Verdict.ACCEPTED)
        )
        return tuple(
            TurnedBack.model_validate({"sequence": event.sequence, "back_to": event.details["back_to"]})
            for event in resets
        )

    @property
    def unpublished(self) -> bool:
        """Whether anything has to leave."""
        return bool(self.backlog) or self.undelivered

    def status(self) -> Status:
        """The whole status."""
        return view.describe(
            self.application,
            sequence=self.sequence,
            refusals=self.refusals,
            pending_emails=self.pending_emails,
        )

    def publication(self, *, hold: bool, takes_over: bool = False) -> Publication:
        """As many entries, the oldest first, as one activity takes, with the state as it stands."""
        batch: list[Entry] = []
        size = 0
        for entry, entry_size in zip(self.backlog, self._sizes, strict=True):
            size += entry_size
            if batch and size > BATCH_BYTES:
                break
            batch.append(entry)
        self._state = stored_state(self.application)
        since, before = self._published or (None, UNSAID)
        return Publication(
            lineage=self.lineage,
            since=since,
            changes=_changes(before, self._state),
            entries=tuple(batch),
            hold=hold,
            takes_over=takes_over,
            failed_through=self.failed_through,
        )

    def take_in(self, publication: Publication, receipt: Receipt, at: Instant) -> bool:
        """Take in what came of a publication; whether it was stored."""
        if receipt.behind:
            # The database has lost what the changes start from; the next publication says all.
            self._published = None
        elif not receipt.superseded:
            self.published(publication.entries, at)
            return True
        return False

    def published(self, entries: tuple[Entry, ...], at: Instant) -> None:
        """These entries are stored; there may be room again to tell of what was not kept."""
        newest = entries[-1].event.sequence
        self._published = newest, self._state
        self._drop_through(newest)
        if self._not_kept and not self.backlog_full:
            told = (
                f"{self._not_kept} more commands were refused, or attempts and reminders repeated, while the"
                " database could not be written."
            )
            self._not_kept = 0
            self.note(self.event(at, NOT_KEPT, Verdict.REFUSED, self.application, message=told))

    def received(self, receipt: Receipt) -> None:
        """How the e-mails stand now."""
        self.pending = receipt.pending
        self.failed_through = max(self.failed_through, receipt.failed_through)

    def taken_up(self, head: Head, at: Instant) -> None:
        """Go on, after Temporal's Reset, from where the stored trail ends; the event ``reset`` names that
        head."""
        left = self.sequence
        self.generation = head.generation
        self._published = None
        self._drop_through(head.sequence)
        self.sequence = max(self.sequence, head.sequence)
        self.failed_through = head.failed_through
        application = self.application
        self.application = application.but(
            forms_used=max(application.forms_used, head.forms_used),
            sheets_used=max(application.sheets_used, head.sheets_used),
            access_taken_back=head.access_given and application.stage is not Stage.ACTIVE,
        )
        if head.associated_uids is not None:
            self.application = self.application.but(
                associated_uids=head.associated_uids, coverage_changes=head.coverage_changes
            )
        details: dict[str, JsonValue] = {
            "back_to": left,
            "head_left": head.sequence,
            "hash_left": head.hash,
            "emails_withdrawn": head.emails_withdrawn,
            "access_taken_back": head.access_taken_back,
        }
        told = (
            f"Reset in Temporal: the application stands as after event {left}; what events {left + 1} to"
            f" {head.sequence} did no longer counts."
            if head.sequence > left
            else "Reset in Temporal: nothing that was stored is undone."
        )
        if application.form and head.associated_uids is not None:
            stay = ", ".join(head.associated_uids) or "none"
            told += f" The Associated UIDs stay as they were changed: {stay}."
        self.undelivered = True
        self.note(self.event(at, RESET, Verdict.ACCEPTED, self.application, message=told, details=details))

    def event(
        self,
        at: Instant,
        name: str,
        verdict: Verdict,
        becomes: Application,
        *,
        command: Command | None = None,
        arguments: tuple[Any, ...] = (),
        refusal: RefusedError | None = None,
        message: str | None = None,
        details: dict[str, JsonValue] | None = None,
    ) -> AuditEvent:
        """The next event of the audit trail. ``arguments``: those of a message that did not become a
        ``command``."""
        if details is None:
            refused = refusal is not None
            details = of_command(command, refused=refused) if command else of_message(arguments)
        documents = becomes if verdict is Verdict.ACCEPTED else self.application
        issues = isinstance(command, IssueDecisionSheet) and verdict is Verdict.ACCEPTED
        issued = documents.sheet if issues else None
        submitted = isinstance(command, SubmitApplication) and verdict is Verdict.ACCEPTED
        return AuditEvent(
            sequence=self.sequence + 1,
            at=at,
            command=name,
            verdict=verdict,
            command_id=command.command_id if command else intake.claimed_id(arguments),
            actor=command.actor if command else None if refusal else SYSTEM,
            occurred_at=command.occurred_at if command else None,
            from_stage=self.application.stage,
            to_stage=becomes.stage,
            error=refusal.error if refusal else None,
            message=message or (refusal.message[:MAX_MESSAGE_CHARACTERS] if refusal else None),
            form_revision=documents.form_revision if submitted else command.about_form if command else None,
            sheet_revision=issued.revision if issued else command.about_sheet if command else None,
            via=command.via if command else None,
            details=details,
        )

    def carry_out(self, decision: Decision, event: AuditEvent) -> None:
        """The one place where the stage changes, is put on record, and its notices are queued."""
        before = self.application.sheet
        application, written = compose_all(decision.notices, decision.application, event.at)
        self.application = application
        self.note(
            event,
            Entry(
                event=event,
                notices=written,
                form=application.form if _brings(event, SubmitApplication) else None,
                sheet=application.sheet.content
                if application.sheet and _brings(event, IssueDecisionSheet)
                else None,
                sheet_replaces=before.revision if before and _brings(event, IssueDecisionSheet) else None,
                resend=decision.resend,
                close_access_of=application.company_master_uid if decision.close_access else None,
            ),
        )

    def note(self, event: AuditEvent, entry: Entry | None = None) -> None:
        """Queue an event to be stored, unless it is one refusal or repetition too many while nothing can be
        stored."""
        entry = entry or Entry(event=event)
        if event.error is not None:
            self._show_refusal(event)
        if self.backlog_full and (event.error is not None or self._repeats(entry)):
            self._not_kept += 1
            return
        self.sequence = event.sequence
        self.backlog.append(entry)
        self._sizes.append(_size(entry))

    def answered_before(self, command: Command) -> ProcessedCommand | None:
        """The answer this command ID has got.

        Raises `RefusedError` (``invalid``) if it stood for another command then.
        """
        return self._processed.before(command)

    def remember(self, command: Command, refusal: RefusedError | None = None, *, no_op: bool = False) -> None:
        """Keep the answer to a command that has just been judged; ``unavailable`` is none, as its sender is
        told to send it again."""
        if refusal and refusal.error is ErrorType.UNAVAILABLE:
            return
        self._processed.keep(
            ProcessedCommand(
                command_id=command.command_id,
                fingerprint=intake.fingerprint(command),
                stage=self.application.stage,
                sequence=self.sequence,
                no_op=no_op,
                error=refusal.error if refusal else None,
                message=refusal.message[:MAX_MESSAGE_CHARACTERS] if refusal else None,
            )
        )

    def refuse(
        self,
        at: Instant,
        refusal: RefusedError,
        command: Command | None,
        *,
        name: str | None = None,
        arguments: tuple[Any, ...] = (),
        again: bool = False,
    ) -> None:
        """Put a refusal on record, show what it brought to light, and keep it as the answer to the command.

        ``name`` (that of a signal) and ``arguments`` are those of a message that may not have become one.
        ``again``: it came again by a reset.
        """
        shown = command.kind if command else intake.claimed_name(name, arguments)
        event = self.event(
            *(at, shown, Verdict.REFUSED, self.application),
            command=command,
            arguments=arguments,
            refusal=refusal,
            details=came_again(command, arguments) if again else None,
        )
        self.note(event, Entry(event=event, notices=told_of_refusal(self.application, command, refusal)))
        if refusal.company:
            self.application = self.application.showing(refusal.company)
        if command:
            self.remember(command, refusal)

    def answered(self, verdict: Verdict) -> CommandResult:
        """What has just become of a command."""
        return CommandResult(verdict=verdict, stage=self.application.stage, sequence=self.sequence)

    def _repeats(self, entry: Entry) -> bool:
        """Whether the service itself only tried or reminded again: the same event waits already, and what it
        tells."""
        event = entry.event
        same = any(earlier.event.command == event.command for earlier in self.backlog)
        waiting = {notice.template for earlier in self.backlog for notice in earlier.notices}
        told = {notice.template for notice in entry.notices}
        stays = event.actor == SYSTEM and event.from_stage is event.to_stage and not event.details
        return same and stays and told <= waiting

    def _show_refusal(self, event: AuditEvent) -> None:
        refusals = (*self.refusals, Refusal.of(event))
        self.refusals = list(newest_within(refusals[-KEPT_REFUSALS:]))

    def _drop_through(self, sequence: int) -> None:
        """Entries up to this event are stored."""
        waiting = [
            (entry, size)
            for entry, size in zip(self.backlog, self._sizes, strict=True)
            if entry.event.sequence > sequence
        ]
        self.backlog = [entry for entry, _ in waiting]
        self._sizes = [size for _, size in waiting]


def _changes(before: Mapping[str, JsonValue], after: dict[str, JsonValue]) -> dict[str, JsonValue]:
    gone: dict[str, JsonValue] = {name: None for name in before if name not in after}
    return gone | {name: value for name, value in after.items() if before.get(name) != value}


def _size(entry: Entry) -> int:
    return len(entry.model_dump_json().encode())


def _brings(event: AuditEvent, command: type[Command]) -> bool:
    return event.verdict is Verdict.ACCEPTED and event.command == command.model_fields["kind"].default
