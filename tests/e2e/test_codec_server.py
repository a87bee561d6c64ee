"""The codec server: who is let in, what comes back, and applications as Temporal's own CLI shows them."""

import asyncio
import base64
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload, Payloads

from activities.loopback import is_loopback
from domain.contract import Actor, Role, workflow_id
from starter.codec.server import MAX_BODY_BYTES, Right, Roles, codec_app, exact_origin, oidc_tokens
from starter.local.dev_server import temporal_executable
from tests import payloads
from tests.e2e.codec_process import codec_server, environment, refused
from tests.e2e.encrypted import joining, keys, secrets, stack
from tests.e2e.identity_provider import AUDIENCE, ISSUER, Issuer
from workflows.codec import EncryptionCodec

TOKEN: Final = str(uuid4())
WRITE_TOKEN: Final = str(uuid4())
BEARER: Final = {"Authorization": f"Bearer {TOKEN}"}
WRITER: Final = {"Authorization": f"Bearer {WRITE_TOKEN}"}
ORIGIN: Final = "http://127.0.0.1:8233"
KEYS: Final = keys("k1")
HELLO: Final = Payload(metadata={"encoding": b"json/plain"}, data=b'"hello"')
PARTNER: Final = Actor(role=Role.PARTNER, id="ann")


def document(*payloads: Payload) -> Any:
    return json_format.MessageToDict(Payloads(payloads=payloads))


