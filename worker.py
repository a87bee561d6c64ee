"""Entry point of the worker, and the one place where it is put together: ``python worker.py``."""

import asyncio
import gc
import logging
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
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
from activities.acpn_access import AcpnAccess
from activities.coverage import CoverageActivities
from activities.db.access import SqlAcpnAccess
from activities.db.accounts import SqlAccountDirectory
from activities.db.applications import ApplicationRecords
from activities.db.covered import CoveredAccounts
from activities.db.email_ledger import EmailLedger
from activities.db.engine import Database
from activities.db.signatures import SignatureStore
from activities.db.trail import AuditTrail
from activities.db.webhook_endpoints import WebhookEndpoints
from activities.delivering import Deliverer
from activities.emails.message import MessageFactory
from activities.emails.render import Links, Renderer
from activities.failures import BriefFailures
from activities.look_up import ANSWER_WITHIN, LookUpActivities
from activities.outside_service import ServiceAddress
from activities.publishing import PublishingActivities
from activities.signatures.carrying import SignatureActivities
from activities.signatures.provider_apis import SignatureProvider, open_apis
from activities.smtp import SmtpTransport
from activities.webhooks.addresses import Allowed
from activities.webhooks.delivering import WebhookActivities
from activities.webhooks.sender import WebhookSender
from domain.contract import TASK_QUEUE
from runtime.deployments import routing_of
from runtime.errors import first_line, keep_cancellation
from runtime.health import show_polling
from runtime.plain_text import plain_text_warnings
from runtime.process import log_plainly, plain_lines, until_signalled
from runtime.processes import CRASHED, GaveUpError, cores, run_processes, stop_when_alone
from runtime.search_attributes import SearchAttributesError, register_search_attributes
from runtime.signature_sweep import keep_sweeping
from runtime.startup import StartupError, connect_when_up, prepare_database
from settings import Settings, SettingsError, TemporalSettings, load_settings, load_temporal_settings
from workflows.coverage import CoverageChange
from workflows.delivery import OutstandingDelivery
from workflows.onboarding import ResellerOnboarding
from workflows.signatures import SignatureReceived, SignatureSweep
from workflows.webhook_endpoint import WebhookEndpoint

WORKFLOWS: Final = (
    ResellerOnboarding,
    OutstandingDelivery,
    CoverageChange,
    WebhookEndpoint,
    SignatureReceived,
    SignatureSweep,
)
POLLS: Final = 5
"""The most polls of each kind by default. A poll that waits holds a slot; and the polls for first tasks and
for runs in memory share the slots by their number: with many, first tasks waited three times as long."""
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


def build_worker(
    client: Client,
    settings: Settings,
    database: Database,
    directory: AccountDirectory,
    access: AcpnAccess,
    mail: SmtpTransport,
    *,
    signature_providers: Sequence[SignatureProvider] = (),
    task_queue: str = TASK_QUEUE,
    answer_within: timedelta = ANSWER_WITHIN,
) -> Worker:
    """The worker with everything it needs; the client must carry the `OnboardingPlugin`."""
    links = Links(portal_url=settings.portal_url, acpn_url=settings.acpn_url, verify_url=settings.verify_url)
    trail, ledger = AuditTrail(database), EmailLedger(database)
    messages = MessageFactory(settings.email_from)
    deliverer = Deliverer(ledger, mail, Renderer(links), messages)
    records = ApplicationRecords(database)
    publishing = PublishingActivities(trail, ledger, deliverer, access, records, WebhookEndpoints(database))
    webhooks = WebhookActivities(
        database, WebhookSender(Allowed.from_text(settings.webhook_allow)), mail, messages, settings.ops_email
    )
    gate = AccessActivities(directory, access, trail)
    signatures = SignatureActivities(SignatureStore(database), signature_providers)
    return Worker(
        client,
        task_queue=task_queue,
        workflows=WORKFLOWS,
        activities=[
            LookUpActivities(
                directory, access, CoveredAccounts(database), answer_within=answer_within
            ).look_up,
            gate.open_access,
            gate.close_access,
            CoverageActivities(records, ledger).recall,
            publishing.publish,
            publishing.deliver,
            publishing.take_up,
            webhooks.send_webhooks,
            webhooks.tell_of_webhooks,
            signatures.carry_signature,
            signatures.sweep_signatures,
        ],
        interceptors=[BriefFailures()],
        graceful_shutdown_timeout=GRACE,
        workflow_task_poller_behavior=_pollers(settings),
        activity_task_poller_behavior=_pollers(settings),
        max_cached_workflows=settings.worker_cache,
        max_concurrent_workflow_tasks=settings.worker_tasks,
        max_concurrent_local_activities=settings.worker_tasks,
        max_concurrent_activities=settings.worker_activities,
        deployment_config=_deployment_config(settings),
    )


