"""The programs of the front door on this machine: Temporal, worker, identity provider, `onboarding serve`.

Each is a process of its own that can be killed and started again.
"""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
from temporalio.client import Client

from bench.chaos.services import IP, ROOT, WORKING, TemporalServer, free_ports, within, without_settings
from domain.inquiry import Account
from domain.signatures import Provider
from domain.status import Company
from starter.client.stored import open_archive
from starter.local.mail_sink import MailSink
from starter.web.idp import token_of
from tests.activities.signature_payloads import SECRETS
from workflows.plugin import OnboardingPlugin

ONBOARDING: Final = Path(sys.executable).with_name("onboarding")
STARTS_WITHIN: Final = 60.0
COMPANY: Final = Company(
    legal_name="Lin Cloud Ltd", registration_number="91310000MA1K00001X", country="CN", verified=True
)
SERVES: Final = "Listening: "
_ISSUES: Final = "ONBOARDING_OIDC_ISSUER="
_PEOPLE: Final = """
[[persona]]
id = "wei"
name = "Wei Zhang"
email = "wei@vendor.example"
roles = ["bd"]
[[persona]]
id = "ada"
name = "Ada Roth"
email = "ada@vendor.example"
roles = ["bd_lead"]
[[persona]]
id = "vic"
name = "Vic Moreau"
email = "vic@vendor.example"
roles = ["vendor"]
[[persona]]
id = "ops"
name = "Operations"
roles = ["ops"]
[[persona]]
id = "crm"
name = "CRM"
roles = ["service"]
acts_for = ["partner"]
"""
_DESKS: Final = """
[[desk]]
name = "default"
calendar = "CN"
time_zone = "Asia/Shanghai"
lead = { name = "Ada Roth", email = "ada@vendor.example" }
bds = [{ name = "Wei Zhang", email = "wei@vendor.example" }]
"""


class Program:
    """A process, as long as it runs; what it says goes to its log."""

    def __init__(
        self, arguments: Sequence[str], log: Path, environment: Mapping[str, str], *, says: str
    ) -> None:
        """``says``: what its log has once it works."""
        self.log: Final = log
        self._arguments = tuple(arguments)
        self._environment = dict(environment)
        self._says = says
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Its process ID.

        Raises:
            RuntimeError: it does not run.
        """
        if self._process is None:
            raise RuntimeError(f"{self._arguments[0]} does not run")
        return self._process.pid

    async def start(self) -> None:
        """Start it, and return once it works.

        Raises:
            RuntimeError: it ended instead; the message has the end of its log.
            TimeoutError: it does not work in time.
        """
        before = self._said().count(self._says)
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._arguments,
                cwd=ROOT,
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        async with within(STARTS_WITHIN, f"a working {self.log.stem}"):
            while self._said().count(self._says) == before:
                if self._process.returncode is not None:
                    raise RuntimeError(f"{self.log.stem} ended:\n{self._said()[-2000:]}")
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """SIGKILL, if it runs."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    async def stop(self) -> tuple[int, float]:
        """SIGTERM; the code it ended with, and after how many seconds."""
        process, began = self._process, time.monotonic()
        if process is None:
            raise RuntimeError(f"{self._arguments[0]} does not run")
        process.send_signal(signal.SIGTERM)
        code = await process.wait()
        self._process = None
        return code, time.monotonic() - began

    def _said(self) -> str:
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""


@dataclass
class Site:
    """Everything that runs, and how to call it."""

    folder: Path
    temporal: TemporalServer
    client: Client
    database_url: str
    worker: Program
    serve: Program
    url: str
    issuer: str
    uids: Sequence[str]
    environment: Mapping[str, str]
    tokens: dict[str, str] = field(default_factory=dict)

    async def token(self, persona: str) -> str:
        """A token of a persona: mei, wei, ada, vic, ops, crm."""
        if persona not in self.tokens:
            async with httpx.AsyncClient(trust_env=False) as http:
                self.tokens[persona] = await token_of(http, self.issuer, persona)
        return self.tokens[persona]

    async def headers(self, persona: str) -> dict[str, str]:
        """What opens the API to a persona."""
        return {"Authorization": f"Bearer {await self.token(persona)}"}

    def http(self) -> httpx.AsyncClient:
        """A client of the API."""
        return httpx.AsyncClient(base_url=f"{self.url}/api/v1", timeout=60, trust_env=False)


@asynccontextmanager
async def running(folder: Path, uids: Sequence[str], database_url: str | None = None) -> AsyncIterator[Site]:
    """Start everything; at the end, however it comes, everything is gone.

    ``uids``: the accounts of the one partner. ``database_url``: SQLite in the folder unless another is named.
    """
    database_url = database_url or f"sqlite:///{folder / 'onboarding.db'}"
    async with AsyncExitStack() as stack:
        frontend, idp_port, serve_port = free_ports(3)
        temporal = TemporalServer(
            log_file=folder / "temporal.log", db_filename=folder / "temporal.db", port=frontend, headless=True
        )
        stack.push_async_callback(temporal.kill)
        await temporal.start()
        sink = await stack.enter_async_context(MailSink(folder / "mails").running())
        issuer, url = f"http://{IP}:{idp_port}/idp", f"http://{IP}:{serve_port}"
        environment = (
            without_settings()
            | _settings(folder, uids)
            | {
                "TEMPORAL_ADDRESS": temporal.address,
                "ONBOARDING_DATABASE_URL": database_url,
                "ONBOARDING_SMTP_URL": sink.url,
                "ONBOARDING_OIDC_ISSUER": issuer,
                "ONBOARDING_SERVE_ADDRESS": f"{IP}:{serve_port}",
            }
        )
        worker = Program([sys.executable, "worker.py"], folder / "worker.log", environment, says=WORKING)
        idp = Program(
            [str(ONBOARDING), "idp", "--port", str(idp_port)], folder / "idp.log", environment, says=_ISSUES
        )
        serve = Program([str(ONBOARDING), "serve"], folder / "serve.log", environment, says=SERVES)
        for program in (worker, idp):
            stack.push_async_callback(program.kill)
            await program.start()
        async with open_archive(database_url) as archive:
            await archive.put_accounts([Account(uid=uid, enterprise=COMPANY) for uid in uids])
        stack.push_async_callback(serve.kill)
        await serve.start()
        client = await Client.connect(temporal.address, plugins=[OnboardingPlugin()])
        yield Site(folder, temporal, client, database_url, worker, serve, url, issuer, uids, environment)


def _settings(folder: Path, uids: Sequence[str]) -> dict[str, str]:
    personas, desks = folder / "personas.toml", folder / "desks.toml"
    named = ", ".join(f'"{uid}"' for uid in uids)
    mei = f'[[persona]]\nid = "mei"\nname = "Mei Lin"\nroles = ["partner"]\nuids = [{named}]\n'
    personas.write_text(mei + _PEOPLE, encoding="utf-8")
    desks.write_text(_DESKS, encoding="utf-8")
    return {
        "HOME": str(folder),
        "ONBOARDING_DATA": str(folder),
        "ONBOARDING_EMAIL_FROM": "onboarding@vendor.example",
        "ONBOARDING_IDP_DEMO": "true",
        "ONBOARDING_PERSONAS": str(personas),
        "ONBOARDING_DESKS": str(desks),
        "ONBOARDING_WEBHOOK_ALLOW": IP,
        "ONBOARDING_SIGNATURE_STANDARD_SECRET": SECRETS[Provider.STANDARD],
        "ONBOARDING_SIGNATURE_DOCUSEAL_SECRET": SECRETS[Provider.DOCUSEAL],
    }
