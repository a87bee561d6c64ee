"""What is counted, and what the run is worth in the end."""

from datetime import UTC, datetime

import pytest
import typer
from rich.console import Console

from bench.chaos.__main__ import _chosen
from bench.chaos.evidence import Evidence, FaultSeen, Mail, MailEvent, Sending
from bench.chaos.oracle import Violation
from bench.chaos.plan import ORDINARY, FaultKind, Sort, plan
from bench.chaos.report import PROMISES, Report, drains, report, show
from tests.bench.records import kept

PLAN = plan(3, 40, seconds=60)


def reported(evidence: Evidence, *violations: Violation) -> Report:
    at = datetime(2026, 1, 5, tzinfo=UTC)
    return report(PLAN, evidence, violations, (), at=at, concurrency=5, seconds=61.2, worker_exits=[])


def test_a_run_that_kept_every_promise() -> None:
    result = reported(kept(PLAN))
    assert result.kept
    assert result.finished == len(PLAN.scripts)
    assert result.mails_bounced > 0
    assert result.broken == dict.fromkeys(PROMISES, 0)


def test_one_broken_promise_is_enough() -> None:
    violation = Violation(promise="mail missing", uid="1", evidence="[bold]4.application_received")
    result = reported(kept(PLAN), violation)
    assert not result.kept
    assert result.broken["mail missing"] == 1
    console = Console(record=True, width=120)
    show(result, console)
    assert "[bold]4.application_received" in console.export_text()


def test_the_report_can_be_read_back() -> None:
    result = reported(kept(PLAN))
    assert Report.model_validate_json(result.model_dump_json()) == result


def sending(sent_at: float, answered_at: float, answer: str) -> Sending:
    return Sending(
        uid="1",
        command_id="1.0",
        kind="confirm_company",
        sort=Sort.RIGHT,
        channel="update",
        sent_at=sent_at,
        answered_at=answered_at,
        answer=answer,
    )


def test_time_to_drain_is_until_all_that_waited_is_done() -> None:
    outage = FaultSeen(kind=FaultKind.OUTAGE, began=90, ended=110)
    waited = (sending(100, 101, "unavailable"), sending(102, 117, "done"))
    [drain] = drains(Evidence(sendings=waited, faults=(outage,)))
    assert (drain.count, drain.longest) == (1, 7.0)


def test_what_came_later_does_not_count() -> None:
    outage = FaultSeen(kind=FaultKind.OUTAGE, began=90, ended=110)
    later = Evidence(sendings=(sending(111, 150, "done"),), faults=(outage,))
    assert drains(later)[0].longest == 0


def test_a_mail_that_waited_counts_until_it_was_first_taken() -> None:
    evidence = kept(PLAN)
    row = next(row for row in evidence.ledger if row.state == "sent")
    fault = FaultSeen(kind=FaultKind.REFUSED, began=row.queued_at - 5, ended=row.queued_at + 1)
    taken = [
        Mail(at=row.queued_at + at, event=MailEvent.ACCEPTED, slot=0, message_id=row.message_id)
        for at in (9.0, 20.0)
    ]
    waited = Evidence(ledger=(row,), mails=tuple(taken), faults=(fault,))
    assert drains(waited)[0].longest == 8.0


def test_faults_are_chosen_by_name() -> None:
    assert _chosen("all") == frozenset(FaultKind) - {FaultKind.RESET}
    assert _chosen("all,reset") == frozenset(FaultKind)
    assert _chosen("none") == frozenset()
    assert _chosen("worker, lost") == {FaultKind.WORKER, FaultKind.LOST}
    assert _chosen("all,-outage") == ORDINARY - {FaultKind.OUTAGE}
    with pytest.raises(typer.BadParameter, match="there is no fault 'fire'"):
        _chosen("fire")
