"""What a request carries, and how long to wait before it is sent again; the same for both clients."""

import random
from collections.abc import Callable, Generator, Mapping
from datetime import datetime
from typing import Any, Final, TypedDict, TypeVar
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from onboarding_client.errors import NoAnswerError
from onboarding_client.models import Actor

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 20.0
KEY: Final = "Idempotency-Key"
TIMEOUT: Final = httpx.Timeout(45, connect=5)
"""A read may wait 30 s for what it is to show."""
Answer = TypeVar("Answer")
Token = str | Callable[[], str] | httpx.Auth
"""An access token, what gives a current one, or what renews it by calls of its own."""


class Options(TypedDict, total=False):
    """What every command may carry beside its own fields.

    ``actor``: for whom a service acts; of anybody else the token says it. ``idempotency_key``: the command's
    unique ID, a new one by default. ``if_sequence``: only if nothing has happened since the status that had
    this ``sequence``.
    """

    actor: Actor | None
    occurred_at: datetime | None
    idempotency_key: str | None
    if_sequence: int | None


class Bearer(httpx.Auth):
    """Shows the token with each request."""

    def __init__(self, token: str | Callable[[], str]) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """One request."""
        token = self._token if isinstance(self._token, str) else self._token()
        request.headers["Authorization"] = f"Bearer {token}"
        yield request


def auth_of(token: Token) -> httpx.Auth:
    """How requests show who calls."""
    return token if isinstance(token, httpx.Auth) else Bearer(token)


def pause(attempt: int, retry_after: float | None) -> float:
    """Seconds before the next attempt; ``attempt`` is the number of those that were made."""
    if retry_after is not None:
        # Who was told the same time does not come back at the same moment.
        return retry_after * random.uniform(1, 1.1)  # noqa: S311  # no secret
    return min(FIRST_PAUSE * 2.0 ** (attempt - 1), LONGEST_PAUSE) * random.uniform(0.5, 1)  # noqa: S311


def path_of(template: str, **parts: object) -> str:
    """The path with its parts filled in."""
    return template.format_map({name: quote(str(part), safe="") for name, part in parts.items()})


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """What is not ``None``, as JSON has it."""
    plain: dict[str, Any] = to_jsonable_python(values, exclude_none=True)
    return {name: value for name, value in plain.items() if value is not None}


def parsed(answer: type[Answer], response: httpx.Response) -> Answer:
    """The answer's body."""
    if answer is type(None):
        return answer()
    try:
        found: Answer = TypeAdapter(answer).validate_json(response.content)
    except ValidationError as error:
        raise NoAnswerError(
            f"{response.request.url} answered what this release of onboarding-client can't read: {error}"
        ) from None
    return found


def told(error: httpx.TransportError) -> str:
    """Why there was no answer; some of these errors have no text."""
    return str(error) or type(error).__name__
