"""The result of a run: figures, broken promises, a table to read and JSON to keep."""

from collections import Counter, defaultdict
from datetime import datetime
from statistics import median
from typing import Any

from pydantic import BaseModel, ConfigDict
from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table

from bench.chaos.evidence import Evidence, FaultSeen, Mail, MailEvent
from bench.chaos.oracle import ACTIVE, Violation
from bench.chaos.oracle_mails import Doubled
from bench.chaos.plan import FaultKind, Plan, Sort

PROMISES = (
    "applicant did not finish",
    "acknowledged command lost",
    "answer contradicts the record",
    "wrong command not refused as such",
    "effect doubled",
    "audit trail has a gap",
    "audit trail is not chained",
    "event changed",
    "reset not on record",
    "read model went backwards",
    "records disagree",
    "access without active",
    "mail missing",
    "mail nobody ordered",
    "mail doubled under another Message-ID",
    "mail doubled without a fault",
    "mails out of order",
    "workflow task failed",
)
SHOWN = 10


class Drain(BaseModel):
    """How long what waited at the end of the faults of one kind took to be done, in seconds."""

    model_config = ConfigDict(frozen=True)

    kind: FaultKind
    count: int
    median: float
    longest: float


class Report(BaseModel):
    """All figures of a run."""

    model_config = ConfigDict(frozen=True)

    seed: int
    at: datetime
    applicants: int
    concurrency: int
    workers: int
    seconds: float
    faults: dict[str, int]
    finished: int
    commands: int
    copies: int
    acknowledged: int
    lost: int
    doubled: int
    mails_sent: int
    mails_bounced: int
    mails_doubled: int
    doubles_by_cause: dict[str, int]
    workflow_task_failures: int
    workflow_task_timeouts: int
    history_events: int
    worker_exits: list[int]
    drains: list[Drain]
    broken: dict[str, int]
    violations: list[Violation]

    @property
    def kept(self) -> bool:
        """Whether every promise was kept."""
        return not self.violations


def report(
    plan: Plan,
    evidence: Evidence,
    violations: tuple[Violation, ...],
    doubles: tuple[Doubled, ...],
    *,
    at: datetime,
    concurrency: int,
    seconds: float,
    worker_exits: list[int],
) -> Report:
    """Count everything. ``seconds``: how long the run took."""
    broken = Counter(violation.promise for violation in violations)
    answered = [sending for sending in evidence.sendings if sending.answer in ("acknowledged", "done")]
    return Report(
        seed=plan.seed,
        at=at,
        applicants=len(plan.scripts),
        concurrency=concurrency,
        workers=plan.workers,
        seconds=round(seconds, 1),
        faults=_fault_counts(evidence),
        finished=sum(run.outcome == ACTIVE for run in evidence.runs),
        commands=len({sending.command_id for sending in evidence.sendings}),
        copies=len(evidence.sendings),
        acknowledged=len({sending.command_id for sending in answered}),
        lost=broken["acknowledged command lost"],
        doubled=broken["effect doubled"],
        mails_sent=len({m.message_id for m in evidence.mails if m.event is MailEvent.ACCEPTED}),
        mails_bounced=sum(row.state == "failed" for row in evidence.ledger),
        mails_doubled=len(doubles),
        doubles_by_cause=dict(Counter(double.cause or "none" for double in doubles)),
        workflow_task_failures=sum(len(run.failures) for run in evidence.runs),
        workflow_task_timeouts=sum(run.timeouts for run in evidence.runs),
        history_events=sum(run.events for run in evidence.runs),
        worker_exits=worker_exits,
        drains=drains(evidence),
        broken={promise: broken[promise] for promise in PROMISES},
        violations=list(violations),
    )


def _fault_counts(evidence: Evidence) -> dict[str, int]:
    """Faults of parts and mail server by occurrence, of commands by how many were sent."""
    counted = Counter(str(fault.kind) for fault in evidence.faults)
    wrong = {s.command_id: s.sort for s in evidence.sendings if s.sort is not Sort.RIGHT}
    counted.update(str(sort) for sort in wrong.values())
    copies = Counter(sending.command_id for sending in evidence.sendings)
    counted[FaultKind.REPEATED] = sum(number > 1 for number in copies.values())
    counted[FaultKind.BOUNCE] = len({m.recipient for m in evidence.mails if m.event is MailEvent.BOUNCED})
    return {kind.value: counted[kind] for kind in FaultKind}


