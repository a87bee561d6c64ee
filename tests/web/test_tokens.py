"""Which tokens open the front door, and which do not."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from starter.web.callers import CallerRole
from starter.web.issuer import IssuerError
from starter.web.tokens import (
    ASK_AGAIN_AFTER,
    ASK_FIRST_AFTER,
    KEEP_FOR,
    KEEP_WITHOUT_ISSUER,
    LEEWAY,
    MAX_TOKEN,
    InvalidTokenError,
)
from tests.web.identity import AUDIENCE, ISSUER, Issuer, another_key, elliptic_key


@pytest.fixture(scope="module")
def keys() -> dict[str, Any]:
    return Issuer().keys


@pytest.fixture
def issuer(keys: dict[str, Any]) -> Issuer:
    return Issuer(keys=dict(keys))


async def test_a_token_says_who_is_calling(issuer: Issuer) -> None:
    token = issuer.token(
        name="Mei Lin",
        email="mei@lincloud.example",
        email_verified=True,
        onboarding_roles=["partner", "gardener", "bd"],
        onboarding_uids=["5123456789"],
        azp="crm",
    )
    caller = await issuer.verifier.caller(token)
    expires = jwt.decode(token, options={"verify_signature": False})["exp"]
    assert caller.expires_at == expires + LEEWAY
    assert (caller.subject, caller.name, caller.email) == ("mei", "Mei Lin", "mei@lincloud.example")
    assert caller.roles == (CallerRole.PARTNER, CallerRole.BD)
    assert caller.uids == {"5123456789"}
    assert caller.client == "crm"


def _encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def _unsigned(issuer: Issuer) -> str:
    return f"{_encoded({'alg': 'none', 'typ': 'JWT', 'kid': 'one'})}.{_encoded(issuer.claims())}."


def _unsigned_in_capitals(issuer: Issuer) -> str:
    return f"{_encoded({'alg': 'NONE', 'typ': 'JWT', 'kid': 'one'})}.{_encoded(issuer.claims())}."


def _by_public_key(issuer: Issuer) -> str:
    """HMAC with what everybody knows as its secret; PyJWT itself refuses to make it."""
    public = issuer.keys["one"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{_encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': 'one'})}.{_encoded(issuer.claims())}"
    signature = hmac.new(public, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def _by_another(issuer: Issuer) -> str:
    return jwt.encode(issuer.claims(), another_key(), algorithm="RS256", headers={"kid": "one"})


def _its_own_key(issuer: Issuer) -> str:
    """A key of the sender's, in the header."""
    mine = another_key()
    public = jwt.algorithms.RSAAlgorithm.to_jwk(mine.public_key(), as_dict=True)
    headers = {"kid": "one", "jwk": public, "jku": "https://evil.example/keys"}
    return jwt.encode(issuer.claims(), mine, algorithm="RS256", headers=headers)


def _changed(issuer: Issuer) -> str:
    header, _, signature = issuer.token().split(".")
    return f"{header}.{_encoded(issuer.claims(onboarding_roles=['ops']))}.{signature}"


