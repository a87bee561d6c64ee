"""Runs of the bench that go wrong: what was measured is reported, with what ended it; what is counted."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from rich.console import Console
from temporalio.runtime import Runtime
from typer.testing import CliRunner

from bench import open_applications
from bench.chaos.services import within
from bench.open_applications import INTERRUPTED, TOO_SHORT, Run
from bench.scale import measure
from bench.scale.figures import SDK, Report
from bench.scale.site import Site
from domain.contract import Stage


async def lasting() -> None:
    await asyncio.Event().wait()


async def slow_worker() -> None:
    async with within(0, "a worker that polls"):
        await lasting()


async def lost() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(broken())


async def broken() -> None:
    raise RuntimeError("the server is gone\nand more")


async def interrupted() -> None:
    raise KeyboardInterrupt


def ending(monkeypatch: pytest.MonkeyPatch, end: Callable[[], Awaitable[None]]) -> None:
    """Have the first worker of a run end it, before any server is started."""

    async def employ(_: object) -> None:
        await end()

    @asynccontextmanager
    async def sites(*_: object) -> AsyncIterator[tuple[object, object]]:
        yield (site := SimpleNamespace(employ=employ)), site

    monkeypatch.setattr(open_applications, "sites", sites)


@pytest.mark.parametrize(
    ("end", "seconds", "stopped"),
    [
        (lasting, 0, TOO_SHORT),
        (slow_worker, 60, "TimeoutError: not within 0 s: a worker that polls"),
        (lost, 60, "RuntimeError: the server is gone"),
    ],
)
async def test_what_ends_a_run_early_is_told(
    end: Callable[[], Awaitable[None]],
    seconds: float,
    stopped: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    ending(monkeypatch, end)
    run = Run(1, seconds, Stage.DRAFTING, 1, SDK, 1, Console(quiet=True))
    assert await run.within(tmp_path, None, [], [], 1) == stopped


def test_an_interrupted_run_reports_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    ending(monkeypatch, interrupted)
    # This process may have a runtime already.
    monkeypatch.setattr(Runtime, "set_default", lambda _: None)
    ended = CliRunner().invoke(open_applications.app, ["--json"])
    assert ended.exit_code == 1
    assert json.loads(ended.stdout)["complete"] is False
    assert Report.model_validate_json(ended.stdout).stopped == INTERRUPTED


class Intake:
    """Applications that are recorded as drafts, and reach their stage one at each count."""

    def __init__(self) -> None:
        self.started = list[str]()
        self._waiting = 0

    async def open(self, _site: Site, uid: str, _stage: Stage) -> None:
        self.started.append(uid)

    async def recorded(self, stage: Stage | None = None) -> int:
        if stage is None:
            return len(self.started)
        self._waiting = min(self._waiting + 1, len(self.started))
        return self._waiting


@pytest.mark.parametrize(("until", "wanted"), [(float("inf"), 5), (0.0, 2)])
async def test_all_that_were_started_are_waited_for_in_their_stage_and_counted(
    until: float, wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "PORTION", 2)
    monkeypatch.setattr(measure, "COUNTED_EVERY", 0)
    intake, opened = Intake(), list[str]()
    await measure.open_many(
        cast(Site, intake),
        [str(uid) for uid in range(5)],
        Stage.UNDER_REVIEW,
        until=until,
        opened=opened.extend,
        intake=intake.open,
    )
    assert len(opened) == wanted
    assert opened == intake.started


async def test_applications_that_never_reach_their_stage_end_the_opening(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(measure, "WAITING_WITHIN", 0)

    async def recorded(_: Stage) -> int:
        return 0

    with pytest.raises(TimeoutError, match="1 more applications that wait in under_review"):
        await measure.open_many(
            cast(Site, SimpleNamespace(recorded=recorded)),
            ["1"],
            Stage.UNDER_REVIEW,
            until=time.monotonic(),
            opened=list[str]().extend,
            intake=Intake().open,
        )
