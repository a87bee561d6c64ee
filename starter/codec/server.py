"""The remote codec of Temporal's Web UI and CLI: they send it payloads, it answers with them decrypted.

Protocol: ``POST /decode`` and ``/encode``, both ways `temporalio.api.common.v1.Payloads` in JSON.
What can't be decrypted comes back as it is, so that a page shows everything else. Who asked is logged, and of
what he asked for only how many payloads there were.
"""

import asyncio
import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import jwt
from google.protobuf import json_format
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import PayloadCodec

from starter.web.claims import ALGORITHMS, words

MAX_BODY_BYTES: Final = 8 * 1024 * 1024
"""Temporal refuses messages over 4 MiB, which base64 makes a third larger."""
_BEARER: Final = "bearer "
_MOST_PORT: Final = 65_535

log: Final = logging.getLogger("onboarding.codec")

_LONGEST: Final = 200
"""Characters of a name in the log."""


class Right(StrEnum):
    """What a caller may do."""

    DECODE = "decode"
    """Read: have payloads decrypted."""
    ENCODE = "encode"
    """Write: have payloads encrypted, which workers then take for a sender's with the keys."""


@dataclass(frozen=True)
class Caller:
    """Who asks; ``name`` is what the log says of him."""

    name: str
    rights: frozenset[Right]


Admits = Callable[[str], Caller | None]
"""Who shows this bearer token, if he is let in; it may block, and raise `IssuerError`."""
Codes = Callable[[Sequence[Payload]], Awaitable[list[Payload]]]
_THIS_MACHINE: Final = Caller("this machine", frozenset(Right))


class IssuerError(Exception):
    """The issuer's keys can't be had now, so nobody's token can be judged."""


def codec_app(codec: PayloadCodec, *, origins: Collection[str], admits: Admits | None) -> Starlette:
    """The service.

    ``origins``: the pages that may ask, exactly as browsers name them (``https://temporal.example.com``).
    ``admits``: ``None`` lets everybody in who can reach the port.
    """
    return Starlette(
        routes=[
            Route("/encode", _endpoint(Right.ENCODE, codec.encode, origins, admits), methods=["POST"]),
            Route("/decode", _endpoint(Right.DECODE, codec.decode, origins, admits), methods=["POST"]),
        ],
        middleware=[
            Middleware(
                CORSMiddleware,
                allow_origins=sorted(origins),
                allow_methods=["POST"],
                allow_headers=["Authorization", "Content-Type", "X-Namespace"],
                allow_credentials=True,
                # A browser asks before a public page may call a server on this machine.
                allow_private_network=True,
            )
        ],
    )


def shared_tokens(tokens: Mapping[str, Caller]) -> Admits:
    """Who shows one of these very tokens is let in as its caller."""
    expected = [(token.encode(), caller) for token, caller in tokens.items()]

    def admits(shown: str) -> Caller | None:
        # All are compared, so that the time it takes tells nothing.
        same = [caller for token, caller in expected if hmac.compare_digest(shown.encode(), token)]
        return next(iter(same), None)

    return admits


@dataclass(frozen=True)
class Roles:
    """Which roles give which right.

    Attributes:
        claim: where a token names them: a claim, or a path to one within others (``realm_access.roles``); a
            list, or words in one text.
        read: the role that reads; ``None``: whoever the token is for.
        write: the role that writes as well; ``None``: nobody.
    """

    claim: str = "roles"
    read: str | None = None
    write: str | None = None

    def rights(self, claims: Mapping[str, Any]) -> frozenset[Right]:
        """What who shows these claims may do."""
        named = words(claims, self.claim)
        if self.write is not None and self.write in named:
            return frozenset(Right)
        return frozenset({Right.DECODE} if self.read is None or self.read in named else ())


def oidc_tokens(jwks: str, *, issuer: str, audience: str, roles: Roles) -> Admits:
    """Who shows a token of this issuer, for this audience and not expired, is let in (OpenID Connect).

    ``jwks``: the issuer's public keys, a file or an ``http(s)://`` address; that is asked again every five
    minutes and, at most twice a minute, for a key it has not named yet. What answers there without keys, or
    not at all, is an `IssuerError` whenever they are needed.

    Raises ValueError when the file holds no keys.
    """
    key_of = _keys_at(jwks) if urlsplit(jwks).scheme in {"http", "https"} else _keys_in(Path(jwks))

    def admits(shown: str) -> Caller | None:
        try:
            claims = jwt.decode(
                shown,
                key_of(shown),
                algorithms=ALGORITHMS,
                issuer=issuer,
                audience=audience,
                options={"require": ["exp", "iss", "aud"]},
            )
        except (jwt.PyJWTError, KeyError):
            return None
        return Caller(f"subject {claims.get('sub')}", roles.rights(claims))

    return admits


