"""The issuer of `onboarding up` and `idp`: anybody on this machine is whom he says he is. Never for more.

It is an OpenID Connect issuer as far as the front door needs one: it describes itself, publishes its key,
lets people choose a persona (code flow with PKCE), and gives access tokens to clients (RFC 6749 §4.4), of
which each persona is one, without a secret. Its routes are in `idp_routes.py`.
"""

import hmac
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from activities.loopback import is_loopback
from starter.web.callers import CallerRole, ClaimNames
from starter.web.personas import Persona
from starter.web.relying_party import challenge_of

PATH: Final = "/idp"
PAGES_CLIENT: Final = "onboarding-pages"
"""The client ID of the front door's pages."""
TOKEN_LIFE: Final = 12 * 3600
"""Seconds a token given to a client is good for, unless the issuer starts anew: its key is made then."""
ACCESS_LIFE: Final = 300
"""The same for those of the code flow."""
CODE_LIFE: Final = 60
REFRESH_LIFE: Final = 12 * 3600
_ALGORITHM: Final = "ES256"
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_MOST: Final = 10_000
"""Codes, and refresh tokens, that are kept at a time."""


class UnknownClientError(Exception):
    """Nobody is sent back to where he is to be sent; the message says why."""


class GrantError(Exception):
    """A request is refused; ``code`` is that of RFC 6749 §4.1.2.1, §5.2."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code: Final = code


@dataclass(frozen=True)
class Asked:
    """A request for a code, by which somebody is to be sent back (RFC 6749 §4.1.1)."""

    redirect_uri: str
    state: str
    challenge: str
    nonce: str

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Asked":
        """By the address that was called.

        Raises:
            UnknownClientError: it names no client of ours, or no address of this machine.
        """
        if query.get("client_id") != PAGES_CLIENT:
            raise UnknownClientError(f"client_id must be {PAGES_CLIENT}")
        back = query.get("redirect_uri", "")
        try:
            parts = urlsplit(back)
            here = is_loopback(parts.hostname or "") and parts.scheme == "http" and not parts.username
        except ValueError:
            here = False
        if not here or "#" in back or not back.isascii() or not back.isprintable() or len(back) > 500:
            raise UnknownClientError("redirect_uri must be an address of this machine, http://127.0.0.1…")
        return cls(
            redirect_uri=back,
            state=query.get("state", "")[:500],
            challenge=query.get("code_challenge", ""),
            nonce=query.get("nonce", "")[:500],
        )

    def check(self, query: Mapping[str, str]) -> None:
        """Raises GrantError for what can't be answered by a code."""
        if query.get("response_type") != "code":
            raise GrantError("unsupported_response_type", "response_type must be code")
        if "openid" not in query.get("scope", "").split():
            raise GrantError("invalid_scope", "scope must have openid")
        if query.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(self.challenge):
            raise GrantError("invalid_request", "code_challenge is needed, with code_challenge_method=S256")
        # Nobody stays signed in here.
        if "none" in query.get("prompt", "").split():
            raise GrantError("login_required", "somebody has to choose who he is")


@dataclass(frozen=True)
class _Code:
    persona: str
    asked: Asked
    until: float


