"""The package of the client, client/onboarding_client, as far as it is written from openapi.json."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import wrap
from typing import Any, Final

from tools.reference.markdown import ROOT

FOLDER: Final = ROOT / "client/onboarding_client"
AIO: Final = FOLDER / "aio"
SYNC: Final = FOLDER / "sync"
COMMANDS: Final = "/commands/"
STREAM: Final = "text/event-stream"
KEY: Final = "Idempotency-Key"
_REFERENCE: Final = "#/components/schemas/"
_PLAIN: Final = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
_FORMATS: Final = {"date": "date", "date-time": "datetime"}
_NOT_JUDGED_HERE: Final = frozenset(
    {"pattern", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
    | {"minItems", "maxItems", "title", "examples"}
)
"""What the service checks, and says what is wrong with it: a release of the client would know yesterday's.
Generators also take titles of fields, and texts that are bounded, for types of their own."""
_HEAD: Final = '''\
"""A typed method for each call of the API, written by `make generate` from its description."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from datetime import date, datetime
from typing import Any, Unpack

from onboarding_client.answers import Joined
from onboarding_client.models import {models}
from onboarding_client.requests import Answer, Options, path_of


class AsyncCalls:
    """The calls of the API; how they are made, `AsyncOnboardingClient` says."""

    @abstractmethod
    async def _read(self, path: str, answer: type[Answer], query: Mapping[str, Any]) -> Answer: ...

    @abstractmethod
    async def _command(
        self, path: str, answer: type[Answer], fields: Mapping[str, Any], options: Options
    ) -> Answer: ...

    @abstractmethod
    async def _call(
        self, method: str, path: str, answer: type[Answer], fields: Mapping[str, Any] | None = None
    ) -> Answer: ...

    @abstractmethod
    async def _join(self, path: str, fields: Mapping[str, Any]) -> Joined: ...

    @abstractmethod
    def _events(
        self, path: str, query: Mapping[str, Any], last: str | None
    ) -> AsyncIterator[StreamedEvent]: ...

