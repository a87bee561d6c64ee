"""That the long runs of the front door find what is planted, and what is made of their figures."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.front_door import __main__ as program
from bench.front_door.figures import Figure
from bench.front_door.load import Answers
from bench.front_door.webhooks import judged

TAKEN = {"run-1": [(1, "a"), (2, "b"), (2, "b"), (3, "c")]}
ANSWERED = {"1001": [1, 2, 3]}


@pytest.mark.parametrize(
    ("value", "least", "most", "kept", "promise"),
    [
        (1, None, None, True, ""),
        (1, 1, None, True, "≥ 1"),
        (0.9, 1, None, False, "≥ 1"),
        (5, None, 5, True, "≤ 5"),
        (5.1, None, 5, False, "≤ 5"),
        (2, 3, 3, False, "= 3"),
    ],
)
def test_a_promise_is_kept_or_broken(
    value: float, least: float | None, most: float | None, kept: bool, promise: str
) -> None:
    figure = Figure(part="reads", name="ratio", value=value, least=least, most=most)
    assert (figure.kept, figure.promise) == (kept, promise)


def test_a_double_with_the_same_id_breaks_no_promise() -> None:
    found = {each.name: each for each in judged(TAKEN, ANSWERED, wanted=3)}
    assert all(each.kept for each in found.values())
    assert found["came again"].value == 1


@pytest.mark.parametrize(
    ("taken", "broken"),
    [
        ([(1, "a"), (3, "c")], {"events", "missing", "applications of which other events came"}),
        ([(2, "b"), (1, "a"), (3, "c")], {"applications out of order"}),
        ([(1, "a"), (2, "b"), (1, "a"), (3, "c")], {"applications out of order"}),
        ([(1, "a"), (2, "b"), (2, "x"), (3, "c")], {"events under several IDs"}),
        ([(1, "a"), (2, "b"), (4, "d")], {"applications of which other events came"}),
    ],
)
def test_what_is_wrong_with_deliveries_is_found(taken: list[tuple[int, str]], broken: set[str]) -> None:
    found = judged({"run-1": taken}, ANSWERED, wanted=3)
    assert {each.name for each in found if not each.kept} == broken


def test_what_an_answer_costs() -> None:
    answers = Answers(count=200, seconds=2, cpu=0.1)
    assert (answers.per_second, answers.cpu_ms) == (100, 0.5)


@pytest.mark.parametrize(("value", "code"), [(0, 0), (1, 1)])
def test_a_broken_promise_is_exit_code_1(
    value: float, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def measured(_parts: object, _folder: Path, found: list[Figure]) -> None:
        found.append(Figure(part="schema", name="errors", value=value, most=0))

    monkeypatch.setattr(program, "_measured", measured)
    output = tmp_path / "figures.json"
    result = CliRunner().invoke(program.app, ["--parts", "schema", "--json", str(output)])
    assert result.exit_code == code
    assert [each["kept"] for each in json.loads(output.read_text())["figures"]] == [not value]


def test_a_part_that_fails_is_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    async def measured(*_: object) -> None:
        raise RuntimeError("it did not start")

    monkeypatch.setattr(program, "_measured", measured)
    assert CliRunner().invoke(program.app, ["--parts", "schema"]).exit_code == 1
    assert CliRunner().invoke(program.app, ["--parts", "none"]).exit_code != 0
