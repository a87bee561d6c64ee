"""A mail server's reply of any length and in any encoding: its code counts, and its text can be kept."""

import asyncio
import traceback
from typing import Any

import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DefaultFailureConverter, DefaultPayloadConverter

from activities.smtp import (
    PermanentDeliveryError,
    RecipientRefusedError,
    SmtpAddress,
    SmtpConnection,
    SmtpTransport,
    TemporaryDeliveryError,
)
from activities.smtp_probe import ProbeError, probe
from activities.smtp_reading import MOST_LINES, ShortReplies
from activities.smtp_replies import MOST_SHOWN, Judgement
from tests.long import some_of
from tests.smtp_server import Plan, SmtpServer

MEI, LI, SENDER = "mei@partner.example", "li@vendor.example", "onboarding@example.com"
WORDS = "word " * 20_000
LINES = "".join(f"550-5.1.1 line {number}\r\n" for number in range(5_000))
LATIN_1 = "occup\udce9"
"""The last byte is not UTF-8."""


async def sent(connection: SmtpConnection, recipient: str) -> None:
    await connection.send(SENDER, recipient, b"Subject: x\r\n\r\nx\r\n")


@pytest.mark.parametrize(
    ("answer", "judged"),
    [
        (f"550 5.1.1 {WORDS}", None),
        (f"{LINES}550 5.1.1 no such user", None),
        (f"451 4.3.0 {WORDS}", Judgement.LATER),
        (f"554 5.7.1 {WORDS}", Judgement.DOUBTFUL),
        (f"451 4.3.0 {LATIN_1}", Judgement.LATER),
        (f"550 5.1.1 {LATIN_1}\x1b[31m", None),
    ],
)
@pytest.mark.parametrize("at_the_end", [False, True], ids=["recipient", "message"])
async def test_a_reply_is_judged_by_its_code_and_holds_up_nobody_else(
    answer: str, judged: Judgement | None, at_the_end: bool
) -> None:
    plan = Plan(data=[answer]) if at_the_end else Plan(recipients={MEI: answer})
    async with SmtpServer(plan).running() as server, SmtpTransport(server.url).connection() as connection:
        with pytest.raises((RecipientRefusedError, PermanentDeliveryError)) as refused:
            await sent(connection, MEI)
        error = refused.value
        assert isinstance(error, RecipientRefusedError | PermanentDeliveryError)
        assert (error.judgement if isinstance(error, RecipientRefusedError) else None) is judged
        assert error.reason.isprintable()
        assert error.reason.startswith(f"{'message' if at_the_end else 'recipient'} refused: ")
        assert len(error.reason) < MOST_SHOWN + 50
        can_be_kept(refused.value)
        await sent(connection, LI)
        assert server.connections == 1
    assert [mail.recipient for mail in server.accepted] == [LI]


@pytest.mark.parametrize("text", [WORDS, LATIN_1, "\x00\x1b[31m"])
async def test_what_is_about_the_server_can_be_kept_as_well(text: str) -> None:
    async with (
        SmtpServer(Plan(sender=f"451 4.3.0 {text}")).running() as server,
        SmtpTransport(server.url).connection() as connection,
    ):
        with pytest.raises(TemporaryDeliveryError) as refused:
            await sent(connection, MEI)
        can_be_kept(refused.value)
        assert len(str(refused.value)) < MOST_SHOWN + 50
        with pytest.raises(ProbeError) as failed:
            await probe(SmtpAddress.from_url(server.url), SENDER, patience=30)
        can_be_kept(failed.value)


@pytest.mark.parametrize("greeting", some_of([f"554 {LATIN_1}", f"554 {WORDS}", "hello"], every=3))
async def test_so_can_a_greeting(greeting: str) -> None:
    async with (
        SmtpServer(Plan(greeting=greeting)).running() as server,
        SmtpTransport(server.url).connection() as connection,
    ):
        with pytest.raises(TemporaryDeliveryError) as refused:
            await sent(connection, MEI)
        can_be_kept(refused.value)
        assert not connection.is_open


class Client(asyncio.Protocol):
    """Notes what it is handed."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def data_received(self, data: bytes) -> None:
        self.told.append(data)

    def eof_received(self) -> None:
        self.told.append("eof")

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append(exc)

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")


@pytest.mark.parametrize("size", [1, 2, 7, 511, 100_000])
def test_lines_are_handed_on_whole_however_they_come(size: int) -> None:
    """And of a reply no more than fits, its last line among it."""
    client = Client()
    replies = ShortReplies(client)
    said = f"250-{'a' * 600}\r\n250 b\r\n".encode() + b"550-c\n" * 100 + b"550 d\r\n220 half"
    for begin in range(0, len(said), size):
        replies.data_received(said[begin : begin + size])
    first, second, *continued, last = (line.decode().rstrip() for line in client.told)
    assert (first, second, last) == (f"250-{'a' * 508}", "250 b", "550 d")
    assert continued == ["550-c"] * MOST_LINES
    assert len(b"".join(client.told)) < 32 * 1024


def test_the_rest_is_handed_on_as_it_is() -> None:
    client, lost = Client(), ConnectionResetError()
    replies = ShortReplies(client)
    replies.pause_writing()
    replies.resume_writing()
    assert replies.eof_received() is None
    replies.connection_lost(lost)
    assert client.told == ["pause", "resume", "eof", lost]


def can_be_kept(error: BaseException) -> None:
    """As Temporal keeps the failure of an activity, with all its causes."""
    failure = Failure()
    DefaultFailureConverter().to_failure(error, DefaultPayloadConverter(), failure)
    assert len(failure.SerializeToString()) < 10_000, traceback.format_exception(error)
