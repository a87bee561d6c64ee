"""``python -m tools.promises``: record what the API promises the clients of this release, as lines of text.

Of what is recorded nothing may go, and nothing may be asked for in addition: clients have been made by it.
"""

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from tools.reference.api import document
from tools.reference.markdown import ROOT

FOLDER: Final = ROOT / "tests/clients/promises"
ASKS: Final = "asks"
_LIMITS: Final = (
    *("pattern", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    *("minItems", "maxItems"),
)
_REFERENCE: Final = "#/components/schemas/"


def promises(described: Mapping[str, Any]) -> frozenset[str]:
    """What the description promises, and what it asks for (those lines begin so)."""
    return frozenset([*_calls(described), *_schemas(described["components"]["schemas"])])


def broken(recorded: frozenset[str], now: frozenset[str]) -> list[str]:
    """What a client that was made by the recorded promises stumbles over."""
    known = {line.split()[1] for line in recorded}
    return [
        *(f"is gone: {line}" for line in sorted(recorded - now) if not line.startswith(ASKS)),
        *(
            f"is new: {line}"
            for line in sorted(now - recorded)
            # What is new as a whole asks for what it likes.
            if line.startswith(ASKS) and line.split()[1] in known
        ),
    ]


def _calls(described: Mapping[str, Any]) -> Iterator[str]:
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            name = operation["operationId"]
            yield f"call {name} {method.upper()} {path}"
            for each in operation.get("parameters", ()):
                where = f"{each['in']} {each['name']}"
                yield f"takes {name} {where}: {_kind(each['schema'])}"
                if each.get("required"):
                    yield f"{ASKS} {name} {where}"
                yield from (f"{ASKS} {name} {where}: {limit}" for limit in _limits(each["schema"]))
            body = operation.get("requestBody")
            if body:
                yield f"takes {name} body: {_content(body)}"
                if body.get("required"):
                    yield f"{ASKS} {name} body"
            for status, answer in operation["responses"].items():
                if status.startswith("2"):
                    yield f"answers {name} {status}: {_content(answer)}"


def _schemas(schemas: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in schemas.items():
        yield from (f"word {name} {word}" for word in schema.get("enum", ()))
        required = set(schema.get("required", ()))
        for field, said in schema.get("properties", {}).items():
            yield f"field {name} {field}: {_kind(said)}"
            if field in required:
                # Of an answer it is what a client may count on, of a body what it has to send.
                yield f"always {name} {field}"
                yield f"{ASKS} {name} {field}"
            yield from (f"{ASKS} {name} {field}: {limit}" for limit in _limits(said))


def _content(part: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{kind} {_kind(said.get('schema', {}))}" for kind, said in part.get("content", {}).items()
    )


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(_REFERENCE)
    if "anyOf" in schema:
        return " | ".join(map(_kind, schema["anyOf"]))
    words = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    if words:
        return " | ".join(f'"{word}"' for word in words)
    kind = " ".join(filter(None, (schema.get("type", "anything"), schema.get("format"))))
    if "items" in schema:
        return f"{kind} of {_kind(schema['items'])}"
    more = schema.get("additionalProperties")
    return f"{kind} of {_kind(more)}" if isinstance(more, dict) else kind


def _limits(schema: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{limit} {schema[limit]}" for limit in _LIMITS if limit in schema)
    for part in (*schema.get("anyOf", ()), *filter(None, [schema.get("items")])):
        yield from _limits(part)


def file_of(release: str) -> Path:
    """Where the promises of a release are."""
    return FOLDER / f"{release}.txt"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    text = "\n".join(sorted(promises(document())))
    file_of(version("reseller-onboarding")).write_text(f"{text}\n", encoding="utf-8")
