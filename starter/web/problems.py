"""What a caller is told when a request is refused or can't be answered: problem documents (RFC 9457)."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import Response
from temporalio.service import RPCError, RPCStatusCode

from domain.contract import ErrorType, Stage
from domain.intake import MAX_COMMAND_BYTES, field_problems
from domain.values import Contract
from runtime.errors import keep_cancellation
from starter.client.errors import OnboardingError

MEDIA_TYPE: Final = "application/problem+json"
URN: Final = "urn:onboarding:error:"
RETRY_AFTER: Final = 2
"""Seconds until a part of the service that is down is asked again."""

log: Final = logging.getLogger("onboarding.web")


class DoorError(StrEnum):
    """What only the front door refuses, beside the contract's errors."""

    BAD_REQUEST = "bad_request"
    """The request can't be read: no HTTP, no JSON, a key of an object twice, no ``Idempotency-Key``, an
    ``If-Match`` that is no number."""
    UNAUTHENTICATED = "unauthenticated"
    """No bearer token, or one that opens nothing."""
    METHOD_NOT_ALLOWED = "method_not_allowed"
    """This address does not take the method; ``Allow`` names those it takes."""
    TIMED_OUT = "timed_out"
    """The request did not come to its end in time."""
    TOO_LARGE = "too_large"
    """The body is over 64 KiB."""
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    """The body is not ``application/json``, or is compressed."""
    TOO_MANY = "too_many"
    """Too many commands of one application are under way."""
    HEADERS_TOO_LARGE = "headers_too_large"
    """The request line and the headers are over 32 KiB."""
    INTERNAL = "internal"
    """A bug of the service; its log has more."""


@dataclass(frozen=True)
class Kind:
    """How an error is answered."""

    status: int
    title: str


KINDS: Final[Mapping[ErrorType | DoorError, Kind]] = {
    ErrorType.INVALID: Kind(422, "The request is not valid"),
    ErrorType.UID_MISMATCH: Kind(422, "The accounts do not belong together"),
    ErrorType.FORBIDDEN: Kind(403, "Not for this role"),
    ErrorType.NOT_FOUND: Kind(404, "Not found"),
    ErrorType.WRONG_STAGE: Kind(409, "Not possible in this stage"),
    ErrorType.STALE_REVISION: Kind(409, "Made against what is not current any more"),
    ErrorType.COMPANY_NOT_CONFIRMED: Kind(409, "The company is not confirmed"),
    ErrorType.ENTERPRISE_NOT_VERIFIED: Kind(409, "The account has not completed enterprise verification"),
    ErrorType.SIGNATURE_ORDER: Kind(409, "The other party signs first"),
    ErrorType.ALREADY_PARTNER: Kind(409, "The company has access already"),
    ErrorType.CLOSED: Kind(409, "The application has ended"),
    ErrorType.UNAVAILABLE: Kind(503, "Not available now"),
    DoorError.BAD_REQUEST: Kind(400, "The request can't be read"),
    DoorError.UNAUTHENTICATED: Kind(401, "A bearer token is needed"),
    DoorError.METHOD_NOT_ALLOWED: Kind(405, "This method is not possible here"),
    DoorError.TIMED_OUT: Kind(408, "The request came too slowly"),
    DoorError.TOO_LARGE: Kind(413, "The body is too large"),
    DoorError.UNSUPPORTED_MEDIA_TYPE: Kind(415, "The body must be JSON"),
    DoorError.TOO_MANY: Kind(429, "Too many at a time"),
    DoorError.HEADERS_TOO_LARGE: Kind(431, "The headers are too large"),
    DoorError.INTERNAL: Kind(500, "Internal error"),
}
METHOD_NOT_ALLOWED: Final = 405
MOVED_ON: Final = 412
"""The status of ``stale_revision`` where the request had ``If-Match``: it is that condition which failed."""
_DETAILS: Final[Mapping[int, tuple[ErrorType | DoorError, str]]] = {
    400: (DoorError.BAD_REQUEST, "The body can't be read as JSON. Send one JSON object."),
    403: (ErrorType.FORBIDDEN, "This is not possible here."),
    404: (ErrorType.NOT_FOUND, "There is nothing at this address; /api/v1/openapi.json lists what there is."),
    405: (DoorError.METHOD_NOT_ALLOWED, "Use one of the methods that Allow names."),
    413: (DoorError.TOO_LARGE, f"The body must not be larger than {MAX_COMMAND_BYTES // 1024} KiB."),
}
"""What the libraries answer by themselves, by its status."""


class FieldError(Contract):
    """What is wrong with a field; ``field`` is its path, with dots."""

    field: str
    message: str


class Problem(Contract):
    """Why a request was refused (RFC 9457).

    ``type`` is for programs, ``detail`` says what to do. ``errors``: what is wrong, field by field. Of a
    command that was judged and refused, ``stage`` is where it left the application, and ``allowed_commands``
    what the caller may send there.
    """

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[FieldError, ...] = ()
    allowed_commands: tuple[str, ...] | None = None
    stage: Stage | None = None


