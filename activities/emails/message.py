"""The message as bytes: headers that can't be broken out of, parts, threading."""

import hashlib
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime
from typing import Final

import email_validator
from pydantic import BaseModel, ConfigDict

from activities.emails import headers
from activities.emails.addressed import AddressedNotice
from activities.emails.invitation import Invitation
from activities.emails.render import RenderedNotice
from domain.values import safe_in_header, without_misleading_marks

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


_BODY: Final = EmailPolicy(linesep="\r\n", cte_type="7bit")


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
            # A reader of headers may fold several spaces in a row into one.
            name = " ".join(safe_in_header(without_misleading_marks(mail.to.name)).split())
            to = _address(name, mail.to.email)
            subject = safe_in_header(rendered.subject)
        except ValueError as error:
            raise UnsafeMessageError(f"not sent: recipient or subject {error}") from error
        try:
            content, names = self._content(mail, rendered, to, subject)
            sent = headers.Headers.read(content)
        except Exception as error:
            # Let out, an error of a library would be tried for ever and hold up every later notice.
            raise UnsafeMessageError(f"not sent: its headers can't be written ({error!r})") from error
        # A value that decodes to a line break becomes a header of its own only in the bytes.
        if sent.names != names:
            raise UnsafeMessageError("not sent: the message would have had other headers than meant")
        if sent != headers.Headers(names, subject, _named(self._from), _named(to)):
            raise UnsafeMessageError("not sent: subject or recipient would have read otherwise than meant")
        return OutgoingEmail(
            sender=self.sender,
            recipient=to.addr_spec,
            content=content,
            needs_utf8=not to.username.isascii(),
        )

    def _content(
        self, mail: AddressedNotice, rendered: RenderedNotice, to: Address, subject: str
    ) -> tuple[bytes, tuple[str, ...]]:
        """The bytes, and the names of the headers meant to be in them."""
        thread = self.thread_id(mail)
        values = {
            "From": headers.mailbox("From", self._from),
            "To": headers.mailbox("To", to),
            "Subject": headers.text("Subject", subject),
            "Date": format_datetime(mail.at),
            "Message-ID": self.message_id(mail),
            "In-Reply-To": thread,
            "References": thread,
            "X-Onboarding-Template": mail.template,
            "Auto-Submitted": "auto-generated",
        }
        body = EmailMessage(policy=_BODY)
        self._add_parts(body, mail, rendered)
        lines = "".join(f"{name}: {value}\r\n" for name, value in values.items())
        return lines.encode() + body.as_bytes(), tuple(name.lower() for name in (*values, *body.keys()))

    def _add_parts(self, message: EmailMessage, mail: AddressedNotice, rendered: RenderedNotice) -> None:
        message.set_content(rendered.text)
        message.add_alternative(rendered.html, subtype="html")
        for invitation in Invitation.for_mail(mail, subject=rendered.subject):
            uid = self._identifier(mail.application_id, "event", invitation.event)
            message.add_attachment(
                invitation.calendar(uid, self.sender),
                subtype="calendar",
                params={"method": invitation.method},
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


def _named(mailbox: Address) -> tuple[str, str]:
    return mailbox.display_name, mailbox.addr_spec
