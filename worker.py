"""Entry point of the worker, and the one place where it is put together: ``python worker.py``."""

import asyncio
import gc
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, Final

from alembic.util import CommandError
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, GetSystemInfoRequest
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.converter import PayloadCodec
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import (
    PollerBehavior,
    PollerBehaviorAutoscaling,
    PollerBehaviorSimpleMaximum,
    Worker,
    WorkerDeploymentConfig,
)

from activities.access import AccessActivities
from activities.access_http import HttpAcpnAccess
from activities.account_directory import AccountDirectory
from activities.account_directory_http import HttpAccountDirectory
from activities.accounts import AccountActivities
from activities.acpn_access import AcpnAccess
from activities.db.access import SqlAcpnAccess
from activities.db.accounts import SqlAccountDirectory
from activities.db.applications import ApplicationRecords
from activities.db.email_ledger import EmailLedger
from activities.db.engine import Database
from activities.email import EmailActivities
from activities.emails.message import MessageFactory
from activities.emails.render import Links, Renderer
from activities.outside_service import ServiceAddress
from activities.records import RecordActivities
from activities.smtp import SmtpTransport
from settings import Settings, SettingsError, TemporalSettings, load_settings, load_temporal_settings
from starter.deployments import routing_of
from starter.errors import connection_problem, first_line, keep_cancellation
from starter.health import HEARTBEAT, show_polling
from starter.search_attributes import SearchAttributesError, register_search_attributes
from workflows.delivery import OutstandingDelivery
from workflows.messages import TASK_QUEUE
from workflows.onboarding import ResellerOnboarding
from workflows.plugin import OnboardingPlugin

WORKFLOWS: Final = (ResellerOnboarding, OutstandingDelivery)
STICKY: Final = timedelta(seconds=2)
GRACE: Final = timedelta(seconds=20)
"""What activities in flight get to finish in when the worker is told to stop."""
HTTP_TIMEOUT: Final = timedelta(seconds=5)
_FIRST_PAUSE: Final = timedelta(seconds=1)
_LONGEST_PAUSE: Final = timedelta(seconds=15)
_PASSING: Final = frozenset(
    # NOT_FOUND: a server that has just been set up does not have its namespace yet.
    {RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.NOT_FOUND}
)

log: Final = logging.getLogger("onboarding.worker")


class StartupError(Exception):
    """The worker can't start, and waiting would not help; the message says what to do."""


def build_worker(
    client: Client,
    settings: Settings,
    database: Database,
    directory: AccountDirectory,
    access: AcpnAccess,
    mail: SmtpTransport,
    *,
    task_queue: str = TASK_QUEUE,
) -> Worker:
    """The worker with everything it needs; the client must carry the `OnboardingPlugin`."""
    records = RecordActivities(ApplicationRecords(database))
    accounts = AccountActivities(directory, access)
    links = Links(portal_url=settings.portal_url, acpn_url=settings.acpn_url, verify_url=settings.verify_url)
    emails = EmailActivities(
        EmailLedger(database),
        mail,
        Renderer(links),
        MessageFactory(settings.email_from),
    )
    return Worker(
        client,
        task_queue=task_queue,
        workflows=WORKFLOWS,
        activities=[
            records.settle,
            records.store,
            accounts.look_up_accounts,
            AccessActivities(directory, access).open_access,
            emails.send_emails,
        ],
        graceful_shutdown_timeout=GRACE,
        # How long a run waits for a worker that has died before another takes it over.
        sticky_queue_schedule_to_start_timeout=STICKY,
        workflow_task_poller_behavior=_pollers(settings),
        activity_task_poller_behavior=_pollers(settings),
        max_cached_workflows=settings.worker_cache,
        max_concurrent_workflow_tasks=settings.worker_tasks,
        max_concurrent_local_activities=settings.worker_tasks,
        deployment_config=_deployment_config(settings),
    )


def _pollers(settings: Settings) -> PollerBehavior:
    if settings.worker_pollers == "auto":
        return PollerBehaviorAutoscaling()
    return PollerBehaviorSimpleMaximum(settings.worker_pollers)


