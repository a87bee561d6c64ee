"""The evidence of a run in which every promise was kept, made from its plan."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.chaos.evidence import (
    Audited,
    DocumentRow,
    Evidence,
    FaultSeen,
    GrantRow,
    LedgerRow,
    Mail,
    MailEvent,
    Reading,
    Row,
    Run,
    Sample,
    Sending,
    Trail,
)
from bench.chaos.oracle import MUST_BE
from bench.chaos.oracle_mails import Expected, expected_mails
from bench.chaos.plan import Channel, Dispatch, FaultKind, Plan, Script, Sort, Turn
from bench.chaos.story import kind_of
from bench.chaos.trails import RESET, standing

AFTER = {
    "submit_application": "under_review",
    "withdraw_application": "withdrawn",
    "request_justification": "justifying",
    "provide_justification": "under_review",
    "approve_application": "qualified",
    "issue_decision_sheet": "confirming_terms",
    "modify_terms": "correcting_terms",
    "confirm_terms": "awaiting_signatures",
}
DOCUMENTS = {"submit_application": "forms", "issue_decision_sheet": "sheets"}


@dataclass
class _Telling:
    """One applicant's run, told command by command; a second passes with each event."""

    script: Script
    now: float
    stage: str = "drafting"
    signatures: int = 0
    sendings: list[Sending] = field(default_factory=list)
    audit: list[Audited] = field(default_factory=list)
    resets: list[FaultSeen] = field(default_factory=list)

    @property
    def application_id(self) -> str:
        return f"application of {self.script.uid}"

    def note(self, command: str, verdict: str, **more: Any) -> None:
        to = more.pop("to", self.stage)
        self.now += 1
        sequence = len(self.audit) + 1
        self.audit.append(
            Audited(
                application_id=self.application_id,
                sequence=sequence,
                at=self.now,
                command=command,
                verdict=verdict,
                from_stage=self.stage,
                to_stage=to,
                hash=f"hash of {sequence}",
                **more,
            )
        )
        self.stage = to

    def take(self, turn: Turn) -> None:
        for dispatch in turn.before:
            self.send(dispatch)
        self.send(turn.right, confirmed=turn.confirmed)
        for dispatch in turn.together:
            self.send(dispatch)

    def send(self, dispatch: Dispatch, *, confirmed: bool = False) -> None:
        error = MUST_BE.get(dispatch.sort)
        for channel in (*dispatch.copies, *([Channel.UPDATE] if confirmed else [])):
            told = error or "done"
            self.sendings.append(
                Sending(
                    uid=self.script.uid,
                    command_id=dispatch.command_id,
                    kind=kind_of(dispatch.step),
                    sort=dispatch.sort,
                    channel=channel,
                    sent_at=self.now,
                    answered_at=self.now + 0.5,
                    answer="acknowledged" if channel is Channel.SIGNAL else told,
                )
            )
        kind = kind_of(dispatch.step)
        if error:
            self.note(kind, "refused", command_id=dispatch.command_id, error=error)
        elif dispatch.sort is Sort.TWICE:
            self.note(kind, "no_op", command_id=dispatch.command_id)
        else:
            self.signatures += kind == "sign_contract"
            to = "signed" if self.signatures == 2 else AFTER.get(kind, self.stage)
            self.note(kind, "accepted", command_id=dispatch.command_id, to=to)

    def turn_back(self, to: Audited, signatures: int) -> None:
        """Temporal's Reset to right after this event."""
        self.resets.append(
            FaultSeen(kind=FaultKind.RESET, began=self.now, ended=self.now, uid=self.script.uid)
        )
        self.now += 1
        self.stage, self.signatures = to.to_stage, signatures
        self.note(RESET, "accepted", details=json.dumps({"back_to": to.sequence}))

    def play(self) -> None:
        """The script; with a reset in it, from where that leads to once more, under other command IDs."""
        turns = self.script.turns
        self.note("join", "accepted")
        marks = [(self.audit[-1], self.signatures)]
        resets = self.script.resets[:1]
        until = resets[0].at if resets else len(turns)
        for turn in turns[:until]:
            self.take(turn)
            marks.append((self.audit[-1], self.signatures))
        for reset in resets:
            back = int(reset.back * len(marks))
            self.turn_back(*marks[back])
            for turn in turns[back:]:
                again = turn.right.model_copy(update={"command_id": f"{turn.right.command_id} again"})
                self.take(Turn(right=again))
        self.note("start_date", "accepted", to="activating")
        self.note("access_check", "accepted", to="active")
        if self.script.bounces:
            self.note("email_failed", "accepted")

    def documents(self, command: str) -> list[DocumentRow]:
        kept = {event.sequence for event in standing(self.audit)}
        brought = [event for event in self.audit if (event.command, event.verdict) == (command, "accepted")]
        return [
            DocumentRow(
                application_id=self.application_id,
                revision=revision,
                sequence=event.sequence,
                void=event.sequence not in kept,
            )
            for revision, event in enumerate(brought, start=1)
        ]

    def emails(self) -> list[tuple[LedgerRow, Mail | None]]:
        notices = expected_mails(self.script, self.audit)
        return [self._email(position, notice) for position, notice in enumerate(notices, start=1)]

    def _email(self, position: int, notice: Expected) -> tuple[LedgerRow, Mail | None]:
        at = self.audit[notice.sequence - 1].at
        bounced = notice.recipient.startswith("gone-")
        # Those of the event right before the reset had not left yet.
        late = notice.undone and self.audit[notice.sequence].command == RESET
        row = LedgerRow(
            application_id=self.application_id,
            key=notice.key,
            template=notice.template,
            recipient=notice.recipient,
            message_id="" if late else f"<{notice.key}.{self.script.uid}@vendor.example.com>",
            state="withdrawn" if late else "failed" if bounced else "sent",
            position=position,
            queued_at=at,
        )
        mail = Mail(
            at=at + position / 1000,
            event=MailEvent.BOUNCED if bounced else MailEvent.ACCEPTED,
            slot=0,
            recipient=row.recipient,
            message_id="" if bounced else row.message_id,
            template="" if bounced else row.template,
            answered=True,
        )
        return row, None if late else mail


