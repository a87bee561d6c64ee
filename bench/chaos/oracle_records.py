"""Judges what is stored: a trail without gaps that nobody has changed, rows that say what happened. Pure."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from bench.chaos.evidence import Evidence
from bench.chaos.oracle import ACCEPTED, ACTIVE, REFUSED, Case, Sorted, Violation
from bench.chaos.plan import Script
from bench.chaos.trails import RESET, back_to

SHOWN_REFUSALS: Final = 20
"""So many refusals a status shows, the latest (docs/reference/contract.md)."""


def judge_records(scripts: tuple[Script, ...], evidence: Evidence) -> tuple[Violation, ...]:
    """Every broken promise about the audit trail, the documents, and the read model."""
    by = Sorted(evidence)
    found: list[Violation] = []
    for case in map(by.case, scripts):
        found += _no_gap(case)
        found += _resets(case)
        for check in (_chained, _unchanged, _documents, _never_backwards, _rows, _grants):
            found += check(case, by)
    return (*found, *_nobody_elses(by))


def _no_gap(case: Case) -> Iterator[Violation]:
    sequences = [audited.sequence for audited in case.audit]
    if sequences != list(range(1, len(sequences) + 1)):
        missing = sorted(set(range(1, max(sequences) + 1)) - set(sequences))
        yield Violation(
            promise="audit trail has a gap", uid=case.uid, evidence=f"events {missing} are not stored"
        )
    # What a reset has undone lies between; apart from that, a stage is never skipped.
    for before, after in pairwise(case.standing):
        if after.from_stage != before.to_stage:
            yield Violation(
                promise="audit trail has a gap",
                uid=case.uid,
                evidence=f"event {before.sequence} ends in {before.to_stage},"
                f" event {after.sequence} begins in {after.from_stage}",
            )


def _resets(case: Case) -> Iterator[Violation]:
    """A reset is on record, and names an event before it; who was not reset has none.

    One that leads back to where another was being taken up has that done again, on record.
    """
    resets = [audited for audited in case.audit if audited.command == RESET]
    backwards = [event.sequence for event in resets if back_to(event) >= event.sequence]
    most = max(0, 2 * case.run.resets - 1)
    if backwards or len(resets) > most or (case.run.ended and case.run.resets and not resets):
        yield Violation(
            promise="reset not on record",
            uid=case.uid,
            evidence=f"{case.run.resets} runs were left by a reset, on record are the events"
            f" {[event.sequence for event in resets]}",
        )


def _chained(case: Case, by: Sorted) -> Iterator[Violation]:
    def unchained(evidence: str) -> Violation:
        return Violation(promise="audit trail is not chained", uid=case.uid, evidence=evidence)

    newest = case.audit[-1] if case.audit else None
    trails = by.trails[case.run.application_id]
    if newest and len(trails) != 1:
        yield unchained(f"its end is kept {len(trails)} times")
    for trail in trails:
        if trail.broken_at is not None:
            yield unchained(f"the chain breaks at event {trail.broken_at}")
        if newest and (trail.head_sequence, trail.head_hash) != (newest.sequence, newest.hash):
            yield unchained(f"it ends at event {newest.sequence}, its kept end is {trail.head_sequence}")


def _unchanged(case: Case, by: Sorted) -> Iterator[Violation]:
    """What was once readable reads the same: where the chain holds, a hash stands for all of an event."""
    hashes = {audited.sequence: audited.hash for audited in case.audit}
    for reading in by.readings[case.run.application_id]:
        if hashes.get(reading.sequence) != reading.hash:
            yield Violation(
                promise="event changed",
                uid=case.uid,
                evidence=f"event {reading.sequence} read {reading.hash}, now {hashes.get(reading.sequence)}",
            )


def _documents(case: Case, by: Sorted) -> Iterator[Violation]:
    """A form or sheet is void exactly if a reset has undone the event that brought it."""
    kept = {audited.sequence for audited in case.standing}
    application_id = case.run.application_id
    for name, documents in (("form", by.forms), ("sheet", by.sheets)):
        for document in documents[application_id]:
            if document.void is (document.sequence in kept):
                yield Violation(
                    promise="records disagree",
                    uid=case.uid,
                    evidence=f"{name} {document.revision} of event {document.sequence} is"
                    f" {'void' if document.void else 'not void'}",
                )


def _never_backwards(case: Case, by: Sorted) -> Iterator[Violation]:
    """A row never goes back, and never says more or less than the events stored with it."""
    highest, most = 0, 0
    for sample in sorted(by.samples[case.run.application_id], key=lambda sample: sample.at):
        if sample.sequence is None or sample.sequence < highest or sample.audited < most:
            yield Violation(
                promise="read model went backwards",
                uid=case.uid,
                evidence=f"from sequence {highest} ({most} events) to {sample.sequence} ({sample.audited})",
            )
        elif sample.sequence != sample.audited:
            yield Violation(
                promise="records disagree",
                uid=case.uid,
                evidence=f"a row of sequence {sample.sequence} stood beside {sample.audited} events",
            )
        highest, most = max(highest, sample.sequence or 0), max(most, sample.audited)


def _rows(case: Case, by: Sorted) -> Iterator[Violation]:
    """In the end the row says what the workflow says, and what became of mails and refusals."""
    if not case.run.ended:
        return
    rows = by.rows[case.uid]
    newest = case.audit[-1].sequence if case.audit else 0
    pending = sum(row.state == "pending" for row in by.ledger[case.run.application_id])
    refused = [audited.command_id for audited in case.standing if audited.verdict == REFUSED]
    found = [(row.application_id, row.stage, row.sequence, row.pending_emails) for row in rows]
    wanted = [(case.run.application_id, case.run.outcome, newest, pending)]
    if found != wanted:
        yield Violation(
            promise="records disagree",
            uid=case.uid,
            evidence=f"workflow ended {case.run.outcome}, newest event {newest}, {pending} e-mails wait;"
            f" read model {found}",
        )
    elif list(rows[0].refusals) != refused[-SHOWN_REFUSALS:]:
        yield Violation(
            promise="records disagree",
            uid=case.uid,
            evidence=f"refused were {refused[-SHOWN_REFUSALS:]}, shown are {list(rows[0].refusals)}",
        )


def _grants(case: Case, by: Sorted) -> Iterator[Violation]:
    """Who is not a partner has no access; while a workflow runs, an answer may be on its way."""
    granted = [grant.uid for grant in by.grants[case.run.application_id]]
    decided = any(event.verdict == ACCEPTED and event.to_stage == ACTIVE for event in case.standing)
    if case.run.ended and granted and not decided:
        yield Violation(
            promise="access without active", uid=case.uid, evidence=f"{granted} may log in, nothing says why"
        )


def _nobody_elses(by: Sorted) -> Iterator[Violation]:
    """There is nothing of an application that nobody has."""
    known = {run.application_id for run in by.runs.values()}
    for name, records in (("event", by.audit), ("grant", by.grants), ("e-mail", by.ledger)):
        for application_id in records.keys() - known:
            yield Violation(
                promise="records disagree",
                uid="",
                evidence=f"{len(records[application_id])} {name}s of {application_id or 'nobody'}",
            )
