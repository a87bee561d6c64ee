"""The APIs of the providers, asked for what is signed there: deliveries get lost, and some are never sent."""

import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import httpx
import jwt
from pydantic import BaseModel, TypeAdapter

from activities.outside_service import ServiceAddress, UnusableAnswerError, ask, parsed
from activities.signatures.configuration import SignatureSettings
from activities.signatures.reading import DocumensoDocument, DocusealSubmitter, DocusignEnvelope
from domain.signatures import Provider, ReceivedSignature, Terms

_LOOKS_BACK: Final = timedelta(days=730)
"""How long ago an envelope of DocuSign may have changed last: its list needs a date to begin with."""
_TOKEN_FOR: Final = timedelta(hours=1)
_ISSUER: Final = "https://account.docusign.com"
_DEMO_ISSUER: Final = "https://account-d.docusign.com"
_DEMO_HOST: Final = "demo.docusign.net"
_SPARE: Final = 60
"""Seconds before its end a token is used no more."""


class SignatureProvider(Protocol):
    """A provider's API.

    ``signed`` raises `httpx.HTTPError` when it can't be reached or answers with an error, and
    `UnusableAnswerError` when the answer can't be used.
    """

    @property
    def provider(self) -> Provider:
        """Whose."""

    async def signed(self, terms: Terms) -> tuple[ReceivedSignature, ...]:
        """The signatures given so far on documents for these terms."""


class _Documents(BaseModel):
    data: tuple[DocumensoDocument, ...]


class _Submitters(BaseModel):
    data: tuple[DocusealSubmitter, ...]


class _Envelopes(BaseModel):
    # Left out where none is found.
    envelopes: tuple[DocusignEnvelope, ...] = ()


class _Token(BaseModel):
    access_token: str


_DOCUMENTS: Final = TypeAdapter(_Documents)
_SUBMITTERS: Final = TypeAdapter(_Submitters)
_ENVELOPES: Final = TypeAdapter(_Envelopes)
_TOKENS: Final = TypeAdapter(_Token)


class DocumensoApi:
    """``GET /envelope?query=…`` of its API v2. The client brings base URL and time-outs."""

    provider = Provider.DOCUMENSO

    def __init__(self, client: httpx.AsyncClient, key: str) -> None:
        self._client = client
        self._headers = {"Authorization": key}

    async def signed(self, terms: Terms) -> tuple[ReceivedSignature, ...]:
        """The signatures on documents with this external ID, which its search looks for as well."""
        params = {"query": terms.external_id, "type": "DOCUMENT", "perPage": "100"}
        content = await _get(self._client, "/envelope", params, self._headers)
        found = parsed(_DOCUMENTS, content, "GET /envelope", strict=False)
        return tuple(
            signature
            for document in found.data
            if document.external_id == terms.external_id
            for signature in document.signatures()
        )


class DocusealApi:
    """``GET /submitters?external_id=…``. The client brings base URL and time-outs."""

    provider = Provider.DOCUSEAL

    def __init__(self, client: httpx.AsyncClient, key: str) -> None:
        self._client = client
        self._headers = {"X-Auth-Token": key}

    async def signed(self, terms: Terms) -> tuple[ReceivedSignature, ...]:
        """The signatures of submitters with this external ID."""
        params = {"external_id": terms.external_id, "limit": "100"}
        content = await _get(self._client, "/submitters", params, self._headers)
        found = parsed(_SUBMITTERS, content, "GET /submitters", strict=False)
        given = (each.signature() for each in found.data if each.external_id == terms.external_id)
        return tuple(signature for signature in given if signature is not None)


class DocusignApi:
    """``GET /envelopes?custom_field=…`` of its eSignature API, with tokens by JWT Grant.

    The client brings the account's base URL and time-outs.

    Args:
        integration_key: the app's; it must have been given consent by that user.
        user_id: on whose behalf it asks.
        private_key: of the app's RSA key pair, in PEM.
        issuer: where tokens are given out: ``https://account.docusign.com``, or ``account-d`` for the demo.
    """

    provider = Provider.DOCUSIGN

    def __init__(
        self, client: httpx.AsyncClient, *, integration_key: str, user_id: str, private_key: str, issuer: str
    ) -> None:
        self._client = client
        self._claims = {
            "iss": integration_key,
            "sub": user_id,
            "aud": httpx.URL(issuer).host,
            "scope": "signature impersonation",
        }
        self._private_key = private_key
        self._issuer = issuer
        self._token: tuple[str, float] | None = None

    async def signed(self, terms: Terms) -> tuple[ReceivedSignature, ...]:
        """The signatures on envelopes whose custom fields name these terms."""
        since = datetime.now(UTC) - _LOOKS_BACK
        params = {
            "custom_field": f"application_id={terms.application_id}",
            "from_date": since.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "include": "recipients,custom_fields",
            "count": "100",
        }
        headers = {"Authorization": f"Bearer {await self._access_token()}"}
        content = await _get(self._client, "/envelopes", params, headers)
        found = parsed(_ENVELOPES, content, "GET /envelopes", strict=False)
        return tuple(
            signature
            for envelope in found.envelopes
            for signature in envelope.signatures()
            if signature.terms == terms
        )

    async def _access_token(self) -> str:
        now = time.time()
        if self._token and self._token[1] > now:
            return self._token[0]
        until = now + _TOKEN_FOR.total_seconds()
        assertion = jwt.encode(
            {**self._claims, "iat": int(now), "exp": int(until)}, self._private_key, algorithm="RS256"
        )
        grant = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
        url = f"{self._issuer}/oauth/token"
        content = await ask(self._client, "POST", url, may_be_missing=False, data=grant)
        token = parsed(_TOKENS, content or b"", "POST /oauth/token").access_token
        self._token = token, until - _SPARE
        return token


async def open_apis(
    settings: SignatureSettings, stack: AsyncExitStack, patience: timedelta
) -> tuple[SignatureProvider, ...]:
    """The APIs there is a key for; ``stack`` closes their connections."""

    async def client(address: ServiceAddress) -> httpx.AsyncClient:
        # What stands before the host is no password to them, but whom DocuSign's token is for.
        return await stack.enter_async_context(replace(address, auth=None).client(patience))

    apis: list[SignatureProvider] = []
    if key := settings.signature_documenso_api_key:
        address = ServiceAddress.from_url(settings.signature_documenso_api_url)
        apis.append(DocumensoApi(await client(address), key.get_secret_value()))
    if key := settings.signature_docuseal_api_key:
        address = ServiceAddress.from_url(settings.signature_docuseal_api_url)
        apis.append(DocusealApi(await client(address), key.get_secret_value()))
    if (key := settings.signature_docusign_api_key) and settings.signature_docusign_api_url:
        address = ServiceAddress.from_url(settings.signature_docusign_api_url)
        integration_key, user_id = address.auth or ("", "")
        apis.append(
            DocusignApi(
                await client(address),
                integration_key=integration_key,
                user_id=user_id,
                private_key=key.get_secret_value(),
                issuer=_DEMO_ISSUER if address.url.host == _DEMO_HOST else _ISSUER,
            )
        )
    return tuple(apis)


async def _get(
    client: httpx.AsyncClient, path: str, params: Mapping[str, str], headers: Mapping[str, str]
) -> bytes:
    content = await ask(client, "GET", path, may_be_missing=False, params=params, headers=headers)
    if content is None:
        raise UnusableAnswerError(f"GET {path} was not answered")
    return content
