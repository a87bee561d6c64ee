"""The message as bytes: headers that can't be broken out of, parts, threading."""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from email.headerregistry import Address
from email.utils import format_datetime
from functools import lru_cache
from typing import Final

import email_validator
from pydantic import BaseModel, ConfigDict

from activities.emails import headers
from activities.emails.addressed import AddressedNotice
from activities.emails.invitation import Invitation
from activities.emails.parts import Part, multipart
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
        a reader would find other headers than were meant.
        """
        try:
            # A reader of headers may fold several spaces in a row into one.
            name = " ".join(safe_in_header(without_misleading_marks(mail.to.name)).split())
            to = _address(name, mail.to.email)
            subject = safe_in_header(rendered.subject)
        except ValueError as error:
            raise UnsafeMessageError(f"not sent: recipient or subject {error}") from error
        try:
            content = self._content(mail, rendered, to, subject)
        except headers.UnlikeError as error:
            raise UnsafeMessageError(f"not sent: {error} would have read otherwise than meant") from None
        except Exception as error:
            # Let out, an error of a library would be tried for ever and hold up every later notice.
            raise UnsafeMessageError(f"not sent: it can't be written ({error!r})") from error
        return OutgoingEmail(
            sender=self.sender,
            recipient=to.addr_spec,
            content=content,
            needs_utf8=not to.username.isascii(),
        )

    def plain(
        self, recipient: str, subject: str, text: str, *, at: datetime, names: tuple[str, ...]
    ) -> OutgoingEmail:
        """A message to the operators, about no application: plain text in our own words. ``names``: what its
        Message-ID is made of.

        Raises ValueError when the address is none.
        """
        to = _address("", recipient)
        written = headers.block(
            {
                "From": headers.mailbox("From", self._from),
                "To": headers.mailbox("To", to),
                "Subject": headers.text("Subject", subject),
                "Date": format_datetime(at),
                "Message-ID": f"<{self._identifier(*names)}>",
                "Auto-Submitted": "auto-generated",
                "MIME-Version": "1.0",
            }
        )
        return OutgoingEmail(
            sender=self.sender,
            recipient=to.addr_spec,
            content=written.encode() + Part.of_text("text/plain", text).written,
            needs_utf8=not to.username.isascii(),
        )

    def _content(self, mail: AddressedNotice, rendered: RenderedNotice, to: Address, subject: str) -> bytes:
        thread, message_id = self.thread_id(mail), self.message_id(mail)
        written = headers.block(
            {
                "From": headers.mailbox("From", self._from),
                "To": headers.mailbox("To", to),
                "Subject": headers.text("Subject", subject),
                "Date": format_datetime(mail.at),
                "Message-ID": message_id,
                "In-Reply-To": thread,
                "References": thread,
                "X-Onboarding-Template": mail.template,
                "Auto-Submitted": "auto-generated",
                "MIME-Version": "1.0",
            }
        )
        name = message_id[1:].partition("@")[0]
        body = multipart(
            "alternative",
            name,
            [Part.of_text("text/plain", rendered.text), Part.of_text("text/html", rendered.html)],
        )
        if entries := list(self._entries(mail)):
            body = multipart("mixed", name, [body, *entries])
        return written.encode() + body.written

    def _entries(self, mail: AddressedNotice) -> Iterator[Part]:
        for invitation in Invitation.for_mail(mail):
            uid = self._identifier(mail.application_id, "event", invitation.event)
            yield Part.of_text(
                f'text/calendar; method="{invitation.method}"',
                invitation.calendar(uid, self.sender),
                f'attachment; filename="{invitation.event}.ics"',
            )

    def _identifier(self, *names: str) -> str:
        digest = hashlib.sha256("\0".join(names).encode()).hexdigest()[:32]
        return f"{digest}@{self._id_domain}"


def check_mailbox(address: str) -> None:
    """Raises ValueError when it is no address to send to."""
    _parts(address)


def _address(display_name: str, address: str) -> Address:
    local_part, domain = _parts(address)
    return Address(display_name, username=local_part, domain=domain)


@lru_cache(maxsize=1024)
def _parts(address: str) -> tuple[str, str]:
    """Before and after the @; a domain in other scripts becomes ASCII (RFC 5891): every server takes that."""
    try:
        parsed = email_validator.validate_email(address, check_deliverability=False, test_environment=True)
    except email_validator.EmailNotValidError as error:
        raise ValueError(f"has no valid address: {error}") from error
    if parsed.ascii_domain is None:
        raise ValueError("has no valid address: its domain can't be written in ASCII")
    return parsed.local_part, parsed.ascii_domain