class DemoIssuer:
    """An issuer with a key of its own."""

    def __init__(
        self,
        address: str,
        personas: Sequence[Persona],
        *,
        audience: str,
        names: ClaimNames,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``address``: that of the front door, ``http://127.0.0.1:8000``.

        Raises ValueError where others than this machine could reach it.
        """
        if not is_loopback(urlsplit(address).hostname or ""):
            raise ValueError(f"{address} is not of this machine only")
        self.issuer: Final = f"{address}{PATH}"
        self._personas = {each.id: each for each in personas}
        self._audience = audience
        self._names = names
        self._clock = clock
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._key_id = f"{time.time_ns():x}"
        self._codes: dict[str, _Code] = {}
        self._refreshing: dict[str, tuple[str, float]] = {}

    @property
    def people(self) -> tuple[Persona, ...]:
        """Who can sign in: a service is no person."""
        return tuple(each for each in self._personas.values() if set(each.roles) != {CallerRole.SERVICE})

    def described(self) -> dict[str, Any]:
        """OpenID Connect Discovery §3."""
        return {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/keys",
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "revocation_endpoint": f"{self.issuer}/revoke",
            "end_session_endpoint": f"{self.issuer}/end-session",
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "scopes_supported": ["openid", "profile", "email"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [_ALGORITHM],
            "token_endpoint_auth_methods_supported": ["none"],
        }

    def keys(self) -> dict[str, Any]:
        """The public key (RFC 7517)."""
        public: dict[str, Any] = jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": self._key_id, "use": "sig", "alg": _ALGORITHM}]}

    def token(self, persona: str) -> str | None:
        """An access token for a client, which each persona is; ``None``: there is no such persona."""
        return self._access(persona, persona, TOKEN_LIFE) if persona in self._personas else None

    def code(self, persona: str, asked: Asked) -> str:
        """By which the client gets the tokens of who has chosen a persona: once, within a minute.

        Raises:
            GrantError: nobody can sign in as this persona.
        """
        if persona not in {each.id for each in self.people}:
            raise GrantError("access_denied", "there is no such persona")
        now = self._clock()
        _make_room(self._codes, [each for each, kept in self._codes.items() if kept.until <= now])
        code = secrets.token_urlsafe(32)
        self._codes[code] = _Code(persona, asked, now + CODE_LIFE)
        return code

    def given(self, form: Mapping[str, str]) -> dict[str, Any]:
        """The answer to a client that asks for tokens.

        Raises:
            GrantError: it gets none.
        """
        match form.get("grant_type"):
            case "client_credentials":
                token = self.token(form.get("client_id", ""))
                if token is None:
                    raise GrantError(
                        "invalid_client", f"client_id must be one of {', '.join(self._personas)}"
                    )
                return {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_LIFE}
            case "authorization_code":
                _check_client(form)
                persona, nonce = self._redeemed(form)
                refresh = secrets.token_urlsafe(32)
                now = self._clock()
                old = [each for each, (_, until) in self._refreshing.items() if until <= now]
                _make_room(self._refreshing, old)
                self._refreshing[refresh] = (persona, now + REFRESH_LIFE)
                return {**self._tokens(persona, nonce), "refresh_token": refresh}
            case "refresh_token":
                _check_client(form)
                persona, until = self._refreshing.get(form.get("refresh_token", ""), ("", 0.0))
                if self._clock() >= until:
                    raise GrantError("invalid_grant", "the refresh token is unknown or has expired")
                return self._tokens(persona, "")
            case _:
                raise GrantError(
                    "unsupported_grant_type",
                    "grant_type must be authorization_code, refresh_token or client_credentials",
                )

    def revoke(self, refresh_token: str) -> None:
        """Nothing is given for it any more."""
        self._refreshing.pop(refresh_token, None)

    def _redeemed(self, form: Mapping[str, str]) -> tuple[str, str]:
        # Once, whatever comes of it.
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or self._clock() >= code.until:
            raise GrantError("invalid_grant", "the code is unknown, used, or has expired")
        if form.get("redirect_uri") != code.asked.redirect_uri:
            raise GrantError("invalid_grant", "redirect_uri is not the one the code was given to")
        shown = challenge_of(form.get("code_verifier", ""))
        if not hmac.compare_digest(shown, code.asked.challenge):
            raise GrantError("invalid_grant", "code_verifier does not fit code_challenge")
        return code.persona, code.asked.nonce

    def _tokens(self, persona: str, nonce: str) -> dict[str, Any]:
        now = int(self._clock())
        identity = self._personas[persona].claims(self._names) | {
            "iss": self.issuer,
            "aud": PAGES_CLIENT,
            "iat": now,
            "exp": now + ACCESS_LIFE,
        }
        if nonce:
            identity["nonce"] = nonce
        return {
            "access_token": self._access(persona, PAGES_CLIENT, ACCESS_LIFE),
            "id_token": self._signed(identity, "JWT"),
            "token_type": "Bearer",
            "expires_in": ACCESS_LIFE,
        }

    def _access(self, persona: str, client: str, life: int) -> str:
        """RFC 9068."""
        now = int(self._clock())
        claims = self._personas[persona].claims(self._names) | {
            "iss": self.issuer,
            "aud": self._audience,
            "iat": now,
            "exp": now + life,
            "client_id": client,
        }
        return self._signed(claims, "at+jwt")

    def _signed(self, claims: Mapping[str, Any], kind: str) -> str:
        headers = {"kid": self._key_id, "typ": kind}
        return jwt.encode(dict(claims), self._key, algorithm=_ALGORITHM, headers=headers)


def _check_client(form: Mapping[str, str]) -> None:
    if form.get("client_id") != PAGES_CLIENT:
        raise GrantError("invalid_client", f"client_id must be {PAGES_CLIENT}")


def _make_room(kept: dict[str, Any], old: Sequence[str]) -> None:
    """Drop the old ones, and the oldest while there are too many."""
    for each in old:
        del kept[each]
    while len(kept) >= _MOST:
        del kept[next(iter(kept))]


async def token_of(http: httpx.AsyncClient, issuer: str, persona: str) -> str:
    """A persona's token, from the issuer of a running `onboarding up` or `onboarding idp`.

    Raises:
        LookupError: there is no such persona; the message names those there are.
        httpx.HTTPError: nothing answers there, or something else.
    """
    asked = {"grant_type": "client_credentials", "client_id": persona}
    response = await http.post(f"{issuer}/token", data=asked)
    if response.status_code == httpx.codes.BAD_REQUEST:
        raise LookupError(str(response.json().get("error_description")))
    response.raise_for_status()
    return str(response.json()["access_token"])
