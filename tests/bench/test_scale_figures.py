"""The arithmetic of what many open applications cost."""

from datetime import UTC, datetime

import pytest
from rich.console import Console

from bench.scale.figures import (
    SDK,
    Cached,
    Drain,
    History,
    Level,
    Opening,
    Report,
    Restart,
    Spread,
    Stored,
    WorkerOptions,
    compared,
    rate,
    ratio,
)
from bench.scale.show import show
from settings import Settings

EVEN = Spread.of([0.01, 0.02, 0.03])


def drained(speed: float, options: WorkerOptions = SDK) -> Drain:
    return Drain(
        options=options,
        backlog=100,
        accepted_per_second=300,
        first_tasks_per_second=speed,
        first_tasks_per_cpu_second=speed,
        worker_mb=200,
        complaints=0,
    )


def test_a_spread_is_in_milliseconds() -> None:
    spread = Spread.of([n / 1000 for n in range(1, 102)])
    assert (spread.count, spread.median, spread.p95, spread.longest) == (101, 51, 96, 101)


def test_a_single_time_is_its_own_spread() -> None:
    assert Spread.of([0.5]) == Spread(count=1, median=500, p95=500, longest=500)


def test_a_ratio_is_against_the_baseline() -> None:
    assert ratio(30, 20) == 1.5


def test_a_rate_leaves_out_both_ends() -> None:
    slow_start = [(0, 0), (10, 5), (11, 50), (12, 95), (60, 100)]
    assert rate(slow_start, 100) == 45


def test_a_rate_needs_readings_from_one_end_to_the_other() -> None:
    with pytest.raises(ValueError, match="do not show"):
        rate([(0, 0), (1, 100)], 100)


def test_each_drain_is_compared_with_the_baselines_around_it() -> None:
    many, auto = WorkerOptions(pollers=40), WorkerOptions(pollers="auto")
    drains = [drained(50), drained(90, many), drained(40), drained(60, auto), drained(80)]
    assert [(each.drain.options, each.baseline, each.ratio) for each in compared(drains)] == [
        (many, 45, 2.0),
        (auto, 60, 1.0),
    ]


def test_what_a_worker_is_started_with_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    options = WorkerOptions(pollers="auto", tasks=7, cache=11)
    for name, value in options.environment.items():
        monkeypatch.setenv(name, value)
    read = Settings()
    assert (read.worker_pollers, read.worker_tasks, read.worker_cache) == ("auto", 7, 11)


def test_a_report_can_be_read_back_and_shown_whole_or_in_part() -> None:
    part = Report(
        at=datetime(2026, 1, 5, tzinfo=UTC),
        stopped="[it] rained",
        server="dev server",
        stage="drafting",
        options=SDK,
        cores=2,
        load_before=0.1,
        seconds=3,
    )
    whole = part.model_copy(
        update={
            "stopped": None,
            "opening": Opening(wanted=3, opened=3, workers=2, seconds=2, by_client_per_second=1),
            "levels": (Level(open=3, first=EVEN, again=EVEN, reference=EVEN, server_mb=None, worker_mb=1),),
            "restart": Restart(served=EVEN, reference=EVEN, waits=EVEN),
            "history": History(events=11, bytes=4150),
            "stored": Stored(temporal=None, database=1),
            "drains": compared([drained(1), drained(2), drained(1)]),
            "cached": (Cached(runs=0, worker_mb=1, replays_per_cpu_second=None, hits_per_cpu_second=None),),
        }
    )
    assert Report.model_validate_json(whole.model_dump_json()) == whole
    console = Console(record=True, width=160)
    for report in (part, whole):
        show(report, console)
    text = console.export_text()
    assert (part.complete, whole.complete) == (False, True)
    assert text.count("Not everything was measured: [it] rained") == 1
    assert "5 pollers, 100 tasks" in text
