"""What is stored of an application whose run Temporal has ended without an outcome: it is found, and ends."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any, Final

import pytest
from temporalio.client import WorkflowExecutionStatus

from activities.db.access import SqlAcpnAccess
from activities.db.applications import ApplicationRecords, OpenApplication
from activities.db.email_ledger import EmailLedger, LedgerState
from activities.db.trail import AuditTrail, Written
from activities.lost_runs import Lost, close, lost
from domain.contract import Stage
from tests.activities.examples import LINEAGE, NOON, application, entry, grant, publication
from tests.activities.senders import FIRST, SECOND
from tests.activities.stored import intact

LATER: Final = NOON + timedelta(days=1)
OPEN: Final = OpenApplication(
    application_id="run-1",
    workflow_id="reseller-onboarding-1001",
    company_master_uid="1001",
    updated_at=NOON,
)
WITHOUT_OUTCOME: Final = {
    WorkflowExecutionStatus.TERMINATED: "was terminated",
    WorkflowExecutionStatus.TIMED_OUT: "timed out",
    WorkflowExecutionStatus.FAILED: "failed",
    WorkflowExecutionStatus.CANCELED: "was cancelled before it could end by itself",
}


class Temporal:
    """A Temporal client that has one run, of the application of `OPEN`; ``delivering``: children of it that
    still try to store what it left behind."""

    def __init__(self, status: WorkflowExecutionStatus, delivering: int = 0) -> None:
        self.run = SimpleNamespace(
            status=status,
            close_time=None if status is WorkflowExecutionStatus.RUNNING else LATER,
            raw_description=SimpleNamespace(
                workflow_execution_info=SimpleNamespace(first_run_id=OPEN.application_id)
            ),
        )
        self.delivering = delivering

    def get_workflow_handle(self, workflow_id: str, run_id: str | None = None) -> "Temporal":
        return self

    async def describe(self) -> SimpleNamespace:
        return self.run

    async def count_workflows(self, query: str) -> SimpleNamespace:
        return SimpleNamespace(count=self.delivering)


async def found(temporal: Any) -> list[Lost]:
    return await lost(temporal, [OPEN])


@pytest.mark.parametrize("status", WorkflowExecutionStatus)
async def test_whatever_ends_a_run_without_an_outcome_loses_the_application(
    status: WorkflowExecutionStatus,
) -> None:
    how = WITHOUT_OUTCOME.get(status)
    assert await found(Temporal(status)) == ([Lost(OPEN, how, LATER)] if how else [])


async def test_while_a_child_still_stores_what_a_run_left_behind_it_is_not_lost() -> None:
    assert await found(Temporal(WorkflowExecutionStatus.TERMINATED, delivering=1)) == []


async def test_what_is_stored_ends_once_and_its_run_writes_and_sends_no_more(
    trail: AuditTrail, records: ApplicationRecords, ledger: EmailLedger, access: SqlAcpnAccess
) -> None:
    await trail.publish(FIRST)
    [stored] = await records.open("1001")
    terminated = Lost(stored, "was terminated", LATER)
    for closed in ([terminated], []):
        assert await close([terminated], trail, access) == closed
        assert await records.open("1001") == ()
        assert await trail.publish(SECOND) is Written.SUPERSEDED
        # By this an attempt to open access that is still under way opens none.
        assert (await trail.head("run-1")).generation > LINEAGE.generation
        assert await ledger.waiting(LINEAGE) == ()
        assert {row.state for row in await ledger.of("run-1")} == {LedgerState.WITHDRAWN}
        await intact(records, 1, 2)
    newest = await records.newest("1001")
    assert newest
    assert (newest.stage, newest.status.pending_emails) == (Stage.CANCELLED, 0)


async def test_access_that_an_attempt_may_have_opened_is_taken_back(
    trail: AuditTrail, records: ApplicationRecords, access: SqlAcpnAccess
) -> None:
    await trail.publish(publication(application(stage=Stage.ACTIVATING), entry(1)))
    [stored] = await records.open("1001")
    await access.give([grant("1002"), grant("1004", "run-0")])
    await close([Lost(stored, "was terminated", LATER)], trail, access)
    assert await access.grants("1001") == (grant("1004", "run-0"),)
