"""Handing messages to an SMTP server, and telling what will never work from what may work later."""

import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

import aiosmtplib

_DEFAULT_PORTS: Final = {"smtp": 25, "smtps": 465}
_AUTHENTICATION_CODES: Final = frozenset({530, 534, 535, 538})
"""RFC 4954 §6: about how we log in, whichever command they answer."""
_MESSAGE_TOO_BIG: Final = 552
"""RFC 1870 §6.1: given to MAIL FROM, but about the message."""


class PermanentDeliveryError(Exception):
    """This message will never be accepted for this recipient; ``reason`` is what the server said."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TemporaryDeliveryError(Exception):
    """Not accepted now: the server is away or busy, or our own settings have to be put right."""


@dataclass(frozen=True)
class SmtpAddress:
    """Where the server is and who logs in, taken from ``ONBOARDING_SMTP_URL``."""

    host: str
    port: int
    implicit_tls: bool
    username: str | None
    password: str | None

    @classmethod
    def from_url(cls, url: str) -> "SmtpAddress":
        """Read ``smtp://`` or ``smtps://[user:password@]host[:port]``; user and password are percent-decoded.

        Raises ValueError that names the variable and what is wrong, never the URL, which holds a password.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            # The cause would quote the URL, password included, when a "/" in it is not percent-encoded.
            raise ValueError("ONBOARDING_SMTP_URL: host or port can't be read") from None
        if parts.scheme not in _DEFAULT_PORTS:
            raise ValueError("ONBOARDING_SMTP_URL: must begin with smtp:// or smtps://")
        if not parts.hostname:
            raise ValueError("ONBOARDING_SMTP_URL: names no host")
        if parts.path not in {"", "/"} or parts.query or parts.fragment:
            raise ValueError("ONBOARDING_SMTP_URL: nothing may follow host and port")
        if bool(parts.username) != bool(parts.password):
            raise ValueError("ONBOARDING_SMTP_URL: user and password belong together")
        return cls(
            host=parts.hostname,
            port=_DEFAULT_PORTS[parts.scheme] if port is None else port,
            implicit_tls=parts.scheme == "smtps",
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )

    @property
    def must_start_tls(self) -> bool:
        """A password goes over the network encrypted or not at all; within this machine it may go plain."""
        return self.username is not None and not self.implicit_tls and not _is_loopback(self.host)


class SmtpConnection:
    """One conversation for a batch of messages; it is opened, and opened again, when a message needs it."""

    def __init__(self, address: SmtpAddress, timeout: float) -> None:
        self._address = address
        self._client = aiosmtplib.SMTP(
            hostname=address.host,
            port=address.port,
            username=address.username,
            password=address.password,
            use_tls=address.implicit_tls,
            # None: upgrade when the server offers it.
            start_tls=False if address.implicit_tls else (True if address.must_start_tls else None),
            timeout=timeout,
        )

    async def send(self, sender: str, recipient: str, message: bytes, *, needs_utf8: bool = False) -> None:
        """Return when the server has taken the message over (its final 250).

        ``needs_utf8``: an address is not ASCII, so the server must know SMTPUTF8 (RFC 6531).

        Raises:
            PermanentDeliveryError: the recipient or the message is refused for good.
            TemporaryDeliveryError: anything else; when the final answer got lost, the server may have the
                message.
        """
        try:
            if not self._client.is_connected:
                await self._client.connect()
            await self._client.sendmail(
                sender,
                [recipient],
                message,
                mail_options=["SMTPUTF8", "BODY=8BITMIME"] if needs_utf8 else [],
            )
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise _classified(error) from error

    async def quit(self) -> None:
        """Say good-bye; what was accepted stays accepted whatever the server answers."""
        try:
            if self._client.is_connected:
                await self._client.quit()
        except (aiosmtplib.SMTPException, OSError):
            self._client.close()

    def close(self) -> None:
        """Drop the connection as it is."""
        self._client.close()


class SmtpTransport:
    """The server that ``ONBOARDING_SMTP_URL`` names."""

    def __init__(self, url: str, *, timeout: float = 30.0) -> None:
        """``timeout``: seconds for connecting and for each answer. Raises ValueError on a bad URL."""
        self._address = SmtpAddress.from_url(url)
        self._timeout = timeout

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[SmtpConnection]:
        """A connection for one batch; when the batch ends by an error or is cancelled it is just dropped."""
        connection = SmtpConnection(self._address, self._timeout)
        try:
            yield connection
            await connection.quit()
        finally:
            connection.close()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _classified(error: Exception) -> PermanentDeliveryError | TemporaryDeliveryError:
    match error:
        case aiosmtplib.SMTPRecipientsRefused(recipients=[refused, *_]):
            return _by_code(refused.code, f"recipient refused: {refused.code} {refused.message}")
        case aiosmtplib.SMTPDataError():
            return _by_code(error.code, f"message refused: {error.code} {error.message}")
        case aiosmtplib.SMTPSenderRefused(code=code) if code == _MESSAGE_TOO_BIG:
            return PermanentDeliveryError(f"message refused: {code} {error.message}")
        case aiosmtplib.SMTPNotSupported():
            return PermanentDeliveryError(
                "the address is not ASCII and the mail server does not support SMTPUTF8"
            )
        case aiosmtplib.SMTPResponseException():
            return TemporaryDeliveryError(f"{type(error).__name__}: {error.code} {error.message}")
        case ValueError():
            # aiosmtplib raises it for an address it can't put into a command.
            return PermanentDeliveryError("the address can't be used in an SMTP conversation")
    return TemporaryDeliveryError(f"{type(error).__name__}: {error}")


def _by_code(code: int, reason: str) -> PermanentDeliveryError | TemporaryDeliveryError:
    if code >= 500 and code not in _AUTHENTICATION_CODES:
        return PermanentDeliveryError(reason)
    return TemporaryDeliveryError(reason)
