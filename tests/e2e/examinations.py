"""Examining parts of a service by `onboarding doctor`'s own classes, one of them broken."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.testing import WorkflowEnvironment
from typer.testing import CliRunner, Result

from settings import Settings, SettingsError, TemporalSettings
from starter.cli.main import app
from starter.cli.session import SettingsSession
from starter.doctor.examination import Doctor
from starter.doctor.report import Finding, Part, Report, State

NOWHERE = SettingsError("not under test")
AT = datetime(2026, 6, 1, tzinfo=UTC)
TEMPORAL = (Part.NAMESPACE, Part.SEARCH_ATTRIBUTES, Part.WORKERS, Part.VERSIONS, Part.ENCRYPTION)


def settings(**values: Any) -> Settings:
    return Settings.model_validate({"database_url": "sqlite:////nowhere/onboarding.db", **values})


def at(address: str, namespace: str = "default") -> TemporalSettings:
    return TemporalSettings(address, namespace, {"target_host": address, "namespace": namespace})


def address_of(env: WorkflowEnvironment) -> str:
    return env.client.service_client.config.target_host


async def examined(
    given: Settings,
    temporal: TemporalSettings | SettingsError = NOWHERE,
    queue: str = "nobody",
    **options: Any,
) -> Report:
    limit = options.pop("limit", timedelta(seconds=10))
    doctor = Doctor(given, options.pop("wrong", {}), temporal, limit=limit, task_queue=queue)
    return await doctor.report("CN", "Asia/Shanghai", AT, **options)


def failure(finding: Finding) -> str:
    """What is wrong and what to do, of a part that failed."""
    assert finding.state is State.FAILED, finding
    assert finding.remedy
    return f"{finding.detail} → {finding.remedy}"


async def run(environment: dict[str, str], *arguments: str) -> Result:
    """The console script with this environment and no other."""
    return await asyncio.to_thread(
        CliRunner(env=environment).invoke, app, ["doctor", *arguments], obj=SettingsSession()
    )


@asynccontextmanager
async def silence(context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """``host:port`` of something that takes connections and never says a word."""

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(keep, "127.0.0.1", 0, ssl=context) as listener:
        yield f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
