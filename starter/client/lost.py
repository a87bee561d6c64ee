"""Applications that are open in the database though Temporal has ended their runs, as ops find them."""

from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Final

from temporalio.client import Client

from activities import lost_runs
from activities.access_http import HttpAcpnAccess
from activities.acpn_access import AcpnAccess
from activities.db.access import SqlAcpnAccess
from activities.db.applications import ApplicationRecords, OpenApplication
from activities.db.trail import AuditTrail
from activities.db.webhook_endpoints import WebhookEndpoints
from activities.lost_runs import Lost
from activities.outside_service import ServiceAddress
from activities.webhooks.waking import wake
from domain.contract import WORKFLOW_TYPE, workflow_id
from settings import Settings
from starter.client.stored import open_database

ANSWER_WITHIN: Final = timedelta(seconds=5)
MOST_RUNS: Final = 100


async def reconcile(
    client: Client, settings: Settings, *, close: bool, forgotten: bool = False
) -> list[Lost]:
    """All open applications whose runs Temporal has ended without an outcome; ``close``: they end, on record.

    Those Temporal knows nothing of end only if ``forgotten`` says so: in another namespace it would be all.

    Raises:
        ArchiveError: the database can't be used.
        RPCError: Temporal can't be asked.
    """
    async with open_database(settings.database) as database, AsyncExitStack() as stack:
        found = await lost_runs.lost(client, await ApplicationRecords(database).open())
        if not close:
            return found
        access: AcpnAccess = SqlAcpnAccess(database)
        if settings.acpn_api_url is not None:
            platform = ServiceAddress.from_url(settings.acpn_api_url).client(ANSWER_WITHIN)
            access = HttpAcpnAccess(await stack.enter_async_context(platform))
        meant = [each for each in found if forgotten or each.how != lost_runs.NOT_KEPT]
        closed = await lost_runs.close(meant, AuditTrail(database), access)
        await wake(client, await WebhookEndpoints(database).asleep())
        return closed


async def recently_lost(client: Client, settings: Settings) -> list[Lost]:
    """The same of the latest `MOST_RUNS` that were terminated or timed out: quick, however many are open.

    Raises:
        ArchiveError: the database can't be used.
        RPCError: Temporal can't be asked.
    """
    query = f"WorkflowType = '{WORKFLOW_TYPE}' AND ExecutionStatus IN ('Terminated', 'TimedOut')"
    ended = {run.id async for run in client.list_workflows(query, limit=MOST_RUNS)}
    async with open_database(settings.database) as database:
        records = ApplicationRecords(database)
        open_ones: list[OpenApplication] = []
        for run in ended:
            open_ones += await records.open(run.removeprefix(workflow_id("")))
        return await lost_runs.lost(client, open_ones)
