"""What is measured: a Temporal server, a database, mail, and one real worker that can be replaced."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

import psutil
from sqlalchemy import func, select, text
from temporalio.api.operatorservice.v1 import DeleteNamespaceRequest
from temporalio.client import Client

from activities.db.engine import Database
from activities.db.tables import AccountRow, ApplicationRow
from bench.chaos.plan import plan
from bench.chaos.services import (
    TemporalServer,
    Worker,
    cancelled,
    environment,
    free_ports,
    mail_server,
    working,
)
from bench.scale.figures import WorkerOptions
from domain.contract import Stage
from runtime.setup import run_setup
from settings import TemporalSettings, load_settings
from starter.client.onboarding_client import OnboardingClient, connect
from tests import payloads
from tests.databases import Postgresql

ANSWER_WITHIN: Final = timedelta(seconds=60)
MEGABYTE: Final = 1_000_000
_ACCOUNTS_AT_ONCE: Final = 2000
_IDLE: Final = 0.15
"""Share of a core below which a site counts as idle."""
_LOOK: Final = 0.5
_LOOKS: Final = 120
_STICKY: Final = timedelta(seconds=12)
"""The server keeps tasks for a worker that has them in memory until it has not polled for ten seconds."""
_SETUP_WITHIN: Final = timedelta(seconds=120)


class Site:
    """One namespace, one database, one worker at a time (`employ`), if no `helpers` are beside it."""

    def __init__(
        self,
        folder: Path,
        client: Client,
        address: str,
        database_url: str,
        mail_port: int,
        server_pids: Sequence[int],
        server_file: Path | None,
    ) -> None:
        self.client: Final = client
        self.service: Final = OnboardingClient(client, answer_within=ANSWER_WITHIN)
        self.database: Final = Database(database_url)
        self.address: Final = address
        self._folder = folder
        self._environment = environment(folder, address, client.namespace, database_url, mail_port)
        self._server_pids = server_pids
        self._server_file = server_file
        self._log = folder / "worker.log"
        self._worker: Worker | None = None
        self._running: list[asyncio.Task[None]] = []

    async def employ(self, options: WorkerOptions) -> None:
        """Replace the worker by one with these options, and return once it polls."""
        await self.dismiss()
        self._worker, self._log = self._new_worker(options)
        self._running = [asyncio.create_task(self._worker.run())]
        await working(self._log)

    @asynccontextmanager
    async def helpers(self, options: WorkerOptions, count: int) -> AsyncIterator[None]:
        """So many more workers (at least none) until the block is left, and the server has noticed it."""
        hired = [self._new_worker(options) for _ in range(count)]
        running = [asyncio.create_task(worker.run()) for worker, _ in hired]
        try:
            for _, log in hired:
                await working(log)
            yield
        finally:
            await cancelled(running)
        if hired:
            await asyncio.sleep(_STICKY.total_seconds())

    def _new_worker(self, options: WorkerOptions) -> tuple[Worker, Path]:
        # Its first line is waited for: each one writes a log of its own.
        log = self._folder / f"worker-{self.client.namespace}-{uuid4().hex}.log"
        return Worker(0, log, self._environment | options.environment), log

    async def dismiss(self) -> None:
        """End the worker (SIGKILL)."""
        await cancelled(self._running)
        self._running = []

    def kill_worker(self) -> None:
        """SIGKILL; it is started again at once."""
        if self._worker is not None:
            self._worker.kill()

    def worker_mb(self) -> float:
        """Memory of the worker's process (RSS), in MB."""
        return _megabytes([self._worker.pid]) if self._worker else 0.0

    def worker_cpu(self) -> float:
        """Seconds of CPU the worker's process has used; none before it runs."""
        try:
            return sum(psutil.Process(self._worker.pid).cpu_times()[:2]) if self._worker else 0.0
        except (RuntimeError, psutil.NoSuchProcess):
            return 0.0

    def server_mb(self) -> float | None:
        """Memory of the server's processes (RSS), in MB; None when they are not known."""
        return _megabytes(self._server_pids) if self._server_pids else None

    async def idle(self) -> None:
        """Return once server and worker have little to do, so that what they did before is not measured.

        After a minute in any case: then they are never idle here, and that is part of the figures.
        """
        pids = [*self._server_pids, *([self._worker.pid] if self._worker else [])]
        watched = [psutil.Process(pid) for pid in pids]
        for _ in range(_LOOKS):
            used = sum(sum(process.cpu_times()[:2]) for process in watched)
            await asyncio.sleep(_LOOK)
            if sum(sum(process.cpu_times()[:2]) for process in watched) - used < _IDLE * _LOOK:
                return

    def complaints(self) -> int:
        """Lines of the worker's log that are a WARNING or an ERROR."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return sum(" WARNING " in line or " ERROR " in line for line in lines)

    async def enter_accounts(self, uids: Sequence[str]) -> None:
        """Put verified accounts into the account directory."""
        known = {
            "legal_name": payloads.ENTERPRISE,
            "registration_number": payloads.REGISTRATION,
            "country": "SG",
            "verified": True,
            "credit_control": False,
        }
        for first in range(0, len(uids), _ACCOUNTS_AT_ONCE):
            rows = [{"uid": uid, **known} for uid in uids[first : first + _ACCOUNTS_AT_ONCE]]
            await self._enter(rows)

    async def _enter(self, rows: Sequence[Mapping[str, object]]) -> None:
        statement = self.database.insert(AccountRow).on_conflict_do_nothing()
        await self.database.write(lambda connection: connection.execute(statement, rows))

    async def recorded(self, stage: Stage | None = None) -> int:
        """Applications in the database: those in this stage, else all that were decided on and stored."""
        count = select(func.count()).select_from(ApplicationRow)
        if stage is not None:
            count = count.where(ApplicationRow.stage == stage.value)
        [[number]] = await self.database.rows(count, {})
        return int(number)

    async def database_bytes(self) -> int:
        """Size of the application's database."""
        size = text("SELECT pg_database_size(current_database())")
        [[found]] = await self.database.rows(size, {})
        return int(found)

    def server_bytes(self) -> int | None:
        """Size of the dev server's file, its log of changes included."""
        if self._server_file is None:
            return None
        return sum(
            file.stat().st_size for file in self._server_file.parent.glob(f"{self._server_file.name}*")
        )

    async def close(self) -> None:
        """End the worker, close the connections."""
        await self.dismiss()
        await self.database.dispose()