class ApiError(HTTPException):
    """A request that is refused; answered as a `Problem`."""

    def __init__(
        self,
        error: ErrorType | DoorError,
        detail: str,
        *,
        errors: Sequence[tuple[str, str]] = (),
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        stage: Stage | None = None,
        allowed_commands: Sequence[str] | None = None,
    ) -> None:
        """``status``: another one than `KINDS` has."""
        kind = KINDS[error]
        super().__init__(status or kind.status, detail, dict(headers or {}))
        self.problem: Final = Problem(
            type=f"{URN}{error}",
            title=kind.title,
            status=status or kind.status,
            detail=detail,
            errors=tuple(FieldError(field=field, message=message) for field, message in errors),
            stage=stage,
            allowed_commands=None if allowed_commands is None else tuple(allowed_commands),
        )

    @classmethod
    def invalid(cls, error: ValidationError | RequestValidationError) -> "ApiError":
        """``invalid``, with what is wrong field by field, and nothing of what was sent."""
        found = (
            error.errors() if isinstance(error, RequestValidationError) else error.errors(include_url=False)
        )
        problems = field_problems({**each, "loc": _location(each["loc"])} for each in found)
        return cls(
            ErrorType.INVALID,
            "Nothing was done: correct what errors names, then send it again, a command under a new"
            " Idempotency-Key.",
            errors=problems,
        )

    @classmethod
    def of_field(cls, error: OnboardingError) -> "ApiError":
        """``invalid``, of the field whose name the message begins with."""
        field, _, message = error.message.partition(": ")
        return cls(
            ErrorType.INVALID, "Nothing was done: correct what errors names.", errors=[(field, message)]
        )

    @classmethod
    def refused(
        cls,
        error: OnboardingError,
        *,
        if_match: bool = False,
        stage: Stage | None = None,
        allowed_commands: Sequence[str] | None = None,
    ) -> "ApiError":
        """What the client was told, with its remedy. ``if_match``: the request had such a condition."""
        status = MOVED_ON if if_match and error.type is ErrorType.STALE_REVISION else None
        return cls(
            error.type,
            f"{error.message.removesuffix('.')}. {error.remedy}".strip(),
            status=status,
            headers=_later(error.type),
            stage=stage,
            allowed_commands=allowed_commands,
        )


def unavailable(detail: str) -> ApiError:
    """A part of the service is down."""
    return ApiError(ErrorType.UNAVAILABLE, detail, headers=_later(ErrorType.UNAVAILABLE))


def answer(error: ApiError) -> Response:
    """The problem document."""
    problem = error.problem
    return Response(
        problem.model_dump_json(exclude_none=True, exclude=None if problem.errors else {"errors"}),
        problem.status,
        {**(error.headers or {}), "Cache-Control": "no-store"},
        MEDIA_TYPE,
    )


def answer_problems(
    app: FastAPI,
    allowed: Mapping[str, str],
    page: Callable[[Request, ApiError], Response | None] | None = None,
) -> None:
    """Answer whatever is raised in this application by a problem document; ``allowed``: the methods each
    route takes; ``page``: what a person is shown instead, ``None`` for what is no person."""

    async def told(request: Request, error: Exception) -> Response:
        found = _api_error(error)
        path = getattr(request.scope.get("route"), "path", "")
        # The library names those of the first route that fits.
        if found.status_code == METHOD_NOT_ALLOWED and path in allowed:
            found.headers = {"Allow": allowed[path]}
        return (page and page(request, found)) or answer(found)

    for kind in (
        *(StarletteHTTPException, RequestValidationError, OnboardingError),
        *(RPCError, SQLAlchemyError, OSError, Exception),
    ):
        app.add_exception_handler(kind, told)


def _api_error(error: Exception) -> ApiError:
    match error:
        case ApiError():
            return error
        case RequestValidationError():
            return _unreadable(error)
        case OnboardingError():
            return ApiError.refused(error)
        case StarletteHTTPException():
            kind, detail = _DETAILS.get(error.status_code, (DoorError.BAD_REQUEST, str(error.detail)))
            return ApiError(kind, detail, headers=error.headers)
        case RPCError():
            keep_cancellation()
            log.warning("Temporal: %s", RPCStatusCode(error.status).name)
            return unavailable(
                "Temporal does not answer. Try again, a command with the same Idempotency-Key."
            )
        # A database that can't be reached is an OSError to one of the drivers.
        case SQLAlchemyError() | OSError():
            log.warning("Database: %s", type(error).__name__)
            return unavailable("The database does not answer. Try again.")
        case _:
            return ApiError(DoorError.INTERNAL, "This is a bug of the service. Its log says more.")


def _unreadable(error: RequestValidationError) -> ApiError:
    problems = error.errors()
    if any(each["type"] == "json_invalid" for each in problems):
        return ApiError(*_DETAILS[400])
    if any(each["loc"][0] == "path" for each in problems):
        return ApiError(*_DETAILS[404])
    if any(each["type"] == "missing" and each["loc"][0] == "header" for each in problems):
        name = problems[0]["loc"][-1]
        return ApiError(DoorError.BAD_REQUEST, f"The header {name} is needed; the reference says what it is.")
    return ApiError.invalid(error)


def _location(location: Sequence[Any]) -> tuple[Any, ...]:
    """Without where the field stood: in the body, the address or a header."""
    return tuple(location[1:]) if location and location[0] in {"body", "query", "header"} else tuple(location)


def _later(error: ErrorType) -> Mapping[str, str]:
    return {"Retry-After": str(RETRY_AFTER)} if error is ErrorType.UNAVAILABLE else {}
