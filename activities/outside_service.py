"""Where an outside service is, taken from its setting, and the HTTP client that asks it."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import httpx

_EXAMPLE: Final = "such as https://accounts.example.com/v1"


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
        return cls(parsed.copy_with(userinfo=b""), auth)

    def client(self, timeout: timedelta) -> httpx.AsyncClient:
        """A client for paths below the base URL; ``timeout``: for connecting, and for each read."""
        # The password must not be in the URL: httpx logs that of each request, and has it in its errors,
        # which end up in Temporal's history.
        return httpx.AsyncClient(base_url=self.url, auth=self.auth, timeout=timeout.total_seconds())