def kept(plan: Plan) -> Evidence:
    """Everything went as promised."""
    parts: dict[str, list[Any]] = {name: [] for name in Evidence.model_fields}
    for number, script in enumerate(plan.scripts):
        told = _Telling(script, now=1000.0 + number)
        told.play()
        _add(parts, told)
    return Evidence.model_validate(parts)


def _add(parts: dict[str, list[Any]], told: _Telling) -> None:
    application_id, newest, uid = told.application_id, told.audit[-1], told.script.uid
    parts["sendings"] += told.sendings
    parts["audit"] += told.audit
    parts["faults"] += told.resets
    parts["runs"].append(
        Run(
            uid=uid,
            application_id=application_id,
            status="completed",
            outcome="active",
            received=tuple(sending.command_id for sending in told.sendings),
            resets=len(told.resets),
        )
    )
    parts["rows"].append(
        Row(
            application_id=application_id,
            uid=uid,
            stage="active",
            sequence=newest.sequence,
            refusals=_shown_refusals(told.audit),
        )
    )
    parts["trails"].append(
        Trail(
            application_id=application_id,
            broken_at=None,
            head_sequence=newest.sequence,
            head_hash=newest.hash,
        )
    )
    parts["grants"].append(GrantRow(application_id=application_id, uid=uid))
    for command, name in DOCUMENTS.items():
        parts[name] += told.documents(command)
    for n, audited in enumerate(told.audit, start=1):
        parts["samples"].append(Sample(at=audited.at, application_id=application_id, sequence=n, audited=n))
        parts["readings"].append(Reading(application_id=application_id, sequence=n, hash=audited.hash))
    for row, mail in told.emails():
        parts["ledger"].append(row)
        parts["mails"] += [mail] if mail else []


def _shown_refusals(audit: Sequence[Audited]) -> tuple[str | None, ...]:
    return tuple(event.command_id for event in standing(audit) if event.verdict == "refused")[-20:]
