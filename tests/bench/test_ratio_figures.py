"""The arithmetic of the comparison with the limit and DBOS, and what makes a run a bad one."""

from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from bench.percentiles import percentile
from bench.ratio.figures import (
    Answered,
    Failed,
    Mailed,
    Measured,
    Report,
    Which,
    all_tries,
    count_for,
    extra_activities,
    ratio,
    wanted_mails,
)
from bench.ratio.histories import History, summary
from bench.ratio.reference import DEADLINES, MAILS, MESSAGES, STEPS, ends_deadline_of
from bench.ratio.show import show
from workflows.calls import DELIVER, LOOK_UP, PUBLISH

GOOD = Mailed(wanted=600, accepted=600, distinct=600)


def measured(which: Which, seconds: float, *, at_once: int = 8, number: int = 1, **more: Any) -> Measured:
    """A run of 60 onboardings that took so long."""
    times = Answered(p50=10, p99=30)
    run = Measured(which=which, at_once=at_once, round=number, count=60, seconds=seconds, answered=times)
    return run.model_copy(update=more)


def reported(*runs: Measured, **more: Any) -> Report:
    at = datetime(2026, 1, 5, tzinfo=UTC)
    return Report(at=at, cores=2, load_before=0.5, rounds=2, runs=runs, **more)


def shown(report: Report) -> list[str]:
    console = Console(record=True, width=100)
    show(report, console)
    lines = console.export_text().splitlines()
    return [" ".join(line.replace("│", " ").replace("┃", " ").split()) for line in lines]


def test_the_reference_onboarding_has_nine_messages_and_ten_mails() -> None:
    assert (len(MESSAGES), MAILS, wanted_mails(60)) == (9, 10, 600)
    assert {*DEADLINES, *DEADLINES.values()} <= set(STEPS)
    assert ends_deadline_of("approve_application") == "start"
    assert ends_deadline_of("start") is None


@pytest.mark.parametrize(("at_once", "count"), [(1, 60), (8, 60), (20, 60), (24, 72), (100, 300)])
def test_many_at_once_need_many_onboardings(at_once: int, count: int) -> None:
    assert count_for(at_once, 60) == count


def test_a_percentile_is_interpolated() -> None:
    values = [float(value) for value in range(101)]
    assert (percentile(values[::-1], 50), percentile(values, 99)) == (50, 99)
    assert percentile([1, 2], 50) == 1.5
    assert percentile([7], 99) == 7


def test_answers_are_in_milliseconds() -> None:
    assert Answered.of([0.01, 0.02, 0.03]) == Answered(p50=20, p99=29.8)


def test_a_ratio_needs_both() -> None:
    assert ratio(3, 4) == 0.75
    assert ratio(None, 4) is None
    assert ratio(3, None) is None


def test_ratios_are_of_medians_over_rounds() -> None:
    ours = [measured(Which.OURS, seconds, number=n) for n, seconds in enumerate((20, 30, 60), 1)]
    limit = [measured(Which.LIMIT, seconds, number=n) for n, seconds in enumerate((15, 20, 10), 1)]
    [line] = reported(*ours, *limit).compared
    assert line.per_second == {Which.OURS: 2, Which.LIMIT: 4, Which.DBOS: None}
    assert (line.to_limit, line.to_dbos) == (0.5, None)


def test_lines_are_by_how_many_were_at_once() -> None:
    ours = (measured(Which.OURS, 30, at_once=at_once) for at_once in (100, 8))
    assert [line.at_once for line in reported(*ours).compared] == [8, 100]


def test_mails_are_missing_unwanted_or_repeated() -> None:
    mails = Mailed(wanted=10, accepted=10, distinct=9)
    assert (mails.missing, mails.unwanted, mails.repeated) == (1, 0, 1)
    mails = Mailed(wanted=10, accepted=11, distinct=11)
    assert (mails.missing, mails.unwanted, mails.repeated) == (0, 1, 0)


LOST = Mailed(wanted=600, accepted=599, distinct=599)
TWICE = Mailed(wanted=600, accepted=601, distinct=600)
UNWANTED = Mailed(wanted=600, accepted=601, distinct=601)


@pytest.mark.parametrize(
    ("found", "killed_too"),
    [
        ({"mails": LOST}, True),
        ({"mails": UNWANTED}, True),
        ({"exits": (1,)}, True),
        ({"mails": TWICE}, False),
        ({"again": 1}, False),
        ({"extra_activities": 1}, False),
        ({"disturbances": ("2026-01-05 WARNING late",)}, False),
    ],
)
def test_what_makes_a_run_a_bad_one(found: dict[str, Any], killed_too: bool) -> None:
    """Who is killed may have to do it again; he may neither lose nor invent."""
    assert reported(measured(Which.OURS, 30, **{"mails": GOOD, **found})).wrong
    assert bool(reported(measured(Which.OURS, 30, kills=3, **{"mails": GOOD, **found})).wrong) is killed_too


