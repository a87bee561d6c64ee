"""Each provider's API as it is asked, over a transport of the test's own."""

import json
from typing import Any
from urllib.parse import parse_qs

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from activities.outside_service import UnusableAnswerError
from activities.signatures.provider_apis import DocumensoApi, DocusealApi, DocusignApi, SignatureProvider
from activities.signatures.reading import read
from domain.contract import Party
from domain.signatures import Provider, Terms
from tests.activities import signature_payloads as sent
from tests.activities.signature_payloads import BOTH, TERMS

OTHER = Terms(application_id="another", sheet_revision=1, sheet_hash="cd" * 32)
KEY = generate_private_key(public_exponent=65537, key_size=2048)


def documenso_list(*documents: dict[str, Any]) -> dict[str, Any]:
    """``GET /envelope``, where the ID is the envelope's."""
    return {"data": [document | {"id": document["envelopeId"]} for document in documents], "count": 1}


class Providers:
    """All three, by what they were asked."""

    def __init__(self) -> None:
        self.asked: list[httpx.Request] = []
        self.answers: dict[str, Any] = {
            "/api/v2/envelope": documenso_list(
                sent.documenso(TERMS, BOTH)["payload"], sent.documenso(OTHER, BOTH)["payload"]
            ),
            "/submitters": {
                "data": [
                    sent.docuseal_submitter(terms, party, BOTH) for terms in (TERMS, OTHER) for party in Party
                ],
                "pagination": {"count": 4, "next": 52, "prev": 51},
            },
            "/restapi/v2.1/accounts/7/envelopes": {
                "resultSetSize": "2",
                "envelopes": [sent.docusign_envelope(terms, BOTH) for terms in (TERMS, OTHER)],
            },
            "/oauth/token": {"access_token": "a token", "token_type": "Bearer", "expires_in": 3600},
        }
        self.status = 200

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return httpx.Response(self.status, json=self.answers[request.url.path])


def api(provider: Provider, providers: Providers, key: RSAPrivateKey = KEY) -> SignatureProvider:
    transport = httpx.MockTransport(providers)
    match provider:
        case Provider.DOCUMENSO:
            return DocumensoApi(
                httpx.AsyncClient(base_url="https://documenso.test/api/v2", transport=transport), "api_key"
            )
        case Provider.DOCUSEAL:
            return DocusealApi(
                httpx.AsyncClient(base_url="https://docuseal.test", transport=transport), "api_key"
            )
        case _:
            pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
            base = "https://na1.docusign.test/restapi/v2.1/accounts/7"
            return DocusignApi(
                httpx.AsyncClient(base_url=base, transport=transport),
                integration_key="the app",
                user_id="the user",
                private_key=pem,
                issuer="https://account.docusign.test",
            )


ASKED = [Provider.DOCUMENSO, Provider.DOCUSEAL, Provider.DOCUSIGN]


@pytest.mark.parametrize("provider", ASKED)
class TestEach:
    """What holds for all of them."""

    async def test_what_was_signed_on_these_terms(self, provider: Provider) -> None:
        found = await api(provider, Providers()).signed(TERMS)
        assert [(one.party, one.terms) for one in found] == [("partner", TERMS), ("vendor", TERMS)]

    async def test_it_is_the_same_signature_as_the_delivered_one(self, provider: Provider) -> None:
        """Under the same command ID, so that it is carried once."""
        delivered = {
            one.command_id
            for body in sent.deliveries(provider, TERMS, BOTH)
            for one in read(provider, body).signatures
        }
        assert {one.command_id for one in await api(provider, Providers()).signed(TERMS)} == delivered

    async def test_an_error_is_one(self, provider: Provider) -> None:
        providers = Providers()
        providers.status = 500
        with pytest.raises(httpx.HTTPStatusError):
            await api(provider, providers).signed(TERMS)

    async def test_an_answer_that_is_none(self, provider: Provider) -> None:
        providers = Providers()
        providers.answers = {path: ["?"] for path in providers.answers}
        with pytest.raises(UnusableAnswerError):
            await api(provider, providers).signed(TERMS)


async def test_how_documenso_is_asked() -> None:
    providers = Providers()
    await api(Provider.DOCUMENSO, providers).signed(TERMS)
    (request,) = providers.asked
    assert dict(request.url.params) == {"query": TERMS.external_id, "type": "DOCUMENT", "perPage": "100"}
    assert request.headers["Authorization"] == "api_key"


async def test_how_docuseal_is_asked() -> None:
    providers = Providers()
    await api(Provider.DOCUSEAL, providers).signed(TERMS)
    (request,) = providers.asked
    assert dict(request.url.params) == {"external_id": TERMS.external_id, "limit": "100"}
    assert request.headers["X-Auth-Token"] == "api_key"


async def test_how_docusign_is_asked() -> None:
    """With a token that its app's key has asked for, and that serves more than once."""
    providers = Providers()
    asking = api(Provider.DOCUSIGN, providers)
    for _ in range(2):
        await asking.signed(TERMS)
    token, *lists = providers.asked
    assert str(token.url) == "https://account.docusign.test/oauth/token"
    form = parse_qs(token.content.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    claims = jwt.decode(
        form["assertion"][0], KEY.public_key(), algorithms=["RS256"], audience="account.docusign.test"
    )
    assert (claims["iss"], claims["sub"], claims["scope"]) == (
        "the app",
        "the user",
        "signature impersonation",
    )
    assert [request.headers["Authorization"] for request in lists] == ["Bearer a token"] * 2
    assert lists[0].url.params["custom_field"] == f"application_id={TERMS.application_id}"
    assert lists[0].url.params["include"] == "recipients,custom_fields"


async def test_docusign_leaves_out_a_list_that_is_empty() -> None:
    providers = Providers()
    providers.answers["/restapi/v2.1/accounts/7/envelopes"] = json.loads('{"resultSetSize": "0"}')
    assert await api(Provider.DOCUSIGN, providers).signed(TERMS) == ()
