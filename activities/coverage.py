"""The activity by which a change of what an application covers begins: what its own run has left."""

from typing import Final

from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.db.applications import ApplicationRecords
from activities.db.email_ledger import EmailLedger
from domain.contract import DELIVERY_TYPE, Stage, workflow_id
from domain.coverage import Recall, Recalled

STILL_AT_WORK: Final = "The application's own run has not ended, or its last records are still on their way."


class CoverageActivities:
    """Reads applications whose own runs have ended, for going on with them."""

    def __init__(self, records: ApplicationRecords, ledger: EmailLedger) -> None:
        self._records = records
        self._ledger = ledger

    @activity.defn(name="recall")
    async def recall(self, request: Recall) -> Recalled:
        """The company's latest application, as it is stored; with the head where it has access.

        Raises:
            ApplicationError: its own run is still at work; to be tried again.
            sqlalchemy.exc.SQLAlchemyError, RPCError: the database or Temporal are down.
        """
        company = request.company_master_uid
        application_id = await self._records.newest_id(company)
        if application_id is None:
            return Recalled()
        application, head = await self._records.recalled(application_id)
        if application.stage is not Stage.ACTIVE:
            return Recalled(application=application)
        if await self._at_work(company, application_id, head.sequence):
            raise ApplicationError(STILL_AT_WORK, type="StillAtWork")
        failed, failed_through = await self._ledger.untold(application)
        return Recalled(
            application=application,
            head=head.model_copy(update={"failed": failed, "failed_through": failed_through}),
            before=await self._records.answered(application_id, request.command_id, head.sequence),
        )

    async def _at_work(self, company_master_uid: str, application_id: str, stored: int) -> bool:
        client, own = activity.client(), workflow_id(company_master_uid)
        if await _runs(client, own, application_id):
            return True
        # What it left to a child may have records among it, which must not be shut out: its ID ends in the
        # number of the newest event it stores.
        prefix = f"{own}-delivery-{application_id}-"
        query = (
            f"WorkflowType = '{DELIVERY_TYPE}' AND ExecutionStatus = 'Running' AND WorkflowId STARTS_WITH "
            f"'{prefix}'"
        )
        return any(
            [int(child.id.removeprefix(prefix)) > stored async for child in client.list_workflows(query)]
        )


async def _runs(client: Client, own: str, application_id: str) -> bool:
    try:
        run = await client.get_workflow_handle(own).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    first = run.raw_description.workflow_execution_info.first_run_id
    return run.status is WorkflowExecutionStatus.RUNNING and first == application_id
