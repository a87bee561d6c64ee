"""What is asked of an OpenID Connect issuer over HTTP: bounded in time and size, told in our own words."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

ANSWER_WITHIN: Final = 5.0
_MOST_BYTES: Final = 512 * 1024


class IssuerError(Exception):
    """The issuer does not answer as it should, so nobody can be judged; the message says why."""


@dataclass(frozen=True)
class Answer:
    """What it answered, a JSON object."""

    status: int
    content: Mapping[str, Any]


async def answer_of(
    http: httpx.AsyncClient,
    address: str,
    *,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    auth: tuple[str, str] | None = None,
) -> Answer:
    """GET an address of the issuer, or POST a form to it. ``http`` follows no redirects.

    Raises:
        IssuerError: it did not answer, or no JSON object.
    """
    body = bytearray()
    try:
        request = http.build_request(
            "GET" if form is None else "POST",
            address,
            data=form,
            headers={"Accept": "application/json", **(headers or {})},
        )
        async with asyncio.timeout(ANSWER_WITHIN):
            response = await http.send(
                request, stream=True, auth=httpx.BasicAuth(*auth) if auth else None, follow_redirects=False
            )
            try:
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _MOST_BYTES:
                        raise IssuerError(f"{address} answers more than {_MOST_BYTES} bytes")
            finally:
                await response.aclose()
    except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise IssuerError(f"{address} does not answer ({type(error).__name__})") from None
    try:
        # RFC 7009 §2.2: what is revoked is answered by nothing.
        found = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, Mapping):
        # What is no JSON is most often the page of an error.
        raise IssuerError(
            f"{address} answers no JSON object"
            if response.status_code == httpx.codes.OK
            else f"{address} answers {response.status_code}"
        )
    return Answer(response.status_code, found)


async def read(http: httpx.AsyncClient, address: str, *, bearer: str | None = None) -> Mapping[str, Any]:
    """What is at an address of the issuer.

    Raises:
        IssuerError: it can't be had.
    """
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else None
    answer = await answer_of(http, address, headers=headers)
    if answer.status != httpx.codes.OK:
        raise IssuerError(f"{address} answers {answer.status}")
    return answer.content
