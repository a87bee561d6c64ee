"""`python worker.py` as operations have it: it waits, says what it works with, and stops when told."""

import asyncio
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from activities.db.engine import Database
from activities.db.schema import Schema
from runtime.processes import free_port
from starter.local.dev_server import DevServer

ROOT = Path(__file__).parents[2]
HIDDEN = "geheim-4711"


@contextmanager
def worker(folder: Path, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """The worker's process; killed at the end if it has not ended."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("ONBOARDING_", "TEMPORAL_"))
    }
    with subprocess.Popen(
        [sys.executable, str(ROOT / "worker.py")],
        env=inherited | {"HOME": str(folder), "ONBOARDING_DATA": str(folder)} | environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def until(process: "subprocess.Popen[str]", said: str) -> str:
    """What the worker says up to a line with these words."""
    assert process.stderr is not None
    lines = ""
    for line in process.stderr:
        lines += line
        if said in line:
            return lines
    raise AssertionError(lines)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_waits_for_temporal_and_can_be_stopped_meanwhile(tmp_path: Path, number: signal.Signals) -> None:
    with worker(tmp_path, TEMPORAL_ADDRESS="127.0.0.1:1") as process:
        line = until(process, "Waiting for Temporal")
        assert "127.0.0.1:1" in line
        assert "TEMPORAL_ADDRESS" in line
        process.send_signal(number)
        assert process.wait() == 0


async def test_it_says_what_it_works_with_and_stops_in_order(tmp_path: Path) -> None:
    async with DevServer(log_file=tmp_path / "temporal.log", headless=True) as server:
        smtp = f"smtps://onboarding:{HIDDEN}@mail.example.com"
        with worker(tmp_path, TEMPORAL_ADDRESS=server.address, ONBOARDING_SMTP_URL=smtp) as process:
            said = await asyncio.to_thread(until, process, "Working on task queue reseller-onboarding")
            for fact in (server.address, "namespace default", "sqlite", "mail.example.com:465"):
                assert fact in said
            assert HIDDEN not in said
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait) == 0


@pytest.mark.short
async def test_two_processes_are_one_worker(tmp_path: Path) -> None:
    async with DevServer(log_file=tmp_path / "temporal.log", headless=True) as server:
        # Now: the server takes free ports, too.
        metrics = f"127.0.0.1:{free_port()}"
        several = {"ONBOARDING_WORKER_PROCESSES": "2", "ONBOARDING_METRICS_ADDRESS": metrics}
        with worker(tmp_path, TEMPORAL_ADDRESS=server.address, **several) as process:
            said = ""
            for _ in range(2):
                said += await asyncio.to_thread(until, process, "Working on task queue")
            for number in (1, 2):
                assert re.search(rf"INFO +\[{number}\] onboarding.worker: Working on task queue", said)
            answer = await asyncio.to_thread(httpx.get, f"http://{metrics}/metrics", trust_env=False)
            for number in (1, 2):
                assert f'temporal_num_pollers{{process="{number}",' in answer.text
            assert answer.text.count("# TYPE temporal_num_pollers gauge") == 1
            one = re.search(r"Worker process 1: pid (\d+)", said)
            assert one
            os.kill(int(one[1]), signal.SIGKILL)
            again = await asyncio.to_thread(until, process, "[1] onboarding.worker: Working on task queue")
            assert "Worker process 1 was ended by signal 9; started again in 1 s" in again
            # None outlives the one that started them, however that ends.
            process.kill()
            for _ in range(2):
                await asyncio.to_thread(until, process, "onboarding.worker: Stopped")


async def test_it_waits_for_the_database_without_telling_its_password(tmp_path: Path) -> None:
    async with DevServer(log_file=tmp_path / "temporal.log", headless=True) as server:
        url = f"postgresql://onboarding:{HIDDEN}@127.0.0.1:1/onboarding"
        with worker(tmp_path, TEMPORAL_ADDRESS=server.address, ONBOARDING_DATABASE_URL=url) as process:
            said = await asyncio.to_thread(until, process, "Waiting for the database")
            assert "ONBOARDING_DATABASE_URL" in said
            assert HIDDEN not in said


async def test_a_database_of_a_newer_release_stops_it(tmp_path: Path) -> None:
    file = tmp_path / "onboarding.db"
    database = Database(f"sqlite:///{file}")
    await Schema(database).migrate()
    await database.dispose()
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    async with DevServer(log_file=tmp_path / "temporal.log", headless=True) as server:
        with worker(tmp_path, TEMPORAL_ADDRESS=server.address) as process:
            said = await asyncio.to_thread(until, process, "newer release")
            assert "Traceback" not in said
            assert await asyncio.to_thread(process.wait) == 1


def test_a_wrong_setting_stops_it_by_name(tmp_path: Path) -> None:
    with worker(tmp_path, ONBOARDING_ACPN_URL="nowhere") as process:
        assert "ONBOARDING_ACPN_URL" in until(process, "ONBOARDING_ACPN_URL")
        assert process.wait() == 2
