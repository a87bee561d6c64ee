"""The reference of what commands carry and the status shows: JSON Schemas, and their fields as tables."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode

from domain.contract import Command, OnboardingInput
from domain.documents import ApplicationForm, DecisionSheet
from domain.status import Status
from tools.reference.markdown import REQUIRED, ROOT, prose, table

FOLDER: Final = ROOT / "docs/reference/schemas"
DOCUMENTS: Final[dict[str, type[BaseModel]]] = {
    "start": OnboardingInput,
    "envelope": Command,
    "form": ApplicationForm,
    "sheet": DecisionSheet,
    "status": Status,
}
"""What has a schema, by the name of its file."""


def schemas() -> dict[Path, str]:
    """The schema of each document, by its file."""
    return {
        FOLDER / f"{name}.json": json.dumps(_schema(name), indent=2, ensure_ascii=False) + "\n"
        for name in DOCUMENTS
    }


def fields() -> str:
    """Each document's fields, and those of the parts it is made of."""
    return "\n\n".join(part for name in DOCUMENTS for part in _document(name))


def _schema(name: str) -> dict[str, Any]:
    # As it is written, for what is read back; as it is taken, for what is sent.
    mode: JsonSchemaMode = "serialization" if name == "status" else "validation"
    model = DOCUMENTS[name]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema(mode=mode)}


def _document(name: str) -> Iterator[str]:
    schema = _schema(name)
    yield f"## {name.capitalize()}"
    yield f"[schemas/{name}.json](schemas/{name}.json). {prose(schema.get('description'))}".strip()
    yield _fields(schema)
    for part, described in schema.get("$defs", {}).items():
        if "properties" in described:
            yield f"`{part}`: {prose(described.get('description'))}"
            yield _fields(described)


def _fields(schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    return table(
        ("field", "", "type"),
        (
            [f"`{name}`", REQUIRED[name in required], _type(described)]
            for name, described in schema["properties"].items()
        ),
    )


def _type(described: dict[str, Any]) -> str:
    if "anyOf" in described:
        kinds = [_type(each) for each in described["anyOf"] if each != {"type": "null"}]
        return " or ".join(dict.fromkeys(kinds))
    if "$ref" in described:
        return f"`{described['$ref'].rsplit('/', 1)[-1]}`"
    if "enum" in described or "const" in described:
        values = described.get("enum", [described.get("const")])
        return " or ".join(f"`{value}`" for value in values)
    if described.get("type") == "array":
        return f"list of {_type(described.get('items', {}))}"
    return str(described.get("format") or described.get("type") or "any JSON")
