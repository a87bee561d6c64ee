"""`starter.local.dev_server` on the real server: it is there when it says so, and gone when it should be."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from temporalio.client import Client

from starter.local.dev_server import IP, DevServer, DevServerError, temporal_executable
from tests.temporal_env import unique

# Starts a server, says where, and says whether it still serves when the terminal's Ctrl-C arrives.
PARENT = """
import asyncio, sys
from pathlib import Path
from temporalio.client import Client
from starter.local.dev_server import DevServer

async def main():
    async with DevServer(log_file=Path(sys.argv[1]), headless=True) as server:
        print(server.address, flush=True)
        try:
            await asyncio.Event().wait()
        finally:
            client = await Client.connect(server.address)
            serving = await client.service_client.check_health()
            print("interrupted while", "SERVING" if serving else "down", flush=True)

asyncio.run(main())
"""


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server((IP, 0)) as listener:
        yield listener.getsockname()[1]


def accepts_connections(address: str) -> bool:
    host, port = address.split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


@asynccontextmanager
async def parent_of_a_server(folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A process group of its own, as a terminal makes one, whose leader runs a server; with the address."""
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", PARENT, str(folder / "temporal.log")),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert parent.stdout is not None
        yield parent, (await parent.stdout.readline()).decode().strip()
    finally:
        if parent.returncode is None:
            parent.kill()
            await parent.wait()


def test_the_executable_is_the_one_of_this_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert temporal_executable().parent == Path(sys.executable).parent


async def test_serves_on_entry_and_is_gone_on_exit(tmp_path: Path) -> None:
    async with DevServer(log_file=tmp_path / "temporal.log") as server:
        client = await Client.connect(server.address, namespace=server.namespace)
        assert await client.service_client.check_health()
        assert server.ui_url is not None
        assert accepts_connections(server.ui_url.removeprefix("http://"))
    assert not accepts_connections(server.address)


async def test_headless_has_no_web_ui(tmp_path: Path) -> None:
    async with DevServer(log_file=tmp_path / "temporal.log", headless=True) as server:
        assert server.ui_url is None


async def test_the_database_file_carries_workflows_to_the_next_start(tmp_path: Path) -> None:
    database, log, workflow_id = tmp_path / "temporal.db", tmp_path / "temporal.log", unique("kept")
    async with DevServer(log_file=log, db_filename=database, headless=True) as server:
        client = await Client.connect(server.address)
        await client.start_workflow("Anything", id=workflow_id, task_queue="nobody")
        port = int(server.address.split(":")[1])
    async with DevServer(log_file=log, db_filename=database, headless=True, port=port) as server:
        client = await Client.connect(server.address)
        description = await client.get_workflow_handle(workflow_id).describe()
    assert description.workflow_type == "Anything"


@pytest.mark.parametrize("argument", ["port", "ui_port"])
async def test_a_taken_port_is_named(tmp_path: Path, taken_port: int, argument: str) -> None:
    server = DevServer(log_file=tmp_path / "temporal.log", **{argument: taken_port})  # type: ignore[arg-type]  # by name
    with pytest.raises(DevServerError, match=f"port {taken_port} .*in use"):
        await server.__aenter__()


async def test_a_server_that_dies_tells_why_from_its_log(tmp_path: Path) -> None:
    server = DevServer(log_file=tmp_path / "temporal.log", db_filename=tmp_path / "no" / "folder.db")
    with pytest.raises(DevServerError, match=r"(?s)ended with code 1.*no such file or directory"):
        await server.__aenter__()


def test_an_address_is_asked_too_early(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="not started"):
        _ = DevServer(log_file=tmp_path / "temporal.log").address


async def test_stopping_twice_is_stopping_once(tmp_path: Path) -> None:
    async with DevServer(log_file=tmp_path / "temporal.log", headless=True) as server:
        await server.stop()
    assert not accepts_connections(server.address)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
async def test_dies_with_its_parent(tmp_path: Path) -> None:
    async with parent_of_a_server(tmp_path) as (parent, address):
        assert accepts_connections(address)
        parent.kill()
        await parent.wait()
        while accepts_connections(address):  # noqa: ASYNC110 - nothing tells of another process's child
            await asyncio.sleep(0.01)


async def test_ctrl_c_leaves_the_order_of_stopping_to_the_parent(tmp_path: Path) -> None:
    async with parent_of_a_server(tmp_path) as (parent, address):
        os.killpg(parent.pid, signal.SIGINT)
        assert parent.stdout is not None
        assert (await parent.stdout.readline()).decode().strip() == "interrupted while SERVING"
        await parent.wait()
        assert not accepts_connections(address)


async def test_a_server_that_dies_is_noticed(tmp_path: Path) -> None:
    async with DevServer(log_file=tmp_path / "temporal.log", headless=True) as server:
        noticed = asyncio.create_task(server.until_it_ends())
        await asyncio.sleep(0)
        os.kill(server.pid, signal.SIGKILL)
        with pytest.raises(DevServerError, match="ended with code -9"):
            await noticed
