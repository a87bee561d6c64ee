"""Encryption and reuse of connections, against real servers with certificates of the tests' own."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from activities import smtp
from activities.smtp import (
    PermanentDeliveryError,
    SmtpAddress,
    SmtpConnection,
    SmtpTransport,
    TemporaryDeliveryError,
    Tls,
)
from tests.certificates import Authority
from tests.smtp_server import Plan, SmtpServer

MESSAGE = b"From: a@example.com\r\nTo: b@example.com\r\nSubject: x\r\n\r\nHello\r\n"
HIDDEN = "geheim-4711"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path)


@asynccontextmanager
async def transport_to(
    server: SmtpServer, query: str = "", *, scheme: str = "smtp", idle: timedelta = timedelta(minutes=1)
) -> AsyncIterator[SmtpTransport]:
    transport = SmtpTransport(server.url.replace("smtp", scheme) + query, timeout=5, idle=idle)
    try:
        yield transport
    finally:
        await transport.close()


async def send(transport: SmtpTransport, recipient: str = "b@example.com") -> None:
    async with transport.connection() as connection:
        await connection.send("a@example.com", recipient, MESSAGE)


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_a_certificate_of_the_named_authority_is_taken(authority: Authority, scheme: str) -> None:
    context = authority.server_context("127.0.0.1")
    offered = {"tls": context} if scheme == "smtps" else {"starttls": context}
    async with SmtpServer(Plan(), **offered).running() as server:
        async with transport_to(server, f"?ca={authority.file}", scheme=scheme) as transport:
            await send(transport)
        assert len(server.accepted) == 1
        assert server.encrypted == [True]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_the_usual_variable_names_the_authority_as_well(
    authority: Authority, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    context = authority.server_context("127.0.0.1")
    offered = {"tls": context} if scheme == "smtps" else {"starttls": context}
    async with SmtpServer(Plan(), **offered).running() as server:
        async with transport_to(server, scheme=scheme) as transport:
            await send(transport)
        assert server.encrypted == [True]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
@pytest.mark.parametrize("wrong", ["authority", "host"])
async def test_a_certificate_that_does_not_verify_gets_no_mail_and_another_try(
    authority: Authority, tmp_path: Path, scheme: str, wrong: str
) -> None:
    """Putting the certificate right must be enough: the mail is not given up."""
    trusted = Authority.create(tmp_path, "other") if wrong == "authority" else authority
    context = authority.server_context("127.0.0.1" if wrong == "authority" else "mail.example.com")
    offered = {"tls": context} if scheme == "smtps" else {"starttls": context}
    async with SmtpServer(Plan(), **offered).running() as server:
        async with transport_to(server, f"?ca={trusted.file}", scheme=scheme) as transport:
            with pytest.raises(TemporaryDeliveryError, match=r"certificate|CERTIFICATE"):
                await send(transport)
        assert not server.accepted
        assert not server.encrypted, "not even the sender was named"


async def test_another_machine_without_starttls_gets_no_mail(authority: Authority) -> None:
    """Else whoever sits between could take the offer out of the conversation."""
    async with SmtpServer(Plan()).running() as server:
        address = replace(SmtpAddress.from_url(server.url), tls=Tls.REQUIRED)
        connection = SmtpConnection(address, ssl.create_default_context(cafile=authority.file), 5)
        with pytest.raises(TemporaryDeliveryError, match="STARTTLS"):
            await connection.send("a@example.com", "b@example.com", MESSAGE)
        assert not server.accepted


async def test_plain_text_where_the_url_says_so_even_if_more_is_offered(authority: Authority) -> None:
    context = authority.server_context("mail.example.com")
    async with SmtpServer(Plan(), starttls=context).running() as server:
        async with transport_to(server, "?tls=none") as transport:
            await send(transport)
        assert server.encrypted == [False]


@pytest.mark.parametrize(
    ("url", "tls"),
    [
        ("smtp://mail.example.com", Tls.REQUIRED),
        ("smtp://u:p@mail.example.com", Tls.REQUIRED),
        ("smtp://10.0.0.7", Tls.REQUIRED),
        ("smtp://localhost.example.com", Tls.REQUIRED),
        ("smtp://mail.example.com?tls=none", Tls.NONE),
        ("smtps://mail.example.com", Tls.IMPLICIT),
        ("smtp://127.0.0.1", Tls.OFFERED),
        ("smtp://u:p@localhost/", Tls.OFFERED),
        ("smtp://u:p@[::1]?tls=none", Tls.NONE),
    ],
)
def test_only_this_machine_or_the_url_allow_plain_text(url: str, tls: Tls) -> None:
    assert SmtpAddress.from_url(url).tls is tls


@pytest.mark.parametrize(
    ("rest", "says"),
    [
        ("mail.example.com?tls=none", "only encrypted"),
        ("mail.example.com?tls=off", "tls can only be none"),
        ("mail.example.com?ca=", "after the ?"),
        ("mail.example.com?ca", "after the ?"),
        ("mail.example.com?ca=/no/such/file.pem", "No such file"),
        (f"mail.example.com?ca={__file__}", "no certificate"),
        ("mail.example.com?tls=none&tls=none", "after the ?"),
        ("mail.example.com?verify=no", "after the ?"),
        (f"127.0.0.1?tls=none&ca={__file__}", "exclude"),
    ],
)
def test_a_wrong_option_is_named_without_the_password(rest: str, says: str) -> None:
    with pytest.raises(ValueError, match="ONBOARDING_SMTP_URL") as refused:
        SmtpAddress.from_url(f"smtp://user:{HIDDEN}@{rest}")
    assert says in str(refused.value)
    assert HIDDEN not in str(refused.value)
    assert refused.value.__cause__ is None


def test_smtps_can_not_be_plain() -> None:
    with pytest.raises(ValueError, match="only with smtp://"):
        SmtpAddress.from_url("smtps://mail.example.com?tls=none")


async def test_batches_one_after_the_other_share_a_connection() -> None:
    async with SmtpServer(Plan()).running() as server, transport_to(server) as transport:
        for _ in range(3):
            await send(transport)
        assert (len(server.accepted), server.connections) == (3, 1)


async def test_batches_at_once_have_connections_of_their_own() -> None:
    async with SmtpServer(Plan()).running() as server, transport_to(server) as transport:
        async with transport.connection() as one, transport.connection() as other:
            await one.send("a@example.com", "one@example.com", MESSAGE)
            await other.send("a@example.com", "other@example.com", MESSAGE)
        await asyncio.gather(*(send(transport, f"{number}@example.com") for number in range(2)))
        assert server.connections == 2
        assert len(server.accepted) == 4


async def test_a_connection_that_waited_long_enough_is_ended() -> None:
    async with SmtpServer(Plan()).running() as server:
        async with transport_to(server, idle=timedelta()) as transport:
            await send(transport)
            # The timer was set for now: the loop reaches it before this one.
            await asyncio.sleep(0.01)
            assert transport.waiting == 0
            await send(transport)
        assert server.connections == 2


async def test_only_a_few_connections_wait() -> None:
    async with SmtpServer(Plan()).running() as server, transport_to(server) as transport:
        await asyncio.gather(*(send(transport) for _ in range(12)))
        assert server.connections > 4
        assert transport.waiting == 4


async def test_a_connection_the_server_closed_meanwhile_is_opened_anew() -> None:
    async with SmtpServer(Plan()).running() as server, transport_to(server) as transport:
        await send(transport)
        server.hang_up()
        await send(transport)
        assert (len(server.accepted), server.connections) == (2, 2)


async def test_a_server_that_says_it_closes_is_asked_again_over_a_new_connection() -> None:
    async with SmtpServer(Plan()).running() as server, transport_to(server) as transport:
        await send(transport)
        server.plan.sender_once = "421 4.4.2 Idle for too long"
        await send(transport)
        assert (len(server.accepted), server.connections) == (2, 2)


async def test_a_new_connection_that_is_refused_is_not_tried_again_at_once() -> None:
    async with SmtpServer(Plan(sender_once="421 4.3.2 Going down")).running() as server:
        async with transport_to(server) as transport:
            with pytest.raises(TemporaryDeliveryError, match="421"):
                await send(transport)
        assert server.connections == 1


async def test_a_message_that_may_have_arrived_is_not_sent_again_here() -> None:
    """That is the activity's decision, which knows the ledger."""
    async with SmtpServer(Plan()).running() as server, transport_to(server) as transport:
        await send(transport)
        server.plan.lose_answers = 1
        with pytest.raises(TemporaryDeliveryError):
            await send(transport)
        assert (len(server.accepted), server.connections) == (2, 1)


