"""`runtime.processes` and `runtime.joint_metrics`: how many, how one is kept running, one page of metrics."""

import asyncio
import logging
import os
import time
from pathlib import Path

import pytest

from runtime import processes
from runtime.health import LOOK_EVERY
from runtime.joint_metrics import joined, joint_metrics
from runtime.processes import GaveUpError, cores, run_processes
from runtime.startup import StartupError
from settings import Settings

ONE = """\
# HELP temporal_workflow_completed_total Count of completed workflows
# TYPE temporal_workflow_completed_total counter
temporal_workflow_completed_total{namespace="default"} 3
# HELP temporal_request_latency_seconds How long
# TYPE temporal_request_latency_seconds histogram
temporal_request_latency_seconds_bucket{le="0.1"} 1
temporal_request_latency_seconds_count 2
"""
TWO = """\
# HELP temporal_request_latency_seconds How long
# TYPE temporal_request_latency_seconds histogram
temporal_request_latency_seconds_bucket{le="0.1"} 5
temporal_request_latency_seconds_count{} 6

# TYPE up gauge
up 1
"""


def test_each_metric_is_told_once_with_the_samples_of_all() -> None:
    assert (
        joined({1: ONE, 2: TWO})
        == """\
# HELP temporal_workflow_completed_total Count of completed workflows
# TYPE temporal_workflow_completed_total counter
temporal_workflow_completed_total{process="1",namespace="default"} 3
# HELP temporal_request_latency_seconds How long
# TYPE temporal_request_latency_seconds histogram
temporal_request_latency_seconds_bucket{process="1",le="0.1"} 1
temporal_request_latency_seconds_count{process="1"} 2
temporal_request_latency_seconds_bucket{process="2",le="0.1"} 5
temporal_request_latency_seconds_count{process="2"} 6
# TYPE up gauge
up{process="2"} 1
"""
    )


def test_an_address_that_cant_be_used_is_told_by_its_variable() -> None:
    with joint_metrics("127.0.0.1:0", []):
        pass
    wrong = pytest.raises(StartupError, match="ONBOARDING_METRICS_ADDRESS")
    with wrong, joint_metrics("192.0.2.1:9464", []):
        raise AssertionError("not an address of this machine")


@pytest.mark.parametrize(
    ("quota", "most"),
    [("100000 100000", 1), ("50000 100000", 1), ("9999900000 100000", None), ("max 100000", None)],
)
def test_a_containers_limit_counts(tmp_path: Path, quota: str, most: int | None) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(f"{quota}\n")
    assert cores(file) == (most or cores(tmp_path / "none"))


def program(folder: Path, text: str) -> Path:
    """What stands in for the worker."""
    file = folder / "program.py"
    file.write_text(f"import os, sys, time\nnumber = int(sys.argv[2])\n{text}\n")
    return file


async def test_what_dies_is_started_again_and_all_stop_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(processes, "pauses", lambda: iter((0.01, 0.02)))
    caplog.set_level(logging.INFO)
    health = tmp_path / "polls"
    worker = program(
        tmp_path,
        f"""
import pathlib, signal
assert os.environ["ONBOARDING_WORKER_PROCESSES"] == "1"
folder = pathlib.Path({str(tmp_path)!r})
mine = folder / f"began-{{number}}"
before = mine.exists()
mine.touch()
if number == 1 and not before:
    os.kill(os.getpid(), signal.SIGKILL)
def stop(*_):
    time.sleep(0.1)  # a worker takes a while to stop, and is waited for
    (folder / f"stopped-{{number}}").touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
pathlib.Path(os.environ["ONBOARDING_HEALTH_FILE"]).touch()
(folder / f"works-{{number}}").touch()
signal.pause()
""",
    )
    settings = Settings(health_file=health)
    monkeypatch.setattr(processes, "LOOK_EVERY", LOOK_EVERY / 100)
    running = asyncio.create_task(run_processes(2, settings, worker))
    while not all((tmp_path / name).exists() for name in (health.name, "works-1", "works-2")):
        assert not running.done()
        await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert {"stopped-1", "stopped-2"} <= {*os.listdir(tmp_path)}
    assert "Worker process 1 was ended by signal 9; started again in 0.01 s" in caplog.text


async def test_one_that_cant_work_ends_all(tmp_path: Path) -> None:
    worker = program(tmp_path, "sys.exit(2) if number == 2 else time.sleep(60)")
    began = time.monotonic()
    with pytest.raises(GaveUpError) as gave_up:
        await run_processes(2, Settings(), worker)
    assert gave_up.value.code == 2
    assert time.monotonic() - began < 30