def test_a_good_run() -> None:
    runs = (measured(which, 30, mails=None if which is Which.LIMIT else GOOD) for which in Which)
    assert reported(*runs).wrong == ()


def test_an_engine_that_failed_is_told_and_leaves_the_others() -> None:
    failed = Failed(which=Which.DBOS, at_once=8, round=1, why="no such [bold]module[/bold]")
    report = reported(measured(Which.OURS, 30, mails=GOOD), measured(Which.LIMIT, 20), failed=(failed,))
    assert report.wrong
    lines = shown(report)
    assert "no such [bold]module[/bold]" in lines
    assert "… DBOS –" in lines
    assert "ratio ours : limit 0.67" in lines


def test_the_table_has_the_ratios() -> None:
    ours = measured(Which.OURS, 30, mails=GOOD, events=130.0, bytes=49_800.0, cpu=0.15, server_cpu=0.24)
    limit = measured(Which.LIMIT, 24, events=114.0, bytes=16_440.0, cpu=0.11, server_cpu=0.2)
    lines = shown(reported(ours, limit, measured(Which.DBOS, 20, mails=GOOD)))
    for line in (
        "at once 8",
        "completed a second: ours 2.00",
        "ratio ours : limit 0.80",
        "ratio ours : DBOS 0.67",
        "update answered, p50 ms: ours / limit 10 / 10",
        "history, events: ours / limit 130 / 114",
        "… kB 49.8",
        "CPU s each: worker / limit with its driver 0.15 / 0.11",
        "worst ratio to the limit: 0.80",
    ):
        assert line in lines


def test_the_table_of_a_worker_that_was_killed() -> None:
    run = measured(Which.OURS, 30, mails=TWICE, kills=6, again=2)
    lines = shown(reported(run, kill_every=5))
    for line in ("kills 6", "… missing 0", "… again under the same Message-ID 1"):
        assert line in lines


def test_nothing_measured_is_no_table() -> None:
    failed = Failed(which=Which.OURS, at_once=8, round=1, why="no worker")
    lines = ["no worker", "ours at 8 at once, round 1: failed"]
    assert shown(reported(failed=(failed,))) == lines
    assert shown(reported(failed=(failed,), kill_every=5)) == lines


def test_the_report_can_be_read_back() -> None:
    report = reported(measured(Which.OURS, 30, mails=GOOD))
    read = Report.model_validate_json(report.model_dump_json())
    assert read == report


def history(**tries: int) -> History:
    return History(events=100, bytes=40_000, tries=tries)


def test_publications_may_be_fewer_than_steps_and_no_more() -> None:
    few, most = history(**{PUBLISH: 4}), history(**{PUBLISH: len(STEPS)})
    assert extra_activities([few, most]) == 0
    assert extra_activities([few, history(**{PUBLISH: len(STEPS) + 2})]) == 2


def test_what_one_onboarding_needed_is_enough_for_all() -> None:
    calm = history(**{LOOK_UP: 5})
    assert extra_activities([calm, calm]) == 0
    assert extra_activities([calm, history(**{LOOK_UP: 6})]) == 1


def test_nothing_is_put_off() -> None:
    assert extra_activities([history(**{DELIVER: 1}), history(**{DELIVER: 2})]) == 3


def test_tries_are_added_up_by_type() -> None:
    assert all_tries([history(**{LOOK_UP: 2}), history(**{LOOK_UP: 3, PUBLISH: 1})]) == {
        LOOK_UP: 5,
        PUBLISH: 1,
    }


def test_every_try_of_an_activity_counts() -> None:
    scheduled = HistoryEvent(event_id=1, event_type=EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
    scheduled.activity_task_scheduled_event_attributes.activity_type.name = PUBLISH
    started = HistoryEvent(event_id=2, event_type=EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED)
    started.activity_task_started_event_attributes.scheduled_event_id = 1
    started.activity_task_started_event_attributes.attempt = 3
    marker = HistoryEvent(event_id=3, event_type=EventType.EVENT_TYPE_MARKER_RECORDED)
    marker.marker_recorded_event_attributes.marker_name = "core_local_activity"
    data = Payloads(payloads=[Payload(data=b'{"activity_type": "look_up", "attempt": 2}')])
    marker.marker_recorded_event_attributes.details["data"].CopyFrom(data)
    other = HistoryEvent(event_id=4, event_type=EventType.EVENT_TYPE_MARKER_RECORDED)
    found = summary([scheduled, started, marker, other])
    assert found.tries == {PUBLISH: 3, LOOK_UP: 2}
    assert (found.events, found.bytes) == (4, sum(e.ByteSize() for e in (scheduled, started, marker, other)))
