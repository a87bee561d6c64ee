"""A service whose Temporal keeps everything encrypted, its keys, and what may not be found in the clear."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.history.v1 import History
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    ListWorkflowExecutionsRequest,
    QueryWorkflowRequest,
)
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from activities.db.accounts import SqlAccountDirectory
from activities.db.engine import Database
from domain.contract import OnboardingInput, workflow_id
from domain.inquiry import Account
from domain.status import Company
from settings import Settings, TemporalSettings
from starter.client.onboarding_client import OnboardingClient, connect
from starter.local.dev_server import DevServer
from tests import payloads
from tests.smtp_server import Plan, SmtpServer
from worker import running_worker


def keys(*names: str) -> str:
    """``ONBOARDING_ENCRYPTION_KEYS`` with these keys; the same name is always the same key."""
    return ",".join(f"{name}:{base64.b64encode(name.encode() * 32)[:43].decode()}=" for name in names)


@dataclass
class Stack:
    """A Temporal server that keeps its data in a file, and a mail server; workers come and go."""

    folder: Path
    server: DevServer
    mail: SmtpServer

    @property
    def stored(self) -> bytes:
        """Every byte Temporal has on disk."""
        return b"".join(file.read_bytes() for file in self.folder.glob("temporal.db*"))

    def settings(self, encryption_keys: str | None, *, required: bool = False) -> Settings:
        """The settings of a worker or client."""
        return Settings.model_validate(
            {
                "data": self.folder,
                "smtp_url": self.mail.url,
                "encryption_keys": encryption_keys,
                "encryption_required": required,
            }
        )

    async def connect(self, settings: Settings) -> Client:
        """A client with the settings' codec."""
        temporal = TemporalSettings(
            self.server.address, self.server.namespace, {"target_host": self.server.address}
        )
        return await connect(temporal, settings.codec)

    @asynccontextmanager
    async def worker(
        self, encryption_keys: str | None, *, required: bool = False
    ) -> AsyncIterator[OnboardingClient]:
        """A worker, and a client with the same keys, for as long as the block lasts."""
        settings = self.settings(encryption_keys, required=required)
        client = await self.connect(settings)
        async with running_worker(client, settings):
            yield OnboardingClient(client)

    async def account(self, uid: str) -> None:
        """Enter an account of `payloads.ENTERPRISE`; a worker must have made the database ready."""
        enterprise = Company.model_validate(
            {
                "legal_name": payloads.ENTERPRISE,
                "registration_number": payloads.REGISTRATION,
                "country": "SG",
                "verified": True,
            }
        )
        database = Database(f"sqlite:///{self.folder / 'onboarding.db'}")
        await SqlAccountDirectory(database).put(Account(uid=uid, enterprise=enterprise))
        await database.dispose()


@asynccontextmanager
async def stack(folder: Path) -> AsyncIterator[Stack]:
    """The servers, without a worker."""
    async with (
        DevServer(log_file=folder / "temporal.log", db_filename=folder / "temporal.db") as server,
        SmtpServer(Plan()).running() as mail,
    ):
        yield Stack(folder, server, mail)


def joining(uid: str, **changes: Any) -> OnboardingInput:
    """The start input."""
    return OnboardingInput.model_validate(payloads.join(uid, **changes))


async def until(reached: Callable[[], Awaitable[bool]]) -> None:
    """Ask until it is so; the server does not tell by itself."""
    async with asyncio.timeout(60):
        while True:
            if await reached():
                return
            await asyncio.sleep(0.05)


QUERIES: Final = ("get_status", "__temporal_workflow_metadata", "__stack_trace")
PUBLIC: Final = frozenset({"reseller", "gold", "en", "Asia/Singapore"})
"""Words of the contract, which stand in names and types as well."""


def secrets(*sent: Any) -> set[str]:
    """Every text in these payloads that says something about the applicant, in the forms it may be stored in.

    Not the UIDs, which the workflow ID names, and not what is too short to be found.
    """
    found = set()
    for text in _texts(sent):
        if len(text) > 4 and text not in PUBLIC and not text.isdecimal():
            # JSON escapes line ends and, in some writers, everything that is not ASCII.
            found |= {text, text.replace("\n", "\\n"), text.encode("unicode_escape").decode("ascii")}
    return found


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)


def found_in(stored: bytes, hidden: set[str]) -> set[str]:
    """Which of the texts stand there, plainly or in base64 at any offset."""
    return {
        text for text in hidden if text.encode() in stored or any(form in stored for form in _base64(text))
    }


def _base64(text: str) -> Iterator[bytes]:
    """The part of the text's base64 that does not depend on what stands around it."""
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + text.encode())
        inner = encoded[4 if offset else 0 : -4]
        if len(inner) >= 8:
            yield inner


async def told_by_server(client: Client, uid: str) -> bytes:
    """Everything the server tells of an applicant's runs, as it tells it: nothing is decoded."""
    told = [await _listed(client)]
    service = client.workflow_service
    async for execution in client.list_workflows():
        if uid not in execution.id:
            continue
        handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(execution.id, run_id=execution.run_id)
        history = await handle.fetch_history()
        told.append(History(events=history.events).SerializeToString())
        run = WorkflowExecution(workflow_id=execution.id, run_id=execution.run_id)
        described = await service.describe_workflow_execution(
            DescribeWorkflowExecutionRequest(namespace=client.namespace, execution=run)
        )
        told.append(described.SerializeToString())
        told += [await _answer(client, run, query) for query in QUERIES]
    assert len(told) > 1, workflow_id(uid)
    return b"\n".join(told)


async def _answer(client: Client, run: WorkflowExecution, query: str) -> bytes:
    asked = QueryWorkflowRequest(
        namespace=client.namespace, execution=run, query=WorkflowQuery(query_type=query)
    )
    try:
        return (await client.workflow_service.query_workflow(asked)).SerializeToString()
    except RPCError as error:
        # A delivery has no status. What the refusal says counts, too.
        return error.message.encode() + error.raw_grpc_status


async def _listed(client: Client) -> bytes:
    answer = await client.workflow_service.list_workflow_executions(
        ListWorkflowExecutionsRequest(namespace=client.namespace)
    )
    return answer.SerializeToString()