def drains(evidence: Evidence) -> list[Drain]:
    """Time to drain: from a fault's end until every command and mail that waited then was done.

    Faults overlap, so what one leaves waiting may be kept waiting by the next; that is counted in.
    """
    waits = [*_commands(evidence), *_mails(evidence)]
    by_kind: dict[FaultKind, list[float]] = defaultdict(list)
    for fault in evidence.faults:
        by_kind[fault.kind].append(_drained_after(fault, waits))
    return [
        Drain(kind=kind, count=len(times), median=round(median(times), 1), longest=round(max(times), 1))
        for kind in FaultKind
        if (times := by_kind[kind])
    ]


def _drained_after(fault: FaultSeen, waits: list[tuple[float, float]]) -> float:
    waiting = [done for began, done in waits if began <= fault.ended < done]
    return max(waiting, default=fault.ended) - fault.ended


def _commands(evidence: Evidence) -> list[tuple[float, float]]:
    """From the first copy of a command until the first final answer."""
    began: dict[str, float] = {}
    done: dict[str, float] = {}
    for sending in sorted(evidence.sendings, key=lambda sending: sending.answered_at):
        began[sending.command_id] = min(began.get(sending.command_id, sending.sent_at), sending.sent_at)
        if sending.answer not in ("unknown", "unavailable"):
            done.setdefault(sending.command_id, sending.answered_at)
    return [(began[command_id], at) for command_id, at in done.items()]


def _mails(evidence: Evidence) -> list[tuple[float, float]]:
    """From queueing an e-mail until the server first took it."""
    first: dict[str, Mail] = {}
    for mail in sorted(evidence.mails, key=lambda mail: mail.at):
        if mail.event is MailEvent.ACCEPTED:
            first.setdefault(mail.message_id, mail)
    return [(row.queued_at, first[row.message_id].at) for row in evidence.ledger if row.message_id in first]


def show(result: Report, console: Console) -> None:
    """Print the tables."""
    console.print(Group(_figures(result), _faults(result), _promises(result)))
    for violation in result.violations[:SHOWN]:
        console.print(f"[red]{violation.promise}[/] {violation.uid}: {escape(violation.evidence)}")
    if len(result.violations) > SHOWN:
        console.print(f"… and {len(result.violations) - SHOWN} more in the JSON file")


def _figures(result: Report) -> Table:
    table = Table(title=f"Chaos, seed {result.seed}", show_header=False)
    doubles = ", ".join(f"{cause} {count}" for cause, count in result.doubles_by_cause.items())
    rows: dict[str, Any] = {
        "Applicants finished": f"{result.finished} of {result.applicants}",
        "Commands sent (copies)": f"{result.commands} ({result.copies})",
        "Commands acknowledged": result.acknowledged,
        "Acknowledged and lost": result.lost,
        "Effects doubled": result.doubled,
        "E-mails delivered": result.mails_sent,
        "E-mails that could not be (550)": result.mails_bounced,
        "E-mails that came twice, same Message-ID": f"{result.mails_doubled}"
        + (f" ({doubles})" if doubles else ""),
        "Workflow tasks failed by the code": result.workflow_task_failures,
        "Workflow tasks lost with a worker": result.workflow_task_timeouts,
        "Workers that ended by themselves": len(result.worker_exits),
        "History events": result.history_events,
        "Seconds": result.seconds,
    }
    for name, value in rows.items():
        table.add_row(name, str(value))
    return table


def _faults(result: Report) -> Table:
    table = Table("Fault", "Times", "Time to drain, median s", "longest s", title="Faults")
    times = {drain.kind.value: drain for drain in result.drains}
    for kind, count in result.faults.items():
        drain = times.get(kind)
        figures = (f"{drain.median}", f"{drain.longest}") if drain else ("", "")
        table.add_row(kind, str(count), *figures)
    return table


def _promises(result: Report) -> Table:
    table = Table("Must not happen", "Happened", title="Promises")
    for promise, count in result.broken.items():
        table.add_row(promise, f"[bold red]{count}[/]" if count else "0")
    return table