REFUSED: dict[str, tuple[Callable[[Issuer], str], str]] = {
    "alg none": (_unsigned, "alg"),
    "alg NONE": (_unsigned_in_capitals, "alg"),
    "HS256 by the public key": (_by_public_key, "alg"),
    "signed by another": (_by_another, "signature"),
    "a key of its own": (_its_own_key, "signature"),
    "changed after signing": (_changed, "signature"),
    "expired": (lambda issuer: issuer.token(exp=int(time.time()) - 60), "expired"),
    "not yet": (lambda issuer: issuer.token(nbf=int(time.time()) + 300), "time"),
    "without exp": (lambda issuer: issuer.token(exp=None), "no exp"),
    "without iss": (lambda issuer: issuer.token(iss=None), "no iss"),
    "without aud": (lambda issuer: issuer.token(aud=None), "no aud"),
    "without sub": (lambda issuer: issuer.token(sub=None), "no sub"),
    "of another issuer": (lambda issuer: issuer.token(iss="https://evil.example"), "iss"),
    "of an issuer whose name begins alike": (
        lambda issuer: issuer.token(iss=f"{ISSUER}.evil.example"),
        "iss",
    ),
    "for another audience": (lambda issuer: issuer.token(aud="billing"), "aud"),
    "an ID token": (lambda issuer: issuer.token(nonce="n"), "ID token"),
    "an ID token with at_hash": (lambda issuer: issuer.token(at_hash="h"), "ID token"),
    "an ID token as Keycloak says": (lambda issuer: issuer.token(typ="ID"), "ID token"),
    "of another type": (lambda issuer: issuer.token(headers={"typ": "logout+jwt"}), "typ"),
    "a type that is no text": (lambda issuer: _typed(issuer, 7), "JSON Web Token|typ"),
    "a key it does not have": (lambda issuer: issuer.token(headers={"kid": "two"}), "no key"),
    "another algorithm of the key": (lambda issuer: issuer.token(algorithm="RS512"), "no key"),
    "a subject no trail can hold": (lambda issuer: issuer.token(sub="a\nb"), "sub"),
    "too long": (lambda issuer: issuer.token(name="x" * MAX_TOKEN), "too long"),
    "no token": (lambda issuer: "abc", "no JSON Web Token"),
    "nothing": (lambda issuer: "", "no JSON Web Token"),
    "not ASCII": (lambda issuer: "é.é.é", "no JSON Web Token"),
    "an exp that is no number": (lambda issuer: issuer.token(exp="soon"), "time"),
    "an exp beyond numbers": (lambda issuer: _forever(issuer), "time|expired"),
}


def _typed(issuer: Issuer, kind: Any) -> str:
    _, claims, signature = issuer.token().split(".")
    return f"{_encoded({'alg': 'RS256', 'typ': kind, 'kid': 'one'})}.{claims}.{signature}"


def _forever(issuer: Issuer) -> str:
    return issuer.token(exp=-(10**30))


@pytest.mark.parametrize("name", REFUSED)
async def test_a_token_that_opens_nothing(issuer: Issuer, name: str) -> None:
    make, reason = REFUSED[name]
    with pytest.raises(InvalidTokenError, match=reason):
        await issuer.verifier.caller(make(issuer))


@pytest.mark.parametrize("kind", ["at+jwt", "AT+JWT", "application/at+jwt", "JWT"])
async def test_access_tokens_are_named_in_several_ways(issuer: Issuer, kind: str) -> None:
    assert (await issuer.verifier.caller(issuer.token(headers={"typ": kind}))).subject == "mei"


async def test_a_token_for_several_audiences_is_for_us_too(issuer: Issuer) -> None:
    assert (await issuer.verifier.caller(issuer.token(aud=["billing", AUDIENCE]))).subject == "mei"


async def test_an_elliptic_key_serves_as_well(issuer: Issuer) -> None:
    issuer.keys["curve"] = elliptic_key()
    assert (await issuer.verifier.caller(issuer.token("curve"))).subject == "mei"


