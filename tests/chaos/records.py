"""The evidence of a run in which every promise was kept, made from its plan."""

from dataclasses import dataclass, field
from typing import Any

from bench.chaos.evidence import (
    Audited,
    Evidence,
    GrantRow,
    LedgerRow,
    Mail,
    MailEvent,
    Row,
    Run,
    Sample,
    Sending,
    SheetRow,
)
from bench.chaos.oracle import MUST_BE
from bench.chaos.oracle_mails import expected_mails
from bench.chaos.plan import Channel, Dispatch, Plan, Script, Sort
from bench.chaos.story import kind_of

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


@dataclass
class _Telling:
    """One applicant's run, told command by command; a second passes with each event."""

    script: Script
    now: float
    stage: str = "drafting"
    signatures: int = 0
    sendings: list[Sending] = field(default_factory=list)
    audit: list[Audited] = field(default_factory=list)

    @property
    def application_id(self) -> str:
        return f"application of {self.script.uid}"

    def note(self, command: str, verdict: str, **more: Any) -> None:
        to = more.pop("to", self.stage)
        self.now += 1
        self.audit.append(
            Audited(
                application_id=self.application_id,
                sequence=len(self.audit) + 1,
                at=self.now,
                command=command,
                verdict=verdict,
                from_stage=self.stage,
                to_stage=to,
                **more,
            )
        )
        self.stage = to

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


def kept(plan: Plan) -> Evidence:
    """Everything went as promised."""
    parts: dict[str, list[Any]] = {
        name: [] for name in ("sendings", "runs", "rows", "audit", "sheets", "ledger", "grants", "samples")
    }
    mails: list[Mail] = []
    for number, script in enumerate(plan.scripts):
        told = _Telling(script, now=1000.0 + number)
        told.note("join", "accepted")
        for turn in script.turns:
            for dispatch in turn.before:
                told.send(dispatch)
            told.send(turn.right, confirmed=turn.confirmed)
            for dispatch in turn.together:
                told.send(dispatch)
        told.note("start_date", "accepted", to="activating")
        told.note("access_check", "accepted", to="active")
        if script.bounces:
            told.note("email_failed", "accepted")
        parts["sendings"] += told.sendings
        parts["audit"] += told.audit
        application_id, newest = told.application_id, told.audit[-1].sequence
        parts["runs"].append(
            Run(
                uid=script.uid,
                application_id=application_id,
                status="completed",
                stage="active",
                received=tuple(sending.command_id for sending in told.sendings),
            )
        )
        parts["rows"].append(
            Row(application_id=application_id, uid=script.uid, stage="active", sequence=newest)
        )
        parts["grants"].append(GrantRow(application_id=application_id, uid=script.uid))
        parts["sheets"] += [
            SheetRow(application_id=application_id, revision=revision, hash=str(revision))
            for revision in (1, 2)
        ]
        parts["samples"] += [
            Sample(at=audited.at, application_id=application_id, sequence=n, audited=n)
            for n, audited in enumerate(told.audit, start=1)
        ]
        for position, letter in enumerate(expected_mails(script, told.audit), start=1):
            at = told.audit[letter.sequence - 1].at
            bounced = letter.recipient.startswith("gone-")
            row = LedgerRow(
                application_id=application_id,
                key=letter.key,
                template=letter.template,
                recipient=letter.recipient,
                message_id=f"<{letter.key}.{script.uid}@vendor.example.com>",
                state="failed" if bounced else "sent",
                position=position,
                queued_at=at,
            )
            parts["ledger"].append(row)
            mails.append(
                Mail(
                    at=at + position / 1000,
                    event=MailEvent.BOUNCED if bounced else MailEvent.ACCEPTED,
                    slot=0,
                    recipient=row.recipient,
                    message_id="" if bounced else row.message_id,
                    template="" if bounced else row.template,
                    answered=True,
                )
            )
    return Evidence.model_validate({**parts, "mails": mails})
