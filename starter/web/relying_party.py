"""Signing people in at the issuer: the code flow with PKCE (OpenID Connect Core §3.1, RFC 7636).

Who somebody is stands in the ID token. What it leaves out of his roles is asked for at the issuer's userinfo
endpoint, as some issuers keep ID tokens small.
"""

import base64
import hashlib
import hmac
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import httpx

from starter.web.callers import Caller, ClaimNames, UnusableClaimsError, caller_of
from starter.web.claims import words
from starter.web.issuer import Answer, IssuerError, answer_of, read
from starter.web.tokens import InvalidTokenError, IssuerKeys, endpoint, verified

log: Final = logging.getLogger("onboarding.web.sign_in")

_OF_IDENTITY: Final = ("jwt",)


class SignInError(Exception):
    """Nobody is signed in; the message says why, and is for the log."""


@dataclass(frozen=True)
class Registration:
    """As whom the pages are known to the issuer.

    Attributes:
        callback: the address people come back to from it.
        secret: none for a public client, which PKCE alone protects.
    """

    client_id: str
    callback: str
    secret: str | None = None
    scope: str = "openid profile email"


@dataclass(frozen=True)
class Begun:
    """A sign-in under way: what only the browser that began it has.

    Attributes:
        to: where it leads, below the pages' own address.
        at: seconds since 1970.
    """

    state: str
    nonce: str
    verifier: str
    to: str
    at: int

    @classmethod
    def now(cls, to: str, at: int) -> "Begun":
        """With secrets nobody has seen."""
        return cls(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48), to, at)

    @property
    def challenge(self) -> str:
        """Of the verifier, by S256."""
        return challenge_of(self.verifier)


def challenge_of(verifier: str) -> str:
    """What is shown of a verifier before it is (RFC 7636 §4.2, S256)."""
    digest = hashlib.sha256(verifier.encode("ascii", "replace")).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


@dataclass(frozen=True)
class Identified:
    """Who has signed in, by the issuer's word; ``refresh_token``: what that word is asked for again with."""

    caller: Caller
    id_token: str
    refresh_token: str | None


