"""The mail server misbehaves as planned, and its log tells what it really did."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import pytest

from bench.chaos.collect import mails
from bench.chaos.evidence import Mail, MailEvent
from bench.chaos.plan import Fault, FaultKind
from bench.chaos.services import IP, free_ports
from bench.chaos.smtp import Log, MailServer, Misbehaviour


@asynccontextmanager
async def served(log: Path, kind: FaultKind | None) -> AsyncIterator[list[int]]:
    """A server whose fault of this kind has begun and lasts for the whole test."""
    windows = (Fault(kind=kind, at=0, lasts=3600),) if kind else ()
    ports = free_ports(2)
    server = MailServer(Misbehaviour(windows, time.time()), Log(log))
    serving = asyncio.create_task(server.serve(ports))
    await asyncio.sleep(0.05)
    try:
        yield ports
    finally:
        serving.cancel()


async def send(
    port: int, message_id: str, to: str = "contact-1@acme.example.com", patience: float = 30
) -> None:
    message = EmailMessage()
    message["From"] = "onboarding@vendor.example.com"
    message["To"] = to
    message["Message-ID"] = message_id
    message["X-Onboarding-Template"] = "application_received"
    message.set_content("Hello")
    await aiosmtplib.send(message, hostname=IP, port=port, timeout=patience)


def told(log: Path) -> list[tuple[MailEvent, bool]]:
    return [(mail.event, mail.answered) for mail in mails(log)]


async def test_a_working_server_knows_who_delivered(tmp_path: Path) -> None:
    log = tmp_path / "mails.jsonl"
    async with served(log, None) as ports:
        await send(ports[1], "<1@vendor>")
    [mail] = mails(log)
    assert mail == Mail(
        at=mail.at,
        event=MailEvent.ACCEPTED,
        slot=1,
        recipient="contact-1@acme.example.com",
        message_id="<1@vendor>",
        template="application_received",
        answered=True,
    )


async def test_a_mailbox_that_does_not_exist(tmp_path: Path) -> None:
    log = tmp_path / "mails.jsonl"
    async with served(log, None) as ports:
        with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
            await send(ports[0], "<1@vendor>", "gone-1@acme.example.com")
    assert told(log) == [(MailEvent.BOUNCED, True)]


@pytest.mark.parametrize(
    ("kind", "logged"),
    [
        (FaultKind.HANG, [(MailEvent.HUNG, False)]),
        (FaultKind.CUT, [(MailEvent.CUT, False)]),
        (FaultKind.LOST, [(MailEvent.ACCEPTED, False)]),
        (FaultKind.GREYLIST, [(MailEvent.PUT_OFF, False)]),
        (FaultKind.DENIED, [(MailEvent.PUT_OFF, False)]),
    ],
)
async def test_the_client_does_not_hear_that_it_was_taken(
    tmp_path: Path, kind: FaultKind, logged: list[tuple[MailEvent, bool]]
) -> None:
    log = tmp_path / "mails.jsonl"
    async with served(log, kind) as ports:
        with pytest.raises((aiosmtplib.SMTPException, OSError)):
            await send(ports[0], "<1@vendor>", patience=1 if kind is FaultKind.HANG else 30)
    assert told(log) == logged


async def test_a_greylisted_recipient_is_served_the_second_time(tmp_path: Path) -> None:
    log = tmp_path / "mails.jsonl"
    async with served(log, FaultKind.GREYLIST) as ports:
        with suppress(aiosmtplib.SMTPException):
            await send(ports[0], "<1@vendor>")
        await send(ports[0], "<1@vendor>")
    assert told(log)[1] == (MailEvent.ACCEPTED, True)


async def test_who_is_denied_relaying_still_writes_to_the_servers_own_domain(tmp_path: Path) -> None:
    log = tmp_path / "mails.jsonl"
    async with served(log, FaultKind.DENIED) as ports:
        await send(ports[0], "<1@vendor>", "bd-1@vendor.example.com")
    assert told(log) == [(MailEvent.ACCEPTED, True)]


async def test_a_busy_server_takes_some_messages_and_puts_off_others(tmp_path: Path) -> None:
    log = tmp_path / "mails.jsonl"
    async with served(log, FaultKind.BUSY) as ports:
        refused = 0
        for number in range(20):
            try:
                await send(ports[0], f"<{number}@vendor>")
            except (aiosmtplib.SMTPException, OSError):
                refused += 1
    assert refused > 0
    assert len([mail for mail in mails(log) if mail.event is MailEvent.ACCEPTED]) == 20 - refused


async def test_a_connection_dropped_after_the_answer_is_a_success(tmp_path: Path) -> None:
    log = tmp_path / "mails.jsonl"
    async with served(log, FaultKind.DROPPED) as ports:
        with suppress(aiosmtplib.SMTPServerDisconnected):
            await send(ports[0], "<1@vendor>")
    assert told(log) == [(MailEvent.ACCEPTED, True)]


async def test_refused_connections(tmp_path: Path) -> None:
    log = tmp_path / "mails.jsonl"
    async with served(log, FaultKind.REFUSED) as ports:
        with pytest.raises((aiosmtplib.SMTPException, OSError)):
            await send(ports[0], "<1@vendor>")
    assert told(log) == []
