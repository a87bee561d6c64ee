"""Reads no more of a mail server's reply than an SMTP client has to take, so that its code is seen, however
long it is."""

import asyncio
from typing import Final

LONGEST_LINE: Final = 512
"""Octets of a line of a reply (RFC 5321 §4.5.3.1.5)."""
MOST_LINES: Final = 60
"""With lines of that length less than aiosmtplib takes (32 KiB): of a reply with more it would say nothing,
but that it is too long."""


class ShortReplies(asyncio.Protocol):
    """Stands between a connection and its protocol: hands on complete lines alone, cut to `LONGEST_LINE`, and
    of a reply at most `MOST_LINES` and the last."""

    def __init__(self, client: asyncio.Protocol) -> None:
        self._client = client
        self._line = b""
        self._lines = 0

    def data_received(self, data: bytes) -> None:
        """Hand on what is complete."""
        *ended, rest = data.split(b"\n")
        for part in ended:
            line = (self._line + part)[:LONGEST_LINE]
            self._line = b""
            self._lines += 1
            last = line[3:4] != b"-"
            if last or self._lines <= MOST_LINES:
                self._client.data_received(line + b"\r\n")
            if last:
                self._lines = 0
        self._line = (self._line + rest)[:LONGEST_LINE]

    def eof_received(self) -> bool | None:
        """The server has nothing more to say."""
        return self._client.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._client.connection_lost(exc)

    def pause_writing(self) -> None:
        """The server reads too slowly."""
        self._client.pause_writing()

    def resume_writing(self) -> None:
        """It reads again."""
        self._client.resume_writing()
