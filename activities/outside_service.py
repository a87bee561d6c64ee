"""Where an outside service is, taken from its setting, and the HTTP client that asks it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from activities.loopback import is_loopback
from activities.patience import in_our_queue
from domain.intake import field_errors

MOST_BYTES: Final = 1024 * 1024
"""The longest answer that is read."""
_EXAMPLE: Final = "such as https://accounts.example.com/v1"
Answer = TypeVar("Answer")


class UnusableAnswerError(ValueError):
    """A service answered what can't be used. Says which field is wrong and how, never what is in it."""


@dataclass(frozen=True)
class ServiceAddress:
    """Base URL and credentials, taken from ``ONBOARDING_ACCOUNTS_URL`` or ``ONBOARDING_ACPN_API_URL``.

    ``url`` may be shown: user and password are not in it.
    """

    url: httpx.URL
    auth: tuple[str, str] | None = field(repr=False)

    @classmethod
    def from_url(cls, url: str) -> "ServiceAddress":
        """Read ``http(s)://[user:password@]host[:port][/path]``; user and password are percent-decoded.

        With them it must be https, except to this machine.

        Raises ValueError that says what is wrong, never the URL, which holds a password.
        """
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL:
            # The cause may quote it.
            raise ValueError(f"can't be read as a base URL, {_EXAMPLE}") from None
        if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.port == 0:
            raise ValueError(f"must begin with http://host or https://host, {_EXAMPLE}")
        if any(mark in url for mark in "?#"):
            raise ValueError(f"must be a base URL without ? and #, {_EXAMPLE}")
        auth = (parsed.username, parsed.password) if parsed.userinfo else None
        if auth and parsed.scheme == "http" and not is_loopback(parsed.host):
            raise ValueError("a password leaves this machine only encrypted, so with https://")
        return cls(parsed.copy_with(userinfo=b""), auth)

    def client(self, timeout: timedelta) -> httpx.AsyncClient:
        """A client for paths below the base URL; ``timeout``: for connecting, and for each read. Waiting for
        others of us that are asking has no limit of its own."""
        # The password must not be in the URL: httpx logs that of each request, and has it in its errors,
        # which end up in Temporal's history.
        patience = httpx.Timeout(timeout.total_seconds(), pool=None)
        return httpx.AsyncClient(base_url=self.url, auth=self.auth, timeout=patience)


class ConflictError(httpx.HTTPStatusError):
    """409; ``content`` says with what."""

    def __init__(self, response: httpx.Response, content: bytes) -> None:
        super().__init__(
            f"409 Conflict for url '{response.url}'", request=response.request, response=response
        )
        self.content = content


async def ask(
    client: httpx.AsyncClient, method: str, path: str, *, may_be_missing: bool = True, **options: Any
) -> bytes | None:
    """What a service answers; ``None`` to 404, where that is no error. ``options``: as of
    `httpx.AsyncClient.stream`.

    Raises:
        httpx.HTTPError: it can't be reached or answers with an error; `ConflictError`: with 409.
        UnusableAnswerError: its answer is longer than `MOST_BYTES`.
    """
    async with _from_when_it_is_sent(client, method, path, options) as response:
        if may_be_missing and response.status_code == httpx.codes.NOT_FOUND:
            return None
        conflict = response.status_code == httpx.codes.CONFLICT
        if not conflict:
            response.raise_for_status()
        content = bytearray()
        async for part in response.aiter_bytes():
            content += part
            if len(content) > MOST_BYTES:
                raise UnusableAnswerError(f"the answer to {method} {path} is over {MOST_BYTES // 1024} KiB")
        if conflict:
            raise ConflictError(response, bytes(content))
    return bytes(content)


@asynccontextmanager
async def _from_when_it_is_sent(
    client: httpx.AsyncClient, method: str, path: str, options: Mapping[str, Any]
) -> AsyncIterator[httpx.Response]:
    with ExitStack() as queue:
        queue.enter_context(in_our_queue())

        async def trace(_event: str, _info: Mapping[str, Any]) -> None:
            # The first thing that happens once there is a connection, or one is being made.
            queue.close()

        async with client.stream(method, path, extensions={"trace": trace}, **options) as response:
            queue.close()
            yield response


def parsed(kind: TypeAdapter[Answer], content: bytes, asked: str, *, strict: bool = True) -> Answer:
    """An answer as the contract has it (docs/reference/outside-services.md); ``asked``: what for. ``strict``:
    not where a type reads JSON strings itself.

    Raises `UnusableAnswerError`.
    """
    try:
        return kind.validate_json(content, strict=strict)
    except ValidationError as error:
        raise UnusableAnswerError(f"{asked}: {field_errors(error)}") from None
