"""The real Temporal dev server with time skipping: one for each test process, shared by its tests.

A test asks for the fixture `env`; ``tests/conftest.py`` loads this module as a pytest plugin, and the
project's pytest settings run tests and fixtures in one loop for the session (else a test module had to
declare ``pytestmark = pytest.mark.asyncio(loop_scope="session")``). As the server is shared, each test uses
workflow IDs and a task queue of its own: `unique`.

Every workflow has its own clock. The pattern::

    async with Worker(env.client, task_queue=queue, ...):
        with env.with_time_skipping_disabled():
            handle = await env.client.start_workflow(...)
        ...                                # messages; until then the workflow's clock is the wall clock
        await fast_forward(env, handle, timedelta(days=3))
        await now(env, handle)             # the workflow's time, not the machine's

Seen on temporalio 1.35 against server 1.32:

- One `fast_forward` passes any number of timers, activities (which take their real time), retry backoffs and
  continue-as-news, and what is due on the way is done before the clock goes on. Signals, updates, start
  delay and search attributes work.
- It goes on from the workflow's present time. A timer was started some milliseconds after the workflow, so
  go a little further than the deadline, not exactly to it; and what the last timer sets going may still run
  when it returns.
- A workflow started outside ``with_time_skipping_disabled`` runs ahead at once, before a signal can reach it.
- A parent's clock stands still while it waits on a child.
- ``env.sleep``, and ``env.get_current_time`` without a handle, raise.
"""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import pytest_asyncio
from temporalio.client import WorkflowHandle
from temporalio.common import SearchAttributeKey
from temporalio.testing import TimeSkippingConfig, WorkflowEnvironment

from starter.local.dev_server import (
    TIME_SKIPPING_DYNAMIC_CONFIG,
    dynamic_config_arguments,
    temporal_executable,
)
from workflows.plugin import OnboardingPlugin

SEARCH_ATTRIBUTES: Final = (
    SearchAttributeKey.for_keyword("OnboardingStage"),
    SearchAttributeKey.for_keyword("OnboardingWaitingOn"),
    SearchAttributeKey.for_datetime("OnboardingDueAt"),
    SearchAttributeKey.for_bool("OnboardingOverdue"),
)

# Past the server's default of 200 skips in one fast-forward it stalls without a word.
TIME_SKIPPING: Final = TimeSkippingConfig(max_session_skip_count=100_000)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def env() -> AsyncIterator[WorkflowEnvironment]:
    """A time-skipping server, in memory, whose ``env.client`` carries the `OnboardingPlugin`."""
    async with await WorkflowEnvironment.start_time_skipping_v2(
        ts_config=TIME_SKIPPING,
        plugins=[OnboardingPlugin()],
        search_attributes=SEARCH_ATTRIBUTES,
        dev_server_existing_path=str(temporal_executable()),
        dev_server_extra_args=dynamic_config_arguments(TIME_SKIPPING_DYNAMIC_CONFIG),
        # The SDK's five seconds are too few when every test process starts its server at once.
        dev_server_startup_timeout=timedelta(seconds=60),
    ) as environment:
        yield environment


def unique(prefix: str) -> str:
    """A workflow ID or task queue no other test uses."""
    return f"{prefix}-{uuid4()}"


async def fast_forward(
    env: WorkflowEnvironment, handle: WorkflowHandle[Any, Any], duration: timedelta
) -> bool:
    """Let ``duration`` pass on this workflow's clock; False if the workflow ended before.

    Works with a handle from before a continue-as-new, too. Afterwards the clock goes on with the wall clock.

    Raises:
        RuntimeError: another `fast_forward` of the same workflow took over.
        temporalio.service.RPCError: the workflow had ended already (NOT_FOUND).
    """
    return await env.fast_forward(handle, duration)


async def now(env: WorkflowEnvironment, handle: WorkflowHandle[Any, Any]) -> datetime:
    """The time on this workflow's clock (UTC)."""
    return await env.get_current_time(handle)
