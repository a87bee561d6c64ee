"""Applications whose run Temporal has ended without an outcome, as by Terminate: what is stored of them would
stay open for ever."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
)
from temporalio.service import RPCError, RPCStatusCode

from activities.acpn_access import AcpnAccess
from activities.db.applications import OpenApplication
from activities.db.trail import AuditTrail
from domain.contract import DELIVERY_TYPE, Stage

NOT_KEPT: Final = "is not kept by Temporal any more"
HOW: Final[Mapping[WorkflowExecutionStatus | None, str]] = {
    WorkflowExecutionStatus.TERMINATED: "was terminated",
    WorkflowExecutionStatus.TIMED_OUT: "timed out",
    WorkflowExecutionStatus.FAILED: "failed",
    WorkflowExecutionStatus.CANCELED: "was cancelled before it could end by itself",
}
"""The ways a run ends without an outcome, in words that follow "Its run in Temporal"."""


class Lost(NamedTuple):
    """An application without a run: how that ended, and when."""

    application: OpenApplication
    how: str
    at: datetime


async def lost(client: Client, open_ones: Iterable[OpenApplication]) -> list[Lost]:
    """Those of the applications whose run has ended without an outcome.

    One whose run has come to an outcome is not among them, as its last records may still be on their way.

    Raises:
        RPCError: Temporal can't be asked.
    """
    looked_at = [await _look(client, application) for application in open_ones]
    return [found for found in looked_at if found]


async def close(lost_ones: Iterable[Lost], trail: AuditTrail, access: AcpnAccess) -> list[Lost]:
    """End what is stored of them, on record; those that were still open. Doing it again changes nothing.

    An attempt to open access may have succeeded though its answer never came: it is taken back.
    """
    closed = []
    for each in lost_ones:
        application = each.application
        before = await trail.close(application.application_id, each.how, each.at)
        if before is Stage.ACTIVATING:
            await access.take_back(application.company_master_uid, application.application_id)
        if before is not None:
            closed.append(each)
    return closed


async def _look(client: Client, application: OpenApplication) -> Lost | None:
    run = await _newest_run(client, application)
    if run is None:
        how, at = NOT_KEPT, application.updated_at
    elif run.status in HOW and run.close_time:
        how, at = HOW[run.status], run.close_time
    else:
        return None
    return None if await _is_delivering(client, application) else Lost(application, how, at)


async def _newest_run(client: Client, application: OpenApplication) -> WorkflowExecution | None:
    """The newest run of the application, which may have been continued or reset; its first run names it."""
    newest = await _described(client, application.workflow_id)
    if newest is None or _application_of(newest) == application.application_id:
        return newest
    # Another application of the applicant is newer.
    query = f"WorkflowId = '{application.workflow_id}'"
    runs = [each async for each in client.list_workflows(query)]
    for run in sorted(runs, key=lambda each: each.start_time, reverse=True):
        described = await _described(client, run.id, run.run_id)
        if described and _application_of(described) == application.application_id:
            return described
    return None


async def _described(
    client: Client, workflow_id: str, run_id: str | None = None
) -> WorkflowExecutionDescription | None:
    try:
        return await client.get_workflow_handle(workflow_id, run_id=run_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


def _application_of(run: WorkflowExecutionDescription) -> str:
    return run.raw_description.workflow_execution_info.first_run_id


async def _is_delivering(client: Client, application: OpenApplication) -> bool:
    """Whether a child of an application that has ended still tries to store what that left behind."""
    prefix = f"{application.workflow_id}-delivery-{application.application_id}-"
    query = (
        f"WorkflowType = '{DELIVERY_TYPE}' AND ExecutionStatus = 'Running' AND WorkflowId STARTS_WITH "
        f"'{prefix}'"
    )
    return (await client.count_workflows(query)).count > 0
