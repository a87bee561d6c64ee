"""The reference of the HTTP API: its description for programs, its routes and its errors as tables."""

import json
from pathlib import Path
from typing import Any, Final, cast

from activities.db.engine import Database
from starter.web.app import front_door_app
from starter.web.door import FrontDoor
from starter.web.openapi import described
from starter.web.problems import KINDS, DoorError
from starter.web.ready import Ready
from tools.reference.markdown import ROOT, Described, prose, table

FILE: Final = ROOT / "docs/reference/openapi.json"


def document() -> dict[str, Any]:
    """The description of the API. Nothing behind it is asked for that."""
    nothing: Any = cast("Any", None)
    door = FrontDoor(nothing, Database("sqlite:///nothing.db"), nothing, nothing)
    return described(front_door_app(door, Ready({})))


def files() -> dict[Path, str]:
    """The description, as it is checked in."""
    return {FILE: json.dumps(document(), indent=2, ensure_ascii=False) + "\n"}


def routes() -> str:
    """Each call: what it does, in the words of its description."""
    return table(
        ("call", "what"),
        (
            [f"`{method.upper()} {path}`", _first_sentence(operation["description"])]
            for path, operations in document()["paths"].items()
            for method, operation in operations.items()
        ),
    )


def errors() -> str:
    """Each type of a problem, with its status."""
    own = Described("starter/web/problems.py", "DoorError")
    contract = Described("domain/contract.py", "ErrorType")
    return table(
        ("status", "type", "when"),
        (
            [str(kind.status), f"`{error}`", (own if isinstance(error, DoorError) else contract)[error.name]]
            for error, kind in sorted(KINDS.items(), key=lambda item: (item[1].status, item[0]))
        ),
    )


def _first_sentence(description: str) -> str:
    return prose(description.partition("\n\n")[0])