async def test_a_refused_recipient_leaves_the_connection_usable() -> None:
    plan = Plan(recipients={"gone@example.com": "550 5.1.1 No such user"})
    async with SmtpServer(plan).running() as server, transport_to(server) as transport:
        async with transport.connection() as connection:
            with pytest.raises(PermanentDeliveryError):
                await connection.send("a@example.com", "gone@example.com", MESSAGE)
            await connection.send("a@example.com", "b@example.com", MESSAGE)
        await send(transport)
        assert (len(server.accepted), server.connections) == (2, 1)


async def test_a_batch_that_failed_leaves_no_connection_to_others() -> None:
    async with SmtpServer(Plan()).running() as server, transport_to(server) as transport:

        async def fails() -> None:
            async with transport.connection() as connection:
                await connection.send("a@example.com", "b@example.com", MESSAGE)
                raise RuntimeError("mine")

        with pytest.raises(RuntimeError, match="mine"):
            await fails()
        assert transport.waiting == 0
        await send(transport)
        assert server.connections == 2


async def test_a_conversation_in_the_midst_of_a_cancelled_batch_is_dropped() -> None:
    async with SmtpServer(Plan(hang=True)).running() as server, transport_to(server) as transport:
        sending = asyncio.create_task(send(transport))
        await server.reached_data.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert transport.waiting == 0


async def test_a_server_that_hangs_does_not_keep_a_worker_from_ending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(smtp, "GOODBYE", timedelta(seconds=0.05))
    async with SmtpServer(Plan(hang_at_quit=True)).running() as server:
        async with asyncio.timeout(2), transport_to(server) as transport:
            await send(transport)
        assert len(server.accepted) == 1
