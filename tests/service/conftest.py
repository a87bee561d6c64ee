"""One service for all tests of a process, an applicant for each; or a server for services of a test's own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from domain.contract import Stage
from tests.rig import Applicant, Service, serve
from tests.service.own_server import own_environment


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service(
    env: WorkflowEnvironment, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """The running service."""
    async with serve(env, tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server() -> AsyncIterator[WorkflowEnvironment]:
    """A server whose only services are those the tests run on it, one after the other."""
    async with own_environment() as environment:
        yield environment


@pytest.fixture
async def active(service: Service) -> Applicant:
    """An applicant with access."""
    applicant = await service.applicant()
    assert (await applicant.to_signed()).stage is Stage.ACTIVE
    await applicant.result()
    return applicant
