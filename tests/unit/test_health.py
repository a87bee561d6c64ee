"""`starter.health`: what counts as a worker that polls."""

from datetime import UTC, datetime, timedelta

from temporalio.api.worker.v1 import WorkerHeartbeat

from starter.health import POLLED_WITHIN, polls_now

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
