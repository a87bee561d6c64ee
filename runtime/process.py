"""A process of this project: how it ends on a signal, and where its log and metrics go."""

import asyncio
import logging
import signal
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)

from runtime.health import HEARTBEAT
from runtime.startup import StartupError


async def until_signalled(program: Coroutine[Any, Any, None]) -> None:
    """Run a program, and cancel it, once, on SIGINT or SIGTERM, so that it can end in order."""
    task = asyncio.ensure_future(program)
    loop = asyncio.get_running_loop()
    stopping = False

    def stop() -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows has no such handlers; there Ctrl-C cancels the main task by `asyncio.run`.
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not stopping:
            raise


def plain_lines(handler: logging.Handler, process: int | None = None) -> None:
    """One line for each event, times in UTC; for a process that has nothing of the SDK's core to say.

    ``process``: its number, where several have one log.
    """
    which = f"[{process}] " if process else ""
    formatter = logging.Formatter(
        f"%(asctime)s.%(msecs)03dZ %(levelname)-7s {which}%(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # httpx has a line for every request, which names the account asked for.
    for library in ("alembic", "httpx"):
        logging.getLogger(library).setLevel(logging.WARNING)


def log_plainly(
    handler: logging.Handler, metrics_address: str | None = None, process: int | None = None
) -> None:
    """One line for each event, times in UTC; what the SDK's own core has to say goes the same way.

    ``metrics_address``: where to answer Prometheus. ``process``: as for `plain_lines`.
    To be called before the first connection, once in a process.

    Raises:
        StartupError: that address can't be used.
    """
    plain_lines(handler, process)
    core = LoggingConfig(
        filter=TelemetryFilter(core_level="WARN", other_level="ERROR"),
        forwarding=LogForwardingConfig(logger=logging.getLogger("temporalio.core")),
    )
    metrics = metrics_address and PrometheusConfig(
        metrics_address, counters_total_suffix=True, unit_suffix=True, durations_as_seconds=True
    )
    try:
        runtime = Runtime(
            telemetry=TelemetryConfig(logging=core, metrics=metrics or None),
            worker_heartbeat_interval=HEARTBEAT,
        )
    # What the SDK raises says neither which setting nor what is wrong with it.
    except (RuntimeError, ValueError) as error:
        raise StartupError(
            f"ONBOARDING_METRICS_ADDRESS: {metrics_address} can't be listened on ({error})"
        ) from error
    Runtime.set_default(runtime)
