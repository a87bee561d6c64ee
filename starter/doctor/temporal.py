"""What `onboarding doctor` asks the Temporal server; it only reads."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.enums.v1 import NamespaceState
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    GetSystemInfoRequest,
    GetWorkflowExecutionHistoryRequest,
    ListWorkflowExecutionsRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from domain.contract import TASK_QUEUE, WORKFLOW_TYPE
from runtime import deployments
from runtime.errors import ALLOWED, START, unconnected
from runtime.search_attributes import compare
from settings import TemporalSettings
from starter.doctor.pollers import polling_processes
from starter.doctor.report import Finding, Part, within
from workflows.codec import EncryptionCodec
from workflows.encryption import ENCODING, KEY_ID

DEPENDENT: Final = (Part.NAMESPACE, Part.SEARCH_ATTRIBUTES, Part.WORKERS, Part.VERSIONS, Part.ENCRYPTION)
"""What can't be looked at when the server does not answer."""
SHORT_RETENTION: Final = timedelta(days=7)
"""`onboarding replay-check` and `histories export` look back that far."""
AGES: Final = tuple(timedelta(days=days) for days in (0, 7, 30, 90, 365))
"""Of the open applications older than each the newest is read: old ones have old keys."""


class TemporalExamination:
    """Looks at one server and namespace, each part within ``limit``.

    Args:
        temporal: where they are.
        deployment: name of the worker deployment; None when the setting is wrong.
        codec: the encryption keys, without being insisted on; None: there are none.
        codec_known: whether ``codec`` is what the settings mean; not when they are wrong.
    """

    def __init__(
        self,
        temporal: TemporalSettings,
        *,
        deployment: str | None,
        codec: EncryptionCodec | None,
        codec_known: bool,
        limit: timedelta,
        task_queue: str = TASK_QUEUE,
    ) -> None:
        self._temporal = temporal
        self._deployment = deployment
        self._codec = codec
        self._codec_known = codec_known
        self._limit = limit
        self._task_queue = task_queue
        self._client: Client | None = None
        self._has_namespace = True

    async def findings(self) -> list[Finding]:
        """One for the server and one for each of `DEPENDENT`."""
        server = await self._within(Part.TEMPORAL, self._server())
        client = self._client
        if client is None:
            return [server, *(Finding.skipped(part, "Temporal is not there to ask") for part in DEPENDENT)]
        namespace = await self._within(Part.NAMESPACE, self._namespace(client))
        if not self._has_namespace:
            rest = [Finding.skipped(part, "there is no namespace to ask") for part in DEPENDENT[1:]]
            return [server, namespace, *rest]
        examined = await asyncio.gather(
            self._within(Part.SEARCH_ATTRIBUTES, self._search_attributes(client)),
            self._within(Part.WORKERS, self._workers(client)),
            self._within(Part.VERSIONS, self._versions(client)),
            self._within(Part.ENCRYPTION, self._encryption(client)),
        )
        return [server, namespace, *examined]

    async def _within(self, part: Part, look: Coroutine[Any, Any, Finding]) -> Finding:
        async def answered() -> Finding:
            try:
                return await look
            except RPCError as error:
                return Finding.failed(part, f"Temporal answered: {error.message}", _remedy(error.status))

        return await within(self._limit, part, answered(), remedy=START, whom=self._temporal.address)

    async def _server(self) -> Finding:
        address = self._temporal.address
        try:
            client = await Client.connect(**self._temporal.options)
        # A connection that can't be made is a RuntimeError.
        except RuntimeError as error:
            problem, remedy = unconnected(error)
            return Finding.failed(Part.TEMPORAL, f"{address}: {problem}", remedy)
        self._client = client
        version = (await client.workflow_service.get_system_info(GetSystemInfoRequest())).server_version
        return Finding.ok(Part.TEMPORAL, f"{address}, server {version}")

    async def _namespace(self, client: Client) -> Finding:
        name = client.namespace
        try:
            described = await client.workflow_service.describe_namespace(
                DescribeNamespaceRequest(namespace=name)
            )
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            self._has_namespace = False
            return Finding.failed(
                Part.NAMESPACE,
                f"{name} does not exist",
                "Set TEMPORAL_NAMESPACE to the one you mean, or let `onboarding setup` create it.",
            )
        if described.namespace_info.state != NamespaceState.NAMESPACE_STATE_REGISTERED:
            return Finding.failed(
                Part.NAMESPACE,
                f"{name} is being deleted, or deprecated",
                "Set TEMPORAL_NAMESPACE to another.",
            )
        kept = described.config.workflow_execution_retention_ttl.ToTimedelta()
        days = f"{kept / timedelta(days=1):g} day{'' if kept == timedelta(days=1) else 's'}"
        detail = f"{name}, keeps ended applications for {days}"
        if kept < SHORT_RETENTION:
            return Finding.warning(
                Part.NAMESPACE,
                f"{detail}; `onboarding replay-check` looks back {SHORT_RETENTION.days}",
                "`onboarding setup --retention-days N` makes it longer.",
            )
        return Finding.ok(Part.NAMESPACE, detail)

    async def _search_attributes(self, client: Client) -> Finding:
        compared = await compare(client)
        if compared.mistyped:
            removed = " ".join(f"--name {each.name}" for each in compared.mistyped)
            return Finding.failed(
                Part.SEARCH_ATTRIBUTES,
                ", ".join(f"{each.name} is {each.found}, not {each.wanted}" for each in compared.mistyped),
                f"`temporal operator search-attribute remove --namespace {client.namespace} {removed}`,"
                " then `onboarding setup`. Until then applications stand still.",
            )
        if compared.missing:
            return Finding.failed(
                Part.SEARCH_ATTRIBUTES,
                f"not registered: {', '.join(compared.missing)}",
                "`onboarding setup` registers them, a worker as well. Without, applications stand still.",
            )
        return Finding.ok(Part.SEARCH_ATTRIBUTES, "all registered, with their types")

    async def _workers(self, client: Client) -> Finding:
        polling = await polling_processes(client, self._task_queue)
        idle = [kind for kind, processes in polling.items() if not processes]
        if idle:
            return Finding.failed(
                Part.WORKERS,
                f"nobody polls task queue {self._task_queue} for {' or '.join(idle)} tasks",
                "Start a worker for this namespace: `python worker.py`. Its log says what it waits for.",
            )
        counted = ", ".join(f"{len(processes)} for {kind} tasks" for kind, processes in polling.items())
        return Finding.ok(Part.WORKERS, f"processes that poll task queue {self._task_queue}: {counted}")

    async def _versions(self, client: Client) -> Finding:
        if self._deployment is None:
            return Finding.skipped(Part.VERSIONS, "the deployment's name is wrong")
        described = await deployments.describe(client, self._deployment, task_queue=self._task_queue)
        if described.troubles:
            return Finding.failed(
                Part.VERSIONS,
                " ".join(trouble.what for trouble in described.troubles),
                " ".join(trouble.remedy for trouble in described.troubles),
            )
        open_runs = sum(version.open_runs for version in described.versions)
        current = described.routing.current
        who = f"version {current}" if current else "workers without a version"
        return Finding.ok(Part.VERSIONS, f"work goes to {who}; open applications: {open_runs}")

    async def _encryption(self, client: Client) -> Finding:
        if not self._codec_known:
            return Finding.skipped(Part.ENCRYPTION, "the keys are wrong")
        runs = [await self._newest(client, age) for age in AGES]
        unreadable = dict[str, str]()
        seen = {run.run_id: run for run in runs if run is not None}
        for run in seen.values():
            for key in await self._unopened(client, run):
                unreadable.setdefault(key, run.workflow_id)
        if unreadable:
            known = self._codec.key_ids if self._codec else ()
            return Finding.failed(
                Part.ENCRYPTION,
                "; ".join(
                    f"{run} is encrypted with key {key!r}, which"
                    f" {'has another value here' if key in known else 'is not known here'}"
                    for key, run in unreadable.items()
                ),
                "Give ONBOARDING_ENCRYPTION_KEYS the value the workers have, old keys included.",
            )
        if self._codec is None:
            return Finding.ok(Part.ENCRYPTION, "off: Temporal keeps applications in the clear")
        first, *others = self._codec.key_ids
        read = f", {', '.join(others)} can be read" if others else ""
        return Finding.ok(
            Part.ENCRYPTION,
            f"{first} writes{read}; open applications looked at: {len(seen)}, none unreadable",
        )

    async def _newest(self, client: Client, age: timedelta) -> WorkflowExecution | None:
        """The newest of the open applications that are at least that old."""
        before = (datetime.now(UTC) - age).isoformat()
        listed = await client.workflow_service.list_workflow_executions(
            ListWorkflowExecutionsRequest(
                namespace=client.namespace,
                page_size=1,
                query=f"WorkflowType = '{WORKFLOW_TYPE}' AND TaskQueue = '{self._task_queue}'"
                f" AND ExecutionStatus = 'Running' AND StartTime <= '{before}'",
            )
        )
        return listed.executions[0].execution if listed.executions else None

    async def _unopened(self, client: Client, run: WorkflowExecution) -> list[str]:
        """IDs of the keys of the start input that can't be opened with ours."""
        history = await client.workflow_service.get_workflow_execution_history(
            GetWorkflowExecutionHistoryRequest(namespace=client.namespace, execution=run, maximum_page_size=1)
        )
        started = history.history.events[0].workflow_execution_started_event_attributes
        payloads: list[Payload] = list(started.input.payloads)
        if self._codec is not None:
            payloads = await self._codec.decode(payloads)
        return [
            payload.metadata[KEY_ID].decode("utf-8", "replace")
            for payload in payloads
            if payload.metadata.get("encoding") == ENCODING
        ]


def _remedy(status: RPCStatusCode) -> str:
    if status in (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED):
        return ALLOWED
    return "Look at the server's log; `temporal operator cluster health` tells whether it is up."
