"""`onboarding setup --contract` on the real server: what older workers don't survive waits for them to go."""

import asyncio
import logging
import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from alembic import command
from temporalio import workflow
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import Worker, WorkerDeploymentConfig

from activities.db.engine import Database
from domain.contract import TASK_QUEUE
from runtime import deployments
from runtime.setup import run_setup
from runtime.startup import StartupError
from settings import Settings, TemporalSettings
from starter.doctor.report import Part, State
from starter.local.dev_server import DevServer
from tests.activities.schemas import alembic
from tests.e2e.examinations import examined

NAME = "reseller-onboarding"
DAYS = timedelta(days=1)
ONBOARDING = Path(sys.executable).with_name("onboarding")


@workflow.defn(sandboxed=False)
class Anything:
    """A worker that has it polls."""

    @workflow.run
    async def run(self) -> None:
        """Nobody starts it."""


@pytest_asyncio.fixture
async def temporal(tmp_path: Path) -> AsyncIterator[TemporalSettings]:
    async with DevServer(log_file=tmp_path / "temporal.log", headless=True) as server:
        yield TemporalSettings(server.address, server.namespace, {"target_host": server.address})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a release whose database still has the schema of 0.1.0."""
    settings = Settings(data=tmp_path, build_id="v2")
    Database(settings.database).in_one_transaction(
        lambda connection: command.upgrade(alembic(connection), "0001")
    )
    return settings


def revision(settings: Settings) -> str:
    with sqlite3.connect(settings.data / "onboarding.db") as connection:
        [found] = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    connection.close()
    return str(found)


@asynccontextmanager
async def polling(temporal: TemporalSettings, build_id: str | None) -> AsyncIterator[None]:
    """A worker of this version, which the server has seen."""
    client = await Client.connect(**temporal.options)
    config = build_id and WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(NAME, build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )
    async with Worker(client, task_queue=TASK_QUEUE, workflows=[Anything], deployment_config=config or None):
        while not await _polls(client, build_id):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
        yield


async def _polls(client: Client, build_id: str | None) -> bool:
    versions = (await deployments.describe(client, NAME)).versions
    return any(each.build_id == build_id and each.pollers for each in versions)


@pytest.mark.parametrize("older", ["v1", None])
async def test_while_an_older_worker_polls_nothing_is_taken_away(
    older: str | None,
    temporal: TemporalSettings,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for _ in range(2):
        with pytest.raises(StartupError, match="`onboarding setup --contract`"):
            await run_setup(settings, temporal, retention=DAYS, wait=timedelta(seconds=60))
    async with polling(temporal, "v2"), polling(temporal, older):
        for _ in range(2):
            with pytest.raises(StartupError, match="the last line above says what was missing"):
                await run_setup(settings, temporal, retention=DAYS, wait=timedelta(seconds=10), contract=True)
        assert revision(settings) == "0001"
        said = caplog.records[-1].getMessage()
        assert said.startswith("Waiting until no other worker polls than those of version v2: 1 of ")
        assert (older or "(no version)") in said
        monkeypatch.setattr(deployments, "POLLS_WITHIN", timedelta(seconds=1))
    with caplog.at_level(logging.INFO, "onboarding.worker"):
        for _ in range(2):
            await run_setup(settings, temporal, retention=DAYS, wait=timedelta(seconds=60), contract=True)
    assert revision(settings) != "0001"
    assert [line for line in caplog.messages if line.startswith("Schema: took break step 0002, One write")]
    assert f"{Database(settings.database).name}, schema" in caplog.text


async def test_workers_of_this_version_may_poll(temporal: TemporalSettings, settings: Settings) -> None:
    async with polling(temporal, "v2"):
        await run_setup(settings, temporal, retention=DAYS, wait=timedelta(seconds=60), contract=True)
    assert revision(settings) != "0001"


async def test_the_console_script_says_what_it_took(
    temporal: TemporalSettings, settings: Settings, tmp_path: Path
) -> None:
    inherited = {
        name: given for name, given in os.environ.items() if not name.startswith(("ONBOARDING_", "TEMPORAL_"))
    }
    place = {
        "TEMPORAL_ADDRESS": temporal.address,
        "ONBOARDING_DATA": str(settings.data),
        "HOME": str(tmp_path),
    }
    for arguments, code, says in (
        ([], 1, "run `onboarding setup --contract`"),
        (["--contract"], 0, "Schema: took break step 0002, One write path"),
        ([], 0, ", that of this release"),
    ):
        process = await asyncio.create_subprocess_exec(
            *(str(ONBOARDING), "setup", "--wait", "60", *arguments),
            env=inherited | place,
            stderr=asyncio.subprocess.PIPE,
        )
        said = (await process.communicate())[1].decode()
        assert process.returncode == code, said
        assert says in said


async def test_without_a_version_nobody_may_poll(temporal: TemporalSettings, settings: Settings) -> None:
    unversioned = settings.model_copy(update={"build_id": None})
    async with polling(temporal, None):
        with pytest.raises(StartupError, match="what was missing"):
            await run_setup(unversioned, temporal, retention=DAYS, wait=timedelta(seconds=5), contract=True)
    assert revision(settings) == "0001"


async def test_the_doctor_says_what_an_older_schema_needs(settings: Settings) -> None:
    found = (await examined(settings)).of(Part.DATABASE)
    assert found.state is State.FAILED
    assert "schema of an older release (0001); this one needs" in found.detail
    assert "`onboarding setup --contract`" in found.remedy
