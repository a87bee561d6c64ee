"""One attempt to deliver a webhook: signed as Standard Webhooks has it, to an address that was judged."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final

import httpx
from standardwebhooks import Webhook

from activities.webhooks.addresses import Address, Allowed, Destination, DestinationError, Resolver, resolved

ANSWER_WITHIN: Final = timedelta(seconds=10)
AGENT: Final = "reseller-onboarding-webhooks"
_MOST_READ: Final = 64 * 1024
"""Bytes of an answer that are read, so that the connection can be used again; none of them matters."""
_READ_WITHIN: Final = 1
"""Seconds."""


@dataclass(frozen=True)
class Answer:
    """What came of an attempt: the HTTP status, if there was an answer, and why it does not do."""

    status: int | None
    reason: str | None = None

    @property
    def taken(self) -> bool:
        """Whether the endpoint has it."""
        return self.reason is None


class WebhookSender:
    """Sends to whatever is allowed."""

    def __init__(
        self,
        allowed: Allowed,
        *,
        resolver: Resolver = resolved,
        answer_within: timedelta = ANSWER_WITHIN,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """``resolver``, ``tls``: instead of the system's."""
        self._allowed = allowed
        self._resolver = resolver
        self._answer_within = answer_within.total_seconds()
        self._given_tls = tls

    async def check(self, url: str) -> None:
        """Raises `DestinationError` where webhooks may not go, as far as can be told now."""
        await Destination.from_url(url).addresses(self._allowed, self._resolver)

    @asynccontextmanager
    async def to(self, url: str) -> AsyncIterator["Target"]:
        """Connections to one endpoint, which are kept for what comes next."""
        # Nothing of the environment: a proxy would look the name up once more.
        async with httpx.AsyncClient(
            verify=self._tls, trust_env=False, follow_redirects=False, timeout=self._answer_within
        ) as client:
            yield Target(url, client, self._allowed, self._resolver, self._answer_within)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return self._given_tls or ssl.create_default_context()


class Target:
    """An endpoint to send to."""

    def __init__(
        self,
        url: str,
        client: httpx.AsyncClient,
        allowed: Allowed,
        resolver: Resolver,
        answer_within: float,
    ) -> None:
        self._url = url
        self._client = client
        self._allowed = allowed
        self._resolver = resolver
        self._answer_within = answer_within

    async def send(self, webhook_id: str, body: str, secrets: Sequence[str]) -> Answer:
        """Send a body once, signed by each of the secrets; an answer of 2xx means that it was taken."""
        try:
            async with asyncio.timeout(self._answer_within) as limit:
                destination = Destination.from_url(self._url)
                addresses = await destination.addresses(self._allowed, self._resolver)
                request = _Request(destination, _headers(webhook_id, body, secrets), body.encode(), limit)
                for address in addresses[:-1]:
                    with suppress(httpx.ConnectError):
                        return await self._sent_to(address, request)
                return await self._sent_to(addresses[-1], request)
        except DestinationError as error:
            return Answer(None, str(error))
        except TimeoutError:
            return Answer(None, f"no answer within {self._answer_within:g} s")
        except httpx.HTTPError as error:
            return Answer(None, f"no answer ({type(error).__name__})")

    async def _sent_to(self, address: Address, request: "_Request") -> Answer:
        url = request.destination.url
        host = str(address) if address.version == 4 else f"[{address}]"
        sent = self._client.stream(
            "POST",
            url.copy_with(host=host),
            content=request.body,
            headers={"host": url.netloc.decode("ascii"), **request.headers},
            extensions={"sni_hostname": request.destination.host.strip("[]").rstrip(".")},
        )
        async with sent as response:
            # Whoever has answered has answered, however long the rest takes.
            request.limit.reschedule(None)
            with suppress(httpx.HTTPError, TimeoutError):
                async with asyncio.timeout(_READ_WITHIN):
                    await _read(response)
            return _judged(response.status_code)


@dataclass(frozen=True)
class _Request:
    destination: Destination
    headers: dict[str, str]
    body: bytes
    limit: asyncio.Timeout


async def _read(response: httpx.Response) -> None:
    read = 0
    async for part in response.aiter_raw():
        read += len(part)
        if read > _MOST_READ:
            return


def _judged(status: int) -> Answer:
    if 200 <= status < 300:
        return Answer(status)
    if 300 <= status < 400:
        return Answer(status, f"answered {status}: redirects are not followed")
    return Answer(status, f"answered {status}")


def _headers(webhook_id: str, body: str, secrets: Sequence[str]) -> dict[str, str]:
    # The receiver's clock is compared with it, whatever time the workflow has.
    now = datetime.now(UTC)
    return {
        "content-type": "application/json",
        "user-agent": AGENT,
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(webhook_id, now, body) for secret in secrets),
    }
