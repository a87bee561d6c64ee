"""The account directory or the platform is down, or a calendar unknown: how local activities fail."""

import logging
import sqlite3
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from activities.db.engine import Database
from activities.db.schema import Schema
from domain.contract import QUERY_NAME, UPDATE_NAME, WORKFLOW_TYPE, Stage, workflow_id
from domain.status import Status
from settings import Settings
from tests import payloads
from tests.activities.services import vendor_services
from tests.long import SHORT
from tests.temporal_env import unique
from worker import running_worker

NOBODY = "http://127.0.0.1:1"
"""A loopback port on which nothing listens."""
HIDDEN = "geheim-4711"


@asynccontextmanager
async def joined(
    env: WorkflowEnvironment, folder: Path, settings: dict[str, str], policy: payloads.Json | None = None
) -> AsyncIterator[WorkflowHandle[Any, Status]]:
    """An applicant of a service of its own, whose outside services are as ``settings`` name them."""
    queue, uid = unique("queue"), str(uuid4().int)[:16]
    where = Settings.model_validate(
        {"data": folder, "database_url": f"sqlite:///{folder / 'onboarding.db'}", **settings}
    )
    async with running_worker(env.client, where, task_queue=queue):
        with env.with_time_skipping_disabled():
            yield await env.client.start_workflow(
                WORKFLOW_TYPE,
                payloads.join(uid, policy=policy),
                id=workflow_id(uid),
                task_queue=queue,
                result_type=Status,
                execution_timeout=timedelta(days=1),
            )


@pytest.mark.parametrize("setting", ["accounts_url", "acpn_api_url"])
async def test_with_a_service_down_one_can_join_but_not_confirm(
    env: WorkflowEnvironment, tmp_path: Path, setting: str
) -> None:
    async with joined(env, tmp_path, {setting: NOBODY}) as handle:
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update(
                UPDATE_NAME, {"kind": "confirm_company", **payloads.command("confirm_company")}
            )
        status: Status = await handle.query(QUERY_NAME, result_type=Status)
    assert isinstance(refused.value.cause, ApplicationError)
    assert refused.value.cause.type == "unavailable"
    assert (status.stage, status.company) == (Stage.DRAFTING, None)
    assert [refusal.error for refusal in status.last_refusals] == ["unavailable"]


async def test_a_password_is_sent_and_neither_logged_nor_stored(
    env: WorkflowEnvironment, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with vendor_services() as services:
        services.status = 503
        url = services.url.replace("//", f"//vendor:{HIDDEN}%40@")
        async with joined(env, tmp_path, {"accounts_url": url}) as handle:
            with pytest.raises(WorkflowUpdateFailedError):
                await handle.execute_update(
                    UPDATE_NAME, {"kind": "confirm_company", **payloads.command("confirm_company")}
                )
            history = b"".join(event.SerializeToString() for event in (await handle.fetch_history()).events)
    assert services.authorizations == {f"Basic {b64encode(f'vendor:{HIDDEN}@'.encode()).decode()}"}
    assert HIDDEN.encode() not in history
    assert b"The account directory does not answer" in history
    assert HIDDEN not in caplog.text
    assert services.url in caplog.text


@SHORT
async def test_a_refused_statement_is_told_briefly_and_nothing_personal_of_it(
    env: WorkflowEnvironment, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "onboarding.db"
    database = Database(f"sqlite:///{file}")
    await Schema(database).migrate()
    await database.dispose()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON applications"
            " BEGIN SELECT RAISE(ABORT, 'attempt to write a readonly database'); END"
        )
    async with joined(env, tmp_path, {}) as handle:
        pending: list[PendingActivityInfo] = []
        while not (pending and pending[0].HasField("last_failure")):
            pending = list((await handle.describe()).raw_description.pending_activities)
    failure = pending[0].last_failure
    assert failure.message == "the database: attempt to write a readonly database"
    assert failure.application_failure_info.type == "IntegrityError"
    assert "attempt to write a readonly database" in caplog.text
    for hidden in (*payloads.CONTACT.values(), "INSERT INTO"):
        assert hidden.encode() not in failure.SerializeToString()
        assert hidden not in caplog.text


async def test_a_calendar_nobody_knows_fails_the_start(env: WorkflowEnvironment, tmp_path: Path) -> None:
    async with joined(env, tmp_path, {}, {"calendar": "QQ"}) as handle:
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == "invalid"
    assert failed.value.cause.message.startswith("policy.calendar: region 'QQ' is not in the calendars")
