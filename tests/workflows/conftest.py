"""One service for all the tests of a process; each test has an applicant of its own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from tests.rig import Service, serve


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service(
    env: WorkflowEnvironment, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """The running service."""
    async with serve(env, tmp_path_factory.mktemp("service")) as running:
        yield running
