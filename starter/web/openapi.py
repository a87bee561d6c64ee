"""The description of the API (OpenAPI 3.1), made from its routes; generators of clients read it."""

from importlib.metadata import version
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

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
    problem = Problem.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs"))
    schemas["Problem"] = problem
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
