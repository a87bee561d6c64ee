"""An SMTP server that keeps every mail instead of delivering it: for `onboarding up`, the demo and tests."""

import asyncio
import mailbox
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_string
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path
from typing import Final, cast

from aiosmtpd.smtp import SMTP, Envelope, Session

_RECIPIENT: Final = "Delivered-To"
_SENDER: Final = "Return-Path"
_NUMBER: Final = "X-Mail-Sink-Number"


@dataclass(frozen=True)
class KeptMail:
    """A mail as it arrived: ``number`` counts arrivals from 1, sender and recipients are the envelope's."""

    number: int
    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage


def kept_mails(folder: Path) -> list[KeptMail]:
    """The mails kept in a folder, in the order they arrived; none when there is no such folder."""
    return sorted(map(_read, _contents(folder)), key=lambda mail: mail.number)


def save_as_files(kept: Path, folder: Path) -> int:
    """Save what a sink has kept as ``.eml`` files, which any mail program opens, and return how many.

    They are numbered as they arrived, and named for their template; those of an earlier time go.
    """
    for old in folder.glob("[0-9][0-9][0-9]-*.eml"):
        old.unlink()
    contents = _contents(kept)
    for content in contents:
        mail = _read(content)
        name = f"{mail.number:03}-{mail.message['X-Onboarding-Template']}.eml"
        (folder / name).write_bytes(content)
    return len(contents)


class MailSink:
    """Accepts everything on a loopback port and keeps it as a Maildir, which any mail program opens."""

    def __init__(self, folder: Path, *, host: str = "127.0.0.1", port: int = 0) -> None:
        """``port`` 0 takes a free one; `url` tells which."""
        self._folder = folder
        self._host = host
        self._port = port
        self._arriving = asyncio.Lock()

    @property
    def url(self) -> str:
        """For ``ONBOARDING_SMTP_URL``, while the sink runs."""
        return f"smtp://{self._host}:{self._port}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator["MailSink"]:
        """Serve until the block is left. Raises OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        for name in ("cur", "new", "tmp"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        self._maildir = mailbox.Maildir(self._folder)
        server = await loop.create_server(
            lambda: SMTP(self, enable_SMTPUTF8=True, loop=loop), self._host, self._port
        )
        self._port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await server.wait_closed()

    def messages(self) -> list[KeptMail]:
        """What has arrived, in that order, earlier runs included."""
        return kept_mails(self._folder)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd calls it by this name
        """Keep the mail before the sender is told so."""
        try:
            async with self._arriving:
                await asyncio.to_thread(self._keep, envelope)
        except OSError as error:
            # A full disk passes; aiosmtpd would answer 500, and the mail would count as undeliverable.
            return f"451 Can't be kept now: {error.strerror}"
        return "250 Kept"

    def _keep(self, envelope: Envelope) -> None:
        trace = [
            f"{_SENDER}: <{envelope.mail_from}>",
            *(f"{_RECIPIENT}: {recipient}" for recipient in envelope.rcpt_tos),
            f"{_NUMBER}: {len(self._maildir) + 1}",
        ]
        content = cast(bytes, envelope.original_content)
        self._maildir.add("".join(f"{line}\r\n" for line in trace).encode() + content)


def _contents(folder: Path) -> list[bytes]:
    if not (folder / "new").is_dir():
        return []
    maildir = mailbox.Maildir(folder)
    return [maildir.get_bytes(key) for key in maildir.keys()]  # noqa: SIM118 - a Maildir iterates values


def _read(content: bytes) -> KeptMail:
    # As text: the parser of bytes does not take UTF-8 in headers (RFC 6532).
    text = content.decode("utf-8", errors="surrogateescape")
    message = message_from_string(text, policy=SMTPUTF8)
    sender = str(message[_SENDER]).strip("<>")
    recipients = tuple(str(recipient) for recipient in message.get_all(_RECIPIENT, []))
    number = int(message[_NUMBER])
    for name in (_SENDER, _RECIPIENT, _NUMBER):
        del message[name]
    return KeptMail(number=number, sender=sender, recipients=recipients, message=message)
