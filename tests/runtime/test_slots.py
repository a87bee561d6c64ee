"""How much a worker takes in."""

from temporalio.worker import PollerBehaviorAutoscaling

from settings import Settings
from worker import POLLS, _pollers


def test_polls_that_wait_leave_slots_to_work_in() -> None:
    settings = Settings()
    assert _pollers(settings) == PollerBehaviorAutoscaling(maximum=POLLS)
    # Workflow tasks are polled for twice: first tasks, and those of runs in memory.
    assert settings.worker_tasks // 2 >= 2 * POLLS
    assert settings.worker_activities // 2 >= POLLS