class _IssuerKeys(jwt.PyJWKClient):
    """Tells an issuer that does not answer with keys from a token that names none of them."""

    def fetch_data(self) -> Any:
        try:
            return super().fetch_data()
        # A page instead of JSON is a ValueError, a connection lost on the way an OSError.
        except (jwt.PyJWTError, ValueError, OSError) as error:
            raise IssuerError(f"{self.uri} gives no keys: {error}") from None


def _keys_at(address: str) -> Callable[[str], jwt.PyJWK]:
    return _IssuerKeys(address, timeout=5).get_signing_key_from_jwt


def _keys_in(file: Path) -> Callable[[str], jwt.PyJWK]:
    try:
        keys = jwt.PyJWKSet.from_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, AttributeError, jwt.PyJWTError) as error:
        raise ValueError(f"{file} holds no JSON Web Key Set: {error}") from None
    return lambda shown: keys[jwt.get_unverified_header(shown)["kid"]]


def exact_origin(value: str) -> str:
    """An origin as browsers name it (RFC 6454 §6.2). Raises ValueError for anything else, ``*`` included."""
    try:
        url = httpx.URL(value)
    except httpx.InvalidURL:
        url = httpx.URL()
    # Its netloc is what a browser makes of it: lower case, no user, no port that goes without saying.
    named = f"{url.scheme}://{url.netloc.decode()}"
    port_exists = url.port is None or 0 < url.port <= _MOST_PORT
    if url.scheme not in {"http", "https"} or not url.host or not port_exists or value != named:
        raise ValueError(
            f"{value!r} is not an origin as browsers send it, such as http://localhost:8233 (lower case,"
            f" a port up to {_MOST_PORT} but not the usual one, no user, no path, no '/' at the end)"
        )
    return value


def _endpoint(
    right: Right, code: Codes, origins: Collection[str], admits: Admits | None
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        origin = request.headers.get("origin")
        if origin is not None and origin not in origins:
            raise HTTPException(403, "This page may not ask; its origin is not one of --origin.")
        caller = _THIS_MACHINE if admits is None else await _admitted(request, admits)
        if caller is None:
            raise HTTPException(401, "A token is needed.", {"WWW-Authenticate": "Bearer"})
        who = ascii(caller.name[:_LONGEST])
        if right not in caller.rights:
            log.warning("%s refused: no right for %s", right, who)
            raise HTTPException(403, f"This token gives no right to {right}.")
        payloads = _parsed(await _body(request))
        coded = Payloads(payloads=await code(payloads.payloads))
        namespace = ascii(request.headers.get("x-namespace", "-")[:_LONGEST])
        log.info("%s for %s: payloads %d, namespace %s", right, who, len(coded.payloads), namespace)
        return JSONResponse(json_format.MessageToDict(coded), headers={"Cache-Control": "no-store"})

    return answer


async def _admitted(request: Request, admits: Admits) -> Caller | None:
    shown = request.headers.get("authorization", "")
    if not shown.lower().startswith(_BEARER):
        return None
    try:
        # An issuer may be asked for its keys.
        return await asyncio.to_thread(admits, shown[len(_BEARER) :].strip())
    except IssuerError as error:
        log.warning("No token can be judged: %s", error)
        raise HTTPException(503, "The issuer's keys can't be had now; try again later.") from None


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise HTTPException(413, f"More than {MAX_BODY_BYTES} bytes.")
    except ClientDisconnect:
        raise HTTPException(400, "The request broke off.") from None
    return bytes(body)


def _parsed(body: bytes) -> Payloads:
    try:
        document: Any = json.loads(body)
        if not isinstance(document, dict):
            raise TypeError
        return json_format.ParseDict(document, Payloads(), ignore_unknown_fields=True)
    # What is no JSON, no object, nested too deeply, or not of these fields.
    except (ValueError, RecursionError, AttributeError, TypeError, json_format.ParseError):
        raise HTTPException(400, 'Expected {"payloads": [...]}, as Temporal writes it.') from None
