"""A real SMTP server that misbehaves by plan, and remembers what it accepted."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from typing import Any, AnyStr, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Plan:
    """What to answer instead of 250; an empty plan is a server that works.

    ``data``: answers to the final dot, one for each message in turn, after which all is well.
    ``lose_answers``: that many messages are accepted, but the connection breaks before the 250.
    ``drop_before_data``: that many messages are lost with the connection, not accepted.
    ``drop_after_answer``: the connection ends right after each 250.
    ``hang_at_quit``: QUIT is never answered. ``answer_after``: seconds from taking a message to saying so.
    ``sender_once``: the answer to the next MAIL FROM alone; after 421 the connection ends.
    """

    greeting: str | None = None
    sender: str | None = None
    sender_once: str | None = None
    recipients: dict[str, str] = field(default_factory=dict)
    data: list[str] = field(default_factory=list)
    hang: bool = False
    hang_at_quit: bool = False
    answer_after: float = 0.0
    lose_answers: int = 0
    drop_before_data: int = 0
    drop_after_answer: bool = False
    smtputf8: bool = True
    login: tuple[str, str] | None = None


@dataclass(frozen=True)
class Accepted:
    """A message the server has taken over."""

    recipient: str
    content: bytes

    @property
    def message(self) -> EmailMessage:
        """The message, parsed."""
        return message_from_bytes(self.content, policy=SMTP_POLICY)


class _Conversation(SMTP):
    plan: Plan

    async def push(self, status: AnyStr) -> None:
        greeting = self.plan.greeting if str(status).startswith("220 ") else None
        said: Any = greeting or status
        # A lone surrogate stands for a byte that is not UTF-8.
        await super().push(said.encode("utf-8", "surrogateescape") if isinstance(said, str) else said)
        if greeting:
            _transport(self).close()


def _transport(conversation: SMTP) -> asyncio.Transport:
    return cast(asyncio.Transport, conversation.transport)


class SmtpServer:
    """Listens on a free loopback port while `running`; ``starttls`` or ``tls`` give it a certificate."""

    def __init__(
        self, plan: Plan, *, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.plan = deepcopy(plan)
        self._starttls, self._tls = starttls, tls
        self.encrypted: list[bool] = []
        self.accepted: list[Accepted] = []
        self.connections = 0
        self.reached_data = asyncio.Event()
        self._port = 0
        self._open: set[asyncio.Transport] = set()

    @property
    def url(self) -> str:
        """For ``ONBOARDING_SMTP_URL``."""
        return f"smtp://127.0.0.1:{self._port}"

    def hang_up(self) -> None:
        """Close every connection, as a server does that has waited long enough."""
        for transport in self._open:
            transport.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["SmtpServer"]:
        """Serve until the block is left."""
        server = await asyncio.get_running_loop().create_server(
            self._conversation, "127.0.0.1", self._port, ssl=self._tls
        )
        self._port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for transport in self._open:
                transport.close()
            await server.wait_closed()

    def _conversation(self) -> SMTP:
        self.connections += 1
        conversation = _Conversation(
            self,
            enable_SMTPUTF8=self.plan.smtputf8,
            auth_require_tls=False,
            auth_required=self.plan.login is not None,
            authenticator=self._authenticate,
            tls_context=self._starttls,
            loop=asyncio.get_running_loop(),
        )
        conversation.plan = self.plan
        return conversation

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        given = (data.login.decode(), data.password.decode()) if isinstance(data, LoginPassword) else None
        return AuthResult(success=given == self.plan.login, handled=False)

    # aiosmtpd calls the hooks by these names.
    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self._open.add(_transport(server))
        self.encrypted.append(_transport(server).get_extra_info("sslcontext") is not None)
        if self.plan.sender:
            return self.plan.sender
        if self.plan.sender_once:
            answer, self.plan.sender_once = self.plan.sender_once, None
            if answer.startswith("421 "):
                asyncio.get_running_loop().call_soon(_transport(server).close)
            return answer
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.plan.recipients:
            return self.plan.recipients[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        if self.plan.hang_at_quit:
            await asyncio.Event().wait()
        return "221 Bye"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        self.reached_data.set()
        if self.plan.hang:
            await asyncio.Event().wait()
        if self.plan.drop_before_data:
            self.plan.drop_before_data -= 1
            _transport(server).abort()
            return "451 lost"
        if self.plan.data:
            return self.plan.data.pop(0)
        self.accepted.append(Accepted(envelope.rcpt_tos[0], cast(bytes, envelope.original_content)))
        await asyncio.sleep(self.plan.answer_after)
        if self.plan.lose_answers:
            self.plan.lose_answers -= 1
            _transport(server).abort()
        elif self.plan.drop_after_answer:
            asyncio.get_running_loop().call_soon(_transport(server).close)
        return "250 OK"
