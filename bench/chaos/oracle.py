"""The judge: compares the four records and names every promise that was broken, with its evidence. Pure.

What must have happened is derived here from the scripts and from the process guide, by tables of its own,
not from the code that is on trial.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from pydantic import BaseModel, ConfigDict

from bench.chaos.evidence import Audited, Evidence, Run, Sending
from bench.chaos.plan import Script, Sort
from bench.chaos.story import kind_of

ACTIVE: Final = "active"
ACCEPTED, NO_OP, REFUSED = "accepted", "no_op", "refused"
MUST_BE: Final = {
    Sort.EARLY: "wrong_stage",
    Sort.STALE: "stale_revision",
    Sort.FORBIDDEN: "forbidden",
    Sort.BROKEN: "invalid",
}
"""The one error each sort of wrong command is refused with (design §3)."""
NO_ANSWER: Final = frozenset({"unknown", "closed", "not_found", "unavailable"})
"""Answers after which nothing needs to be on record."""


class Violation(BaseModel):
    """A broken promise: which, and what shows it."""

    model_config = ConfigDict(frozen=True)

    promise: str
    uid: str
    evidence: str


class Case:
    """All records about one applicant."""

    def __init__(self, script: Script, run: Run, evidence: "Sorted") -> None:
        self.script = script
        self.uid = script.uid
        self.run = run
        self.sendings = evidence.sendings[script.uid]
        self.audit = sorted(evidence.audit[run.application_id], key=lambda audited: audited.sequence)
        self.by_id: dict[str, list[Audited]] = defaultdict(list)
        for audited in self.audit:
            if audited.command_id is not None:
                self.by_id[audited.command_id].append(audited)

    def on_record(self, sending: Sending) -> list[Audited]:
        """The events of a command; one without a readable ID is found by its text."""
        found = self.by_id.get(sending.command_id, [])
        if found or sending.sort is not Sort.BROKEN:
            return found
        return [audited for audited in self.audit if sending.command_id in audited.details]


class Sorted:
    """The evidence by applicant and by application."""

    def __init__(self, evidence: Evidence) -> None:
        self.sendings = _by(evidence.sendings, "uid")
        self.audit = _by(evidence.audit, "application_id")
        self.sheets = _by(evidence.sheets, "application_id")
        self.grants = _by(evidence.grants, "application_id")
        self.rows = _by(evidence.rows, "application_id")
        self.samples = _by(evidence.samples, "application_id")
        self.runs = {run.uid: run for run in evidence.runs}


def _by(records: Iterable[BaseModel], name: str) -> "defaultdict[str, list]":  # type: ignore[type-arg] # each list is of the records given
    sorted_out: defaultdict[str, list] = defaultdict(list)  # type: ignore[type-arg] # likewise
    for record in records:
        sorted_out[getattr(record, name)].append(record)
    return sorted_out


def judge(scripts: tuple[Script, ...], evidence: Evidence) -> tuple[Violation, ...]:
    """Every broken promise about commands, effects and records (`oracle_mails.py` judges the e-mails)."""
    by = Sorted(evidence)
    found: list[Violation] = []
    for script in scripts:
        run = by.runs.get(script.uid) or Run(uid=script.uid, application_id="", status="unknown")
        case = Case(script, run, by)
        for check in (_finished, _nothing_lost, _answers_true, _wrong_refused, _no_gap, _tasks):
            found += check(case)
        found += _nothing_twice(case, by)
        found += _read_model(case, by)
    return tuple(found)


def _finished(case: Case) -> Iterator[Violation]:
    if (case.run.status, case.run.stage) != ("completed", ACTIVE):
        last = case.sendings[-1] if case.sendings else None
        yield Violation(
            promise="applicant did not finish",
            uid=case.uid,
            evidence=f"workflow {case.run.status}, result {case.run.stage}; last command:"
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
    """An update's answer is what the record says, and all copies of a command have the same."""
    for sending in case.sendings:
        if sending.channel != "update" or sending.answer in NO_ANSWER:
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
        words = {_word(audited) for audited in case.on_record(sending)} - {"unavailable", "closed"}
        if must and words - {must}:
            yield Violation(
                promise="wrong command not refused as such",
                uid=case.uid,
                evidence=f"{sending.command_id}: {sorted(words)} instead of {must}",
            )


