"""A mail server that misbehaves by plan, in a process of its own, with a log of its own.

``python -m bench.chaos.smtp PLAN LOG START PORT...``: every worker has a port of its own, so that the log
says which one delivered. A message is in the log, on disk, before it is answered.
"""

import asyncio
import sys
import time
from email import message_from_bytes
from email.policy import SMTP as SMTP_POLICY
from pathlib import Path
from typing import Any, AnyStr, Final, cast
from zlib import crc32

from aiosmtpd.smtp import SMTP, Envelope, Session

from bench.chaos.evidence import Mail, MailEvent
from bench.chaos.plan import Fault, FaultKind, Plan

IP: Final = "127.0.0.1"
NO_SUCH_MAILBOX: Final = "gone-"
OUR_DOMAIN: Final = "@vendor.example.com"
"""A server takes mails for its own domain from anybody."""


class Log:
    """One JSON object a line, flushed at once."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("a", encoding="utf-8")

    def write(self, mail: Mail) -> None:
        """Add a line."""
        self._file.write(mail.model_dump_json() + "\n")
        self._file.flush()


class Misbehaviour:
    """Which fault of the plan is on now."""

    def __init__(self, windows: tuple[Fault, ...], start: float) -> None:
        self._windows = windows
        self._start = start

    def now(self) -> FaultKind | None:
        """The fault of this moment."""
        at = time.time() - self._start
        return next((w.kind for w in self._windows if w.at <= at < w.at + w.lasts), None)

    async def until_refusing(self, refusing: bool) -> None:
        """Return when the server has to begin, or to end, refusing connections."""
        while (self.now() is FaultKind.REFUSED) is not refusing:  # noqa: ASYNC110 - a clock sets no event
            await asyncio.sleep(0.02)


class _Conversation(SMTP):
    busy = False

    async def push(self, status: AnyStr) -> None:
        if self.busy and str(status).startswith("220 "):
            await super().push("421 too many connections, try again later")
            _transport(self).close()
            return
        await super().push(status)


def _transport(conversation: SMTP) -> asyncio.Transport:
    return cast(asyncio.Transport, conversation.transport)


class MailServer:
    """All workers' ports, one plan, one log."""

    def __init__(self, misbehaviour: Misbehaviour, log: Log) -> None:
        self._misbehaviour = misbehaviour
        self._log = log
        self._greylisted: set[tuple[str, str]] = set()
        self._open: set[asyncio.Transport] = set()

    async def serve(self, ports: list[int]) -> None:
        """Listen until cancelled, except while connections are to be refused."""
        loop = asyncio.get_running_loop()
        while True:
            servers = [
                await loop.create_server(_Factory(self, slot), IP, port) for slot, port in enumerate(ports)
            ]
            await self._misbehaviour.until_refusing(True)
            for server in servers:
                server.close()
            for transport in self._open:
                transport.abort()
            self._open.clear()
            await self._misbehaviour.until_refusing(False)

    def conversation(self, slot: int) -> SMTP:
        """A new connection to a worker's port."""
        conversation = _Conversation(
            _Handler(self, slot), enable_SMTPUTF8=True, loop=asyncio.get_running_loop()
        )
        busy = self._misbehaviour.now() is FaultKind.BUSY
        conversation.busy = busy and int(time.time() * 10) % 2 == 0
        return conversation

    def opened(self, transport: asyncio.Transport) -> None:
        """Remember a connection, to be cut when connections are to be refused."""
        self._open = {known for known in self._open if not known.is_closing()} | {transport}

    def recipient(self, slot: int, address: str, sender: str) -> str | None:
        """What is wrong with a recipient just now."""
        if address.startswith(NO_SUCH_MAILBOX):
            self._log.write(
                Mail(at=time.time(), event=MailEvent.BOUNCED, slot=slot, recipient=address, answered=True)
            )
            return "550 5.1.1 no such mailbox"
        if self._misbehaviour.now() is FaultKind.GREYLIST and (sender, address) not in self._greylisted:
            self._greylisted.add((sender, address))
            self._log.write(Mail(at=time.time(), event=MailEvent.PUT_OFF, slot=slot, recipient=address))
            return "450 4.7.1 greylisted, try again later"
        if self._misbehaviour.now() is FaultKind.DENIED and not address.endswith(OUR_DOMAIN):
            self._log.write(Mail(at=time.time(), event=MailEvent.PUT_OFF, slot=slot, recipient=address))
            return "554 5.7.1 relay access denied"
        return None

    async def message(self, conversation: SMTP, slot: int, envelope: Envelope) -> str:
        """Take a message over, or do with it what the plan says."""
        message = message_from_bytes(cast(bytes, envelope.original_content), policy=SMTP_POLICY)
        seen: dict[str, Any] = {
            "slot": slot,
            "recipient": envelope.rcpt_tos[0],
            "message_id": str(message["Message-ID"]),
            "template": str(message["X-Onboarding-Template"]),
        }
        transport = _transport(conversation)
        match self._misbehaviour.now():
            case FaultKind.BUSY if crc32(seen["message_id"].encode()) % 2:
                self._log.write(Mail(at=time.time(), event=MailEvent.PUT_OFF, **seen))
                return "451 4.3.2 busy, try again later"
            case FaultKind.HANG:
                self._log.write(Mail(at=time.time(), event=MailEvent.HUNG, **seen))
                await asyncio.Event().wait()
            case FaultKind.CUT | FaultKind.REFUSED:
                self._log.write(Mail(at=time.time(), event=MailEvent.CUT, **seen))
                transport.abort()
                return "451 not taken"
            case FaultKind.LOST:
                self._log.write(Mail(at=time.time(), event=MailEvent.ACCEPTED, **seen))
                transport.abort()
                return "250 OK"
            case FaultKind.DROPPED:
                asyncio.get_running_loop().call_later(0.005, transport.close)
        self._log.write(Mail(at=time.time(), event=MailEvent.ACCEPTED, answered=True, **seen))
        return "250 OK"


class _Factory:
    def __init__(self, server: MailServer, slot: int) -> None:
        self._server, self._slot = server, slot

    def __call__(self) -> SMTP:
        return self._server.conversation(self._slot)


class _Handler:
    """The hooks of one conversation, by aiosmtpd's names."""

    def __init__(self, server: MailServer, slot: int) -> None:
        self._server, self._slot = server, slot

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, conversation: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self._server.opened(_transport(conversation))
        wrong = self._server.recipient(self._slot, address, envelope.mail_from or "")
        if wrong is None:
            envelope.rcpt_tos.append(address)
        return wrong or "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, conversation: SMTP, session: Session, envelope: Envelope
    ) -> str:
        return await self._server.message(conversation, self._slot, envelope)


def main(arguments: list[str]) -> None:
    """Serve until killed."""
    plan_file, log_file, start, *ports = arguments
    plan = Plan.model_validate_json(Path(plan_file).read_text(encoding="utf-8"))
    server = MailServer(Misbehaviour(plan.windows(), float(start)), Log(Path(log_file)))
    asyncio.run(server.serve([int(port) for port in ports]))


if __name__ == "__main__":
    main(sys.argv[1:])
