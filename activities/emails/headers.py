"""Headers of a message: written so that every text arrives as it was written, and read back to prove it."""

import re
from dataclasses import dataclass
from email import message_from_string
from email.header import Header, decode_header, make_header
from email.headerregistry import Address
from email.policy import compat32
from email.utils import parseaddr
from typing import Final

_LINE: Final = 78
"""How long a line should be at most (RFC 5322 §2.1.1)."""
_FOLD: Final = re.compile(r"\r?\n(?=[ \t])")


def mailbox(header: str, address: Address) -> str:
    """A mailbox as the value of a header, folded."""
    if not address.display_name:
        return address.addr_spec
    plain = str(address)
    if plain.isascii() and len(f"{header}: {plain}") <= _LINE:
        return plain
    # On a line of its own: an encoded word and an address may each be as long as a line.
    return f"{_encoded(header, address.display_name)}\r\n <{address.addr_spec}>"


def text(header: str, value: str) -> str:
    """Free text as the value of a header, folded."""
    return value if value.isascii() and len(f"{header}: {value}") <= _LINE else _encoded(header, value)


def _encoded(header: str, value: str) -> str:
    """Encoded words (RFC 2047). The text is encoded as a whole: word by word the standard library loses a
    space here and there (seen in Python 3.11.7)."""
    return Header(value, "utf-8", header_name=header).encode(linesep="\r\n")


@dataclass(frozen=True)
class Headers:
    """What a reader finds: the headers' names in lower case, the subject, and ``From`` and ``To`` as name and
    address."""

    names: tuple[str, ...]
    subject: str
    sender: tuple[str, str]
    recipient: tuple[str, str]

    @classmethod
    def read(cls, content: bytes) -> "Headers":
        """By `email.header`: the parser of the newer policies reads a space between two encoded words in a
        name (Python 3.11.7, 3.12.1, 3.13.0; cpython#128110)."""
        # As text: the parser of bytes does not take UTF-8 in headers (RFC 6532).
        message = message_from_string(content.decode(), policy=compat32)
        return cls(
            names=tuple(name.lower() for name in message),
            subject=_decoded(message["Subject"]),
            sender=_read_mailbox(message["From"]),
            recipient=_read_mailbox(message["To"]),
        )


def _read_mailbox(value: str) -> tuple[str, str]:
    name, address = parseaddr(_FOLD.sub("", value))
    return _decoded(name), address


def _decoded(value: str) -> str:
    return str(make_header(decode_header(_FOLD.sub("", value))))
