"""A Temporal server, a mail server and a database that a test may configure, stop and start."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from temporalio.client import WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

from starter.local.dev_server import (
    TIME_SKIPPING_DYNAMIC_CONFIG,
    dynamic_config_arguments,
    temporal_executable,
)
from tests import payloads
from tests.databases import Postgresql
from tests.rig import Applicant, Service, serve
from tests.smtp_server import Plan, SmtpServer
from tests.temporal_env import SEARCH_ATTRIBUTES, TIME_SKIPPING
from workflows.plugin import OnboardingPlugin

LONGEST_RETRY: Final = timedelta(minutes=10)
"""Longer than the longest pause between two tries of an activity."""
HANG: Final = 60.0
"""Seconds after which a test gives up on an answer that should come at once."""


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


@asynccontextmanager
async def without_mail(
    environment: WorkflowEnvironment, folder: Path
) -> AsyncIterator[tuple[Applicant, SmtpServer]]:
    """Somebody who has joined a service whose mail server, given too, is down."""
    smtp = await smtp_server_that_is_down()
    async with serve(environment, folder, smtp_url=smtp.url) as service:
        yield await service.applicant(), smtp


@asynccontextmanager
async def on_postgresql(
    environment: WorkflowEnvironment, folder: Path, postgresql: Postgresql
) -> AsyncIterator[Service]:
    """A service with a new database of this server."""
    async with serve(environment, folder, database_url=postgresql.url(postgresql.create())) as service:
        yield service


async def ends(server: WorkflowEnvironment, delivery: WorkflowHandle[Any, Any]) -> None:
    """Let a delivery try again, and end, unless it has already."""
    try:
        await server.fast_forward(delivery, LONGEST_RETRY)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
    await delivery.result()


# By updates, which are answered while mails or rows wait.


async def review_by_updates(applicant: Applicant) -> None:
    """Company confirmed, form submitted."""
    await applicant.update("confirm_company")
    await applicant.update("submit_application", application=payloads.form(applicant.uid))


async def sheet_by_updates(applicant: Applicant, **terms: str) -> None:
    """Approved, and a decision sheet issued."""
    await applicant.update("approve_application", form_revision=1)
    await applicant.update("issue_decision_sheet", sheet=payloads.sheet(**terms))
