"""The message as bytes: headers that can't be broken out of, parts, threading."""

import hashlib
from email import message_from_string
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from typing import Any, Final

import email_validator
from pydantic import BaseModel, ConfigDict

from activities.emails.addressed import AddressedNotice
from activities.emails.filters import without_bidi_controls
from activities.emails.invitation import Invitation
from activities.emails.render import RenderedNotice
from domain.values import safe_in_header

_ID_DOMAIN_LENGTH: Final = 30
"""With 32 hexadecimal digits and ``<@>`` 65 characters: the longest that fits the line of ``In-Reply-To``.
Longer ones are folded, beyond 70 into encoded words that no mail program takes for an ID."""


class UnsafeMessageError(Exception):
    """The notice can't become a message that says what was meant; it must never be sent."""


class OutgoingEmail(BaseModel):
    """A message ready for the mail server, with its envelope."""

    model_config = ConfigDict(frozen=True)

    sender: str
    recipient: str
    content: bytes
    needs_utf8: bool


class _WireFormat(EmailPolicy):
    """RFC 5322 with CRLF and 7-bit bodies. The subject is encoded as one text: the standard library
    loses a space here and there when it encodes word by word (seen in Python 3.11.7)."""

    def fold(self, name: str, value: Any) -> str:
        if name.lower() == "subject" and not self.utf8 and not str(value).isascii():
            encoded = Header(str(value), "utf-8", header_name=name).encode(linesep=self.linesep)
            return f"{name}: {encoded}{self.linesep}"
        return str(super().fold(name, value))

    def fold_binary(self, name: str, value: Any) -> bytes:
        if name.lower() == "subject" and not self.utf8:
            return self.fold(name, value).encode("ascii")
        return super().fold_binary(name, value)


_ASCII: Final = _WireFormat(linesep="\r\n", cte_type="7bit")
_UTF8: Final = _ASCII.clone(utf8=True)


class MessageFactory:
    """Builds the messages of one sender."""

    def __init__(self, sender: str) -> None:
        """``sender``: ``name@example.com`` or ``Name <name@example.com>``.

        Raises ValueError when it is no e-mail address.
        """
        try:
            parsed = email_validator.validate_email(
                sender, check_deliverability=False, allow_display_name=True, test_environment=True
            )
            self._from = _address(safe_in_header(parsed.display_name or ""), parsed.normalized)
        except ValueError as error:
            raise ValueError(f"ONBOARDING_EMAIL_FROM: {error}") from None
        if parsed.ascii_email is None:
            raise ValueError("ONBOARDING_EMAIL_FROM: the part before the @ must be ASCII")
        # A Message-ID's right part only has to look like a domain (RFC 5322 §3.6.4); the digest is unique.
        self._id_domain = self._from.domain[-_ID_DOMAIN_LENGTH:].lstrip(".-")

    @property
    def sender(self) -> str:
        """The address the envelope names, as ASCII."""
        return self._from.addr_spec

    def message_id(self, mail: AddressedNotice) -> str:
        """The same for every attempt to send this notice; at most 70 characters."""
        return f"<{self._identifier(mail.application_id, mail.key)}>"

    def thread_id(self, mail: AddressedNotice) -> str:
        """What all notices of an application to one audience answer to, so that they form one thread."""
        return f"<{self._identifier(mail.application_id, 'thread', mail.audience)}>"

    def build(self, mail: AddressedNotice, rendered: RenderedNotice) -> OutgoingEmail:
        """The notice as bytes.

        Raises UnsafeMessageError when a text could break out of its header, when the address is none, or when
        the bytes, parsed again, do not have exactly the headers that were meant.
        """
        try:
            # Several spaces in a row do not survive the standard library's encoding.
            name = " ".join(safe_in_header(without_bidi_controls(mail.to.name)).split())
            to = _address(name, mail.to.email)
            subject = safe_in_header(rendered.subject)
        except ValueError as error:
            raise UnsafeMessageError(f"not sent: recipient or subject {error}") from error
        needs_utf8 = not to.username.isascii()
        message = EmailMessage(policy=_UTF8 if needs_utf8 else _ASCII)
        message["From"] = self._from
        message["To"] = to
        message["Subject"] = subject
        message["Date"] = mail.at
        message["Message-ID"] = self.message_id(mail)
        message["In-Reply-To"] = self.thread_id(mail)
        message["References"] = self.thread_id(mail)
        message["X-Onboarding-Template"] = mail.template
        message["Auto-Submitted"] = "auto-generated"
        self._add_parts(message, mail, rendered)
        try:
            content = message.as_bytes()
            _check_headers(content, message, subject)
        except UnsafeMessageError:
            raise
        except Exception as error:
            # The standard library fails on some names with errors of its parser (AttributeError, TypeError,
            # seen in Python 3.11.7). Let out, they would be tried for ever and hold up every later notice.
            raise UnsafeMessageError(f"not sent: its headers can't be written ({error!r})") from error
        return OutgoingEmail(
            sender=self.sender, recipient=to.addr_spec, content=content, needs_utf8=needs_utf8
        )

    def _add_parts(self, message: EmailMessage, mail: AddressedNotice, rendered: RenderedNotice) -> None:
        message.set_content(rendered.text)
        message.add_alternative(rendered.html, subtype="html")
        invitation = Invitation.for_mail(mail, subject=rendered.subject)
        if invitation is not None:
            uid = self._identifier(mail.application_id, "event", invitation.event)
            message.add_attachment(
                invitation.calendar(uid, self.sender),
                subtype="calendar",
                params={"method": "PUBLISH"},
                filename=f"{invitation.event}.ics",
            )

    def _identifier(self, *names: str) -> str:
        digest = hashlib.sha256("\0".join(names).encode()).hexdigest()[:32]
        return f"{digest}@{self._id_domain}"


def _address(display_name: str, address: str) -> Address:
    """A mailbox; a domain in other scripts becomes ASCII (RFC 5891), which every server takes."""
    try:
        parsed = email_validator.validate_email(address, check_deliverability=False, test_environment=True)
    except email_validator.EmailNotValidError as error:
        raise ValueError(f"has no valid address: {error}") from error
    return Address(display_name, username=parsed.local_part, domain=parsed.ascii_domain)


def _check_headers(content: bytes, meant: EmailMessage, subject: str) -> None:
    """A header value that decodes to a line break becomes a header of its own only in the bytes."""
    # As text: the parser of bytes does not take UTF-8 in headers (RFC 6532).
    sent = message_from_string(content.decode(), policy=meant.policy)
    if [name.lower() for name in sent] != [name.lower() for name in meant]:
        raise UnsafeMessageError("not sent: the message would have had other headers than meant")
    if sent["Subject"] != subject or [str(a) for a in sent["To"].addresses] != [
        str(a) for a in meant["To"].addresses
    ]:
        raise UnsafeMessageError("not sent: subject or recipient would have read otherwise than meant")
