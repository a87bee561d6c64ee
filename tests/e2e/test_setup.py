"""`onboarding setup` on the real server: what it makes, once and again, and what it says when it can't."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
    RemoveSearchAttributesRequest,
)
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from activities.db.engine import Database
from activities.db.schema import Schema
from runtime.search_attributes import SearchAttributesError
from runtime.setup import run_setup
from runtime.startup import StartupError, prepare_database
from settings import Settings, TemporalSettings
from starter.local.dev_server import DevServer
from tests.databases import Postgresql
from workflows.search_attributes import ALL, STAGE

NAMESPACE = "onboarding"
WAIT = timedelta(seconds=60)
DAYS = timedelta(days=1)
ONBOARDING = Path(sys.executable).with_name("onboarding")


@pytest_asyncio.fixture
async def temporal(tmp_path: Path) -> AsyncIterator[TemporalSettings]:
    async with DevServer(log_file=tmp_path / "temporal.log", headless=True) as server:
        options = TemporalSettings(
            server.address, NAMESPACE, {"target_host": server.address, "namespace": NAMESPACE}
        )
        yield options


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path)


async def retention(client: Client) -> timedelta:
    """How long the namespace keeps ended runs."""
    described = await client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace=NAMESPACE)
    )
    return described.config.workflow_execution_retention_ttl.ToTimedelta()


async def test_it_makes_everything_ready_also_when_two_do_so_at_once(
    temporal: TemporalSettings, settings: Settings
) -> None:
    await asyncio.gather(*(run_setup(settings, temporal, retention=180 * DAYS, wait=WAIT) for _ in range(2)))
    client = await Client.connect(**temporal.options)
    assert await retention(client) == 180 * DAYS
    listed = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=NAMESPACE)
    )
    assert {key.name: int(key.indexed_value_type) for key in ALL} == dict(listed.custom_attributes)
    assert (await client.count_workflows(f"{STAGE.name} = 'drafting'")).count == 0
    database = Database(settings.database)
    await Schema(database).check()
    await database.dispose()


async def test_repeated_it_keeps_runs_longer_but_never_shorter(
    temporal: TemporalSettings, settings: Settings
) -> None:
    for asked, kept in ((30, 30), (90, 90), (7, 90)):
        await run_setup(settings, temporal, retention=asked * DAYS, wait=WAIT)
        assert await retention(await Client.connect(**temporal.options)) == kept * DAYS


async def test_a_search_attribute_of_another_type_is_not_taken_for_ours(
    temporal: TemporalSettings, settings: Settings
) -> None:
    await run_setup(settings, temporal, retention=DAYS, wait=WAIT)
    operator = (await Client.connect(**temporal.options)).operator_service
    await operator.remove_search_attributes(
        RemoveSearchAttributesRequest(namespace=NAMESPACE, search_attributes=[STAGE.name])
    )
    await operator.add_search_attributes(
        AddSearchAttributesRequest(
            namespace=NAMESPACE,
            search_attributes={STAGE.name: IndexedValueType.INDEXED_VALUE_TYPE_TEXT},
        )
    )
    with pytest.raises(SearchAttributesError, match=f"{STAGE.name} exists in this namespace as Text"):
        await run_setup(settings, temporal, retention=DAYS, wait=WAIT)


async def test_what_is_not_there_in_time_is_said(settings: Settings) -> None:
    nowhere = TemporalSettings("127.0.0.1:1", NAMESPACE, {"target_host": "127.0.0.1:1"})
    with pytest.raises(StartupError, match="Not ready within 0 s"):
        await run_setup(settings, nowhere, retention=DAYS, wait=timedelta(0))


async def test_a_database_user_who_may_not_create_tables_is_told_so(
    postgresql: Postgresql, unmigrated_postgresql_url: str
) -> None:
    """As every user but the owner of the database, from PostgreSQL 15 on."""
    database = Database(postgresql.as_ordinary_user(unmigrated_postgresql_url))
    with pytest.raises(
        StartupError, match=r"permission denied for schema public\. .*ONBOARDING_DATABASE_URL"
    ):
        await prepare_database(database)
    await database.dispose()


async def test_a_file_that_is_no_database_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "onboarding.db").write_text("Dear diary" * 100)
    database = Database(f"sqlite:///{tmp_path / 'onboarding.db'}")
    with pytest.raises(StartupError, match=r"file is not a database\. .*ONBOARDING_DATABASE_URL"):
        await prepare_database(database)
    await database.dispose()


@pytest.mark.parametrize(
    ("variable", "value", "code", "says"),
    [
        ("TEMPORAL_ADDRESS", "127.0.0.1:1", 1, "Waiting for Temporal at 127.0.0.1:1 (TEMPORAL_ADDRESS)"),
        ("ONBOARDING_DATABASE_URL", "nowhere", 2, "ONBOARDING_DATABASE_URL: "),
    ],
)
def test_the_console_script_ends_with_a_code(
    tmp_path: Path, variable: str, value: str, code: int, says: str
) -> None:
    inherited = {
        name: given for name, given in os.environ.items() if not name.startswith(("ONBOARDING_", "TEMPORAL_"))
    }
    ended = subprocess.run(
        [ONBOARDING, "setup", "--wait", "3"],
        env=inherited | {"HOME": str(tmp_path), "ONBOARDING_DATA": str(tmp_path), variable: value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == code
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr
