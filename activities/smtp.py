"""Handing messages to an SMTP server, and telling what will never work from what may work later."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib

from activities.loopback import is_loopback
from activities.smtp_reading import ShortReplies
from activities.smtp_replies import CLOSING, Judgement, Reply, SmtpCommand, judge, shown

_DEFAULT_PORTS: Final = {"smtp": 25, "smtps": 465}
_OPTIONS: Final = frozenset({"tls", "ca"})
IDLE: Final = timedelta(seconds=30)
"""How long a connection waits for the next batch. Servers wait minutes (RFC 5321 §4.5.3.2.7)."""
_MOST_IDLE: Final = 4
GOODBYE: Final = timedelta(seconds=3)
"""How long QUIT waits for its answer: a server that hangs must not keep a worker from ending."""


class PermanentDeliveryError(Exception):
    """This message will never be accepted for this recipient; ``reason`` is what the server said."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TemporaryDeliveryError(Exception):
    """Not accepted now: the server is away or busy, or our own settings have to be put right."""


class RecipientRefusedError(TemporaryDeliveryError):
    """Not accepted now for this recipient, whatever becomes of the others; ``judgement`` is ``later`` or
    ``doubtful``."""

    def __init__(self, reason: str, judgement: Judgement) -> None:
        super().__init__(reason)
        self.reason = reason
        self.judgement = judgement


class Tls(StrEnum):
    """How a conversation is encrypted; wherever it is, the server's certificate is verified."""

    IMPLICIT = "implicit"
    """From the first byte (RFC 8314 §3.3)."""
    REQUIRED = "required"
    """By STARTTLS (RFC 3207); a server without it gets no mail."""
    OFFERED = "offered"
    """By STARTTLS where the server offers it: within this machine."""
    NONE = "none"
    """Not at all, because the URL says so."""


@dataclass(frozen=True)
class SmtpAddress:
    """Where the server is, who logs in and how it is encrypted, taken from ``ONBOARDING_SMTP_URL``."""

    host: str
    port: int
    tls: Tls
    ca: Path | None
    username: str | None
    password: str | None = field(repr=False)

    @classmethod
    def from_url(cls, url: str) -> "SmtpAddress":
        """Read ``smtp://`` or ``smtps://[user:password@]host[:port][?ca=FILE][&tls=none]``.

        User and password are percent-decoded. ``ca``: certificates of the authorities to trust instead of the
        system's. ``tls=none``: plain text to another machine, too, for which there can be no password.

        Raises ValueError that names the variable and what is wrong, never the URL, which holds a password.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            # The cause would quote the URL, password included, when a "/" in it is not percent-encoded.
            raise _wrong("host or port can't be read") from None
        if port == 0:
            raise _wrong("no server listens on port 0; leave the port out or give the real one")
        if parts.scheme not in _DEFAULT_PORTS:
            raise _wrong("must begin with smtp:// or smtps://")
        if not parts.hostname:
            raise _wrong("names no host")
        if parts.path not in {"", "/"} or parts.fragment:
            raise _wrong("nothing but ?tls=none or ?ca=FILE may follow host and port")
        if bool(parts.username) != bool(parts.password):
            raise _wrong("user and password belong together")
        options = _options(parts.query)
        address = cls(
            host=parts.hostname,
            port=_DEFAULT_PORTS[parts.scheme] if port is None else port,
            tls=_tls(parts.scheme, parts.hostname, options.get("tls")),
            ca=Path(options["ca"]) if "ca" in options else None,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )
        if address.tls is Tls.NONE:
            if address.username is not None and not is_loopback(address.host):
                raise _wrong("a password leaves this machine only encrypted, so not with tls=none")
            if address.ca is not None:
                raise _wrong("ca and tls=none exclude each other")
        address.tls_context()
        return address

    def tls_context(self) -> ssl.SSLContext:
        """What verifies the server: ``ca``, else the system's authorities (or those of ``SSL_CERT_FILE``).

        Raises ValueError when ``ca`` can't be read.
        """
        try:
            return ssl.create_default_context(cafile=self.ca)
        except OSError as error:
            reason = error.strerror if isinstance(error, FileNotFoundError) else "holds no certificate"
            raise _wrong(f"ca={self.ca}: {reason}") from None


class _Client(aiosmtplib.SMTP):
    """Knows whether the message in hand may have reached the server, and reads a reply of any length."""

    data_begun = False

    async def connect(self, **options: Any) -> aiosmtplib.SMTPResponse:
        response = await super().connect(**options)
        if isinstance(self.transport, asyncio.Transport) and isinstance(self.protocol, asyncio.Protocol):
            self.transport.set_protocol(ShortReplies(self.protocol))
        return response

    async def data(self, *args: Any, **options: Any) -> Any:
        self.data_begun = True
        return await super().data(*args, **options)


class SmtpConnection:
    """One conversation at a time; it is opened, and opened again, when a message needs it."""

    def __init__(self, address: SmtpAddress, tls_context: ssl.SSLContext, timeout: float) -> None:
        self._client = _Client(
            hostname=address.host,
            port=address.port,
            username=address.username,
            password=address.password,
            use_tls=address.tls is Tls.IMPLICIT,
            # None: upgrade when the server offers it.
            start_tls=None if address.tls is Tls.OFFERED else address.tls is Tls.REQUIRED,
            tls_context=tls_context,
            timeout=timeout,
        )

    @property
    def is_open(self) -> bool:
        """Whether it is connected, as far as is known on this side."""
        return self._client.is_connected

    async def send(self, sender: str, recipient: str, message: bytes, *, needs_utf8: bool = False) -> None:
        """Return when the server has taken the message over (its final 250).

        A connection that was already open may turn out to be closed by the server. If so before the message
        itself went out, it is sent over a new one, once: it can't have been accepted.

        ``needs_utf8``: an address is not ASCII, so the server must know SMTPUTF8 (RFC 6531).

        Raises:
            PermanentDeliveryError: the recipient or the message is refused for good.
            RecipientRefusedError: refused for now, or for good without that being believed yet; the others
                may be accepted.
            TemporaryDeliveryError: anything else; when the final answer got lost, the server may have the
                message.
        """
        was_open = self.is_open
        try:
            try:
                await self._converse(sender, recipient, message, needs_utf8)
            except aiosmtplib.SMTPException as error:
                if not was_open or self._client.data_begun or not _closed_by_server(error):
                    raise
                self.close()
                await self._converse(sender, recipient, message, needs_utf8)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            # Without its cause: Temporal keeps the texts of all of them, and can't keep every text.
            raise _classified(error) from None

    async def introduce(self, sender: str) -> None:
        """Connect, encrypt, log in and name the sender, as before a mail; then take it back.

        Raises aiosmtplib.SMTPException, OSError or ValueError as they come.
        """
        await self._client.connect()
        await self._client.mail(sender)
        await self._client.rset()

    @property
    def is_encrypted(self) -> bool:
        """Whether the open connection is."""
        return self._client.get_transport_info("sslcontext") is not None

    async def _converse(self, sender: str, recipient: str, message: bytes, needs_utf8: bool) -> None:
        if not self.is_open:
            await self._client.connect()
        self._client.data_begun = False
        await self._client.sendmail(
            sender,
            [recipient],
            message,
            mail_options=["SMTPUTF8", "BODY=8BITMIME"] if needs_utf8 else [],
        )

    async def quit(self) -> None:
        """Say good-bye; what was accepted stays accepted whatever the server answers."""
        try:
            if self.is_open:
                await self._client.quit(timeout=GOODBYE.total_seconds())
        except (aiosmtplib.SMTPException, OSError):
            self.close()

    def close(self) -> None:
        """Drop the connection as it is."""
        self._client.close()


class SmtpTransport:
    """The server that ``ONBOARDING_SMTP_URL`` names, and the connections to it that wait for work.

    To be used on one event loop; `close` it at the end.
    """

    def __init__(self, url: str, *, timeout: float = 30.0, idle: timedelta = IDLE) -> None:
        """``timeout``: seconds for connecting and for each answer. Raises ValueError on a bad URL."""
        self._address = SmtpAddress.from_url(url)
        self._tls_context = self._address.tls_context()
        self._timeout = timeout
        self._idle_seconds = idle.total_seconds()
        self._idle: dict[SmtpConnection, asyncio.TimerHandle] = {}
        self._ending: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[SmtpConnection]:
        """A connection for one batch alone; afterwards it waits for the next, for a bounded time.

        When the batch ends by an error or is cancelled, nobody knows what the server makes of it: it is
        dropped.
        """
        connection = self._waiting_one() or SmtpConnection(self._address, self._tls_context, self._timeout)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        if connection.is_open:
            self._keep(connection)

    @property
    def waiting(self) -> int:
        """How many connections wait for work."""
        return len(self._idle)

    async def close(self) -> None:
        """End the connections that wait, within seconds whatever the server does."""
        for connection in tuple(self._idle):
            self._end(connection)
        await asyncio.gather(*self._ending)

    def _waiting_one(self) -> SmtpConnection | None:
        """The one that was used last, so that those too many grow old."""
        while self._idle:
            connection, timer = self._idle.popitem()
            timer.cancel()
            if connection.is_open:
                return connection
        return None

    def _keep(self, connection: SmtpConnection) -> None:
        timer = asyncio.get_running_loop().call_later(self._idle_seconds, self._end, connection)
        self._idle[connection] = timer
        if len(self._idle) > _MOST_IDLE:
            self._end(next(iter(self._idle)))

    def _end(self, connection: SmtpConnection) -> None:
        self._idle.pop(connection).cancel()
        task = asyncio.get_running_loop().create_task(connection.quit())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


def _wrong(reason: str) -> ValueError:
    return ValueError(f"ONBOARDING_SMTP_URL: {reason}")


def _options(query: str) -> dict[str, str]:
    try:
        found = parse_qs(query, strict_parsing=True, keep_blank_values=True) if query else {}
    except ValueError:
        found = {"": [""]}
    if not found.keys() <= _OPTIONS or any(len(values) != 1 or not values[0] for values in found.values()):
        raise _wrong("after the ? there may be tls=none or ca=FILE")
    return {name: value for name, [value] in found.items()}


def _tls(scheme: str, host: str, wanted: str | None) -> Tls:
    if wanted not in {None, "none"} or (wanted and scheme == "smtps"):
        raise _wrong("tls can only be none, and only with smtp://")
    if wanted:
        return Tls.NONE
    if scheme == "smtps":
        return Tls.IMPLICIT
    return Tls.OFFERED if is_loopback(host) else Tls.REQUIRED


def _closed_by_server(error: aiosmtplib.SMTPException) -> bool:
    return isinstance(error, aiosmtplib.SMTPServerDisconnected) or getattr(error, "code", None) == CLOSING


def _classified(error: Exception) -> PermanentDeliveryError | TemporaryDeliveryError:
    match error:
        case ssl.SSLError():
            # A certificate that does not verify is a ValueError as well.
            return TemporaryDeliveryError(f"TLS with the mail server failed: {shown(str(error))}")
        case aiosmtplib.SMTPRecipientsRefused(recipients=[refused, *_]):
            return _judged(SmtpCommand.RECIPIENT, refused.code, refused.message)
        case aiosmtplib.SMTPDataError():
            return _judged(SmtpCommand.MESSAGE, error.code, error.message)
        case aiosmtplib.SMTPSenderRefused():
            return _judged(SmtpCommand.SENDER, error.code, error.message)
        case aiosmtplib.SMTPNotSupported():
            return PermanentDeliveryError(
                "the address is not ASCII and the mail server does not support SMTPUTF8"
            )
        case aiosmtplib.SMTPResponseException():
            return TemporaryDeliveryError(f"{type(error).__name__}: {error.code} {shown(error.message)}")
        case ValueError():
            # aiosmtplib raises it for an address it can't put into a command.
            return PermanentDeliveryError("the address can't be used in an SMTP conversation")
    return TemporaryDeliveryError(f"{type(error).__name__}: {shown(str(error))}")


def _judged(command: SmtpCommand, code: int, said: str) -> PermanentDeliveryError | TemporaryDeliveryError:
    said = shown(said)
    reason = f"{command} refused: {code} {said}"
    match judge(Reply.read(command, code, said)):
        case Judgement.MAILBOX | Judgement.MESSAGE:
            return PermanentDeliveryError(reason)
        case Judgement.SERVER:
            return TemporaryDeliveryError(reason)
        case doubtful_or_later:
            return RecipientRefusedError(reason, doubtful_or_later)
