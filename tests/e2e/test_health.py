"""A worker that polls says so by a file and to Prometheus; one that can't stops saying so."""

import asyncio
import socket
from pathlib import Path

import httpx

from runtime.processes import free_port
from starter.local.dev_server import DevServer
from tests.e2e.test_worker import until, worker


async def test_polling_is_shown_as_long_as_the_server_confirms_it(tmp_path: Path) -> None:
    file, metrics = tmp_path / "polls", f"127.0.0.1:{free_port()}"
    left_by_a_process_before = tmp_path / "left"
    left_by_a_process_before.touch()
    file.hardlink_to(left_by_a_process_before)
    async with DevServer(log_file=tmp_path / "temporal.log", headless=True) as server:
        with worker(
            tmp_path,
            TEMPORAL_ADDRESS=server.address,
            ONBOARDING_HEALTH_FILE=str(file),
            ONBOARDING_METRICS_ADDRESS=metrics,
        ) as process:
            await asyncio.to_thread(until, process, "confirms that this worker polls")
            assert not file.samefile(left_by_a_process_before)
            async with httpx.AsyncClient() as client:
                scraped = (await client.get(f"http://{metrics}/metrics")).text
            assert "temporal_num_pollers{" in scraped
            await server.stop()
            await asyncio.to_thread(until, process, "does not poll")


def test_an_address_that_can_not_be_listened_on_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with worker(tmp_path, ONBOARDING_METRICS_ADDRESS=address) as process:
            assert f"ONBOARDING_METRICS_ADDRESS: {address} can't be listened on" in until(
                process, "ONBOARDING_METRICS_ADDRESS"
            )
            assert process.wait() == 1
