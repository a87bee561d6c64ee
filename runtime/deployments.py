"""Worker versions: which one gets the work, which ones still poll, and who would be left behind.

Every run of ours is AUTO_UPGRADE: its next workflow task goes to the version that is current then (or, for
its share of the runs, ramping), whichever version wrote its history.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio.api.deployment.v1 import RoutingConfig, WorkerDeploymentInfo
from temporalio.api.enums.v1 import RoutingConfigUpdateState, TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeWorkerDeploymentRequest,
    SetWorkerDeploymentCurrentVersionRequest,
    SetWorkerDeploymentRampingVersionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from domain.contract import TASK_QUEUE

POLLS_WITHIN: Final = timedelta(seconds=90)
"""A worker that lives polls at least once a minute; the server lists its last poll for five."""
IN_FORCE_WITHIN: Final = timedelta(seconds=90)
"""The server tells one task queue after another; on a busy machine that took more than half a minute."""


class DeploymentError(Exception):
    """It can't be promoted; ``remedy`` says what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


@dataclass(frozen=True)
class Routing:
    """The build IDs that get work: ``current``, and for ``percentage`` of the runs ``ramping``.

    ``current`` is ``None`` when workers without a version get it.
    """

    current: str | None = None
    ramping: str | None = None
    percentage: float = 0


@dataclass(frozen=True)
class Version:
    """A version (``build_id`` ``None``: workers without one), what it is to new work, and what it holds.

    ``open_runs`` are those whose last workflow task it completed; ``pinned_runs`` those that stay on it.
    """

    build_id: str | None
    role: str
    pollers: int
    last_poll: datetime | None
    open_runs: int
    pinned_runs: int

    @property
    def name(self) -> str:
        """The build ID, to be shown."""
        return self.build_id or "(no version)"


@dataclass(frozen=True)
class Trouble:
    """Runs that stand still, and what helps."""

    what: str
    remedy: str


@dataclass(frozen=True)
class Deployment:
    """The state of a worker deployment."""

    name: str
    routing: Routing
    versions: tuple[Version, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What stands still, or will, and what to do."""
        return tuple(f"{trouble.what} {trouble.remedy}" for trouble in self.troubles)

    @property
    def troubles(self) -> "tuple[Trouble, ...]":
        """The same, apart."""
        return tuple(_troubles(self))


async def routing_of(client: Client, deployment: str) -> Routing:
    """Who gets the work; nobody with a version, as long as no worker of the deployment ever polled."""
    info = await _info(client, deployment)
    return Routing() if info is None else _routing(info.routing_config)


async def describe(client: Client, deployment: str, *, task_queue: str = TASK_QUEUE) -> Deployment:
    """Every version that was ever seen or that polls now, with its pollers and open runs."""
    info = await _info(client, deployment)
    routing = Routing() if info is None else _routing(info.routing_config)
    polls = await _last_polls(client, deployment, task_queue)
    known = [] if info is None else [each.deployment_version.build_id for each in info.version_summaries]
    builds = dict.fromkeys([*known, *(build for build in polls if build)])
    versions = [
        await _version(client, deployment, build, routing, polls.get(build, []), task_queue)
        for build in (*builds, None)
    ]
    shown = (each for each in versions if each.build_id or each.open_runs or each.pollers)
    return Deployment(deployment, routing, tuple(shown))


async def promote(
    client: Client,
    deployment: str,
    build_id: str,
    ramp: float | None = None,
    *,
    wait: timedelta,
    task_queue: str = TASK_QUEUE,
) -> None:
    """Give this version all work, or with ``ramp`` (0 to 100) that percentage of the runs; 0 ends its ramp.

    ``wait``: for a worker of this version that is just starting. Returns once it is in force on every task
    queue.

    Raises:
        DeploymentError: no worker of this version polls, it lacks a task queue of the current one, or its
            ramp is to be ended and it has none.
    """
    give_up_at = asyncio.get_running_loop().time() + wait.total_seconds()
    # The server itself would take a version whose last worker stopped a minute ago: everything stood still.
    if ramp != 0:
        await _until_polling(client, deployment, build_id, give_up_at, task_queue)
    elif (await routing_of(client, deployment)).ramping != build_id:
        raise DeploymentError(
            f"Version {build_id} is not ramping.", "Look at which is: onboarding deploy status"
        )
    # A worker that starts registers its workflows' and its activities' task queue one after the other.
    while (refusal := await _refusal(client, deployment, build_id, ramp)) is not None:
        if asyncio.get_running_loop().time() >= give_up_at:
            raise DeploymentError(
                f"Version {build_id} can't be promoted: {refusal}",
                "Look at `onboarding deploy status`; start its workers, or promote another version.",
            )
        await asyncio.sleep(0.1)
    await _until_in_force(client, deployment)


async def _refusal(client: Client, deployment: str, build_id: str, ramp: float | None) -> str | None:
    """Promote; why the server won't, or ``None`` once it has taken it."""
    service, identity = client.workflow_service, client.service_client.config.identity
    try:
        if ramp is None:
            await service.set_worker_deployment_current_version(
                SetWorkerDeploymentCurrentVersionRequest(
                    namespace=client.namespace,
                    deployment_name=deployment,
                    build_id=build_id,
                    identity=identity,
                )
            )
        else:
            await service.set_worker_deployment_ramping_version(
                SetWorkerDeploymentRampingVersionRequest(
                    namespace=client.namespace,
                    deployment_name=deployment,
                    build_id=build_id if ramp else "",
                    percentage=ramp,
                    identity=identity,
                )
            )
    except RPCError as error:
        if error.status is not RPCStatusCode.FAILED_PRECONDITION:
            raise
        return error.message
    return None


async def _until_polling(
    client: Client, deployment: str, build_id: str, give_up_at: float, task_queue: str
) -> None:
    while True:
        info = await _info(client, deployment)
        registered = info and build_id in {v.deployment_version.build_id for v in info.version_summaries}
        if registered and _alive((await _last_polls(client, deployment, task_queue)).get(build_id, ())):
            return
        if asyncio.get_running_loop().time() >= give_up_at:
            raise DeploymentError(
                f"No worker of version {build_id} polls for deployment {deployment}.",
                f"Start one first: ONBOARDING_BUILD_ID={build_id} python worker.py",
            )
        await asyncio.sleep(0.1)


async def _until_in_force(client: Client, deployment: str) -> None:
    in_progress = RoutingConfigUpdateState.ROUTING_CONFIG_UPDATE_STATE_IN_PROGRESS
    try:
        async with asyncio.timeout(IN_FORCE_WITHIN.total_seconds()):
            while True:
                info = await _info(client, deployment)
                if info is None or info.routing_config_update_state != in_progress:
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise DeploymentError(
            f"The server has taken it, but not passed it on to every task queue"
            f" within {IN_FORCE_WITHIN.total_seconds():g} s.",
            "Look again: onboarding deploy status",
        ) from None


async def _info(client: Client, deployment: str) -> WorkerDeploymentInfo | None:
    try:
        answer = await client.workflow_service.describe_worker_deployment(
            DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=deployment)
        )
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    return answer.worker_deployment_info