async def test_keys_that_are_no_public_ones_are_passed_over(issuer: Issuer) -> None:
    secret = base64.urlsafe_b64encode(b"x" * 64).decode().rstrip("=")
    issuer.more_keys = [
        {"kty": "oct", "k": secret, "kid": "secret", "alg": "HS256"},
        {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
        "no key",
        {"kty": "EC"},
    ]
    verifier = issuer.verifier
    assert (await verifier.caller(issuer.token())).subject == "mei"
    shared = jwt.encode(issuer.claims(), b"x" * 64, algorithm="HS256", headers={"kid": "secret"})
    with pytest.raises(InvalidTokenError, match="alg"):
        await verifier.caller(shared)
    with pytest.raises(InvalidTokenError, match="no key"):
        await verifier.caller(issuer.token(headers={"kid": "broken"}))


async def test_keys_are_kept_and_asked_for_again_when_one_is_new(issuer: Issuer) -> None:
    verifier = issuer.verifier
    await asyncio.gather(*(verifier.caller(issuer.token()) for _ in range(20)))
    assert len(issuer.asked) == 2, "the description and the keys, once"
    issuer.keys = {"two": another_key()}
    issuer.clock.now += ASK_AGAIN_AFTER
    assert (await verifier.caller(issuer.token("two"))).subject == "mei"
    assert len(issuer.asked) == 4


async def test_unknown_keys_do_not_make_us_ask_each_time(issuer: Issuer) -> None:
    verifier = issuer.verifier
    await verifier.caller(issuer.token())
    for number in range(50):
        with pytest.raises(InvalidTokenError):
            await verifier.caller(issuer.token(headers={"kid": f"made up {number}"}))
    assert len(issuer.asked) == 2


async def test_a_key_that_is_withdrawn_opens_nothing_any_more(issuer: Issuer) -> None:
    verifier = issuer.verifier
    token = issuer.token()
    await verifier.caller(token)
    issuer.keys = {"two": another_key()}
    issuer.clock.now += KEEP_FOR
    with pytest.raises(InvalidTokenError, match="no key"):
        await verifier.caller(token)


async def test_a_token_that_is_known_is_not_verified_again(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier, token = issuer.verifier, issuer.token()
    caller = await verifier.caller(token)
    monkeypatch.setattr(jwt, "decode", None)
    assert await verifier.caller(token) == caller
    for other in (token[:-2], issuer.token(sub="wei")):
        with pytest.raises(InvalidTokenError):
            await verifier.caller(other)


async def test_a_known_token_expires(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    verifier, token = issuer.verifier, issuer.token()
    expires_at = (await verifier.caller(token)).expires_at
    assert expires_at is not None
    monkeypatch.setattr("starter.web.tokens.time.time", lambda: expires_at - 1)
    assert (await verifier.caller(token)).subject == "mei"
    monkeypatch.setattr("starter.web.tokens.time.time", lambda: expires_at)
    monkeypatch.setattr(jwt, "decode", None)
    with pytest.raises(InvalidTokenError):
        await verifier.caller(token)


async def test_tokens_are_not_remembered_without_end(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("starter.web.tokens.MOST_KNOWN", 2)
    verifier, tokens = issuer.verifier, [issuer.token(jti=str(number)) for number in range(3)]
    for token in tokens:
        await verifier.caller(token)
    monkeypatch.setattr(jwt, "decode", None)
    for token in tokens[1:]:
        await verifier.caller(token)
    with pytest.raises(InvalidTokenError):
        await verifier.caller(tokens[0])


async def test_while_the_issuer_is_down_known_keys_count_for_a_while(issuer: Issuer) -> None:
    verifier = issuer.verifier
    await verifier.caller(issuer.token())
    issuer.down = True
    issuer.clock.now += KEEP_WITHOUT_ISSUER - 1
    assert (await verifier.caller(issuer.token())).subject == "mei"
    issuer.clock.now += ASK_AGAIN_AFTER
    with pytest.raises(IssuerError, match="does not answer"):
        await verifier.caller(issuer.token())
    issuer.down = False
    issuer.clock.now += ASK_AGAIN_AFTER
    assert (await verifier.caller(issuer.token())).subject == "mei"


async def test_an_issuer_that_has_never_answered_is_asked_again_soon(issuer: Issuer) -> None:
    issuer.down = True
    verifier = issuer.verifier
    with pytest.raises(IssuerError):
        await verifier.caller(issuer.token())
    issuer.down = False
    issuer.clock.now += ASK_FIRST_AFTER
    assert (await verifier.caller(issuer.token())).subject == "mei"


@pytest.mark.parametrize(
    ("described", "reason"),
    [
        ({"issuer": "https://other.example", "jwks_uri": f"{ISSUER}/keys"}, "calls itself otherwise"),
        ({"issuer": ISSUER}, "no jwks_uri"),
        ({"issuer": ISSUER, "jwks_uri": "https://login.example:port"}, "does not answer"),
        ({"issuer": ISSUER, "jwks_uri": "http://login.example/keys"}, "unprotected"),
        ([], "no JSON object"),
    ],
)
async def test_an_issuer_that_describes_itself_wrongly(issuer: Issuer, described: Any, reason: str) -> None:
    issuer.described = described
    with pytest.raises(IssuerError, match=reason):
        await issuer.verifier.caller(issuer.token())