'''
_WITHOUT_ASYNC: Final[Mapping[str, str]] = {
    r"async (def|with|for) ": r"\1 ",
    r"await ": "",
    r"``async with``": "``with``",
    r"import asyncio\n": "",
    r"asyncio\.sleep": "time.sleep",
    r"onboarding_client\.aio": "onboarding_client.sync",
    r"\bAsync(OnboardingClient|Calls|Client|BaseTransport|Iterator)\b": r"\1",
    r"__a(enter|exit)__": r"__\1__",
    r"\ba(close|read|iter_bytes)\b": r"\1",
    r"^\"\"\"The client for asyncio.*?\"\"\"": '"""The client that waits, written by `make generate`'
    ' from the one for asyncio."""',
}


def files(document: Mapping[str, Any]) -> dict[Path, str]:
    """Every module that is written from the description, or from another module."""
    calls = _formatted(_calls(document))
    client = (AIO / "client.py").read_text(encoding="utf-8")
    return {
        FOLDER / "models.py": _formatted(_models(document)),
        AIO / "calls.py": calls,
        SYNC / "calls.py": _formatted(_without_async(calls)),
        SYNC / "client.py": _formatted(_without_async(client)),
    }


def one_of_each(document: Mapping[str, Any]) -> dict[str, Any]:
    """The schemas, with one of each document where there are two, of what is sent and what is answered: a
    program changes what it has read, and sends that."""
    schemas = json.loads(json.dumps(document["components"]["schemas"]))
    text = json.dumps({name.removesuffix("-Input"): schemas[name] for name in _kept(schemas)})
    return dict(json.loads(re.sub(rf'("{_REFERENCE}[^"]+?)-(?:Input|Output)"', r'\1"', text)))


def _kept(schemas: Mapping[str, Any]) -> Iterator[str]:
    return (name for name in schemas if not name.endswith("-Output"))


def _models(document: Mapping[str, Any]) -> str:
    """What is sent and answered, as pydantic models."""
    bodies = _bodies(document)
    schemas = {
        name: _plain(said)
        for name, said in one_of_each(document).items()
        if name not in bodies | {"JsonValue"}
    }
    with TemporaryDirectory() as folder:
        source, made = Path(folder, "openapi.json"), Path(folder, "models.py")
        described = {**document, "paths": {}, "webhooks": {}, "components": {"schemas": schemas}}
        source.write_text(json.dumps(described), encoding="utf-8")
        _run(
            *("datamodel-codegen", "--input", str(source), "--output", str(made)),
            *("--input-file-type", "openapi", "--openapi-scopes", "schemas"),
            *("--output-model-type", "pydantic_v2.BaseModel", "--target-python-version", "3.11"),
            *("--use-annotated", "--field-constraints", "--use-standard-collections", "--use-union-operator"),
            *("--use-schema-description", "--use-field-description", "--use-specialized-enum"),
            *(
                "--strict-nullable",
                "--set-default-enum-member",
                "--disable-timestamp",
                "--formatters",
                "builtin",
            ),
            *("--custom-file-header", '"""What the API takes and answers, written by `make generate`."""'),
        )
        text = made.read_text(encoding="utf-8")
    # What a newer service says must not keep an older client from reading the rest.
    return text.replace("from enum import StrEnum", "from onboarding_client.values import OpenEnum").replace(
        "(StrEnum)", "(OpenEnum)"
    )


def _bodies(document: Mapping[str, Any]) -> set[str]:
    """The schemas of what is sent: a method's arguments take their place."""
    content = (
        operation["requestBody"]["content"]["application/json"]["schema"]
        for operations in document["paths"].values()
        for operation in operations.values()
        if "requestBody" in operation
    )
    return {_body_name(schema) for schema in content}


def _body_name(schema: Mapping[str, Any]) -> str:
    (name,) = [each["$ref"] for each in (schema, *schema.get("anyOf", ())) if "$ref" in each]
    return _name(name)


def _plain(schema: Any) -> Any:
    """A schema as far as the client has it: names and kinds. What has a default may be absent, as it is from
    a service older than the client."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("$ref") == f"{_REFERENCE}JsonValue":
        return {}
    plain = {
        name: _plain(value)
        for name, value in schema.items()
        if name not in _NOT_JUDGED_HERE or isinstance(value, dict)
    }
    if "required" in plain and "properties" in plain:
        plain["required"] = [
            name for name in schema["required"] if not _may_be_absent(schema["properties"][name])
        ]
    return plain


def _may_be_absent(field: Mapping[str, Any]) -> bool:
    return "default" in field or {"type": "null"} in field.get("anyOf", ())


def _calls(document: Mapping[str, Any]) -> str:
    schemas = one_of_each(document)
    names = ", ".join(sorted(schemas.keys() - _bodies(document) - {"JsonValue"}))
    methods = (
        _method(schemas, path, method, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    )
    return _HEAD.format(models=f"({names})") + "\n".join(methods)


def _method(schemas: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> str:
    placed = {
        place: [each for each in operation.get("parameters", ()) if each["in"] == place]
        for place in ("path", "query", "header")
    }
    answers = {status: said for status, said in operation["responses"].items() if status.startswith("2")}
    kind = _answer(next(iter(answers.values())))
    fields = _fields(schemas, operation)
    parameters = [f"{each['name']}: {_kind(each['schema'])}" for each in placed["path"]]
    where = ", ".join(["path", *(f"{each['name']}={each['name']}" for each in placed["path"])])
    where = f"path_of({json.dumps(path)}{where.removeprefix('path')})" if placed["path"] else json.dumps(path)
    sent = "{" + ", ".join(f'"{name}": {name}' for name in fields) + "}"
    own = [f"{name}: {said}" for name, said in fields.items()]
    streamed = STREAM in next(iter(answers.values())).get("content", {})
    keyword, awaited = "async def", "await "
    if method == "get":
        queried = [each["name"] for each in placed["query"]]
        parameters += ["*"] if queried or streamed else []
        parameters += [
            f"{each['name']}: {_or_none(_kind(each['schema']))} = None" for each in placed["query"]
        ]
        query = "{" + ", ".join(f'"{name}": {name}' for name in queried) + "}"
        made = f"self._read({where}, {kind}, {query})"
        if streamed:
            parameters.append("last_event_id: str | None = None")
            keyword, awaited, kind = "def", "", "AsyncIterator[StreamedEvent]"
            made = f"self._events({where}, {query}, last_event_id)"
    elif any(each["name"] == KEY for each in placed["header"]):
        # The options say for whom, and when.
        parameters += [*own, "**options: Unpack[Options]"]
        made = f"self._command({where}, {kind}, {sent}, options)"
    elif len(answers) > 1:
        parameters += ["*", *own]
        kind, made = "Joined", f"self._join({where}, {sent})"
    else:
        parameters += ["*", *own] if own else []
        body = f", {sent}" if "requestBody" in operation else ""
        made = f"self._call({json.dumps(method.upper())}, {where}, {kind}{body})"
    described = operation.get("description") or operation["summary"]
    lines = (wrap(line, 100) or [""] for line in described.splitlines())
    told = "\n        ".join(chain.from_iterable(lines))
    told = f"{told}\n        " if "\n" in told else told
    kind = "None" if kind == "type(None)" else kind
    return (
        f"    {keyword} {operation['operationId']}(self, {', '.join(parameters)}) -> {kind}:\n"
        f'        """{told}"""\n        return {awaited}{made}\n'
    )


def _fields(schemas: Mapping[str, Any], operation: Mapping[str, Any]) -> dict[str, str]:
    """The fields of the body, those that must be there first; without what the options have."""
    if "requestBody" not in operation:
        return {}
    body = schemas[_body_name(operation["requestBody"]["content"]["application/json"]["schema"])]
    required = body.get("required", ())
    optional = {
        field: f"{_or_none(_kind(said))} = None"
        for field, said in body["properties"].items()
        if field not in {*required, "actor", "occurred_at"}
    }
    return {field: _kind(body["properties"][field]) for field in required} | optional


def _answer(response: Mapping[str, Any]) -> str:
    # The library describes a stream as JSON, too.
    content = response.get("content", {}).get("application/json")
    return _kind(content["schema"]) if content else "type(None)"


def _kind(schema: Mapping[str, Any]) -> str:
    """The type a value of this schema has in Python."""
    if "$ref" in schema:
        return _name(schema["$ref"])
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(map(_kind, schema["anyOf"])))
    match schema.get("type"):
        case "null":
            return "None"
        case "array":
            return f"list[{_kind(schema['items'])}]"
        case "object":
            return "dict[str, Any]"
        case str() as plain:
            return _FORMATS.get(schema.get("format", ""), _PLAIN[plain])
    raise TypeError(f"a caller can't be told this type: {schema}; teach tools/client_package.py")


def _name(reference: str) -> str:
    return re.sub(r"-(Input|Output)$", "", reference.removeprefix(_REFERENCE))


def _or_none(kind: str) -> str:
    return kind if kind.endswith("None") else f"{kind} | None"


def _without_async(text: str) -> str:
    for asynchronous, plain in _WITHOUT_ASYNC.items():
        text = re.sub(asynchronous, plain, text, flags=re.DOTALL)
    return text


def _formatted(text: str) -> str:
    named = ("--quiet", "--stdin-filename", str(FOLDER / "written.py"), "-")
    text = _run("ruff", "check", "--fix", "--exit-zero", "--select", "I,F401", *named, text=text)
    return _run("ruff", "format", *named, text=text)


def _run(program: str, *arguments: str, text: str | None = None) -> str:
    """What a tool of the environment prints.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    tool = Path(sys.executable).with_name(program)
    done = subprocess.run(  # noqa: S603  # our own tools
        [tool, *arguments], input=text, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE
    )
    return done.stdout
