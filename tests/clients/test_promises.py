"""What the API promised is kept: clients were made by it."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tools.promises import FOLDER, broken, promises
from tools.reference.api import document

DOCUMENT: Final = document()
NOW: Final = promises(DOCUMENT)
TOLD: Final = (
    "Clients of {release} stumble over this. Keep what was there, and add beside it; what a field may be"
    " is widened by a new field. Only while no client can have been made by it, as before that release is"
    " out, record it anew: .venv/bin/python -m tools.promises"
)


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.txt")), ids=lambda file: file.stem)
def test_what_a_release_promised_is_kept(file: Path) -> None:
    recorded = frozenset(file.read_text(encoding="utf-8").splitlines())
    found = broken(recorded, NOW)
    assert not found, "\n".join([TOLD.format(release=file.stem), *found])


SCHEMAS: Final = ("components", "schemas")
ASK: Final = ("paths", "/api/v1/applications/{uid}/commands/ask_bd", "post")


def at(described: dict[str, Any], *path: str) -> Any:
    """A part of the description."""
    part: Any = described
    for name in path:
        part = part[name]
    return part


BREAKING: Final[dict[str, tuple[Callable[[dict[str, Any]], Any], str]]] = {
    "a path goes": (lambda d: d["paths"].pop(ASK[1]), "is gone: call ask_bd"),
    "a field goes": (
        lambda d: at(d, *SCHEMAS, "Status", "properties").pop("due_at"),
        "is gone: field Status due_at",
    ),
    "a field is another kind": (
        lambda d: at(d, *SCHEMAS, "Status", "properties", "sequence").update(type="string"),
        "is gone: field Status sequence: integer",
    ),
    "a field may be missing": (
        lambda d: at(d, *SCHEMAS, "Status", "required").remove("stage"),
        "is gone: always Status stage",
    ),
    "a word goes": (
        lambda d: at(d, *SCHEMAS, "Stage", "enum").remove("expired"),
        "is gone: word Stage expired",
    ),
    "a body asks for more": (
        lambda d: at(d, *SCHEMAS, "AskBdBody", "required").append("actor"),
        "is new: asks AskBdBody actor",
    ),
    "a body takes less": (
        lambda d: at(d, *SCHEMAS, "AskBdBody", "properties", "question").update(maxLength=3),
        "is new: asks AskBdBody question: maxLength 3",
    ),
    "a call asks for more": (
        lambda d: at(d, *ASK, "parameters").append(
            {"in": "query", "name": "why", "required": True, "schema": {"type": "string"}}
        ),
        "is new: asks ask_bd query why",
    ),
}


@pytest.mark.parametrize("change", BREAKING)
def test_a_change_that_breaks_clients_is_seen(change: str) -> None:
    changed = copy.deepcopy(DOCUMENT)
    make, told = BREAKING[change]
    make(changed)
    assert any(line.startswith(told) for line in broken(NOW, promises(changed)))


def test_what_is_only_added_breaks_nobody() -> None:
    changed = copy.deepcopy(DOCUMENT)
    at(changed, *SCHEMAS, "Status", "properties")["colour"] = {"type": "string"}
    at(changed, *SCHEMAS, "AskBdBody", "properties")["urgent"] = {"type": "boolean"}
    at(changed, *SCHEMAS, "Stage", "enum").append("sleeping")
    at(changed, *SCHEMAS)["SleepBody"] = {
        "properties": {"days": {"type": "integer", "minimum": 1}},
        "required": ["days"],
    }
    changed["paths"]["/api/v1/sleep"] = {"post": {**at(changed, *ASK), "operationId": "sleep"}}
    assert broken(NOW, promises(changed)) == []
