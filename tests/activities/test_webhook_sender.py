"""One attempt to deliver a webhook: what it is signed by, where it may go, and what counts as taken."""

import asyncio
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from activities.db.webhook_endpoints import new_secret
from activities.webhooks.addresses import Allowed, Destination, DestinationError
from activities.webhooks.sender import Answer, WebhookSender
from tests.activities.receivers import OK, Received, receiving
from tests.certificates import Authority

SECRET: Final = new_secret()
BODY: Final = '{"type":"application.started"}'
LOCAL: Final = Allowed.from_text("127.0.0.1")


class Names:
    """A resolver that says what a test wants, and counts; of several answers each once, the last for ever."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Iterable[str]:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not answer:
            raise OSError("no such name")
        return answer.split(" ")


async def send(
    url: str,
    allowed: Allowed = LOCAL,
    *,
    resolver: Names | None = None,
    secrets: Iterable[str] = (SECRET,),
    answer_within: timedelta = timedelta(seconds=10),
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """One attempt."""
    more = {"resolver": resolver} if resolver else {}
    sender = WebhookSender(allowed, answer_within=answer_within, tls=tls, **more)
    async with sender.to(url) as target:
        return await target.send("run-1-1-application_started", BODY, tuple(secrets))


# Signatures


def test_signature_is_that_of_the_specification() -> None:
    """The example of the specification's reference implementations."""
    webhook = Webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    at = datetime.fromtimestamp(1614265330, UTC)

    signature = webhook.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, '{"test": 2432232314}')

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_what_is_sent_verifies_and_its_body_is_what_was_signed() -> None:
    async with receiving() as receiver:
        assert await send(receiver.url) == Answer(204)

        [came] = receiver.received
    came.verified_by(SECRET)
    assert came.body == BODY.encode()
    assert came.path == "/hooks"
    assert came.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert came.headers["content-type"] == "application/json"
    with pytest.raises(WebhookVerificationError):
        came.verified_by(new_secret())


async def test_while_rotating_both_secrets_sign() -> None:
    older = new_secret()
    async with receiving() as receiver:
        await send(receiver.url, secrets=(SECRET, older))

        [came] = receiver.received
    came.verified_by(SECRET)
    came.verified_by(older)
    assert len(came.headers["webhook-signature"].split(" ")) == 2


# What counts as taken


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("200 OK", None),
        ("202 Accepted", None),
        ("400 Bad Request", "answered 400"),
        ("410 Gone", "answered 410"),
        ("503 Later", "answered 503"),
    ],
)
async def test_only_2xx_means_taken(line: str, reason: str | None) -> None:
    async def answers(received: Received) -> str | None:
        return f"HTTP/1.1 {line}\r\nContent-Length: 2\r\n\r\nhi"

    async with receiving(answers) as receiver:
        assert await send(receiver.url) == Answer(int(line[:3]), reason)


async def test_a_redirect_is_not_followed_not_even_to_where_it_may_go() -> None:
    async with receiving() as other:

        async def elsewhere(received: Received) -> str | None:
            return f"HTTP/1.1 307 Elsewhere\r\nLocation: {other.url}\r\nContent-Length: 0\r\n\r\n"

        async with receiving(elsewhere) as receiver:
            answer = await send(receiver.url)

        assert (answer.status, answer.reason) == (307, "answered 307: redirects are not followed")
        assert other.received == []


async def test_who_does_not_answer_in_time_has_not_taken_it() -> None:
    async def hangs(received: Received) -> str | None:
        await asyncio.sleep(30)
        return OK

    async with receiving(hangs) as receiver:
        answer = await send(receiver.url, answer_within=timedelta(milliseconds=200))

    assert answer == Answer(None, "no answer within 0.2 s")


async def test_who_has_answered_has_taken_it_however_long_the_rest_takes() -> None:
    async def drips(received: Received) -> str | None:
        return "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nand so on"

    async with receiving(drips) as receiver:
        answer = await send(receiver.url, answer_within=timedelta(milliseconds=500))

    assert answer == Answer(200)


async def test_nobody_there_and_who_hangs_up_have_not_taken_it() -> None:
    async def hangs_up(received: Received) -> str | None:
        return None

    async with receiving(hangs_up) as receiver:
        assert await send(receiver.url) == Answer(None, "no answer (RemoteProtocolError)")
    assert await send(receiver.url) == Answer(None, "no answer (ConnectError)")


# Where it may go

FORBIDDEN: Final = [
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",  # noqa: S104 - an address to refuse
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2001:0:7f00:1::",
    "fe80::1",
    "fe80::1%1",
    "fc00::1",
    "fd12:3456::1",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "100::1",
]
PUBLIC: Final = ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("address", FORBIDDEN)
async def test_no_name_leads_to_an_address_that_is_not_public(address: str) -> None:
    for found in (address, f"8.8.8.8 {address}", f"{address} 8.8.8.8"):
        with pytest.raises(DestinationError, match="not public"):
            await Destination.from_url("https://hooks.example.com/").addresses(Allowed(), Names(found))


