"""The description of the API (OpenAPI 3.1), made from its routes; generators of clients read it."""

import json
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from itertools import chain
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from domain.values import Contract
from domain.webhooks import WebhookBody, WebhookType
from starter.web.problems import KINDS, MEDIA_TYPE, Problem

_ABOUT: Final = (
    "A reseller's application, from JOIN NOW to access to the ACPN platform. Every call needs an access token"
    " of the issuer (OpenID Connect). What is refused is answered by a problem document (RFC 9457), whose"
    " `type` is for programs and whose `detail` says what to do. A command is never carried out twice under"
    " the same `Idempotency-Key`."
)
_REFUSALS: Final = {
    "get": (401, 403, 404, 405, 422, 500, 503),
    "post": (400, 401, 403, 404, 405, 408, 409, 412, 413, 415, 422, 429, 500, 503),
    "delete": (401, 403, 404, 405, 422, 500, 503),
}
"""What a call of this method may be refused with."""
_REFERENCE: Final = "#/components/schemas/"
_MEANINGS: Final = {412: "The application has moved on since `If-Match`"}


def described(app: FastAPI) -> dict[str, Any]:
    """The description, made once."""
    if app.openapi_schema is None:
        app.openapi_schema = _made(app)
    return app.openapi_schema


def _made(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title="Reseller onboarding",
        version=version("reseller-onboarding"),
        openapi_version="3.1.0",
        description=_ABOUT,
        routes=app.routes,
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    _as_it_is_read(document)
    for model in (Problem, WebhookBody):
        schemas.update(_schemas(model))
    _one_enumeration(schemas)
    document["webhooks"] = {"event": {"post": _delivery()}}
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    components["responses"] = {f"Problem{status}": _refusal(status) for status in _statuses()}
    document["security"] = [{"bearer": []}]
    document["servers"] = [{"url": "/"}]
    for path in document["paths"].values():
        for method, operation in path.items():
            refusals = {
                str(status): {"$ref": f"#/components/responses/Problem{status}"}
                for status in _REFUSALS[method]
            }
            operation["responses"] = {**operation["responses"], **refusals}
    return document


def _statuses() -> list[int]:
    return sorted({status for statuses in _REFUSALS.values() for status in statuses})


def _refusal(status: int) -> dict[str, Any]:
    titles = [kind.title for kind in KINDS.values() if kind.status == status]
    return {
        "description": _MEANINGS.get(status) or "; ".join(titles),
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _schemas(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of what is answered outside the routes, and those of its parts."""
    schema = model.model_json_schema(mode="serialization", ref_template=f"{_REFERENCE}{{model}}")
    return {**schema.pop("$defs", {}), model.__name__: schema}


def _delivery() -> dict[str, Any]:
    """What an endpoint for webhooks is sent."""
    types = "; ".join(f"`{kind}`" for kind in WebhookType)
    return {
        "operationId": "event",
        "summary": "An event",
        "description": "What an endpoint of yours is sent, signed as Standard Webhooks say (`webhook-id`,"
        " the same on every attempt, `webhook-timestamp`, `webhook-signature`)."
        f" Types: {types}.",
        "security": [],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"{_REFERENCE}WebhookBody"}}},
        },
        "responses": {"2XX": {"description": "It is taken; with any other answer it is sent again."}},
    }


def _as_it_is_read(document: dict[str, Any]) -> None:
    """Say what may be left out as generators understand it.

    Of what is only answered every field is there, but those that are left out while they say nothing: that a
    field has a default matters to nobody who reads it, but types that are generated would have all of them
    optional. Of what is sent they take a field with a
    default for one that must be there: its default is told in words.
    """
    schemas = document["components"]["schemas"]
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    answers = [
        answer
        for operation in operations
        for status, answer in operation["responses"].items()
        if status.startswith("2")
    ]
    sent = _used([operation.get("requestBody") for operation in operations], schemas)
    left_out = _left_out(Contract)
    for name in _used(answers, schemas) - sent:
        if "properties" in schemas[name]:
            schemas[name]["required"] = [
                field for field in schemas[name]["properties"] if (name, field) not in left_out
            ]
    for name in sent:
        for field in schemas[name].get("properties", {}).values():
            if "default" in field:
                told = f"Default: `{json.dumps(field.pop('default'))}`."
                field["description"] = f"{field.get('description', '')} {told}".strip()


def _left_out(model: type[BaseModel]) -> frozenset[tuple[str, str]]:
    """The fields of the models made from this one that are not always written, each with its model's name."""
    own = {(model.__name__, name) for name, field in model.model_fields.items() if field.exclude_if}
    return frozenset(own).union(*map(_left_out, model.__subclasses__()))


def _used(part: Any, schemas: Mapping[str, Any]) -> set[str]:
    """The schemas this part of the document is made of."""
    found: set[str] = set()
    names = set(_names(part))
    while names:
        found |= names
        names = {each for name in names for each in _names(schemas[name])} - found
    return found


def _names(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        reference = part.get("$ref")
        if isinstance(reference, str) and reference.startswith(_REFERENCE):
            yield reference.removeprefix(_REFERENCE)
    children = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    for child in children:
        yield from _names(child)


def _one_enumeration(schemas: dict[str, Any]) -> None:
    """Words of which some are an enumeration of their own are one enumeration: some generators know no
    alternatives of texts."""
    for schema in schemas.values():
        for said in schema.get("properties", {}).values():
            kinds = said.get("anyOf", [])
            resolved = [schemas.get(kind.get("$ref", "").removeprefix(_REFERENCE), kind) for kind in kinds]
            words = [
                kind.get("enum") or [kind["const"]] for kind in resolved if {"enum", "const"} & kind.keys()
            ]
            if len(words) > 1:
                others = [kind for kind in resolved if not {"enum", "const"} & kind.keys()]
                said["anyOf"] = [
                    {"type": "string", "enum": [*dict.fromkeys(chain.from_iterable(words))]},
                    *others,
                ]