def _megabytes(pids: Sequence[int]) -> float:
    return round(sum(psutil.Process(pid).memory_info().rss for pid in pids) / MEGABYTE, 1)


@asynccontextmanager
async def sites(
    folder: Path, address: str | None, server_pids: Sequence[int]
) -> AsyncIterator[tuple[Site, Site]]:
    """The site to be measured and a small one beside it, until the block is left.

    ``address``: a server that runs already; the first site gets a namespace of its own there, which is
    deleted afterwards. None: a dev server. ``server_pids``: that server's processes, to be weighed.
    """
    async with AsyncExitStack() as stack:
        site_folder, reference_folder = folder / "site", folder / "reference"
        for each in (site_folder, reference_folder):
            await asyncio.to_thread(each.mkdir)
        ports = free_ports(2)
        postgresql = await asyncio.to_thread(Postgresql)
        stack.callback(postgresql.close)
        urls = [postgresql.url(postgresql.create()) for _ in ports]
        faultless = plan(1, 0, seconds=1, workers=len(ports), faults=frozenset())
        await stack.enter_async_context(mail_server(folder, faultless, time.time(), ports))
        if address is None:
            site = await _own_site(stack, site_folder, urls[0], ports[0])
        else:
            site = await _foreign_site(stack, site_folder, urls[0], ports[0], address, server_pids)
        yield site, await _own_site(stack, reference_folder, urls[1], ports[1])


async def _own_site(stack: AsyncExitStack, folder: Path, database_url: str, mail_port: int) -> Site:
    [port] = free_ports(1)
    file = folder / "temporal.db"
    server = TemporalServer(log_file=folder / "temporal.log", db_filename=file, port=port, headless=True)
    stack.push_async_callback(server.kill)
    await server.start()
    client = await connect(_temporal(server.address, server.namespace))
    site = Site(folder, client, server.address, database_url, mail_port, [server.pid], file)
    stack.push_async_callback(site.close)
    return site


async def _foreign_site(
    stack: AsyncExitStack,
    folder: Path,
    database_url: str,
    mail_port: int,
    address: str,
    server_pids: Sequence[int],
) -> Site:
    temporal = _temporal(address, f"bench-open-{uuid4().hex[:8]}")
    await run_setup(
        load_settings(database_url=database_url), temporal, retention=timedelta(days=1), wait=_SETUP_WITHIN
    )
    client = await connect(temporal)
    stack.push_async_callback(_delete_namespace, client)
    site = Site(folder, client, address, database_url, mail_port, server_pids, None)
    stack.push_async_callback(site.close)
    return site


async def _delete_namespace(client: Client) -> None:
    # The server deletes what is in it by and by.
    await client.operator_service.delete_namespace(DeleteNamespaceRequest(namespace=client.namespace))


def _temporal(address: str, namespace: str) -> TemporalSettings:
    return TemporalSettings(address, namespace, {"target_host": address, "namespace": namespace})
