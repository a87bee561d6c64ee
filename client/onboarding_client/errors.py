"""What a caller is told when something is refused or got no answer."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import httpx
from pydantic import ValidationError

from onboarding_client.models import FieldError, Problem, Stage

URN: Final = "urn:onboarding:error:"
AGAIN: Final = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""The answers after which the same request may get another one."""


class OnboardingError(Exception):
    """What was asked for was not done, as far as is known.

    ``idempotency_key``: of the command that was sent. Where it is not known what became of it, sending it
    again under this key never carries it out twice.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.idempotency_key: str | None = None


class NoAnswerError(OnboardingError):
    """No answer came, or one that can't be read: a command may have been carried out."""


class RefusedError(OnboardingError):
    """A problem document (RFC 9457): ``type`` is for programs, ``detail`` says what to do.

    ``type`` is without its URN, as the reference lists it: ``wrong_stage``. ``errors``: what is wrong, field
    by field. Of a command that was judged and refused, ``stage`` is where it left the application, and
    ``allowed_commands`` what the caller may send there. ``retry_after`` is in seconds.
    """

    def __init__(self, problem: Problem, retry_after: float | None = None) -> None:
        self.type: Final = problem.type.removeprefix(URN)
        self.title: Final = problem.title
        self.status: Final = problem.status
        self.detail: Final = problem.detail
        self.errors: Final[Sequence[FieldError]] = problem.errors or []
        self.stage: Final[Stage | None] = problem.stage
        self.allowed_commands: Final[Sequence[str] | None] = problem.allowed_commands
        self.retry_after: Final = retry_after
        fields = "".join(f"\n{each.field}: {each.message}" for each in self.errors)
        super().__init__(f"{self.type}: {self.detail}{fields}")


def failure_of(response: httpx.Response) -> OnboardingError:
    """Why this answer, which has been read, is none of success."""
    try:
        return RefusedError(Problem.model_validate_json(response.content), _retry_after(response))
    except ValidationError:
        return NoAnswerError(
            f"{response.request.url} answered {response.status_code} without a problem document: is it the"
            " onboarding API?"
        )


def _retry_after(response: httpx.Response) -> float | None:
    """The header in seconds; the API gives no dates."""
    said = response.headers.get("Retry-After", "")
    return float(said) if said.isascii() and said.isdecimal() else None
