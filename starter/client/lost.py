"""Applications that are open in the database though Temporal has ended their runs, as ops find them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from temporalio.client import Client

from activities import lost_runs
from activities.access_http import HttpAcpnAccess
from activities.acpn_access import AcpnAccess
from activities.db.access import SqlAcpnAccess
from activities.db.applications import ApplicationRecords, OpenApplication
from activities.db.engine import Database
from activities.db.schema import Schema, SchemaMismatchError
from activities.db.trail import AuditTrail
from activities.lost_runs import Lost
from activities.outside_service import ServiceAddress
from domain.contract import WORKFLOW_TYPE, workflow_id
from runtime.errors import first_line
from settings import Settings
from starter.client.errors import ArchiveError
from starter.client.stored import NO_FILE, has_no_file

ANSWER_WITHIN: Final = timedelta(seconds=5)
MOST_RUNS: Final = 100


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    database = Database(settings.database)
    try:
        if has_no_file(database):
            raise ArchiveError(f"The database {database.name} does not exist.", NO_FILE)
        await Schema(database).check()
        yield database
    except SchemaMismatchError as error:
        raise ArchiveError(f"The database is not ready: {error}.", error.remedy) from None
    except SQLAlchemyError as error:
        raise ArchiveError(
            f"The database {database.name} can't be used: {first_line(error)}",
            "Check ONBOARDING_DATABASE_URL.",
        ) from None
    finally:
        await database.dispose()


async def reconcile(
    client: Client, settings: Settings, *, close: bool, forgotten: bool = False
) -> list[Lost]:
    """All open applications whose runs Temporal has ended without an outcome; ``close``: they end, on record.

    Those Temporal knows nothing of end only if ``forgotten`` says so: in another namespace it would be all.

    Raises:
        ArchiveError: the database can't be used.
        RPCError: Temporal can't be asked.
    """
    async with _database(settings) as database, AsyncExitStack() as stack:
        found = await lost_runs.lost(client, await ApplicationRecords(database).open())
        if not close:
            return found
        access: AcpnAccess = SqlAcpnAccess(database)
        if settings.acpn_api_url is not None:
            platform = ServiceAddress.from_url(settings.acpn_api_url).client(ANSWER_WITHIN)
            access = HttpAcpnAccess(await stack.enter_async_context(platform))
        meant = [each for each in found if forgotten or each.how != lost_runs.NOT_KEPT]
        return await lost_runs.close(meant, AuditTrail(database), access)


async def recently_lost(client: Client, settings: Settings) -> list[Lost]:
    """The same of the latest `MOST_RUNS` that were terminated or timed out: quick, however many are open.

    Raises:
        ArchiveError: the database can't be used.
        RPCError: Temporal can't be asked.
    """
    query = f"WorkflowType = '{WORKFLOW_TYPE}' AND ExecutionStatus IN ('Terminated', 'TimedOut')"
    ended = {run.id async for run in client.list_workflows(query, limit=MOST_RUNS)}
    async with _database(settings) as database:
        records = ApplicationRecords(database)
        open_ones: list[OpenApplication] = []
        for run in ended:
            open_ones += await records.open(run.removeprefix(workflow_id("")))
        return await lost_runs.lost(client, open_ones)
