"""What `onboarding doctor` looks for among the applications: those nobody goes on with, and nobody knows."""

from typing import Final

from temporalio.client import Client
from temporalio.service import RPCError

from runtime.errors import connection_problem
from settings import Settings, SettingsError, TemporalSettings
from starter.client.errors import ArchiveError
from starter.client.lost import recently_lost
from starter.doctor.report import Finding, Part

SHOWN: Final = 5
REMEDY: Final = "`onboarding reconcile` lists them, `onboarding reconcile --yes` ends them as cancelled."


async def examine_applications(settings: Settings, temporal: TemporalSettings | SettingsError) -> Finding:
    """Whether any is open in the database though Temporal has ended its run."""
    if isinstance(temporal, SettingsError):
        return Finding.skipped(Part.APPLICATIONS, "Temporal's settings are wrong")
    try:
        lost = await recently_lost(await Client.connect(**temporal.options), settings)
    except RuntimeError as error:
        return Finding.skipped(
            Part.APPLICATIONS, f"Temporal is not there to ask: {connection_problem(error)}"
        )
    except RPCError as error:
        return Finding.skipped(Part.APPLICATIONS, f"Temporal answered: {error.message}")
    except ArchiveError:
        return Finding.skipped(Part.APPLICATIONS, "the database is not there to ask")
    if not lost:
        return Finding.ok(Part.APPLICATIONS, "none is open whose run was terminated")
    uids = ", ".join(each.application.company_master_uid for each in lost[:SHOWN])
    more = f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""
    return Finding.warning(
        Part.APPLICATIONS, f"open in the database, though their runs were ended: UID {uids}{more}", REMEDY
    )