def _nothing_twice(case: Case, by: Sorted) -> Iterator[Violation]:
    """Each command, and each step of the story, has its effect once."""

    def doubled(evidence: str) -> Violation:
        return Violation(promise="effect doubled", uid=case.uid, evidence=evidence)

    for command_id, events in case.by_id.items():
        lasting = [audited for audited in events if audited.error not in ("unavailable", "invalid")]
        if len(lasting) > 1:
            yield doubled(f"{command_id} is on record {len(lasting)} times: {[_word(e) for e in lasting]}")
    wanted = Counter(kind_of(turn.right.step) for turn in case.script.turns)
    happened = Counter(a.command for a in case.audit if a.verdict == ACCEPTED and a.command_id)
    for kind, times in happened.items():
        if times > wanted[kind]:
            yield doubled(f"{kind} took effect {times} times instead of {wanted[kind]}")
    finished = case.run.stage == ACTIVE
    application_id = case.run.application_id
    revisions = sorted(sheet.revision for sheet in by.sheets[application_id])
    issued = happened["issue_decision_sheet"]
    if revisions != list(range(1, issued + 1)):
        yield doubled(f"{issued} sheets were issued, stored are the revisions {revisions}")
    granted = sorted(grant.uid for grant in by.grants[application_id])
    if finished and granted != [case.uid]:
        yield doubled(f"access was granted to {granted}")
    missing = wanted - happened
    if finished and missing:
        yield Violation(
            promise="records disagree",
            uid=case.uid,
            evidence=f"active, but the audit trail lacks {dict(missing)}",
        )


def _no_gap(case: Case) -> Iterator[Violation]:
    sequences = [audited.sequence for audited in case.audit]
    if sequences != list(range(1, len(sequences) + 1)):
        missing = sorted(set(range(1, max(sequences) + 1)) - set(sequences))
        yield Violation(
            promise="audit trail has a gap", uid=case.uid, evidence=f"events {missing} are not stored"
        )
    for before, after in pairwise(case.audit):
        if after.sequence == before.sequence + 1 and after.from_stage != before.to_stage:
            yield Violation(
                promise="audit trail has a gap",
                uid=case.uid,
                evidence=f"event {before.sequence} ends in {before.to_stage},"
                f" event {after.sequence} begins in {after.from_stage}",
            )


def _read_model(case: Case, by: Sorted) -> Iterator[Violation]:
    """A row never goes backwards, and in the end it says what the workflow says."""
    application_id = case.run.application_id
    highest, most = 0, 0
    for sample in sorted(by.samples[application_id], key=lambda sample: sample.at):
        if sample.sequence is None or sample.sequence < highest or sample.audited < most:
            yield Violation(
                promise="read model went backwards",
                uid=case.uid,
                evidence=f"from sequence {highest} ({most} events) to {sample.sequence} ({sample.audited})",
            )
        highest, most = max(highest, sample.sequence or 0), max(most, sample.audited)
    if not case.run.ended:
        return
    rows = by.rows[application_id]
    newest = case.audit[-1].sequence if case.audit else 0
    if [(row.stage, row.sequence) for row in rows] != [(case.run.stage, newest)]:
        shown = [(row.stage, row.sequence) for row in rows]
        yield Violation(
            promise="records disagree",
            uid=case.uid,
            evidence=f"workflow ended {case.run.stage}, newest event {newest}; read model {shown}",
        )


def _tasks(case: Case) -> Iterator[Violation]:
    for failure in case.run.failures:
        yield Violation(promise="workflow task failed", uid=case.uid, evidence=failure)