def _routing(config: RoutingConfig) -> Routing:
    return Routing(
        current=config.current_deployment_version.build_id or None,
        ramping=config.ramping_deployment_version.build_id or None,
        percentage=config.ramping_version_percentage,
    )


async def _last_polls(client: Client, deployment: str, task_queue: str) -> dict[str | None, list[datetime]]:
    """When the workers of each version polled last, as far as the server remembers."""
    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
    )
    polls: dict[str | None, list[datetime]] = {}
    for poller in described.pollers:
        options = poller.deployment_options
        if options.deployment_name in ("", deployment):
            build = options.build_id if options.deployment_name else None
            polls.setdefault(build, []).append(poller.last_access_time.ToDatetime(UTC))
    return polls


async def _version(
    client: Client,
    deployment: str,
    build: str | None,
    routing: Routing,
    polls: list[datetime],
    task_queue: str,
) -> Version:
    on_it = (
        f"TemporalWorkerDeploymentVersion = '{deployment}:{build}'"
        if build
        else "TemporalWorkerDeploymentVersion IS NULL"
    )
    query = f"TaskQueue = '{task_queue}' AND ExecutionStatus = 'Running' AND {on_it}"
    open_runs = (await client.count_workflows(query)).count
    pinned = f"{query} AND TemporalWorkflowVersioningBehavior = 'Pinned'"
    return Version(
        build_id=build,
        role=_role(build, routing),
        pollers=len(_alive(polls)),
        last_poll=max(polls, default=None),
        open_runs=open_runs,
        pinned_runs=(await client.count_workflows(pinned)).count if open_runs else 0,
    )


def _alive(polls: Iterable[datetime]) -> list[datetime]:
    return [poll for poll in polls if datetime.now(UTC) - poll < POLLS_WITHIN]


def _role(build: str | None, routing: Routing) -> str:
    if build == routing.current:
        return "current"
    if build and build == routing.ramping:
        return f"ramping {routing.percentage:g} %"
    return ""


def _troubles(deployment: Deployment) -> Iterable[Trouble]:
    routing, versions = deployment.routing, {each.build_id: each for each in deployment.versions}
    waiting = sum(each.open_runs - each.pinned_runs for each in deployment.versions)
    alive = [each.build_id for each in deployment.versions if each.build_id and each.pollers]
    options = " or ".join(f"`onboarding deploy promote {build}`" for build in alive)
    current = versions.get(routing.current)
    if not (current and current.pollers) and (waiting or alive):
        why = (
            f"version {routing.current} is current, and nobody polls for it"
            if routing.current
            else "no version is promoted, and no worker without one polls"
        )
        yield Trouble(f"{waiting} open runs stand still: {why}.", options or "Start a worker.")
    ramping = versions.get(routing.ramping) if routing.ramping else None
    if ramping and routing.percentage and not ramping.pollers:
        yield Trouble(
            f"{routing.percentage:g} % of the open runs stand still: version {ramping.build_id} is ramping,"
            " and nobody polls for it.",
            f"`onboarding deploy promote {ramping.build_id} --ramp 0`",
        )
    for each in deployment.versions:
        if each.pinned_runs and not each.pollers:
            yield Trouble(
                f"{each.pinned_runs} open runs are stranded: pinned to version {each.name}, which nobody"
                " polls for.",
                "Start its workers again, or let them move on:"
                " temporal workflow update-options --versioning-override-behavior auto_upgrade",
            )
