"""What once stopped a run for good, as it was seen: its memory had grown past what Temporal takes (2 MiB)."""

from typing import Any

from domain import decisions
from domain.inquiry import Account
from domain.publication import Receipt
from tests import payloads
from tests.domain.applications import ENTERPRISE, UID, journey_to
from tests.model.process import Process
from tests.workflows.test_memory_bounds import ESCAPED, MONDAY, MOST, largest_form, say, size
from workflows.memory import KEPT_REFUSALS, RunMemory


def drafting() -> Process:
    """A company that has confirmed its information."""
    process = Process("run-1", payloads.join(UID), Account(uid=UID, enterprise=ENTERPRISE), MONDAY)
    assert say(process, "confirm_company") == "accepted"
    return process


def moves_on(process: Process) -> None:
    """It still fits, is read, is cancelled by an operator, and stores all that it kept."""
    kept = process.memory
    assert size(kept) < MOST
    assert process.status.stage == process.application.stage
    cancelled = RunMemory(kept.memory())
    decision = decisions.cancelled_by_operator(cancelled.application, process.now)
    event = cancelled.event(process.now, "cancel_application", decision.verdict, decision.application)
    cancelled.carry_out(decision, event)
    assert cancelled.application.ended
    assert size(cancelled) < MOST
    process.stores = True
    process.pass_until(process.now)
    say(process, "record_contact")
    assert not kept.backlog
    assert [event.sequence for event in process.trail] == list(range(1, len(process.trail) + 1))


def test_mail_server_down_and_the_largest_form_submitted_and_withdrawn_36_times() -> None:
    process = drafting()
    for number in range(36):
        form = largest_form(f"Version {number}.")
        assert say(process, "submit_application", application=form) == "accepted"
        assert say(process, "withdraw_application") == "accepted"
        process.memory.received(Receipt(pending=4 * (number + 1)))
    assert process.status.pending_emails == 4 * 36
    assert size(process.memory) < 200_000, "the mails wait in the ledger, not here"
    moves_on(process)


def test_database_down_and_the_largest_form_submitted_and_withdrawn_36_times() -> None:
    process = drafting()
    process.stores = False
    told = []
    for number in range(36):
        told.append(say(process, "submit_application", application=largest_form(f"Version {number}.")))
        told.append(say(process, "withdraw_application"))
    assert told[0] == "accepted"
    assert told[-1] == "unavailable"
    moves_on(process)


def test_database_down_and_2_980_refused_approvals_under_new_ids() -> None:
    process = drafting()
    assert say(process, "submit_application", application=payloads.form(UID)) == "accepted"
    process.stores = False
    told = [say(process, "approve_application", form_revision=9) for _ in range(2_980)]
    assert told[0] == "stale_revision"
    assert told[-1] == "unavailable"
    assert len(process.status.last_refusals) <= KEPT_REFUSALS
    moves_on(process)


def test_1_388_refused_submits_with_the_longest_ids() -> None:
    process = drafting()
    wrong = payloads.form(UID, legal_name="Another Ltd")
    for number in range(1_388):
        command_id = str(number).ljust(128, ESCAPED)
        assert say(process, "submit_application", application=wrong, command_id=command_id) == "uid_mismatch"
    assert len(process.trail) == 1_388 + 2
    moves_on(process)


def test_137_amendments_with_4_000_chinese_characters() -> None:
    journey = journey_to("signed")
    process = drafting()
    process.memory.application = journey.application
    for number in range(137):
        fields: dict[str, Any] = {"start_date": f"2027-{number // 28 + 1:02}-{number % 28 + 1:02}"}
        fields |= {"time_zone": "Asia/Shanghai", "reason": "改" * 4_000}
        assert say(process, "amend_start_date", **fields) == "accepted"
    assert len(process.trail) == 137 + 2
    moves_on(process)