@pytest.mark.parametrize("address", [each for each in FORBIDDEN if "%" not in each])
async def test_no_such_address_may_be_named_itself(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(DestinationError, match="not public"):
        await Destination.from_url(f"https://{host}/").addresses(Allowed(), Names(""))


@pytest.mark.parametrize("address", PUBLIC)
async def test_a_public_address_may_be_sent_to(address: str) -> None:
    names = Names(address)
    found = await Destination.from_url("https://hooks.example.com/").addresses(Allowed(), names)
    assert [str(each) for each in found] == [address.removeprefix("::ffff:")]
    assert names.asked == ["hooks.example.com"]


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "127.1",
        "017700000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "1.2.3.4.5",
        "0",
    ],
)
async def test_numbers_that_resolvers_take_for_addresses_are_no_hosts(host: str) -> None:
    with pytest.raises(DestinationError, match=r"usual form|can't be read"):
        Destination.from_url(f"https://{host}/")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "begin with https"),
        ("hooks.example.com", "begin with https"),
        ("ftp://hooks.example.com", "begin with https"),
        ("file:///etc/passwd", "begin with https"),
        ("https://", "name a host"),
        ("https://user:word@hooks.example.com/", "user or password"),
        ("https://hooks.example.com@127.0.0.1/", "user or password"),
        ("https://hooks.example.com/#x", "fragment"),
        ("https://hooks.example.com:0/", "the port must be"),
        ("https://hooks.example.com:99999/", "the port must be"),
        ("https://hooks.example.com/\n", "can't be read"),
        ("https://hooks.example.com/a b", "without blanks"),
        ("https://127.0.0.1\\@hooks.example.com/", "user or password"),
        ("https://[::1", "can't be read"),
        ("https://hooks.example.com/" + "x" * 2000, "2000 characters"),
        ("https://-.example.com/", "usual form"),
    ],
)
def test_what_is_no_url_for_webhooks_is_refused_and_not_quoted(url: str, why: str) -> None:
    with pytest.raises(DestinationError, match=why) as refused:
        Destination.from_url(url)
    assert "word" not in str(refused.value).replace("password", "")


async def test_a_name_without_an_address_is_refused() -> None:
    with pytest.raises(DestinationError, match="can't be resolved"):
        await Destination.from_url("https://nowhere.example.com/").addresses(Allowed(), Names(""))


async def test_plain_http_is_refused_unless_listed() -> None:
    url = "http://hooks.example.com/"
    with pytest.raises(DestinationError, match="must be https"):
        await Destination.from_url(url).addresses(Allowed(), Names("8.8.8.8"))
    for listed in ("hooks.example.com", "8.8.8.0/24, 10.0.0.0/8"):
        assert await Destination.from_url(url).addresses(Allowed.from_text(listed), Names("8.8.8.8"))
    with pytest.raises(DestinationError, match="must be https"):
        await Destination.from_url(url).addresses(Allowed.from_text("8.8.8.8"), Names("8.8.8.8 9.9.9.9"))


async def test_what_is_listed_may_be_sent_to() -> None:
    url = "https://hooks.internal/"
    for listed in ("hooks.internal", "HOOKS.internal.", "10.0.0.0/8", "fd00::/8, 10.0.0.1"):
        assert await Destination.from_url(url).addresses(Allowed.from_text(listed), Names("10.0.0.1"))
    with pytest.raises(DestinationError):
        await Destination.from_url(url).addresses(Allowed.from_text("other.internal"), Names("10.0.0.1"))
    with pytest.raises(DestinationError):
        await Destination.from_url("https://x.hooks.internal/").addresses(
            Allowed.from_text("hooks.internal"), Names("10.0.0.1")
        )


@pytest.mark.parametrize("text", ["10.0.0.0/33", "10.0.0.1/8", "a b", "https://x", "*.internal", "300.1.1.1"])
def test_what_can_not_be_listed_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="no host, address or network"):
        Allowed.from_text(f"hooks.internal, {text}")


async def test_a_name_that_has_another_address_at_each_look_up_is_looked_up_once_for_each_attempt() -> None:
    """DNS rebinding: public where it is judged, this machine where it would be connected to."""
    async with receiving() as receiver:
        url = f"http://rebinding.example.com:{receiver.port}/"
        allowed = Allowed.from_text("127.0.0.1")
        names = Names("127.0.0.1", "127.0.0.2", "10.0.0.1")

        assert (await send(url, allowed, resolver=names)).taken, "pinned: it was looked up once"
        assert names.asked == ["rebinding.example.com"]
        refused = await send(url, allowed, resolver=names)

        assert refused.status is None
        assert refused.reason is not None
        assert "ONBOARDING_WEBHOOK_ALLOW" in refused.reason
        assert len(receiver.received) == 1
        assert receiver.received[0].headers["host"] == f"rebinding.example.com:{receiver.port}"


async def test_of_several_addresses_the_next_is_taken_where_nobody_listens_at_one() -> None:
    async with receiving() as receiver:
        url = f"http://hooks.example.com:{receiver.port}/"
        answer = await send(url, Allowed.from_text("127.0.0.0/8"), resolver=Names("127.0.0.9 127.0.0.1"))

    assert answer == Answer(204)


async def test_tls_is_verified_for_the_name_not_for_the_address(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path)
    server = authority.server_context("hooks.example.com")
    trusted = ssl.create_default_context(cafile=authority.file)
    async with receiving(ssl=server) as receiver:
        for host, taken in (("hooks.example.com", True), ("other.example.com", False)):
            url = f"https://{host}:{receiver.port}/"
            answer = await send(url, resolver=Names("127.0.0.1"), tls=trusted)
            assert answer.taken is taken, answer
        answer = await send(f"https://hooks.example.com:{receiver.port}/", resolver=Names("127.0.0.1"))
        assert answer == Answer(None, "no answer (ConnectError)"), "the system does not know the authority"