def _deployment_config(settings: Settings) -> WorkerDeploymentConfig | None:
    """The version this worker is. Runs move on to the newest version: they live longer than any build."""
    if settings.build_id is None:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(settings.deployment, settings.build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )


@asynccontextmanager
async def running_worker(
    client: Client, settings: Settings, *, task_queue: str = TASK_QUEUE
) -> AsyncIterator[Worker]:
    """Make database and namespace ready, then work until the block is left; what is in flight gets its grace.

    Raises:
        StartupError: the database has the schema of a newer release, or can't be used.
        SearchAttributesError: the namespace can't be used as it is.
    """
    async with AsyncExitStack() as stack:
        database = Database(settings.database, pool_size=settings.database_pool_size)
        stack.push_async_callback(database.dispose)
        await prepare_database(database)
        await register_search_attributes(client)
        directory: AccountDirectory = SqlAccountDirectory(database)
        access: AcpnAccess = SqlAcpnAccess(database)
        if settings.accounts_url is not None:
            accounts = ServiceAddress.from_url(settings.accounts_url).client(HTTP_TIMEOUT)
            directory = HttpAccountDirectory(await stack.enter_async_context(accounts))
        if settings.acpn_api_url is not None:
            platform = ServiceAddress.from_url(settings.acpn_api_url).client(HTTP_TIMEOUT)
            access = HttpAcpnAccess(await stack.enter_async_context(platform))
        mail = SmtpTransport(settings.smtp_url.get_secret_value())
        stack.push_async_callback(mail.close)
        worker = build_worker(client, settings, database, directory, access, mail, task_queue=task_queue)
        await stack.enter_async_context(worker)
        await warn_unless_promoted(client, settings)
        yield worker


async def warn_unless_promoted(client: Client, settings: Settings) -> None:
    """A version that was not promoted waits for work without a word."""
    if settings.build_id is None:
        return
    try:
        routing = await routing_of(client, settings.deployment)
    # The worker works, and who may only work may not look.
    except RPCError as error:
        keep_cancellation()
        log.warning(
            "Whether version %s of worker deployment %s gets work is not known (%s):"
            " look by `onboarding deploy status`",
            *(settings.build_id, settings.deployment, first_line(error)),
        )
        return
    if settings.build_id in (routing.current, routing.ramping):
        log.info("Version %s of worker deployment %s", settings.build_id, settings.deployment)
    else:
        log.warning(
            "Version %s of worker deployment %s gets no work until it is promoted:"
            " run `onboarding deploy promote %s`",
            *(settings.build_id, settings.deployment, settings.build_id),
        )


async def prepare_database(database: Database) -> None:
    """Wait for the database, bring its schema up to date, and open its first connection.

    Raises:
        StartupError: it has the schema of a newer release, or can't be used.
    """
    for pause in pauses():
        try:
            await database.migrate()
            await database.check()
        except CommandError as error:
            raise StartupError(
                f"The database {database.name} has the schema of a newer release ({error}): run that release,"
                " or name another database in ONBOARDING_DATABASE_URL."
            ) from error
        except (OperationalError, InterfaceError, OSError) as error:
            log.warning(
                "Waiting for the database %s (ONBOARDING_DATABASE_URL): %s", database.name, first_line(error)
            )
            await asyncio.sleep(pause)
        except SQLAlchemyError as error:
            raise StartupError(
                f"The database {database.name} can't be used: {first_line(error)}. Put that right (its user"
                " must be allowed to create tables), or name another in ONBOARDING_DATABASE_URL."
            ) from error
        else:
            log.info("Database: %s", database.name)
            return


