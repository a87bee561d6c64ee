"""The sink that keeps mails, filled by the real transport."""

import mailbox
import shutil
from pathlib import Path

import pytest

from activities.smtp import SmtpTransport, TemporaryDeliveryError
from starter.local.mail_sink import MailSink, kept_mails

SENDER = "onboarding@example.com"


async def deliver(sink: MailSink, *messages: bytes, recipient: str = "mei@example.com") -> None:
    async with SmtpTransport(sink.url).connection() as connection:
        for message in messages:
            await connection.send(SENDER, recipient, message, needs_utf8=not recipient.isascii())


async def test_mails_are_kept_in_the_order_of_arrival_across_restarts(tmp_path: Path) -> None:
    sink = MailSink(tmp_path / "mails")
    async with sink.running():
        await deliver(sink, *(f"Subject: {n}\r\n\r\nbody".encode() for n in range(12)))
    again = MailSink(tmp_path / "mails")
    async with again.running():
        await deliver(again, b"Subject: 12\r\n\r\nbody")

    mails = again.messages()
    assert [mail.message["Subject"] for mail in mails] == [str(n) for n in range(13)]
    assert [mail.number for mail in mails] == list(range(1, 14))
    assert {(mail.sender, mail.recipients) for mail in mails} == {
        ("onboarding@example.com", ("mei@example.com",))
    }
    assert [name for name, _ in mails[0].message.items()] == ["Subject"]


async def test_mails_in_other_scripts_are_read_back(tmp_path: Path) -> None:
    sink = MailSink(tmp_path)
    async with sink.running():
        await deliver(sink, "Subject: 申请已收到\r\n\r\n您好".encode(), recipient="陈美@example.com")

    [mail] = sink.messages()
    assert mail.recipients == ("陈美@example.com",)
    assert mail.message["Subject"] == "申请已收到"


async def test_any_mail_program_can_open_the_folder(tmp_path: Path) -> None:
    sink = MailSink(tmp_path)
    async with sink.running():
        await deliver(sink, b"Subject: hello\r\n\r\nbody")

    [message] = mailbox.Maildir(tmp_path, create=False)
    assert message["Subject"] == "hello"
    assert message["Return-Path"] == "<onboarding@example.com>"


async def test_a_mail_that_cannot_be_kept_is_asked_for_again(tmp_path: Path) -> None:
    sink = MailSink(tmp_path / "mails")
    async with sink.running():
        shutil.rmtree(tmp_path / "mails")
        with pytest.raises(TemporaryDeliveryError):
            await deliver(sink, b"Subject: hello\r\n\r\nbody")


def test_no_folder_is_no_mail(tmp_path: Path) -> None:
    assert kept_mails(tmp_path / "nothing") == []
    assert not (tmp_path / "nothing").exists()


async def test_a_taken_port_is_an_error(tmp_path: Path) -> None:
    async with MailSink(tmp_path / "a").running() as first:
        taken = int(first.url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            async with MailSink(tmp_path / "b", port=taken).running():
                pass