async def sealed(payload: Payload = HELLO, key: str = "k1") -> Payload:
    [encrypted] = await EncryptionCodec.from_text(keys(key)).encode([payload])
    return encrypted


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A server with a token and one origin; that encryption is required changes nothing here."""
    with codec_server(
        *("--origin", ORIGIN),
        ONBOARDING_ENCRYPTION_KEYS=KEYS,
        ONBOARDING_ENCRYPTION_REQUIRED="true",
        ONBOARDING_CODEC_TOKEN=TOKEN,
        ONBOARDING_CODEC_WRITE_TOKEN=WRITE_TOKEN,
    ) as address:
        yield address


async def test_decode_opens_what_it_can_and_returns_the_rest_as_it_came(endpoint: str) -> None:
    unknown = await sealed(key="unknown")
    broken = Payload(metadata=dict((await sealed()).metadata), data=b"x")
    sent = document(await sealed(), unknown, HELLO, broken, Payload())
    answer = await asyncio.to_thread(httpx.post, f"{endpoint}/decode", json=sent, headers=BEARER)
    assert answer.status_code == 200
    assert answer.json() == document(HELLO, unknown, HELLO, broken, Payload())
    assert answer.headers["Cache-Control"] == "no-store"


async def test_encode_writes_what_a_worker_reads(endpoint: str) -> None:
    answer = await asyncio.to_thread(httpx.post, f"{endpoint}/encode", json=document(HELLO), headers=WRITER)
    encrypted = json_format.ParseDict(answer.json(), Payloads()).payloads
    assert b"hello" not in encrypted[0].SerializeToString()
    assert await EncryptionCodec.from_text(KEYS).decode(encrypted) == [HELLO]


def test_reading_and_writing_are_two_rights(endpoint: str) -> None:
    refused = httpx.post(f"{endpoint}/encode", json=document(HELLO), headers=BEARER)
    assert (refused.status_code, "payloads" in refused.text) == (403, False)
    for headers, path in ((BEARER, "decode"), (WRITER, "decode"), (WRITER, "encode")):
        assert httpx.post(f"{endpoint}/{path}", json=document(HELLO), headers=headers).status_code == 200


READ, WRITE = frozenset({Right.DECODE}), frozenset(Right)


@pytest.mark.parametrize(
    ("roles", "claims", "rights"),
    [
        (Roles(), {}, READ),
        (Roles(), {"roles": ["writer"]}, READ),
        (Roles(read="reader"), {}, frozenset()),
        (Roles(read="reader"), {"roles": ["reader"]}, READ),
        (Roles(read="reader"), {"roles": "openid reader"}, READ),
        (Roles(read="reader"), {"roles": "readers"}, frozenset()),
        (Roles(read="reader"), {"roles": {"reader": True}}, frozenset()),
        (Roles(read="reader"), {"roles": [1, None]}, frozenset()),
        (Roles(write="writer"), {"roles": ["writer"]}, WRITE),
        (Roles(write="writer"), {"groups": ["writer"]}, READ),
        (Roles(read="reader", write="writer"), {"roles": ["writer"]}, WRITE),
        (Roles("realm_access.roles", write="writer"), {"realm_access": {"roles": ["writer"]}}, WRITE),
        (Roles("realm_access.roles", write="writer"), {"realm_access": ["writer"]}, READ),
        (Roles("https://a.example.com/roles", write="w"), {"https://a.example.com/roles": ["w"]}, WRITE),
    ],
)
def test_roles_give_rights(roles: Roles, claims: dict[str, Any], rights: frozenset[Right]) -> None:
    assert roles.rights(claims) == rights


async def test_who_decrypted_what_is_on_record_and_nothing_of_the_content(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    issuer, file = Issuer(), tmp_path / "jwks.json"
    file.write_text(json.dumps(issuer.jwks))
    roles = Roles(write="writer")
    app = codec_app(
        EncryptionCodec.from_text(KEYS),
        origins=(),
        admits=oidc_tokens(str(file), issuer=ISSUER, audience=AUDIENCE, roles=roles),
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://codec") as client:

        async def ask(path: str, **claims: Any) -> int:
            headers = {"Authorization": f"Bearer {issuer.token(**claims)}", "X-Namespace": "onboarding"}
            sent = document(await sealed(), HELLO)
            return (await client.post(path, json=sent, headers=headers)).status_code

        assert await ask("/decode") == 200
        assert await ask("/encode", sub="ev\n\x9bil") == 403
        assert await ask("/encode", roles=["writer"]) == 200
    mine = [record for record in caplog.records if record.name == "onboarding.codec"]
    assert [(record.levelname, record.getMessage()) for record in mine] == [
        ("INFO", "decode for 'subject ops': payloads 2, namespace 'onboarding'"),
        ("WARNING", r"encode refused: no right for 'subject ev\n\x9bil'"),
        ("INFO", "encode for 'subject ops': payloads 2, namespace 'onboarding'"),
    ]
    assert "hello" not in caplog.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": TOKEN},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": "Bearer ümlaut".encode()},
        {"Authorization": f"Basic {TOKEN}"},
    ],
)
@pytest.mark.parametrize("path", ["encode", "decode"])
def test_without_the_token_nobody_gets_anything(endpoint: str, path: str, headers: dict[str, Any]) -> None:
    answer = httpx.post(f"{endpoint}/{path}", json=document(HELLO), headers=headers)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "payloads" not in answer.text


def test_only_the_named_origin_may_ask_from_a_browser(endpoint: str) -> None:
    preflight = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-namespace",
    }
    allowed = httpx.options(f"{endpoint}/decode", headers={"Origin": ORIGIN, **preflight})
    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == ORIGIN
    answer = httpx.post(f"{endpoint}/decode", json=document(HELLO), headers={"Origin": ORIGIN, **BEARER})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, ORIGIN)
    # A page can only read the refusal if it may ask at all.
    unknown = httpx.post(f"{endpoint}/decode", json=document(HELLO), headers={"Origin": ORIGIN})
    assert (unknown.status_code, unknown.headers["Access-Control-Allow-Origin"]) == (401, ORIGIN)


@pytest.mark.parametrize(
    "origin", ["http://127.0.0.1:8234", "https://127.0.0.1:8233", f"{ORIGIN}.example.com", "null", "", "*"]
)
def test_another_origin_gets_nothing_even_with_the_token(endpoint: str, origin: str) -> None:
    preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    assert "Access-Control-Allow-Origin" not in httpx.options(f"{endpoint}/decode", headers=preflight).headers
    answer = httpx.post(f"{endpoint}/decode", json=document(HELLO), headers={"Origin": origin, **BEARER})
    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "payloads" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"[" * 100_000),
        *(b'{"payloads": 1}', b'{"payloads": [1]}', b'{"payloads": [{"metadata": {"encoding": 1}}]}'),
    ],
)
def test_what_is_no_payloads_is_a_bad_request(endpoint: str, body: bytes) -> None:
    assert httpx.post(f"{endpoint}/decode", content=body, headers=BEARER).status_code == 400


def test_a_body_is_bounded_however_it_is_sent(endpoint: str) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 65_536 + 2):
            yield b" " * 65_536

    answer = httpx.post(f"{endpoint}/decode", content=chunks(), headers=BEARER)
    assert answer.status_code == 413
    whole = httpx.post(f"{endpoint}/decode", content=b" " * (MAX_BODY_BYTES + 1), headers=BEARER)
    assert whole.status_code == 413


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "decode"), ("PUT", "encode"), ("POST", ""), ("GET", "")]
)
def test_nothing_else_is_served(endpoint: str, method: str, path: str) -> None:
    answer = httpx.request(method, f"{endpoint}/{path}", headers=BEARER)
    assert answer.status_code in {404, 405}


@pytest.mark.parametrize(
    ("options", "variables", "says"),
    [
        ((), {}, "ONBOARDING_ENCRYPTION_KEYS"),
        ((), {"ONBOARDING_ENCRYPTION_KEYS": "k1:nonsense!"}, "ONBOARDING_ENCRYPTION_KEYS"),
        (("--host", "10.1.2.3"), {"ONBOARDING_ENCRYPTION_KEYS": KEYS}, "ONBOARDING_CODEC_TOKEN"),
        (("--origin", "*"), {"ONBOARDING_ENCRYPTION_KEYS": KEYS}, "not an origin"),
        (("--issuer", ISSUER), {"ONBOARDING_ENCRYPTION_KEYS": KEYS}, "belong together"),
        (("--read-role", "ops"), {"ONBOARDING_ENCRYPTION_KEYS": KEYS}, "go with --jwks"),
        (
            ("--jwks", "/no/such/file", "--issuer", ISSUER, "--audience", AUDIENCE),
            {"ONBOARDING_ENCRYPTION_KEYS": KEYS},
            "holds no JSON Web Key Set",
        ),
        (
            ("--jwks", "/no/such/file", "--issuer", ISSUER, "--audience", AUDIENCE),
            {"ONBOARDING_ENCRYPTION_KEYS": KEYS, "ONBOARDING_CODEC_TOKEN": TOKEN},
            "exclude",
        ),
    ],
)
def test_it_does_not_start_open_to_all_or_half_set_up(
    options: tuple[str, ...], variables: dict[str, str], says: str
) -> None:
    told = refused(*options, **variables)
    assert says in told
    for hidden in (KEYS, TOKEN, "nonsense"):
        assert hidden not in told


def test_within_this_machine_no_token_is_needed() -> None:
    with codec_server(ONBOARDING_ENCRYPTION_KEYS=KEYS) as address:
        assert httpx.post(f"{address}/decode", json=document(HELLO)).json() == document(HELLO)
        page = httpx.post(f"{address}/decode", json=document(HELLO), headers={"Origin": ORIGIN})
        assert page.status_code == 403


@pytest.mark.parametrize(
    "origin",
    [
        *("http://a.example.com/", "a.example.com", "*", "", "http://", "ftp://a", "null"),
        *(
            "http://a:99999",
            "http://a:0",
            "http://a:x",
            "http://u@a",
            "http://A",
            "http://a:80",
            "http://a\n",
        ),
    ],
)
def test_an_origin_is_what_a_browser_sends(origin: str) -> None:
    with pytest.raises(ValueError, match="not an origin"):
        exact_origin(origin)


@pytest.mark.parametrize("origin", [ORIGIN, "https://a.example.com", "http://[::1]:8233"])
def test_an_origin_is_taken_as_it_is(origin: str) -> None:
    assert exact_origin(origin) == origin


def test_loopback_is_told_from_other_addresses() -> None:
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "localhost.example.com"))  # noqa: S104 - told apart here


async def test_temporals_own_cli_shows_an_application_through_it(tmp_path: Path) -> None:
    uid = "7300000001"
    async with stack(tmp_path) as servers, servers.worker(KEYS) as client:
        await servers.account(uid)
        await client.join(joining(uid))
        with codec_server(ONBOARDING_ENCRYPTION_KEYS=KEYS, ONBOARDING_CODEC_WRITE_TOKEN=TOKEN) as address:
            history = ("show", "--workflow-id", workflow_id(uid), "--output", "json")
            by_codec = ("--codec-endpoint", address, "--codec-auth", f"Bearer {TOKEN}")
            shown = await temporal(servers.server.address, *history, *by_codec)
            unread = await temporal(servers.server.address, *history)
            await temporal(
                servers.server.address,
                *("signal", "--workflow-id", workflow_id(uid), "--name", "confirm_company"),
                *("--input", json.dumps({"command_id": "cli-1", "actor": {"role": "partner", "id": "ann"}})),
                *by_codec,
            )
            status = await client.confirm_company(uid, PARTNER)
    assert not status.last_refusals
    told = {text for text in secrets(payloads.join(uid)) if text in decoded(shown)}
    assert {"Ann Tan", "join@acme.example.com", payloads.BD["email"]} <= told
    assert not {text for text in secrets(payloads.join(uid)) if text in decoded(unread)}


async def temporal(address: str, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        str(temporal_executable()),
        *("workflow", *arguments, "--address", address),
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate()
    assert process.returncode == 0, error.decode()
    return out.decode()


def decoded(history: str) -> str:
    """A history with every payload's data in it, readable if it is."""
    found: list[str] = [history]

    def look(value: Any) -> None:
        if isinstance(value, dict):
            data = value.get("data")
            if "metadata" in value and isinstance(data, str):
                found.append(base64.b64decode(data).decode("utf-8", "replace"))
            for part in value.values():
                look(part)
        elif isinstance(value, list):
            for part in value:
                look(part)

    look(json.loads(history))
    return "\n".join(found)
