"""Where webhooks may go: not into our own network, whatever a name resolves to at whichever moment.

A URL is judged when it is saved and again at every attempt, by the addresses its name has then; the
connection goes to an address that was judged, never by another look-up of the name.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

import httpx

SETTING: Final = "ONBOARDING_WEBHOOK_ALLOW"
MOST_CHARACTERS: Final = 2_000
"""Of a URL."""
_NAME: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?")
_NUMBER: Final = re.compile(r"([0-9]+|0x[0-9a-f]*)")

Address: TypeAlias = IPv4Address | IPv6Address
Resolver: TypeAlias = Callable[[str, int], Awaitable[Iterable[str]]]
"""The addresses of a name; raises ``OSError`` where it has none."""


class DestinationError(ValueError):
    """Webhooks may not go there; says why."""


async def resolved(host: str, port: int) -> Iterable[str]:
    """The addresses the system knows of a name."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return dict.fromkeys(str(address[4][0]) for address in found)


@dataclass(frozen=True)
class Allowed:
    """What the operators allow beyond public addresses over HTTPS: hosts by name, and networks."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def from_text(cls, text: str) -> "Allowed":
        """Read hosts, addresses and networks, parted by commas: ``hooks.internal, 10.1.0.0/16, ::1``.

        Raises ValueError that names the part that is neither.
        """
        hosts, networks = set[str](), list[IPv4Network | IPv6Network]()
        for part in filter(None, (each.strip().lower() for each in text.split(","))):
            try:
                networks.append(ip_network(part.strip("[]")))
            except ValueError:
                if not _NAME.fullmatch(part) or _NUMBER.fullmatch(part.rstrip(".").rpartition(".")[2]):
                    raise ValueError(
                        f"{part!r} is no host, address or network, such as hooks.internal or 10.1.0.0/16"
                    ) from None
                hosts.add(part.rstrip("."))
        return cls(frozenset(hosts), tuple(networks))

    def has(self, address: Address) -> bool:
        """Whether the address is in a network that is allowed."""
        return any(address in network for network in self.networks)


@dataclass(frozen=True)
class Destination:
    """A URL that may be judged. ``host``: in ASCII, as it is looked up and as TLS verifies it."""

    url: httpx.URL = field(repr=False)
    host: str
    port: int

    @classmethod
    def from_url(cls, url: str) -> "Destination":
        """Read ``https://host[:port]/path[?query]``.

        Raises `DestinationError`, which does not quote the URL.
        """
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, TypeError):
            raise DestinationError("the URL can't be read, such as https://crm.example.com/hooks") from None
        if parsed.scheme not in {"http", "https"} or not parsed.host:
            raise DestinationError("the URL must begin with https:// and name a host")
        if parsed.userinfo:
            raise DestinationError("the URL must not have a user or password: deliveries are signed")
        if "#" in url:
            raise DestinationError("the URL must not have a fragment (#)")
        if len(url) > MOST_CHARACTERS or not url.isprintable() or " " in url or "\\" in url:
            raise DestinationError(
                f"the URL must be at most {MOST_CHARACTERS} characters, without blanks and backslashes"
            )
        port = (80 if parsed.scheme == "http" else 443) if parsed.port is None else parsed.port
        if not 0 < port < 65536:
            raise DestinationError("the port must be from 1 to 65535")
        host = parsed.raw_host.decode("ascii").lower()
        if _literal(host) is None and (
            not _NAME.fullmatch(host) or _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2])
        ):
            # Such as 2130706433 or 0x7f.1, which resolvers take for addresses.
            raise DestinationError("the host must be a name, or an address in its usual form")
        return cls(parsed, host, port)

    async def addresses(self, allowed: Allowed, resolver: Resolver = resolved) -> tuple[Address, ...]:
        """The addresses to connect to: all that the host has now.

        Raises `DestinationError` where it has none, one of them is not allowed, or it is not HTTPS.
        """
        literal = _literal(self.host)
        if literal is None:
            try:
                named = [_address(text) for text in await resolver(self.host, self.port)]
            # UnicodeError: a label is too long for the system's own encoding.
            except (OSError, UnicodeError):
                named = []
            if not named:
                raise DestinationError("the host can't be resolved to an address")
        else:
            named = [_address(literal)]
        by_name = self.host.rstrip(".") in allowed.hosts
        if self.url.scheme != "https" and not by_name and not all(map(allowed.has, named)):
            raise DestinationError(f"it must be https://, as {SETTING} does not list the host")
        for address in named:
            if not (by_name or allowed.has(address) or _is_public(address)):
                raise DestinationError(
                    f"the host has the address {address}, which is not public, and {SETTING} lists neither"
                )
        return tuple(named)


def _literal(host: str) -> str | None:
    text = host.strip("[]")
    try:
        ip_address(text)
    except ValueError:
        return None
    return text


def _address(text: str) -> Address:
    """An address as it is judged: an IPv4 one that is written as IPv6 is the IPv4 one."""
    address = ip_address(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address):
        if address.sixtofour is not None:
            return _is_public(address.sixtofour)
        if address.is_site_local:
            return False
    return address.is_global and not (
        # Of IPv6 reserved are also the ranges that stand for IPv4 addresses (RFC 6052, RFC 4291 §2.5.5).
        address.is_multicast or address.is_reserved or address.is_private
    )
