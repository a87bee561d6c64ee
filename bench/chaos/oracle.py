"""The judge: compares the four records and names every promise that was broken, with its evidence. Pure.

What must have happened is derived here from the scripts and from the process guide, by tables of its own,
not from the code that is on trial. This module judges commands and their effects; `oracle_records.py` judges
what is stored, `oracle_mails.py` the e-mails.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict

from bench.chaos.evidence import Audited, Evidence, Run, Sending
from bench.chaos.plan import FaultKind, Script, Sort
from bench.chaos.story import kind_of
from bench.chaos.trails import standing

Record = TypeVar("Record", bound=BaseModel)
ACTIVE: Final = "active"
ACCEPTED, NO_OP, REFUSED = "accepted", "no_op", "refused"
MUST_BE: Final = {
    Sort.EARLY: "wrong_stage",
    Sort.STALE: "stale_revision",
    Sort.FORBIDDEN: "forbidden",
    Sort.BROKEN: "invalid",
}
"""The one error each sort of wrong command is refused with (docs/reference/errors.md)."""
WRONG_ANYWHERE: Final = frozenset({Sort.FORBIDDEN, Sort.BROKEN})
"""Those that are wrong wherever the application stands, so that a reset makes nothing else of them."""
NO_ANSWER: Final = frozenset({"unknown", "closed", "not_found", "unavailable"})
"""Answers after which nothing needs to be on record."""


class Violation(BaseModel):
    """A broken promise: which, and what shows it."""

    model_config = ConfigDict(frozen=True)

    promise: str
    uid: str
    evidence: str


class Case:
    """All records about one applicant.

    ``standing``: the events no reset has undone. ``reset_at``: when an operator last turned it back, if ever.
    """

    def __init__(self, script: Script, run: Run, evidence: "Sorted") -> None:
        self.script = script
        self.uid = script.uid
        self.run = run
        self.sendings = evidence.sendings[script.uid]
        self.audit = sorted(evidence.audit[run.application_id], key=lambda audited: audited.sequence)
        self.standing = standing(self.audit)
        self.by_id = _by_id(self.audit)
        self.reset_at = max((fault.ended for fault in evidence.resets[script.uid]), default=None)

    def on_record(self, sending: Sending) -> list[Audited]:
        """The events of a command; one without a readable ID is found by its text."""
        found = self.by_id.get(sending.command_id, [])
        if found or sending.sort is not Sort.BROKEN:
            return found
        return [audited for audited in self.audit if sending.command_id in audited.details]


def _by_id(audit: Iterable[Audited]) -> dict[str, list[Audited]]:
    found: dict[str, list[Audited]] = defaultdict(list)
    for audited in audit:
        if audited.command_id is not None:
            found[audited.command_id].append(audited)
    return found


class Sorted:
    """The evidence by applicant and by application."""

    def __init__(self, evidence: Evidence) -> None:
        self.sendings = _by(evidence.sendings, "uid")
        self.audit = _by(evidence.audit, "application_id")
        self.trails = _by(evidence.trails, "application_id")
        self.readings = _by(evidence.readings, "application_id")
        self.forms = _by(evidence.forms, "application_id")
        self.sheets = _by(evidence.sheets, "application_id")
        self.ledger = _by(evidence.ledger, "application_id")
        self.grants = _by(evidence.grants, "application_id")
        self.rows = _by(evidence.rows, "uid")
        self.samples = _by(evidence.samples, "application_id")
        self.resets = _by((fault for fault in evidence.faults if fault.kind is FaultKind.RESET), "uid")
        self.runs = {run.uid: run for run in evidence.runs}

    def case(self, script: Script) -> Case:
        """All there is about this applicant."""
        run = self.runs.get(script.uid) or Run(uid=script.uid, application_id="", status="unknown")
        return Case(script, run, self)


def _by(records: Iterable[Record], name: str) -> defaultdict[str, list[Record]]:
    sorted_out: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        sorted_out[getattr(record, name)].append(record)
    return sorted_out


def judge(scripts: tuple[Script, ...], evidence: Evidence) -> tuple[Violation, ...]:
    """Every broken promise about commands and their effects."""
    by = Sorted(evidence)
    found: list[Violation] = []
    for case in map(by.case, scripts):
        for check in (_finished, _nothing_lost, _answers_true, _wrong_refused, _once_each, _tasks):
            found += check(case)
        found += _effects(case, by)
    return tuple(found)


def _finished(case: Case) -> Iterator[Violation]:
    if (case.run.status, case.run.outcome) != ("completed", ACTIVE):
        last = case.sendings[-1] if case.sendings else None
        yield Violation(
            promise="applicant did not finish",
            uid=case.uid,
            evidence=f"workflow {case.run.status}, result {case.run.outcome}; last command:"
            f" {last and f'{last.command_id} -> {last.answer}'}",
        )


def _nothing_lost(case: Case) -> Iterator[Violation]:
    """What was acknowledged is in the history and on record."""
    received = case.run.received
    for command_id, sending in _first_answered(case.sendings).items():
        in_history = any(command_id in text for text in received)
        # A workflow that still runs may have it in its inbox: that is an applicant who did not finish.
        if not in_history or (case.run.ended and not case.on_record(sending)):
            where = "the audit trail" if in_history else "the workflow's history"
            yield Violation(
                promise="acknowledged command lost",
                uid=case.uid,
                evidence=f"{command_id} by {sending.channel} was answered {sending.answer!r}"
                f" but is not in {where}",
            )


def _first_answered(sendings: list[Sending]) -> dict[str, Sending]:
    answered = [sending for sending in sendings if sending.answer not in NO_ANSWER]
    return {sending.command_id: sending for sending in reversed(answered)}


def _answers_true(case: Case) -> Iterator[Violation]:
    """An update's answer is what the record says, and all copies of a command have the same.

    What was answered before a reset, the reset may have undone before it was stored.
    """
    for sending in case.sendings:
        if sending.channel != "update" or sending.answer in NO_ANSWER:
            continue
        if case.reset_at is not None and sending.sent_at <= case.reset_at:
            continue
        verdicts = {_word(audited) for audited in case.on_record(sending)}
        told = {ACCEPTED, NO_OP} if sending.answer == "done" else {sending.answer}
        if verdicts and not verdicts & told:
            yield Violation(
                promise="answer contradicts the record",
                uid=case.uid,
                evidence=f"{sending.command_id}: told {sending.answer!r}, on record {sorted(verdicts)}",
            )


def _word(audited: Audited) -> str:
    return str(audited.error) if audited.verdict == REFUSED else audited.verdict


def _wrong_refused(case: Case) -> Iterator[Violation]:
    """A wrong command is refused, with its own reason."""
    for sending in _first_answered(case.sendings).values():
        must = MUST_BE.get(sending.sort)
        if case.reset_at is not None and sending.sort not in WRONG_ANYWHERE:
            continue
        words = {_word(audited) for audited in case.on_record(sending)} - {"unavailable", "closed"}
        if must and words - {must}:
            yield Violation(
                promise="wrong command not refused as such",
                uid=case.uid,
                evidence=f"{sending.command_id}: {sorted(words)} instead of {must}",
            )


def _once_each(case: Case) -> Iterator[Violation]:
    """Each command is decided on once, and every one that was carried out has one accepted event."""
    for command_id, events in _by_id(case.standing).items():
        lasting = [audited for audited in events if audited.error not in ("unavailable", "invalid")]
        if len(lasting) > 1:
            words = [_word(event) for event in lasting]
            yield _doubled(case, f"{command_id} is on record {len(lasting)} times: {words}")
    carried_out = {
        sending.command_id
        for sending in case.sendings
        if sending.answer == "done" and (case.reset_at is None or sending.sent_at > case.reset_at)
    }
    for command_id in sorted(carried_out):
        verdicts = [event.verdict for event in case.by_id[command_id] if event.verdict != REFUSED]
        if case.run.ended and len(verdicts) != 1:
            yield Violation(
                promise="records disagree",
                uid=case.uid,
                evidence=f"{command_id} was carried out, on record are {verdicts}",
            )


def _doubled(case: Case, evidence: str) -> Violation:
    return Violation(promise="effect doubled", uid=case.uid, evidence=evidence)


def _effects(case: Case, by: Sorted) -> Iterator[Violation]:
    """Each step of the story has its effect once: on record, as a sheet, as access."""
    accepted = [audited for audited in case.audit if audited.verdict == ACCEPTED and audited.command_id]
    happened = Counter(audited.command for audited in accepted)
    application_id = case.run.application_id
    for kind, documents in (("submit_application", by.forms), ("issue_decision_sheet", by.sheets)):
        revisions = sorted(document.revision for document in documents[application_id])
        if revisions != list(range(1, happened[kind] + 1)):
            yield _doubled(
                case, f"{kind} took effect {happened[kind]} times, stored are the revisions {revisions}"
            )
    granted = sorted(grant.uid for grant in by.grants[application_id])
    if case.run.outcome == ACTIVE and granted != [case.uid]:
        yield _doubled(case, f"access was granted to {granted}")
    # Who was turned back goes on by steps the script does not have.
    if case.reset_at is not None:
        return
    wanted = Counter(kind_of(turn.right.step) for turn in case.script.turns)
    for kind, times in happened.items():
        if times > wanted[kind]:
            yield _doubled(case, f"{kind} took effect {times} times instead of {wanted[kind]}")
    missing = wanted - happened
    if case.run.outcome == ACTIVE and missing:
        yield Violation(
            promise="records disagree",
            uid=case.uid,
            evidence=f"active, but the audit trail lacks {dict(missing)}",
        )


def _tasks(case: Case) -> Iterator[Violation]:
    for failure in case.run.failures:
        yield Violation(promise="workflow task failed", uid=case.uid, evidence=failure)
