"""Asking the mail server whether it would take our mails: a conversation that ends before there is one."""

import ssl
from dataclasses import dataclass
from enum import StrEnum

import aiosmtplib

from activities.smtp import SmtpAddress, SmtpConnection
from activities.smtp_replies import AUTHENTICATION_CODES, shown


class Failure(StrEnum):
    """Where a conversation failed."""

    CONNECTION = "connection"
    ENCRYPTION = "encryption"
    LOGIN = "login"
    SENDER = "sender"


class ProbeError(Exception):
    """The mail server can't be used; ``failure`` is where, ``reason`` what was said."""

    def __init__(self, failure: Failure, reason: str) -> None:
        super().__init__(reason)
        self.failure = failure
        self.reason = reason


@dataclass(frozen=True)
class Probed:
    """The server would take our mails; whether it was asked over TLS and as a user."""

    encrypted: bool
    logged_in: bool


async def probe(address: SmtpAddress, sender: str, *, patience: float) -> Probed:
    """Connect as for a mail, name ``sender`` (an address), take it back and say good-bye.

    A server may still refuse the sender later, when it is told a recipient. ``patience``: seconds for
    connecting and for each answer.

    Raises:
        ProbeError: the server is not there, not trusted, or refuses.
    """
    connection = SmtpConnection(address, address.tls_context(), patience)
    try:
        await connection.introduce(sender)
        encrypted = connection.is_encrypted
        await connection.quit()
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        raise _classified(error) from None
    finally:
        connection.close()
    return Probed(encrypted, address.username is not None)


def _classified(error: Exception) -> ProbeError:
    cause = error.__cause__ or error
    said = shown(str(error))
    match error:
        # Where TLS begins with the first byte it is the cause of a failed connection.
        case _ if isinstance(cause, ssl.SSLError):
            return ProbeError(Failure.ENCRYPTION, str(cause))
        case aiosmtplib.SMTPResponseException(code=code):
            if isinstance(error, aiosmtplib.SMTPAuthenticationError) or code in AUTHENTICATION_CODES:
                failure = Failure.LOGIN
            elif isinstance(error, aiosmtplib.SMTPSenderRefused):
                failure = Failure.SENDER
            else:
                failure = Failure.CONNECTION
            return ProbeError(failure, f"{code} {shown(error.message)}")
        # aiosmtplib has no class of its own for what a server does not offer.
        case aiosmtplib.SMTPException() if "STARTTLS" in said:
            return ProbeError(Failure.ENCRYPTION, "the server does not offer STARTTLS")
        case aiosmtplib.SMTPException() if "AUTH" in said or "authentication" in said:
            return ProbeError(Failure.LOGIN, said)
        # Its own text repeats host and port.
        case aiosmtplib.SMTPConnectError() if not isinstance(error, TimeoutError):
            return ProbeError(Failure.CONNECTION, shown(str(cause)))
    return ProbeError(Failure.CONNECTION, said)
