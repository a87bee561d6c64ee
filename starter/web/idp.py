"""The issuer of `onboarding up`: it gives anybody on this machine the token of a persona. Never for more.

It is an OpenID Connect issuer as far as services need one: it describes itself, publishes its key, and gives
access tokens to clients (RFC 6749 §4.4), of which each persona is one, without a secret.
"""

import time
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from activities.loopback import is_loopback
from domain.contract import ErrorType
from starter.web.callers import ClaimNames
from starter.web.door import Handler
from starter.web.personas import Persona
from starter.web.problems import ApiError

PATH: Final = "/idp"
TOKEN_LIFE: Final = 12 * 3600
"""Seconds a token is good for, unless the issuer starts anew: its key is made then."""
_NO_STORE: Final = {"Cache-Control": "no-store"}
_ALGORITHM: Final = "ES256"


class DemoIssuer:
    """An issuer with a key of its own."""

    def __init__(
        self, address: str, personas: Sequence[Persona], *, audience: str, names: ClaimNames
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
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._key_id = f"{time.time_ns():x}"

    def token(self, persona: str) -> str | None:
        """An access token (RFC 9068); ``None``: there is no such persona."""
        who = self._personas.get(persona)
        if who is None:
            return None
        now = int(time.time())
        claims = who.claims(self._names) | {
            "iss": self.issuer,
            "aud": self._audience,
            "iat": now,
            "exp": now + TOKEN_LIFE,
            "client_id": persona,
        }
        return jwt.encode(
            claims, self._key, algorithm=_ALGORITHM, headers={"kid": self._key_id, "typ": "at+jwt"}
        )

    def router(self) -> APIRouter:
        """Its routes, below `PATH`."""
        router = APIRouter(prefix=PATH, route_class=_OnThisMachine, include_in_schema=False)
        router.add_api_route("/.well-known/openid-configuration", self._described, methods=["GET"])
        router.add_api_route("/keys", self._keys, methods=["GET"])
        router.add_api_route("/token", self._given, methods=["POST"])
        return router

    def client(self) -> httpx.AsyncClient:
        """What asks it for its key within this process."""
        routes = [
            Route(f"{PATH}/.well-known/openid-configuration", self._described),
            Route(f"{PATH}/keys", self._keys),
        ]
        return httpx.AsyncClient(transport=httpx.ASGITransport(Starlette(routes=routes)))

    async def _described(self, request: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.issuer,
                "jwks_uri": f"{self.issuer}/keys",
                "token_endpoint": f"{self.issuer}/token",
                "grant_types_supported": ["client_credentials"],
                "response_types_supported": [],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [_ALGORITHM],
                "token_endpoint_auth_methods_supported": ["none"],
            }
        )

    async def _keys(self, request: Request) -> Response:
        public: dict[str, Any] = jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return JSONResponse({"keys": [{**public, "kid": self._key_id, "use": "sig", "alg": _ALGORITHM}]})

    async def _given(self, request: Request) -> Response:
        try:
            form = parse_qs((await request.body()).decode("ascii"), max_num_fields=20)
        except ValueError:
            form = {}
        if form.get("grant_type") != ["client_credentials"]:
            return _refused("unsupported_grant_type", "grant_type must be client_credentials")
        token = self.token(form.get("client_id", [""])[0])
        if token is None:
            return _refused("invalid_client", f"client_id must be one of {', '.join(self._personas)}")
        given = {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_LIFE}
        return JSONResponse(given, headers=_NO_STORE)


def _refused(error: str, description: str) -> Response:
    """RFC 6749 §5.2."""
    return JSONResponse({"error": error, "error_description": description}, 400, _NO_STORE)


class _OnThisMachine(APIRoute):
    """A page in a browser here may have a name of its own that leads to this machine."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            if not is_loopback(request.url.hostname or ""):
                raise ApiError(ErrorType.FORBIDDEN, "This issuer is for this machine only.")
            return await handle(request)

        return handler


async def token_of(http: httpx.AsyncClient, issuer: str, persona: str) -> str:
    """A persona's token, from the issuer of a running `onboarding up`.

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
