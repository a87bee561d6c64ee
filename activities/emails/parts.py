"""The parts of a message (RFC 2045, RFC 2046): texts, each in the encoding that is short, and several in one.

Made from a frame: the standard library's `EmailMessage` parses each header it has just written.
"""

from binascii import b2a_base64, b2a_qp
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

_LINE: Final = 78
"""How long a line should be at most (RFC 5322 §2.1.1)."""
_BASE64_LINE: Final = 57
"""Octets that 76 characters stand for (RFC 2045 §6.8)."""
_BOUNDARY: Final = "=_"
"""How every boundary begins: neither quoted-printable nor base64 has it (RFC 2045 §6.7), and a text that does
is written so."""
_ASCII: Final = bytes(range(128))


@dataclass(frozen=True)
class Part:
    """A part as it is written, its own headers first."""

    written: bytes

    @classmethod
    def of_text(cls, media_type: str, text: str, disposition: str | None = None) -> Self:
        """``media_type``: with its parameters but the charset."""
        encoding, content = _encoded(text)
        lines = [
            f'Content-Type: {media_type}; charset="utf-8"',
            f"Content-Transfer-Encoding: {encoding}",
            *([f"Content-Disposition: {disposition}"] if disposition else []),
            "\r\n",
        ]
        return cls("\r\n".join(lines).encode() + content)


def multipart(subtype: str, name: str, parts: Sequence[Part]) -> Part:
    """Several parts in one. ``name``: ASCII letters and digits, unlike that of other messages."""
    boundary = f"{_BOUNDARY}{subtype}-{name}"
    delimiter = f"--{boundary}\r\n".encode()
    head = f'Content-Type: multipart/{subtype};\r\n boundary="{boundary}"\r\n\r\n'
    body = b"".join(delimiter + part.written + b"\r\n" for part in parts)
    return Part(head.encode() + body + f"--{boundary}--\r\n".encode())


def _encoded(text: str) -> tuple[str, bytes]:
    lines = text.encode().splitlines()
    content = b"\r\n".join(lines) + b"\r\n"
    if content.isascii():
        if _BOUNDARY not in text and max(map(len, lines), default=0) <= _LINE:
            return "7bit", content
    # Quoted-printable takes three characters for an octet that is not ASCII, base64 four for any three.
    elif len(content.translate(None, _ASCII)) * 6 > len(content):
        parts = (content[start : start + _BASE64_LINE] for start in range(0, len(content), _BASE64_LINE))
        return "base64", b"\r\n".join(b2a_base64(part, newline=False) for part in parts) + b"\r\n"
    return "quoted-printable", b2a_qp(content)
