"""Headers of a message: written so that every text arrives as it was written, and read back where that is not
plain to see."""

import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Final

_LINE: Final = 78
"""How long a line should be at most (RFC 5322 §2.1.1)."""
_ENCODED_LINE: Final = 76
"""How long one with an encoded word may be (RFC 2047 §2)."""
_AROUND: Final = len("=?utf-8?b??=")
_PHRASE: Final = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+( [\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)
"""A name that stands without quotation marks (RFC 5322 §3.2.3, §3.2.5)."""
_ENCODED: Final = re.compile(r"=\?utf-8\?b\?([A-Za-z0-9+/=]+)\?=(?:\r\n |\Z)")


class UnlikeError(Exception):
    """The header would have read otherwise than was meant."""


def mailbox(header: str, address: Address) -> str:
    """A mailbox as the value of a header, folded.

    Raises `UnlikeError`.
    """
    name = address.display_name
    if not name:
        return address.addr_spec
    written = f"{name} <{address.addr_spec}>" if _PHRASE.fullmatch(name) else str(address)
    if _plain(header, written):
        if written[0] == '"' and parseaddr(written) != (name, address.addr_spec):
            raise UnlikeError(header)
        return written
    # On a line of its own: an encoded word and an address may each be as long as a line.
    return f"{_encoded(header, name)}\r\n <{address.addr_spec}>"


def text(header: str, value: str) -> str:
    """Free text as the value of a header, folded.

    Raises `UnlikeError`.
    """
    return value if _plain(header, value) else _encoded(header, value)


def block(values: Mapping[str, str]) -> str:
    """Headers, each with its value as it is written.

    Raises `UnlikeError` where a value is or holds another header.
    """
    lines = "".join(f"{name}: {value}\r\n" for name, value in values.items())
    begun = [line for line in lines.split("\r\n") if line[:1] != " "]
    if [line.partition(":")[0] for line in begun] != [*values, ""] or len(lines.splitlines()) != (
        lines.count("\r\n")
    ):
        raise UnlikeError("headers")
    return lines


def _plain(header: str, value: str) -> bool:
    if not value.isascii() or len(header) + 2 + len(value) > _LINE:
        return False
    # What looks like an encoded word would be decoded.
    if "=?" in value or not value.isprintable():
        raise UnlikeError(header)
    return True


def _encoded(header: str, value: str) -> str:
    """Encoded words (RFC 2047), all in base64, each of whole characters."""
    words, word, room = [], b"", _room(len(header) + 2)
    for character in value:
        octets = character.encode()
        if len(word) + len(octets) > room:
            words.append(word)
            word, room = b"", _room(1)
        word += octets
    words.append(word)
    written = "\r\n ".join(f"=?utf-8?b?{b2a_base64(each, newline=False).decode()}?=" for each in words)
    if _read(written) != value or "=?" in value:
        raise UnlikeError(header)
    return written


def _room(indented: int) -> int:
    """Octets of a text that fit into an encoded word there."""
    return (_ENCODED_LINE - _AROUND - indented) // 4 * 3


def _read(written: str) -> str:
    """What a reader sees: what is between two encoded words does not count (RFC 2047 §6.2)."""
    return b"".join(a2b_base64(word) for word in _ENCODED.findall(written)).decode()
