"""A Temporal server, a mail server and a database that a test may configure, stop and start."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio.testing import WorkflowEnvironment

from starter.local.dev_server import (
    TIME_SKIPPING_DYNAMIC_CONFIG,
    dynamic_config_arguments,
    temporal_executable,
)
from tests.databases import Postgresql
from tests.smtp_server import Plan, SmtpServer
from tests.temporal_env import SEARCH_ATTRIBUTES, TIME_SKIPPING
from workflows.plugin import OnboardingPlugin


@asynccontextmanager
async def own_environment(**dynamic_config: str) -> AsyncIterator[WorkflowEnvironment]:
    """A time-skipping server like that of the fixture `env`, with more of the server's dynamic configuration.

    On it a test can run services of its own, one at a time: the task queue has one name.
    """
    configured: Mapping[str, str] = {**TIME_SKIPPING_DYNAMIC_CONFIG, **dynamic_config}
    async with await WorkflowEnvironment.start_time_skipping_v2(
        ts_config=TIME_SKIPPING,
        plugins=[OnboardingPlugin()],
        search_attributes=SEARCH_ATTRIBUTES,
        dev_server_existing_path=str(temporal_executable()),
        dev_server_extra_args=dynamic_config_arguments(configured),
        dev_server_startup_timeout=timedelta(seconds=60),
    ) as environment:
        yield environment


async def smtp_server_that_is_down() -> SmtpServer:
    """It has a port, but nothing listens there until it is `running`."""
    server = SmtpServer(Plan())
    async with server.running():
        return server


def templates(server: SmtpServer) -> list[str]:
    """The templates of the mails the server has accepted, in order."""
    return [str(mail.message["X-Onboarding-Template"]) for mail in server.accepted]


@asynccontextmanager
async def outage(postgresql: Postgresql) -> AsyncIterator[None]:
    """The database is down inside the block."""
    await asyncio.to_thread(postgresql.stop)
    try:
        yield
    finally:
        await asyncio.to_thread(postgresql.start)
