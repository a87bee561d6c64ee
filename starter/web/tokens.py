"""Bearer tokens: verified by the issuer's keys, which it publishes (OpenID Connect Discovery, RFC 7517).

Only access tokens count (RFC 9068, or as the issuer makes them), signed by a private key, for this audience,
and not expired.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final, Protocol

import httpx
import jwt

from starter.web.callers import Caller, ClaimNames, UnusableClaimsError, caller_of
from starter.web.claims import ALGORITHMS
from starter.web.issuer import IssuerError, read

MAX_TOKEN: Final = 16 * 1024
"""Characters of a token."""
LEEWAY: Final = 30
"""Seconds the issuer's clock may differ from ours."""
KEEP_FOR: Final = 300.0
"""Seconds the issuer's keys are taken as they are; after that they are asked for again."""
KEEP_WITHOUT_ISSUER: Final = 3600.0
"""Seconds they are good for while the issuer does not answer."""
ASK_AGAIN_AFTER: Final = 30.0
"""Seconds before an unknown key has it asked again."""
ASK_FIRST_AFTER: Final = 2.0
"""The same, while it has not answered at all."""
MOST_KNOWN: Final = 1_000
"""Tokens that are known again without another look at their signature."""
_MOST_KEYS: Final = 100
_PUBLIC: Final = frozenset({"RSA", "EC", "OKP"})
_OF_ACCESS: Final = ("jwt", "at+jwt", "application/at+jwt")
_OF_ID: Final = frozenset({"nonce", "at_hash", "c_hash", "s_hash"})
"""Claims that only an ID token has (OpenID Connect Core §2, §3.3.2.11)."""


class InvalidTokenError(Exception):
    """The token opens nothing; the message says why, and repeats nothing of it."""


class Verifier(Protocol):
    """Tells who shows a token."""

    async def caller(self, token: str) -> Caller:
        """Who shows it.

        Raises:
            InvalidTokenError: nobody who is let in.
            IssuerError: nobody can tell now.
        """


@dataclass(frozen=True)
class _Known:
    """Who showed a token that was good, by the issuer's keys as they were read then."""

    caller: Caller
    keys_read_at: float
    expires_at: float


class OidcVerifier:
    """A `Verifier` by the keys of an OpenID Connect issuer.

    Verifying a signature takes as long as a read of the database, so a good token is known again, until it
    expires or the keys are read anew.
    """

    def __init__(self, keys: "IssuerKeys", *, audience: str, names: ClaimNames) -> None:
        self._keys = keys
        self._audience = audience
        self._names = names
        self._known: dict[bytes, _Known] = {}

    async def caller(self, token: str) -> Caller:
        """As `Verifier.caller`."""
        if len(token) > MAX_TOKEN:
            raise InvalidTokenError("it is too long")
        keys_read_at = await self._keys.read_at()
        shown = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        known = self._known.get(shown)
        if known and known.keys_read_at == keys_read_at and time.time() < known.expires_at:
            return known.caller
        caller, expires_at = await self._verified(token)
        if len(self._known) >= MOST_KNOWN:
            self._known.pop(next(iter(self._known)))
        self._known[shown] = _Known(caller, keys_read_at, expires_at)
        return caller

    async def _verified(self, token: str) -> tuple[Caller, float]:
        """Who shows it, and until when he may."""
        kind, claims = await verified(token, self._keys, self._audience, _OF_ACCESS)
        if kind == "jwt" and (claims.get("typ") == "ID" or not _OF_ID.isdisjoint(claims)):
            raise InvalidTokenError("it is an ID token; an access token is needed")
        try:
            expires_at = int(claims["exp"]) + LEEWAY
            return replace(caller_of(claims, self._names), expires_at=expires_at), expires_at
        except UnusableClaimsError as error:
            raise InvalidTokenError(str(error)) from None


async def verified(
    token: str, keys: "IssuerKeys", audience: str, kinds: Collection[str]
) -> tuple[str, Mapping[str, Any]]:
    """The ``typ`` of a token, in small letters, and what it says.

    Raises:
        InvalidTokenError: it is not the issuer's, not for this audience, of no such ``typ``, or has expired.
        IssuerError: nobody can tell now.
    """
    if len(token) > MAX_TOKEN:
        raise InvalidTokenError("it is too long")
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise InvalidTokenError("it is no JSON Web Token") from None
    algorithm, kind = header.get("alg"), header.get("typ", "JWT")
    if algorithm not in ALGORITHMS:
        raise InvalidTokenError(f"its alg must be one of {', '.join(ALGORITHMS)}")
    if not isinstance(kind, str) or kind.lower() not in kinds:
        raise InvalidTokenError(f"its typ must be one of {', '.join(kinds)}")
    key = await keys.key(header.get("kid"), algorithm)
    if key is None:
        raise InvalidTokenError("it is signed by no key of the issuer")
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=ALGORITHMS,
            issuer=keys.issuer,
            audience=audience,
            leeway=LEEWAY,
            options={"require": ["exp", "iss", "aud", "sub"], "enforce_minimum_key_length": True},
        )
    except jwt.ExpiredSignatureError:
        raise InvalidTokenError("it has expired") from None
    except jwt.MissingRequiredClaimError as error:
        raise InvalidTokenError(f"it has no {error.claim}") from None
    except jwt.InvalidAudienceError:
        raise InvalidTokenError(f"its aud is not {audience!r}") from None
    except jwt.InvalidIssuerError:
        raise InvalidTokenError(f"its iss is not {keys.issuer!r}") from None
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
        raise InvalidTokenError("its signature, or a time in it, is wrong") from None
    return kind.lower(), claims


