"""The corpus meets everything the process can do: each row of its tables has a history that goes that way."""

import json
from functools import cache
from typing import Final

import pytest
from temporalio import workflow

from domain.audit import Verdict
from domain.clocks import ClockKind
from domain.contract import DELIVERY_TYPE, ErrorType, Stage
from domain.editions import FIRST
from domain.lifecycle import MOMENTS, NEWEST, STEPS
from domain.notices import NOTICES
from domain.state import OUTCOMES
from domain.steps import Step
from tests.replay import record
from tests.replay.corpus import HISTORIES, Recorded, Trail, recorded, release
from worker import WORKFLOWS
from workflows import calls, signatures

ADD: Final = (
    "Add a journey to tests/replay/journeys.py (or the module of its subject), then `make histories`."
)
ELSEWHERE: Final = frozenset({ErrorType.CLOSED, ErrorType.ALREADY_PARTNER})
"""Never on an application's own record: after its end, or instead of one."""


@cache
def kinds() -> frozenset[str]:
    """The types of the workflows there are histories of."""
    return frozenset(one.workflow_type for one in recorded(release()))


@cache
def trails() -> dict[str, Trail]:
    """What happened in each history; `test_replay` holds them to what the code does."""
    return {one.name: one.trail() for one in recorded()}


def met(command: str, verdict: Verdict, from_stage: Stage, to_stage: Stage) -> bool:
    """Whether some history has this event."""
    wanted = (command, verdict, from_stage, to_stage)
    return any(
        (ask.command, ask.verdict, ask.from_stage, ask.to_stage) == wanted
        for trail in trails().values()
        for ask in trail
    )


def _rows() -> list[tuple[str, Stage, Stage]]:
    steps = [(step.name, stage, step.to or stage) for step in STEPS for stage in step.where]
    branches = [(step.name, stage, step.branch.to) for step in STEPS if step.branch for stage in step.where]
    moments = [(moment.name, stage, moment.to or stage) for moment in MOMENTS for stage in moment.where]
    access = ("access_check", Stage.ACTIVATING, Stage.ACTIVE)
    return [("join", Stage.DRAFTING, Stage.DRAFTING), *steps, *branches, *moments, access]


@pytest.mark.parametrize(
    ("name", "stage", "to"), _rows(), ids=[f"{name}-{stage}-{to}" for name, stage, to in _rows()]
)
def test_every_row_of_the_process_has_a_history(name: str, stage: Stage, to: Stage) -> None:
    assert met(name, Verdict.ACCEPTED, stage, to), (
        f"No history in which {name} leads from {stage} to {to}. {ADD}"
    )


_REPEATABLE: Final = [step for step in STEPS if step.done is not Step.__dataclass_fields__["done"].default]


@pytest.mark.parametrize("step", _REPEATABLE, ids=lambda step: step.name)
def test_every_effect_already_in_place_has_a_history(step: Step) -> None:
    found = any(
        (ask.command, ask.verdict) == (step.name, Verdict.NO_OP)
        for trail in trails().values()
        for ask in trail
    )

    assert found, f"No history in which {step.name} comes when its effect is in place already. {ADD}"


@pytest.mark.parametrize("stage", Stage)
def test_every_stage_is_where_some_history_stands(stage: Stage) -> None:
    standing = {
        one.name for one in recorded() if one.closed == (stage in OUTCOMES) and _stands_in(one, stage)
    }

    how = "has ended" if stage in OUTCOMES else "is still open"
    assert standing, f"No history that {how} in stage {stage}. {ADD}"


def _stands_in(one: Recorded, stage: Stage) -> bool:
    stages = [ask.to_stage for ask in one.trail() if ask.to_stage]
    return bool(stages) and stages[-1] is stage


@pytest.mark.parametrize("error", [error for error in ErrorType if error not in ELSEWHERE])
def test_every_refusal_has_a_history(error: ErrorType) -> None:
    found = any(ask.error is error for trail in trails().values() for ask in trail)

    assert found, f"No history with a command refused as {error}. {ADD}"


_NOTICES: Final = [notice.model_fields["template"].default for notice in NOTICES]


@pytest.mark.parametrize("template", _NOTICES)
def test_every_notice_leaves_in_some_history(template: str) -> None:
    found = any(template in ask.notices for trail in trails().values() for ask in trail)

    assert found, f"No history in which the notice {template} is sent. {ADD}"


@pytest.mark.parametrize("ask", [*calls.NAMES, *signatures.NAMES, DELIVERY_TYPE, "continue_as_new"])
def test_everything_a_run_can_ask_for_has_a_history(ask: str) -> None:
    assert any(ask in {one.ask for one in trail} for trail in trails().values()), (
        f"No history that asks for {ask}. {ADD}"
    )


@pytest.mark.parametrize("kind", WORKFLOWS, ids=lambda kind: kind.__name__)
def test_every_workflow_has_a_history(kind: type) -> None:
    name = workflow._Definition.must_from_class(kind).name

    assert name in kinds(), f"No history of {name}. {ADD}"


def test_what_is_published_again_after_a_reset_has_a_history() -> None:
    found = {name for name, trail in trails().items() if "reset" in {ask.command for ask in trail}}

    assert found, f"No history of an application that was reset. {ADD}"


def test_a_deadline_that_was_estimated_and_then_counted_has_a_history() -> None:
    """As the calendar is known again, the check for it ends; while it is not, there is no event."""
    checked = [
        ask.clocks for trail in trails().values() for ask in trail if ask.command == ClockKind.CALENDAR_CHECK
    ]

    assert any(ClockKind.CALENDAR_CHECK not in clocks for clocks in checked), f"No deadline healed. {ADD}"


def test_every_edition_has_applications() -> None:
    found = {edition for one in recorded() for edition in one.editions()}

    missing = set(range(FIRST, NEWEST + 1)) - found
    assert not missing, f"No history of edition {missing}. Record it before the next one is made."


def test_every_journey_is_recorded_for_this_release() -> None:
    found = {one.path.name.split(".")[0] for one in recorded(release())}

    missing, unknown = set(record.names()) - found, found - set(record.names())
    assert not missing, f"`make histories` records these: {', '.join(sorted(missing))}"
    assert not unknown, f"These histories have no journey any more: {', '.join(sorted(unknown))}"


@pytest.mark.parametrize("one", recorded(), ids=lambda one: one.name)
def test_history_tells_nothing_of_the_machine_it_was_recorded_on(one: Recorded) -> None:
    document = json.loads(one.path.read_text(encoding="utf-8"))

    for part in record.objects(document):
        assert part.get("identity", record.RECORDER) == record.RECORDER
        assert part.get("buildId", record.RECORDER) == record.RECORDER
        assert "stackTrace" not in part


def test_a_released_or_older_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "release", lambda: "0.0.1")
    with pytest.raises(record.RefusedError, match="older releases are never touched"):
        record.folder_to_record()

    monkeypatch.setattr(record, "release", lambda: "99.0")
    assert record.folder_to_record() == HISTORIES / "99.0"

    monkeypatch.setattr(record, "is_tagged", lambda tag: tag == "v99.0")
    with pytest.raises(record.RefusedError, match="is released"):
        record.folder_to_record()
