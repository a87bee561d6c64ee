"""`runtime.health`: what counts as a worker that polls, and what is said of one that does not."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.api.worker.v1 import WorkerHeartbeat, WorkerInfo
from temporalio.api.workflowservice.v1 import ListWorkersResponse
from temporalio.service import RPCError, RPCStatusCode

from runtime import health
from runtime.health import POLLED_WITHIN, polls_now
from tests.starter.scripted_service import ScriptedService, refused

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
LATELY = POLLED_WITHIN / 2
LONG_AGO = POLLED_WITHIN * 2


def heartbeat(
    started: timedelta, workflow: timedelta | None = None, activity: timedelta | None = None
) -> WorkerHeartbeat:
    """A worker that started, and whose polls were answered, so long before NOW."""
    told = WorkerHeartbeat()
    told.start_time.FromDatetime(NOW - started)
    if workflow is not None:
        told.workflow_poller_info.last_successful_poll_time.FromDatetime(NOW - workflow)
    if activity is not None:
        told.activity_poller_info.last_successful_poll_time.FromDatetime(NOW - activity)
    return told


def test_answered_polls_count() -> None:
    assert polls_now([heartbeat(LONG_AGO, LATELY, LATELY)], NOW)


def test_both_kinds_must_be_answered() -> None:
    assert not polls_now([heartbeat(LONG_AGO, LATELY, LONG_AGO)], NOW)
    assert not polls_now([heartbeat(LONG_AGO, LONG_AGO, LATELY)], NOW)
    assert not polls_now([heartbeat(LONG_AGO, LATELY)], NOW)


def test_one_that_has_just_started_has_had_no_answer_yet() -> None:
    assert polls_now([heartbeat(LATELY)], NOW)
    assert not polls_now([heartbeat(LONG_AGO)], NOW)


def test_a_worker_the_server_has_not_heard_of_does_not_poll() -> None:
    assert not polls_now([], NOW)


def test_the_worker_before_does_not_count() -> None:
    before = heartbeat(LONG_AGO * 2, LATELY, LATELY)
    assert not polls_now([before, heartbeat(LONG_AGO)], NOW)
    assert not polls_now([heartbeat(LONG_AGO), before], NOW)


async def shown(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    file: Path,
    *answers: ListWorkersResponse | RPCError,
    heard_of_within: timedelta = timedelta(0),
) -> list[str]:
    """What is logged while the server answers so, one look after the other."""
    monkeypatch.setattr(health, "LOOK_EVERY", timedelta(milliseconds=1))
    monkeypatch.setattr(health, "HEARD_OF_WITHIN", heard_of_within)
    caplog.set_level(logging.INFO, "onboarding.health")
    service = ScriptedService(*answers)
    showing = asyncio.create_task(health.show_polling(service.client, file))
    exhausted = asyncio.create_task(service.exhausted.wait())
    await asyncio.wait({showing, exhausted}, return_when=asyncio.FIRST_COMPLETED)
    for task in (exhausted, showing):
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await showing
    return [record.getMessage() for record in caplog.records]


def workers(*heartbeats: WorkerHeartbeat) -> ListWorkersResponse:
    return ListWorkersResponse(workers_info=[WorkerInfo(worker_heartbeat=each) for each in heartbeats])


def polling() -> ListWorkersResponse:
    told = WorkerHeartbeat()
    told.start_time.FromDatetime(datetime.now(UTC))
    return workers(told)


async def test_a_worker_that_never_polled_says_once_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    denied = refused(RPCStatusCode.PERMISSION_DENIED)
    answers = (denied, denied, workers(), workers(), workers(heartbeat(LONG_AGO)), denied)
    assert await shown(monkeypatch, caplog, tmp_path / "polls", *answers) == [
        "The worker does not poll, or the server does not tell: no right to that",
        "The worker does not poll: the server has not heard of it",
        "The worker does not poll: its polls are not answered",
    ]


async def test_a_start_is_no_outage_and_each_outage_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    file = tmp_path / "polls"
    down = refused(RPCStatusCode.UNAVAILABLE, "away")
    answers = (workers(), polling(), down, polling(), down)
    said = await shown(monkeypatch, caplog, file, *answers, heard_of_within=timedelta(minutes=1))
    polls, away = (
        "The server confirms that this worker polls",
        "The worker does not poll, or the server does not tell: away",
    )
    assert said == [polls, away, polls, away]
    assert file.exists()


async def test_a_file_that_can_not_be_written_is_named_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    no_folder = tmp_path / "file"
    no_folder.touch()
    said = await shown(monkeypatch, caplog, no_folder / "polls", polling(), polling())
    assert len(said) == 2
    assert "ONBOARDING_HEALTH_FILE" in said[1]
    assert "Not a directory" in said[1]
