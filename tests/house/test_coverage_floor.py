"""The floors of the coverage: each package by its own."""

import json
import sys
from pathlib import Path

import pytest

from tools import coverage_floor


def file(lines: int, branches: int) -> dict[str, dict[str, int]]:
    """A file of which so many of ten lines and of ten branches are covered."""
    covered = {"covered_lines": lines, "num_statements": 10, "covered_branches": branches, "num_branches": 10}
    return {"summary": covered}


REPORT = {"files": {"domain/a.py": file(10, 9), "workflows/b.py": file(8, 9), "worker.py": file(5, 0)}}


@pytest.mark.parametrize(
    ("floors", "code"),
    [
        (["domain:100:90"], 0),
        (["domain,workflows:90:90"], 0),
        (["domain,workflows:91:90"], 1),
        (["domain,workflows:90:91"], 1),
        (["domain:100:90", "worker.py:50:0"], 0),
        (["domain:100:90", "worker.py:51:0"], 1),
    ],
)
def test_each_floor_is_held_by_its_packages_together(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    floors: list[str],
    code: int,
) -> None:
    report = tmp_path / "coverage.json"
    report.write_text(json.dumps(REPORT), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["coverage_floor", str(report), *floors])
    assert coverage_floor.main() == code
    assert len(capsys.readouterr().out.splitlines()) == len(floors)
