"""Every recorded history, replayed by the code of today as the worker would after a deploy."""

import os
import re
import subprocess
import sys
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from tests.replay import record
from tests.replay.__main__ import report
from tests.replay.corpus import HISTORIES, Recorded, Replayed, parse, recorded, replay
from tests.replay.verdict import Remedy, Wrong, verdict


@pytest.mark.parametrize("one", recorded(), ids=lambda one: one.name)
async def test_history_replays(one: Recorded) -> None:
    wrong = verdict(one, await replay(one.history()))
    if wrong:
        pytest.fail(str(wrong), pytrace=False)


@pytest.fixture(scope="module")
def active() -> Recorded:
    """Some closed history with everything in it."""
    return next(one for one in recorded() if one.path.stem == "active")


async def test_other_command_is_told_with_history_and_remedy(active: Recorded) -> None:
    history = parse(active.path.read_text(encoding="utf-8").replace('"open_access"', '"close_access"'))

    wrong = str(verdict(active, await replay(history)))

    assert f"History {active.name} does not replay" in wrong
    assert "'close_access' does not match activity type of activity command 'open_access'" in wrong
    assert "After 'sign_contract' (accepted, in stage awaiting_signatures)" in wrong
    assert '{"ask":"open_access"}' in wrong
    assert "`In(…, since=…)` in domain/" in wrong
    assert "workflows/patches.py" in wrong


async def test_missing_command_is_told_with_the_recorded_event(active: Recorded) -> None:
    lines = active.path.read_text(encoding="utf-8").splitlines()
    number, scheduled = next(
        (number, line) for number, line in enumerate(lines) if "EVENT_TYPE_ACTIVITY_TASK_SCHEDULED" in line
    )
    patched = '"eventType":"EVENT_TYPE_MARKER_RECORDED","markerRecordedEventAttributes":{"markerName":"x"}}'
    lines[number] = re.sub(r'"eventType".*}(,?)$', rf"{patched}\1", scheduled)

    wrong = str(verdict(active, await replay(parse("\n".join(lines)))))

    assert f"Recorded, event {number} activity_task_scheduled: " in wrong


async def test_other_decision_is_told_though_the_history_replays(active: Recorded) -> None:
    replayed = await replay(active.history())
    number = max(number for number, ask in enumerate(replayed.trail) if ask.notices)
    late = replayed.trail[number].model_copy(update={"notices": ("access_delayed",)})

    wrong = str(
        verdict(active, Replayed((*replayed.trail[:number], late, *replayed.trail[number + 1 :]), None))
    )

    assert f"History {active.name} is not the story it was" in wrong
    assert '- {"ask":"publish","command":"access_check"' in wrong
    assert f"+ {late.line()}" in wrong
    assert "--trails" in wrong


@pytest.mark.parametrize(
    "change", [{"after": timedelta(days=7)}, {"summary": "expiry reminder"}, {"ask": "nothing"}], ids=str
)
async def test_other_timer_is_told_though_the_history_replays(
    active: Recorded, change: dict[str, Any]
) -> None:
    """Temporal compares neither how long a timer runs nor what it is for."""
    replayed = await replay(active.history())
    number = next(number for number, ask in enumerate(replayed.trail) if ask.ask == "timer")
    other = replayed.trail[number].model_copy(update=change)

    wrong = str(
        verdict(active, Replayed((*replayed.trail[:number], other, *replayed.trail[number + 1 :]), None))
    )

    assert f"+ {other.line()}" in wrong


async def test_history_off_its_path_is_told_though_it_replays(active: Recorded) -> None:
    """Approval that leads nowhere: fewer stages, but no other command where Temporal looks."""
    replayed = await replay(active.history())
    others = tuple(ask for ask in replayed.trail if ask.attributes.get("OnboardingStage") != "qualified")
    off = Replayed(others, None)

    wrong = str(verdict(active, off))

    assert f"History {active.name} has left its path" in wrong
    assert "Recorded: drafting → under_review → qualified → confirming_terms" in wrong
    assert "Now:      drafting → under_review → confirming_terms" in wrong
    assert not record.acceptable(active, off)


def test_worker_that_has_just_started_replays() -> None:
    """In the sandbox nothing may be read from disk on first use: countries, currencies, time zones."""
    finished = subprocess.run(
        [sys.executable, "-m", "tests.replay", "*/nothing_twice"],
        # Without the system's time zones, as on Windows or in a small image: those of the package tzdata.
        env={**os.environ, "PYTHONTZPATH": "", "PYTHONPATH": str(HISTORIES.parents[2])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stdout.splitlines()[0] == "signed\t1\t0"


def test_many_broken_histories_are_told_by_stage_and_each_remedy_once(active: Recorded) -> None:
    corpus = [one for one in recorded() if one.path.stem.startswith(("active", "open_in_"))]
    found = {one.name: Wrong(f"History {one.name} is not it.", Remedy.BREAKS) for one in corpus[:-1]}
    told = StringIO()

    report(Console(file=told), corpus, found)

    lines = told.getvalue().splitlines()
    assert "active\t2\t2" in lines
    assert f"History {active.name} is not it." in lines
    assert [line for line in lines if line.startswith("And ")] == [
        f"And {len(found) - 5} more: {', '.join(list(found)[5:])}"
    ]
    assert told.getvalue().count(Remedy.BREAKS.value) == 1
