"""Asking the mail server whether it would take our mails: a conversation that ends before there is one."""

import ssl
from dataclasses import dataclass
from enum import StrEnum

import aiosmtplib

from activities.smtp import SmtpAddress, SmtpConnection
from activities.smtp_replies import AUTHENTICATION_CODES, shown


class Step(StrEnum):
    """How far a conversation came."""

    CONNECTION = "connection"
    ENCRYPTION = "encryption"
    LOGIN = "login"
    SENDER = "sender"


class ProbeError(Exception):
    """The mail server can't be used; ``step`` is what failed, ``reason`` what was said."""

    def __init__(self, step: Step, reason: str) -> None:
        super().__init__(reason)
        self.step = step
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
            return ProbeError(Step.ENCRYPTION, str(cause))
        case aiosmtplib.SMTPResponseException(code=code):
            if isinstance(error, aiosmtplib.SMTPAuthenticationError) or code in AUTHENTICATION_CODES:
                step = Step.LOGIN
            elif isinstance(error, aiosmtplib.SMTPSenderRefused):
                step = Step.SENDER
            else:
                step = Step.CONNECTION
            return ProbeError(step, f"{code} {shown(error.message)}")
        # aiosmtplib has no class of its own for what a server does not offer.
        case aiosmtplib.SMTPException() if "STARTTLS" in said:
            return ProbeError(Step.ENCRYPTION, "the server does not offer STARTTLS")
        case aiosmtplib.SMTPException() if "AUTH" in said or "authentication" in said:
            return ProbeError(Step.LOGIN, said)
        # Its own text repeats host and port.
        case aiosmtplib.SMTPConnectError() if not isinstance(error, TimeoutError):
            return ProbeError(Step.CONNECTION, shown(str(cause)))
    return ProbeError(Step.CONNECTION, said)