class RelyingParty:
    """The pages, as the issuer sees them."""

    def __init__(
        self, http: httpx.AsyncClient, keys: IssuerKeys, registration: Registration, names: ClaimNames
    ) -> None:
        self.issuer: Final = keys.issuer
        self._http = http
        self._keys = keys
        self._registration = registration
        self._names = names

    async def begin(self, begun: Begun) -> str:
        """The address at the issuer where somebody signs in.

        Raises:
            IssuerError: it can't be asked.
        """
        return _with_query(
            await self._needed("authorization_endpoint"),
            response_type="code",
            client_id=self._registration.client_id,
            redirect_uri=self._registration.callback,
            scope=self._registration.scope,
            state=begun.state,
            nonce=begun.nonce,
            code_challenge=begun.challenge,
            code_challenge_method="S256",
        )

    async def identified(self, returned: Mapping[str, str], begun: Begun) -> Identified:
        """Who has come back from the issuer, by the query of the address he came back to.

        Raises:
            SignInError: nobody who is let in.
            IssuerError: it can't be asked.
        """
        if not hmac.compare_digest(returned.get("state", "").encode(), begun.state.encode()):
            raise SignInError("the state is not this browser's")
        # RFC 9207: an answer of another issuer.
        if returned.get("iss", self.issuer) != self.issuer:
            raise SignInError("the answer is another issuer's")
        if "error" in returned:
            raise SignInError(f"the issuer refused: {returned['error'][:100]!r}")
        given = await self._tokens(
            grant_type="authorization_code",
            code=returned.get("code", ""),
            redirect_uri=self._registration.callback,
            code_verifier=begun.verifier,
        )
        claims = await self._claims(given)
        nonce = claims.get("nonce")
        if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), begun.nonce.encode()):
            raise SignInError("the ID token is not for this sign-in")
        return await self._known(claims, given, None)

    async def again(self, caller: Caller, refresh_token: str) -> Identified:
        """The same person, as the issuer knows him now.

        Raises:
            SignInError: he is not signed in there any more.
            IssuerError: it can't be asked.
        """
        given = await self._tokens(grant_type="refresh_token", refresh_token=refresh_token)
        claims = await self._claims(given)
        if claims["sub"] != caller.subject:
            raise SignInError("the issuer names somebody else")
        return await self._known(claims, given, refresh_token)

    async def end(self, identified: Identified, back: str) -> str | None:
        """Take back what the issuer has given, and say where one signs out there, to come back to ``back``.

        What it does not answer is let be: what it gave runs out.
        """
        try:
            described = await self._keys.described()
            leaving = endpoint(described, "end_session_endpoint")
            revoking = endpoint(described, "revocation_endpoint")
        except IssuerError as error:
            log.warning("Signing out: %s", error)
            return None
        if revoking and identified.refresh_token:
            form = {"token": identified.refresh_token, "token_type_hint": "refresh_token"}
            try:
                await self._post(revoking, form)
            except IssuerError as error:
                log.warning("Signing out: %s", error)
        if leaving is None:
            return None
        hint = {"id_token_hint": identified.id_token} if identified.id_token else {}
        return _with_query(
            leaving, client_id=self._registration.client_id, post_logout_redirect_uri=back, **hint
        )

    async def _needed(self, name: str) -> str:
        address = endpoint(await self._keys.described(), name)
        if address is None:
            raise IssuerError(f"{self.issuer} names no {name}")
        return address

    async def _tokens(self, **form: str) -> Mapping[str, Any]:
        answer = await self._post(await self._needed("token_endpoint"), form)
        if answer.status == httpx.codes.OK:
            return answer.content
        error = str(answer.content.get("error"))[:100]
        # What the person can't help is told otherwise than that he has to sign in.
        if not 400 <= answer.status < 500 or error in {"invalid_client", "unauthorized_client"}:
            raise IssuerError(f"{self.issuer} gives no tokens: {answer.status} {error!r}")
        raise SignInError(f"the issuer gives no tokens: {error!r}")

    async def _post(self, address: str, form: Mapping[str, str]) -> Answer:
        client_id, secret = self._registration.client_id, self._registration.secret
        if secret is None:
            return await answer_of(self._http, address, form={**form, "client_id": client_id})
        # RFC 6749 §2.3.1: by Basic unless the issuer takes none such.
        methods = (await self._keys.described()).get("token_endpoint_auth_methods_supported")
        if isinstance(methods, list) and "client_secret_basic" not in methods:
            form = {**form, "client_id": client_id, "client_secret": secret}
            return await answer_of(self._http, address, form=form)
        return await answer_of(
            self._http, address, form=form, auth=(quote(client_id, safe=""), quote(secret, safe=""))
        )

    async def _claims(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the ID token says, once it is known to be one for us."""
        token = given.get("id_token")
        if not isinstance(token, str):
            raise SignInError("the issuer gives no ID token")
        client_id = self._registration.client_id
        try:
            _, claims = await verified(token, self._keys, client_id, _OF_IDENTITY)
        except InvalidTokenError as error:
            raise SignInError(f"the ID token opens nothing: {error}") from None
        # OpenID Connect Core §3.1.3.7: made for another client, though for us as well.
        if claims.get("azp", client_id) != client_id:
            raise SignInError("the ID token is another client's")
        return claims

    async def _known(
        self, claims: Mapping[str, Any], given: Mapping[str, Any], refresh_token: str | None
    ) -> Identified:
        if not words(claims, self._names.roles):
            claims = {**await self._userinfo(claims["sub"], given), **claims}
        try:
            caller = caller_of({**claims, "azp": self._registration.client_id}, self._names)
        except UnusableClaimsError as error:
            raise SignInError(str(error)) from None
        newer = given.get("refresh_token")
        return Identified(
            caller, str(given["id_token"]), newer if isinstance(newer, str) and newer else refresh_token
        )

    async def _userinfo(self, subject: object, given: Mapping[str, Any]) -> Mapping[str, Any]:
        address = endpoint(await self._keys.described(), "userinfo_endpoint")
        token = given.get("access_token")
        if address is None or not isinstance(token, str):
            return {}
        found = await read(self._http, address, bearer=token)
        if found.get("sub") != subject:
            raise SignInError("userinfo is somebody else's")
        return found


def _with_query(address: str, **query: str) -> str:
    return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(query)}"