def _pollers(settings: Settings) -> PollerBehavior:
    if settings.worker_pollers == "auto":
        return PollerBehaviorAutoscaling(maximum=POLLS)
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
    client: Client,
    settings: Settings,
    *,
    task_queue: str = TASK_QUEUE,
    answer_within: timedelta = ANSWER_WITHIN,
) -> AsyncIterator[Worker]:
    """Make database and namespace ready, then work until the block is left; what is in flight gets its grace.

    Raises:
        StartupError: the database has a schema this release does not run on, or can't be used.
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
        worker = build_worker(
            client,
            settings,
            database,
            directory,
            access,
            mail,
            signature_providers=await open_apis(settings, stack, HTTP_TIMEOUT),
            task_queue=task_queue,
            answer_within=answer_within,
        )
        await stack.enter_async_context(worker)
        await warn_unless_promoted(client, settings)
        if settings.takes_signatures:
            await keep_sweeping(client, timedelta(minutes=settings.signature_sweep))
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


async def run_worker(settings: Settings, temporal: TemporalSettings) -> None:
    """Work until cancelled."""
    for warning in plain_text_warnings(settings, temporal):
        log.warning(warning)
    client = await connect_when_up(temporal, settings.codec)
    log.info("Mail server: %s", settings.smtp_server)
    async with running_worker(client, settings):
        log.info("Working on task queue %s", TASK_QUEUE)
        if settings.health_file is None:
            await asyncio.Event().wait()
        else:
            await show_polling(client, settings.health_file)


def main(*arguments: str) -> int:
    """Run the worker; 0 after SIGTERM or SIGINT, 1 when it can't work, 2 when a setting is wrong.

    ``--process N``: be the N-th of several processes; what starts them is `runtime.processes`.
    """
    number = int(arguments[1]) if arguments[:1] == ("--process",) else None
    try:
        settings, temporal = load_settings(), load_temporal_settings()
    except SettingsError as error:
        print(f"Wrong settings:\n{error}", file=sys.stderr)
        return 2
    try:
        processes = cores() if settings.worker_processes == "auto" else settings.worker_processes
        if processes > 1:
            plain_lines(logging.StreamHandler())
            asyncio.run(until_signalled(run_processes(processes, settings, Path(__file__))))
        else:
            _work(settings, temporal, number)
    except (StartupError, SearchAttributesError) as error:
        print(error, file=sys.stderr)
        return 1
    except GaveUpError as error:
        return error.code
    except Exception:
        if number is None:
            raise
        log.exception("Ended by an error that nobody expected")
        return CRASHED
    log.info("Stopped")
    # The SDK's threads may still be at work, and a process ending under them aborts (sdk-python #300).
    time.sleep(0.1)
    return 0


def _work(settings: Settings, temporal: TemporalSettings, number: int | None) -> None:
    if number is not None:
        stop_when_alone()
    log_plainly(logging.StreamHandler(), settings.metrics_address, number)
    # Each run's sandbox makes objects by the thousand, and so full collections. They need not go through
    # the libraries' objects each time: two workers took in 23 applications a second then, 29 now.
    gc.freeze()
    asyncio.run(until_signalled(run_worker(settings, temporal)))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
