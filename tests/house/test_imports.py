"""The arrows of the two top-level modules, which import-linter can't look into."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def imported(module: str) -> set[str]:
    """The top-level packages a module imports."""
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize(
    ("module", "above_it"),
    [
        ("worker.py", {"starter", "tests", "bench"}),
        ("settings.py", {"worker", "runtime", "starter", "tests", "bench"}),
    ],
)
def test_module_imports_nothing_above_it(module: str, above_it: set[str]) -> None:
    assert not imported(module) & above_it
