"""The receiver of signatures, as a provider meets it: over ASGI, on a real database."""

import asyncio
import hashlib
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from starlette.responses import PlainTextResponse

from activities.db.engine import Database
from activities.db.signatures import SignatureStore
from domain.contract import Party
from domain.signatures import Provider, ReceivedSignature
from starter.web import signatures as receiver
from starter.web.signatures import MOST_BYTES, PATH, SignaturesIn, WithSignatures, signatures_app
from tests.activities.signature_payloads import BOTH, SECRETS, TERMS, deliveries, signed_headers

ONE = deliveries(Provider.DOCUSEAL, TERMS, BOTH)[0]


class Started:
    """What was handed on to be carried out; ``fails``: starting a run does, so far."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.fails: Callable[[], Exception] | None = None
        self.hangs = False

    async def __call__(self, command_id: str) -> None:
        if self.hangs:
            await asyncio.sleep(60)
        if self.fails:
            raise self.fails()
        self.ids.append(command_id)


@pytest.fixture
def started() -> Started:
    return Started()


@pytest.fixture
def store(database: Database) -> SignatureStore:
    return SignatureStore(database)


@pytest.fixture
def signatures(store: SignatureStore, started: Started) -> SignaturesIn:
    return SignaturesIn(SECRETS, store, started)


@asynccontextmanager
async def calling(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose caller sees what the application raises."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://door") as client:
        yield client


async def deliver(
    signatures: SignaturesIn, provider: Provider, body: bytes, headers: dict[str, str] | None = None
) -> httpx.Response:
    given = signed_headers(provider, body) if headers is None else headers
    async with calling(signatures_app(signatures)) as client:
        return await client.post(f"{PATH}/{provider}", content=body, headers=given)


def problem(response: httpx.Response, status: int, error: str) -> str:
    """What a problem document says."""
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    said = response.json()
    assert (said["type"], said["status"]) == (f"urn:onboarding:error:{error}", status)
    assert said["title"]
    return str(said["detail"])


@pytest.mark.parametrize("provider", Provider)
class TestEach:
    """What holds for all providers."""

    async def test_a_delivery_is_stored_and_carried_on(
        self, provider: Provider, signatures: SignaturesIn, store: SignatureStore, started: Started
    ) -> None:
        body = deliveries(provider, TERMS, BOTH)[0]

        response = await deliver(signatures, provider, body)

        assert response.status_code == 200
        assert response.json()["contained"] == "signatures"
        stored = await store.of(TERMS.application_id)
        assert [one.command_id for one in stored] == started.ids
        assert [one.signature.party for one in stored] == ["partner"]

    async def test_what_another_has_signed_is_not_read(
        self, provider: Provider, signatures: SignaturesIn, store: SignatureStore
    ) -> None:
        for body in (deliveries(provider, TERMS, BOTH)[0], b"no json", b""):
            headers = signed_headers(provider, body, SECRETS[provider][:-4] + "AAAA")
            response = await deliver(signatures, provider, body, headers)
            assert "secret" in problem(response, 401, "unauthenticated")
            assert response.headers["WWW-Authenticate"]
        assert await store.of(TERMS.application_id) == ()

    async def test_without_a_secret_there_is_none(
        self, provider: Provider, store: SignatureStore, started: Started
    ) -> None:
        others = {each: secret for each, secret in SECRETS.items() if each is not provider}
        response = await deliver(SignaturesIn(others, store, started), provider, ONE)
        problem(response, 404, "not_found")

    async def test_a_body_that_is_too_large(self, provider: Provider, signatures: SignaturesIn) -> None:
        body = b"x" * (MOST_BYTES + 1)
        assert "1024 KiB" in problem(await deliver(signatures, provider, body), 413, "too_large")

        async def parts() -> AsyncIterator[bytes]:
            for _ in range(17):
                yield b"x" * 64 * 1024

        async with calling(signatures_app(signatures)) as client:
            problem(await client.post(f"{PATH}/{provider}", content=parts()), 413, "too_large")

    async def test_three_times_each_among_forged_ones(
        self, provider: Provider, signatures: SignaturesIn, store: SignatureStore, database: Database
    ) -> None:
        """Each signature is there once, whatever comes twice, late, or from another."""
        forged = TERMS.model_copy(update={"application_id": "forged"})
        sent = [(body, True) for n in (1, 2, 3) for body in deliveries(provider, TERMS, BOTH, n)]
        sent += [(body, False) for body in deliveries(provider, forged, BOTH)]
        random.Random(14).shuffle(sent)  # noqa: S311 - an order, no secret

        for body, genuine in sent:
            event = f"msg_{hashlib.sha256(body).hexdigest()[:8]}"
            secret = SECRETS[provider] if genuine else SECRETS[provider][:-4] + "AAAA"
            headers = signed_headers(provider, body, secret, event=event)
            assert (await deliver(signatures, provider, body, headers)).status_code == (
                200 if genuine else 401
            )

        stored = await store.of(TERMS.application_id)
        assert sorted(one.signature.party for one in stored) == sorted(Party)
        assert await store.of("forged") == ()
        [[count]] = await database.rows(text("SELECT count(*) FROM signature_deliveries"), {})
        assert count == len(deliveries(provider, TERMS, BOTH))


class TestOutages:
    """What was answered 200 is stored; nothing else is promised."""

    async def test_temporal_is_down(
        self, signatures: SignaturesIn, store: SignatureStore, started: Started
    ) -> None:
        started.fails = lambda: RuntimeError("Temporal is down")
        assert (await deliver(signatures, Provider.DOCUSEAL, ONE)).status_code == 200
        (one,) = await store.of(TERMS.application_id)
        assert one.state == "waiting"

        started.fails = None
        assert (await deliver(signatures, Provider.DOCUSEAL, ONE)).status_code == 200
        assert started.ids == [one.command_id]

    async def test_temporal_says_nothing(
        self, signatures: SignaturesIn, started: Started, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The provider is not kept waiting."""
        monkeypatch.setattr(receiver, "START_WITHIN", receiver.START_WITHIN / 50)
        started.hangs = True
        assert (await deliver(signatures, Provider.DOCUSEAL, ONE)).status_code == 200

    async def test_the_database_is_down(self, started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
        class Down(SignatureStore):
            async def take(self, *_: Any, **__: Any) -> tuple[str, ...]:
                raise OperationalError("INSERT", {}, Exception("down"))

        down = SignaturesIn(SECRETS, Down.__new__(Down), started)
        response = await deliver(down, Provider.DOCUSEAL, ONE)
        problem(response, 503, "unavailable")
        assert response.headers["Retry-After"]


async def test_what_is_wrong_with_a_delivery_of_ones_own_is_told(signatures: SignaturesIn) -> None:
    body = json.dumps({"type": "document.signed", "timestamp": "2026-03-31T09:00:00Z", "data": {}}).encode()
    said = problem(await deliver(signatures, Provider.STANDARD, body), 422, "invalid")
    assert "data.external_id" in said


@pytest.mark.parametrize("provider", [Provider.DOCUMENSO, Provider.DOCUSEAL, Provider.DOCUSIGN])
async def test_what_a_foreign_provider_sends_that_is_not_understood_is_kept(
    provider: Provider, signatures: SignaturesIn, caplog: pytest.LogCaptureFixture
) -> None:
    """It would send it again for days; the log says what is wrong."""
    for _ in range(2):
        response = await deliver(signatures, provider, b'{"another": "shape"}')
        assert response.json()["contained"] == "not readable"
    assert "can't be read" in caplog.text


async def test_other_methods_and_addresses(signatures: SignaturesIn) -> None:
    async with calling(signatures_app(signatures)) as client:
        response = await client.get(f"{PATH}/standard")
        problem(response, 405, "method_not_allowed")
        assert response.headers["Allow"] == "POST"
        for path in ("", "/", "/standard/", "/nobody", "/standard/more"):
            problem(await client.post(f"{PATH}{path}"), 404, "not_found")


async def test_beside_another_application(signatures: SignaturesIn) -> None:
    async with calling(WithSignatures(PlainTextResponse("the door"), signatures)) as client:
        problem(await client.post(f"{PATH}/standard"), 401, "unauthenticated")
        assert (await client.get("/webhooks")).text == "the door"


async def test_a_body_that_does_not_arrive(signatures: SignaturesIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver, "ARRIVES_WITHIN", receiver.ARRIVES_WITHIN / 1000)

    async def slowly() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(60)

    async with calling(signatures_app(signatures)) as client:
        problem(await client.post(f"{PATH}/standard", content=slowly()), 408, "timed_out")


class Nothing(SignatureStore):
    """Takes whatever comes."""

    async def take(self, signatures: Any, *_: Any, **__: Any) -> tuple[str, ...]:
        return tuple(one.command_id for one in signatures if isinstance(one, ReceivedSignature))


HEADER_NAMES = [
    *("webhook-id", "webhook-timestamp", "webhook-signature", "x-documenso-secret", "x-docuseal-signature"),
    *("x-docusign-signature-1", "content-type", "content-length", "content-encoding"),
]


@given(
    path=st.text(alphabet=st.characters(codec="ascii", exclude_characters="?#"), max_size=20)
    | st.sampled_from(list(Provider)),
    headers=st.lists(st.tuples(st.sampled_from(HEADER_NAMES), st.binary(max_size=40)), max_size=5),
    body=st.binary(max_size=200),
)
async def test_nothing_is_an_error_of_ours(path: str, headers: list[tuple[str, bytes]], body: bytes) -> None:
    app = signatures_app(SignaturesIn(SECRETS, Nothing.__new__(Nothing), Started()))
    answered = await _raw(app, f"{PATH}/{path}", [(name.encode(), value) for name, value in headers], body)
    assert 400 <= answered < 500


@given(
    provider=st.sampled_from(list(Provider)),
    body=st.binary(max_size=200) | st.text(max_size=80).map(str.encode),
)
async def test_nor_what_is_signed(provider: Provider, body: bytes) -> None:
    app = signatures_app(SignaturesIn(SECRETS, Nothing.__new__(Nothing), Started()))
    try:
        headers = signed_headers(provider, body)
    except UnicodeDecodeError:
        return
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    assert await _raw(app, f"{PATH}/{provider}", raw, body) in {200, 422}


async def _raw(app: Any, path: str, headers: list[tuple[bytes, bytes]], body: bytes) -> int:
    """The status of an answer to what no HTTP client would send."""
    answered: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answered.append(message["status"])

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "server": ("door", 80),
        "client": ("192.0.2.1", 5000),
    }
    await app(scope, receive, send)
    return answered[0]