async def connect_when_up(temporal: TemporalSettings, codec: PayloadCodec | None = None) -> Client:
    """A client as soon as server and namespace answer; ``codec`` encrypts what the server stores.

    Raises:
        StartupError: the server answers, but not us.
    """
    for pause in pauses():
        try:
            client = await Client.connect(**temporal.options, plugins=[OnboardingPlugin(codec)])
            service = client.workflow_service
            await service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
            version = (await service.get_system_info(GetSystemInfoRequest())).server_version
        # A connection that can't be made is a RuntimeError.
        except (RuntimeError, RPCError) as error:
            keep_cancellation()
            if isinstance(error, RPCError) and error.status not in _PASSING:
                raise StartupError(
                    f"Temporal at {temporal.address} refuses namespace {temporal.namespace!r}:"
                    f" {error.message}; check TEMPORAL_NAMESPACE, TEMPORAL_API_KEY and TEMPORAL_TLS_*."
                ) from error
            log.warning(
                "Waiting for Temporal at %s, namespace %s (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE): %s",
                *(temporal.address, temporal.namespace, connection_problem(error)),
            )
            await asyncio.sleep(pause)
        else:
            log.info("Temporal: %s, namespace %s, server %s", temporal.address, client.namespace, version)
            return client
    raise AssertionError("pauses never end")


def pauses() -> Iterator[float]:
    """Seconds to wait between two looks at something that is not up yet; they never end."""
    pause = _FIRST_PAUSE
    while True:
        yield pause.total_seconds()
        pause = min(pause * 2, _LONGEST_PAUSE)


async def run_worker(settings: Settings, temporal: TemporalSettings) -> None:
    """Work until cancelled."""
    client = await connect_when_up(temporal, settings.codec)
    log.info("Mail server: %s", settings.smtp_server)
    async with running_worker(client, settings):
        log.info("Working on task queue %s", TASK_QUEUE)
        if settings.health_file is None:
            await asyncio.Event().wait()
        else:
            await show_polling(client, settings.health_file)


async def until_signalled(program: Coroutine[Any, Any, None]) -> None:
    """Run a program, and cancel it, once, on SIGINT or SIGTERM, so that it can end in order."""
    task = asyncio.ensure_future(program)
    loop = asyncio.get_running_loop()
    stopping = False

    def stop() -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows has no such handlers; there Ctrl-C cancels the main task by `asyncio.run`.
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not stopping:
            raise


def log_plainly(handler: logging.Handler, metrics_address: str | None = None) -> None:
    """One line for each event, times in UTC; what the SDK's own core has to say goes the same way.

    ``metrics_address``: where to answer Prometheus.
    To be called before the first connection, once in a process.

    Raises:
        StartupError: that address can't be used.
    """
    formatter = logging.Formatter(
        "%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # httpx has a line for every request, which names the account asked for.
    for library in ("alembic", "httpx"):
        logging.getLogger(library).setLevel(logging.WARNING)
    core = LoggingConfig(
        filter=TelemetryFilter(core_level="WARN", other_level="ERROR"),
        forwarding=LogForwardingConfig(logger=logging.getLogger("temporalio.core")),
    )
    metrics = metrics_address and PrometheusConfig(
        metrics_address, counters_total_suffix=True, unit_suffix=True, durations_as_seconds=True
    )
    try:
        runtime = Runtime(
            telemetry=TelemetryConfig(logging=core, metrics=metrics or None),
            worker_heartbeat_interval=HEARTBEAT,
        )
    # What the SDK raises says neither which setting nor what is wrong with it.
    except (RuntimeError, ValueError) as error:
        raise StartupError(
            f"ONBOARDING_METRICS_ADDRESS: {metrics_address} can't be listened on ({error})"
        ) from error
    Runtime.set_default(runtime)


def main() -> int:
    """Run the worker; 0 after SIGTERM or SIGINT, 1 when it can't work, 2 when a setting is wrong."""
    try:
        settings, temporal = load_settings(), load_temporal_settings()
    except SettingsError as error:
        print(f"Wrong settings:\n{error}", file=sys.stderr)
        return 2
    try:
        log_plainly(logging.StreamHandler(), settings.metrics_address)
        # Each run's sandbox makes objects by the thousand, and so full collections. They need not go through
        # the libraries' objects each time: two workers took in 23 applications a second then, 29 now.
        gc.freeze()
        asyncio.run(until_signalled(run_worker(settings, temporal)))
    except (StartupError, SearchAttributesError) as error:
        print(error, file=sys.stderr)
        return 1
    log.info("Stopped")
    # The SDK's threads may still be at work, and a process ending under them aborts (sdk-python #300).
    time.sleep(0.1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
