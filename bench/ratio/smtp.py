"""`python -m bench.ratio.smtp PORT`: a mail server that takes all mails and counts them, in its own process.

As little as SMTP needs (RFC 5321): what it costs is taken from what is measured. A line on its standard input
is answered with what it has taken since the one before: ``count`` goes on counting, ``forget`` begins anew.
"""

import asyncio
import json
import sys
from contextlib import suppress
from typing import Final

IP: Final = "127.0.0.1"
READY: Final = "ready"
COUNT: Final = "count"
FORGET: Final = "forget"
_OK: Final = b"250 OK\r\n"
_GREETING: Final = b"220 localhost ESMTP\r\n"
_EXTENSIONS: Final = b"250-localhost\r\n250-PIPELINING\r\n250-SMTPUTF8\r\n250 8BITMIME\r\n"
_DATA: Final = b"354 go ahead\r\n"
_BYE: Final = b"221 bye\r\n"
_MESSAGE_ID: Final = b"message-id:"


class MailServer:
    """Takes mails; ``accepted`` counts all of them, ``message_ids`` holds each ID once."""

    def __init__(self) -> None:
        self.accepted = 0
        self.message_ids: set[bytes] = set()

    def counted(self) -> str:
        """What it has taken, as JSON."""
        return json.dumps({"accepted": self.accepted, "distinct": len(self.message_ids)})

    def forget(self) -> None:
        """Begin anew."""
        self.accepted, self.message_ids = 0, set()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until it is left."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            writer.write(_GREETING)
            while line := await reader.readline():
                match line[:4].upper().strip():
                    case b"EHLO":
                        writer.write(_EXTENSIONS)
                    case b"DATA":
                        writer.write(_DATA)
                        self._take(await reader.readuntil(b"\r\n.\r\n"))
                        writer.write(_OK)
                    case b"QUIT":
                        writer.write(_BYE)
                        break
                    case _:
                        writer.write(_OK)
                await writer.drain()
        writer.close()

    def _take(self, message: bytes) -> None:
        self.accepted += 1
        header = message.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ")
        for line in header.split(b"\r\n"):
            if line.lower().startswith(_MESSAGE_ID):
                self.message_ids.add(line[len(_MESSAGE_ID) :].strip())


async def _main(port: int) -> None:
    server = MailServer()
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
    )
    async with await asyncio.start_server(server.converse, IP, port, limit=1 << 20):
        print(READY, flush=True)
        while command := (await commands.readline()).decode().strip():
            print(server.counted(), flush=True)
            if command == FORGET:
                server.forget()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
