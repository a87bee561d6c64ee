"""Every patch the code asks for is a named one, and every named one is asked for."""

import ast
from pathlib import Path
from typing import Final

import pytest
from packaging.version import Version

from tests.replay.corpus import release
from workflows import patches
from workflows.patches import ALL

WORKFLOWS: Final = Path(__file__).parents[2] / "workflows"
NAMED: Final = {name for name, value in vars(patches).items() if isinstance(value, patches.Patch)}
ASKS: Final = ("patched", "deprecate_patch")


def asked_for(source: str) -> list[tuple[int, str | None]]:
    """Where a module asks for a patch: the line, and the constant of `patches` it names if it names one."""
    found: list[tuple[int, str | None]] = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(attr=ask) | ast.Name(id=ask), args=[argument]) if ask in ASKS:
                match argument:
                    case (
                        ast.Attribute(value=constant, attr="id")
                        # One patch for each of many things, told apart by what follows the ID.
                        | ast.JoinedStr(
                            values=[ast.FormattedValue(value=ast.Attribute(value=constant, attr="id")), *_]
                        )
                    ):
                        found.append((node.lineno, _constant(constant)))
                    case _:
                        found.append((node.lineno, None))
    return found


def _constant(node: ast.expr) -> str | None:
    match node:
        case ast.Attribute(value=ast.Name(id="patches"), attr=name):
            return name
        case _:
            return None


def test_every_patch_asked_for_is_a_named_one() -> None:
    for path in sorted(WORKFLOWS.rglob("*.py")):
        for line, name in asked_for(path.read_text(encoding="utf-8")):
            assert name in NAMED, (
                f"{path.name}:{line} asks for a patch that has no name: add a constant to"
                " workflows/patches.py and ask for `patches.NAME.id`"
            )


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("workflow.patched(patches.ACCOUNTS_AT_APPROVAL.id)", "ACCOUNTS_AT_APPROVAL"),
        ("workflow.deprecate_patch(patches.ACCOUNTS_AT_APPROVAL.id)", "ACCOUNTS_AT_APPROVAL"),
        ("workflow.patched(f'{patches.UNREADABLE.id}-{number}')", "UNREADABLE"),
        ("workflow.patched(f'unreadable-{number}')", None),
        ("workflow.patched('accounts-at-approval')", None),
        ("patched(some_name)", None),
    ],
)
def test_a_patch_without_a_name_is_seen(call: str, name: str | None) -> None:
    assert asked_for(f"if {call}:\n    pass") == [(1, name)]


def test_patches_are_told_apart_and_of_a_release_there_is() -> None:
    asked = {
        name for path in WORKFLOWS.rglob("*.py") for _, name in asked_for(path.read_text(encoding="utf-8"))
    }

    assert {patch.id for patch in ALL} == {getattr(patches, name).id for name in NAMED}
    assert len({patch.id for patch in ALL}) == len(ALL)
    assert asked >= NAMED, f"Nothing asks for these any more, remove them: {NAMED - asked}"
    for patch in ALL:
        assert Version(patch.since) <= Version(release()), (
            f"{patch.id}: `since` is {patch.since}, but pyproject.toml makes {release()};"
            " name that one, or raise the version"
        )
        assert patch.why, f"{patch.id} does not say why"
        assert patch.removable_when, f"{patch.id} does not say when it may go"
