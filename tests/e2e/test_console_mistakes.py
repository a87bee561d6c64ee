"""A Temporal that is not what the console expects: no set-up, no namespace, no worker, another server."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import WorkflowExecutionStatus

from domain.contract import ErrorType, OnboardingInput, workflow_id
from runtime.search_attributes import register_search_attributes
from settings import TemporalSettings
from starter.client.errors import OnboardingError
from starter.client.onboarding_client import OnboardingClient, connect
from starter.local.dev_server import DevServer
from tests import payloads
from tests.starter.cli_fakes import UID
from tests.starter.test_cli_ops import JOIN

ONBOARDING = Path(sys.executable).with_name("onboarding")


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[DevServer]:
    """Fresh: nobody has set it up, and no worker polls."""
    async with DevServer(log_file=tmp_path / "temporal.log", headless=True) as server:
        yield server


async def told(environment: dict[str, str], *line: str) -> list[str]:
    """What the console script says as it fails."""
    result = await asyncio.to_thread(
        subprocess.run, [str(ONBOARDING), *line], env=environment, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (1, "")
    return result.stderr.splitlines()


async def test_a_temporal_without_set_up_namespace_or_worker(
    server: DevServer, environment: dict[str, str]
) -> None:
    environment |= {"TEMPORAL_ADDRESS": server.address}
    problem, remedy = await told(environment, *JOIN)
    assert problem.startswith("Temporal's namespace 'default' is not set up: ")
    assert "`onboarding setup`" in remedy
    problem, remedy = await told(environment | {"TEMPORAL_NAMESPACE": "nope"}, "approve", UID)
    assert problem == "Temporal has no namespace 'nope'."
    assert "TEMPORAL_NAMESPACE" in remedy
    temporal = await connect(TemporalSettings(server.address, "default", {"target_host": server.address}))
    await register_search_attributes(temporal)
    client = OnboardingClient(temporal, answer_within=timedelta(seconds=1))
    joining = OnboardingInput.model_validate(payloads.join(UID))
    for begun in ("has started; no worker has taken it up yet", "had started before; no worker"):
        with pytest.raises(OnboardingError, match=begun) as refused:
            await client.join(joining)
        assert refused.value.type is ErrorType.UNAVAILABLE
        assert "`onboarding up`" in refused.value.remedy
    run = await temporal.get_workflow_handle(workflow_id(UID)).describe()
    assert run.status is WorkflowExecutionStatus.RUNNING


async def test_a_mail_server_in_temporals_place(environment: dict[str, str]) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n")
        await reader.readline()
        writer.write(b'500 Error: command "PRI" not recognized\r\n')
        writer.close()

    listener = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with listener:
        address = f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        problem, remedy = await told(environment | {"TEMPORAL_ADDRESS": address}, "approve", UID)
    assert problem.startswith(f"Temporal does not answer at {address} (it hangs up, or ")
    assert "TEMPORAL_ADDRESS" in remedy