class IssuerKeys:
    """The public keys of an issuer, asked for when they are needed, and kept for a while."""

    def __init__(
        self, http: httpx.AsyncClient, issuer: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``http``: follows no redirects; ``clock``: seconds that only go on."""
        self.issuer: Final = issuer
        self._http = http
        self._clock = clock
        self._description: Mapping[str, Any] = {}
        self._keys: tuple[Mapping[str, Any], ...] = ()
        self._made: dict[tuple[object, str], jwt.PyJWK] = {}
        self._read_at: float | None = None
        self._asked_at: float | None = None
        self._problem = ""
        self._asking = asyncio.Lock()

    async def key(self, key_id: object, algorithm: str) -> jwt.PyJWK | None:
        """The key of this ID for this algorithm; ``None``: the issuer has none, or several without an ID.

        Raises:
            IssuerError: it did not answer.
        """
        await self.read_at()
        found = self._found(key_id, algorithm)
        if found is None:
            # The issuer may have changed its keys.
            await self._ask()
            found = self._found(key_id, algorithm)
        return found

    async def described(self) -> Mapping[str, Any]:
        """How the issuer describes itself (OpenID Connect Discovery §3).

        Raises:
            IssuerError: it did not answer.
        """
        await self.read_at()
        return self._description

    async def read_at(self) -> float:
        """When what counts now was read, by the clock; it is read anew if that is long ago.

        Raises:
            IssuerError: it did not answer.
        """
        if self._age() >= KEEP_FOR:
            await self._ask()
        if self._read_at is None or self._age() >= KEEP_WITHOUT_ISSUER:
            raise IssuerError(self._problem)
        return self._read_at

    async def check(self) -> None:
        """Ask for the keys if there are none.

        Raises:
            IssuerError: it did not answer.
        """
        if self._read_at is None:
            await self._ask()
        if self._age() >= KEEP_WITHOUT_ISSUER:
            raise IssuerError(self._problem)

    def _age(self) -> float:
        return float("inf") if self._read_at is None else self._clock() - self._read_at

    def _found(self, key_id: object, algorithm: str) -> jwt.PyJWK | None:
        if not isinstance(key_id, str | None):
            return None
        if made := self._made.get((key_id, algorithm)):
            return made
        fitting = []
        for each in self._keys:
            if key_id is not None and each.get("kid") != key_id:
                continue
            if each.get("alg", algorithm) != algorithm or each.get("use", "sig") != "sig":
                continue
            try:
                fitting.append(jwt.PyJWK({**each}, algorithm))
            # A key of another kind than the algorithm's, or none at all.
            except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
                continue
        if len(fitting) != 1:
            return None
        return self._made.setdefault((key_id, algorithm), fitting[0])

    async def _ask(self) -> None:
        """Read the keys anew, but not for everybody who asks; what fails is told by who needs them."""
        asked_at = self._asked_at
        async with self._asking:
            if self._asked_at != asked_at:
                return
            pause = ASK_FIRST_AFTER if self._read_at is None else ASK_AGAIN_AFTER
            if asked_at is not None and self._clock() - asked_at < pause:
                return
            try:
                self._description, self._keys = await self._published()
                self._made = {}
                self._read_at = self._clock()
            except IssuerError as error:
                self._problem = str(error)
            finally:
                self._asked_at = self._clock()

    async def _published(self) -> tuple[Mapping[str, Any], tuple[Mapping[str, Any], ...]]:
        described = await read(self._http, f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        if described.get("issuer") != self.issuer:
            raise IssuerError(f"The issuer at {self.issuer} calls itself otherwise; name it as it does")
        address = endpoint(described, "jwks_uri")
        if address is None:
            raise IssuerError(f"{self.issuer} names no jwks_uri")
        keys = (await read(self._http, address)).get("keys")
        if not isinstance(keys, list):
            raise IssuerError(f"{address} gives no keys")
        usable = (each for each in keys if isinstance(each, Mapping) and each.get("kty") in _PUBLIC)
        return described, tuple(islice(usable, _MOST_KEYS))


def endpoint(described: Mapping[str, Any], name: str) -> str | None:
    """An address of the issuer's, of those it names in its description; ``None``: it names none.

    Raises:
        IssuerError: it is less protected than the issuer itself.
    """
    address = described.get(name)
    if not isinstance(address, str):
        return None
    if str(described["issuer"]).startswith("https:") and not address.startswith("https:"):
        raise IssuerError(f"{described['issuer']} has its {name} unprotected, at {address}")
    return address
