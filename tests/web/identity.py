"""An identity provider in memory: its keys, the addresses it publishes them at, and the tokens it signs."""

import time
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from starter.web.callers import ClaimNames
from starter.web.tokens import IssuerKeys, OidcVerifier

ISSUER: Final = "https://login.example"
AUDIENCE: Final = "onboarding"
NOW: Final = 1_000.0


@dataclass
class Clock:
    """Seconds that go on when a test says so."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Issuer:
    """An identity provider; ``keys`` are published, ``down`` answers nothing."""

    keys: dict[str, Any] = field(default_factory=lambda: {"one": _rsa()})
    down: bool = False
    asked: list[str] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)
    described: dict[str, Any] = field(
        default_factory=lambda: {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}
    )
    more_keys: list[Any] = field(default_factory=list)

    @property
    def verifier(self) -> OidcVerifier:
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))
        keys = IssuerKeys(http, ISSUER, clock=self.clock)
        return OidcVerifier(keys, audience=AUDIENCE, names=ClaimNames())

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if self.down:
            raise httpx.ConnectError("refused", request=request)
        if request.url.path == "/.well-known/openid-configuration":
            return httpx.Response(200, json=self.described)
        return httpx.Response(200, json=self.jwks)

    @property
    def jwks(self) -> dict[str, Any]:
        published = [
            {**_public(key), "kid": name, "use": "sig", "alg": _algorithm(key)}
            for name, key in self.keys.items()
        ]
        return {"keys": [*published, *self.more_keys]}

    def token(
        self, key: str = "one", *, headers: dict[str, Any] | None = None, algorithm: str = "", **changes: Any
    ) -> str:
        """A token as the issuer signs it, with claims changed, or left out by ``None``."""
        signing = self.keys[key]
        return jwt.encode(
            self.claims(**changes),
            signing,
            algorithm=algorithm or _algorithm(signing),
            headers={"kid": key, **(headers or {})},
        )

    @staticmethod
    def claims(**changes: Any) -> dict[str, Any]:
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "exp": int(time.time()) + 300,
            "sub": "mei",
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}


def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def another_key() -> rsa.RSAPrivateKey:
    """Nobody's."""
    return _rsa()


def elliptic_key() -> ec.EllipticCurvePrivateKey:
    """For ES256."""
    return ec.generate_private_key(ec.SECP256R1())


def _public(key: Any) -> dict[str, Any]:
    maker: Any = jwt.algorithms.RSAAlgorithm if _algorithm(key) == "RS256" else jwt.algorithms.ECAlgorithm
    public: dict[str, Any] = maker.to_jwk(key.public_key(), as_dict=True)
    return public


def _algorithm(key: Any) -> str:
    return "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
