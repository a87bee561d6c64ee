"""The codec server with users of an identity provider: whose tokens are let in."""

import json
import time
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from starter.codec.server import Roles, codec_app, oidc_tokens
from tests.activities.services import vendor_services
from tests.e2e.codec_process import codec_server
from tests.e2e.identity_provider import AUDIENCE, ISSUER, Issuer
from tests.e2e.test_codec_server import HELLO, KEYS, document
from workflows.codec import EncryptionCodec


def ask(address: str, token: str) -> int:
    answer = httpx.post(
        f"{address}/decode", json=document(HELLO), headers={"Authorization": f"Bearer {token}"}
    )
    return answer.status_code


@pytest.mark.parametrize("by_address", [True, False])
def test_users_of_the_issuer_are_let_in(tmp_path: Path, by_address: bool) -> None:
    issuer, stranger = Issuer(), Issuer()
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(issuer.jwks))
    with vendor_services() as login:
        login.answers["/jwks"] = issuer.jwks
        where = f"{login.url}/jwks" if by_address else str(file)
        with codec_server(
            *("--jwks", where, "--issuer", ISSUER, "--audience", AUDIENCE), ONBOARDING_ENCRYPTION_KEYS=KEYS
        ) as address:
            assert ask(address, issuer.token()) == 200
            unsigned = jwt.encode({"iss": ISSUER, "aud": AUDIENCE, "exp": 2**33}, "", algorithm="none")
            for wrong in (
                stranger.token(),
                unsigned,
                "no.token.atall",
                issuer.token(exp=int(time.time()) - 60),
                issuer.token(exp=None),
                issuer.token(iss="https://login.example.org"),
                issuer.token(iss=None),
                issuer.token(aud="another"),
                issuer.token(aud=None),
            ):
                assert ask(address, wrong) == 401


@pytest.mark.parametrize("page", [b"<html>", [], {"keys": []}, None])
async def test_an_issuer_without_keys_is_told_from_a_wrong_token(
    page: Any, caplog: pytest.LogCaptureFixture
) -> None:
    issuer = Issuer()
    with vendor_services() as login:
        login.answers["/jwks"] = page
        app = codec_app(
            EncryptionCodec.from_text(KEYS),
            origins=(),
            admits=oidc_tokens(f"{login.url}/jwks", issuer=ISSUER, audience=AUDIENCE, roles=Roles()),
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://codec") as client:

            async def ask(token: str) -> httpx.Response:
                bearer = {"Authorization": f"Bearer {token}"}
                return await client.post("/decode", json=document(HELLO), headers=bearer)

            answer = await ask(issuer.token())
            assert (answer.status_code, "issuer" in answer.text) == (503, True)
            assert f"{login.url}/jwks gives no keys" in caplog.text
            assert (await ask("no.token")).status_code == 401
            login.answers["/jwks"] = issuer.jwks
            assert (await ask(issuer.token())).status_code == 200
