"""The service itself as an engine: `python worker.py` as it ships, commands as any service sends them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from os import environ
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import psutil
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from activities.db.accounts import SqlAccountDirectory
from activities.db.engine import Database
from bench.chaos.services import WORKING, Worker, cancelled, environment, working
from bench.ratio.load import WrongEndError
from bench.ratio.reference import START_DATE
from bench.ratio.services import Services
from domain.contract import TASK_QUEUE, UPDATE_NAME, WORKFLOW_TYPE, ErrorType, workflow_id
from domain.inquiry import Account
from settings import PREFIX
from tests import payloads

WORKER_SETTINGS: Final = f"{PREFIX}WORKER_"
"""Settings of these names are passed on to the worker."""
_PAUSE: Final = 0.5
_LOOK: Final = 0.2
_DISTURBANCES: Final = (" WARNING ", " ERROR ", " CRITICAL ")


class RefusedError(Exception):
    """A command of the reference onboarding was refused; the message says which, and how."""


@dataclass
class Applicants:
    """The engine: applicants by their Main UID, commands by update through the public contract.

    A command that was refused as `unavailable`, or whose answer was lost, is sent again under its ID;
    ``again`` counts them.
    """

    client: Client
    again: int = 0
    _handles: dict[str, WorkflowHandle[Any, Any]] = field(default_factory=dict)
    _terms: dict[str, payloads.Json] = field(default_factory=dict)

    async def start(self, uid: str) -> None:
        """JOIN NOW."""
        self._handles[uid] = await self.client.start_workflow(
            WORKFLOW_TYPE,
            payloads.join(uid, contact_email=f"join.{uid}@acme.example.com"),
            id=workflow_id(uid),
            task_queue=TASK_QUEUE,
        )

    async def send(self, uid: str, message: str) -> None:
        """A command, until it is answered.

        Raises:
            RefusedError: it was refused, and not as `unavailable`.
        """
        answer = await self._answer(uid, command(uid, message, self._terms.get(uid, {})))
        if message == "issue_decision_sheet_again":
            sheet = answer["sheet"]
            self._terms[uid] = {"sheet_revision": sheet["revision"], "sheet_hash": sheet["hash"]}

    async def finish(self, uid: str) -> None:
        """By the run's result."""
        result = await self._handles[uid].result()
        if result["stage"] != START_DATE.stage:
            raise WrongEndError(f"{uid} ended in stage {result['stage']}")

    async def _answer(self, uid: str, sent: payloads.Json) -> Any:
        update_id = sent["command_id"]
        while True:
            try:
                return await self._handles[uid].execute_update(UPDATE_NAME, sent, id=update_id)
            except WorkflowUpdateFailedError as error:
                cause = error.cause
                kind = cause.type if isinstance(cause, ApplicationError) else None
                if kind != ErrorType.UNAVAILABLE:
                    raise RefusedError(f"{uid}: {sent['kind']} was refused: {cause}") from None
                # Temporal answers an update ID it knows as it did before.
                update_id = f"{sent['command_id']}~{uuid4()}"
            except RPCError:
                pass
            self.again += 1
            await asyncio.sleep(_PAUSE)


def command(uid: str, message: str, terms: payloads.Json) -> payloads.Json:
    """The command of a message of the reference onboarding, under a new ID, as an update carries it.

    ``terms``: revision and hash of the decision sheet, where one is confirmed or signed.
    """
    kind, fields = message, dict[str, Any]()
    match message:
        case "submit_application":
            contact = {**payloads.CONTACT, "email": f"contact.{uid}@acme.example.com"}
            fields = {"application": payloads.form(uid, contact=contact)}
        case "approve_application":
            fields = {"form_revision": 1}
        case "issue_decision_sheet":
            fields = {"sheet": payloads.sheet()}
        case "modify_terms":
            fields = {"sheet_revision": 1, "description": "12 please"}
        case "issue_decision_sheet_again":
            kind, fields = "issue_decision_sheet", {"sheet": payloads.sheet(ecs="12")}
        case "confirm_terms":
            fields = terms
        case "sign_contract_partner" | "sign_contract_vendor":
            kind, party = "sign_contract", message.removeprefix("sign_contract_")
            signature = {"party": party, "signer_name": f"Signer of {party}"}
            fields = {**signature, "role": party, "signed_at": datetime.now(UTC).isoformat(), **terms}
    return {"kind": kind, **payloads.command(kind, **fields)}


class Employed:
    """One worker while it runs: what it logs and what it uses; it can be killed, and comes back."""

    def __init__(self, worker: Worker, log: Path) -> None:
        self.log: Final = log
        self.kills = 0
        self._worker = worker

    @property
    def exits(self) -> list[int]:
        """The codes it ended with by itself."""
        return self._worker.exits

    def cpu_seconds(self) -> float:
        """CPU it has used so far, its processes' included."""
        return sum(sum(process.cpu_times()[:4]) for process in self.processes())

    def disturbances(self) -> list[str]:
        """Lines of its log that are a WARNING or worse."""
        return [line for line in self._lines().splitlines() if any(level in line for level in _DISTURBANCES)]

    def _lines(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def processes(self) -> list[psutil.Process]:
        """The worker and its processes; none while it is away."""
        try:
            worker = psutil.Process(self._worker.pid)
            return [worker, *worker.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    async def killed_every(self, seconds: float) -> None:
        """Kill it (SIGKILL) whenever it has worked so long, until cancelled; it is started again at once."""
        while True:
            await asyncio.sleep(seconds)
            self._worker.kill()
            self.kills += 1
            before = len(self._lines())
            while WORKING not in self._lines()[before:]:  # noqa: ASYNC110 - a file sets no event
                await asyncio.sleep(_LOOK)


@asynccontextmanager
async def employed(services: Services, database_url: str) -> AsyncIterator[Employed]:
    """A new worker until the block is left, and then none of its processes."""
    folder = services.folder / f"worker-{uuid4().hex[:8]}"
    await asyncio.to_thread(folder.mkdir)
    log = folder / "worker.log"
    temporal = services.temporal
    settings = {name: value for name, value in environ.items() if name.startswith(WORKER_SETTINGS)}
    worker = Worker(
        0,
        log,
        environment(folder, temporal.address, temporal.namespace, database_url, services.mail.port)
        | settings,
    )
    task = asyncio.create_task(worker.run())
    hired = Employed(worker, log)
    try:
        await working(log)
        yield hired
    finally:
        processes = hired.processes()
        await cancelled([task])
        for process in processes:
            if process.is_running():
                process.kill()


async def enter_accounts(database_url: str, uids: Sequence[str]) -> None:
    """Have the account directory know them, verified."""
    enterprise = {
        "legal_name": payloads.ENTERPRISE,
        "registration_number": payloads.REGISTRATION,
        "country": "SG",
        "verified": True,
    }
    database = Database(database_url)
    await SqlAccountDirectory(database).put(
        *(Account.model_validate({"uid": uid, "enterprise": enterprise}) for uid in uids)
    )
    await database.dispose()
