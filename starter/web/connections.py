"""A connection of the front door: how many there are, and the time a caller gets to send and to read.

The web server bounds none of it but the pause between two requests, so that whoever sends one line of a
header each minute, or reads none of its answers, keeps a connection for ever.
"""

import asyncio
import sys
from typing import Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from starter.web.problems import ApiError, DoorError, answer, unavailable

MOST_HEADER_BYTES: Final = 32 * 1024
"""The request line and the headers."""
HEADERS_WITHIN: Final = 10.0
"""Seconds for them to arrive; for a connection that says nothing as well."""
READ_WITHIN: Final = 30.0
"""Seconds until what waits to be read by the caller is read so far that there is room for more."""
MOST_CONNECTIONS: Final = 4096
KEPT_DESCRIPTORS: Final = 256
"""Files and connections the process itself needs."""
_TOO_LARGE: Final = 431
_CAN_ANSWER: Final = (h11.IDLE, h11.SEND_RESPONSE)
_AT_ONCE: Final = 4 * 1024
"""What is read into a header that is not there yet: it is measured only between two such parts."""


def most_connections() -> int:
    """How many connections a process can keep, as far as the system lets it; its limit is raised for that."""
    try:
        import resource
    except ImportError:  # not on Windows
        return MOST_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + KEPT_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return max(1, soft - KEPT_DESCRIPTORS)
    return MOST_CONNECTIONS


def bounded() -> type["Connection"]:
    """Connections, of as many as this process can keep."""
    return type("Connection", (Connection,), {"most": most_connections()})


class Connection(H11Protocol):
    """One connection, with limits."""

    most = MOST_CONNECTIONS
    headers_within = HEADERS_WITHIN
    read_within = READ_WITHIN
    _caller_timer: asyncio.TimerHandle | None = None
    _read_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Told by asyncio: refuse it, or wait for a request."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            self._refuse(unavailable(f"More than {self.most} connections are open. Try again."))
        else:
            self._wait_for_caller()

    def connection_lost(self, exc: Exception | None) -> None:
        """Told by asyncio."""
        self._stop_waiting_for_caller()
        super().connection_lost(exc)
        self._stop_waiting_to_be_read()

    def data_received(self, data: bytes) -> None:
        """Told by asyncio; a header is measured as it grows."""
        for start in range(0, len(data), _AT_ONCE):
            if self.transport.is_closing():
                return
            super().data_received(data[start : start + _AT_ONCE])
        self._watch()

    def on_response_complete(self) -> None:
        """Told by the server: the next request may have begun already."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._wait_to_be_read()
        else:
            self._watch()

    def pause_writing(self) -> None:
        """Told by asyncio: the caller does not read."""
        super().pause_writing()
        self._wait_to_be_read()

    def resume_writing(self) -> None:
        """Told by asyncio: he does."""
        super().resume_writing()
        self._stop_waiting_to_be_read()

    def timeout_keep_alive_handler(self) -> None:
        """Told by the loop: no next request."""
        super().timeout_keep_alive_handler()
        self._wait_to_be_read()

    def send_400_response(self, msg: str) -> None:
        """Told by the server: what came is no HTTP, or its headers are too large."""
        error = sys.exception()
        if isinstance(error, h11.RemoteProtocolError) and error.error_status_hint == _TOO_LARGE:
            most = f"{MOST_HEADER_BYTES // 1024} KiB"
            self._refuse(ApiError(DoorError.HEADERS_TOO_LARGE, f"Send at most {most} of headers."))
        else:
            self._refuse(ApiError(DoorError.BAD_REQUEST, "This is no request of HTTP/1.1."))

    @property
    def _latest(self) -> RequestResponseCycle | None:
        """The latest request, with its answer; none yet on a new connection."""
        return self.cycle

    def _watch(self) -> None:
        """Whether what comes next has to come in time; a body that is read is bounded by who reads it."""
        state = self.conn.their_state
        begun = state is h11.IDLE and (bool(self.conn.trailing_data[0]) or self._latest is None)
        left_over = state is h11.SEND_BODY and self.conn.our_state is h11.DONE
        if (begun or left_over) and not self.transport.is_closing():
            self._wait_for_caller()
        else:
            self._stop_waiting_for_caller()

    def _wait_for_caller(self) -> None:
        if self._caller_timer is None:
            self._caller_timer = self.loop.call_later(self.headers_within, self._too_slow)

    def _stop_waiting_for_caller(self) -> None:
        if self._caller_timer is not None:
            self._caller_timer.cancel()
            self._caller_timer = None

    def _too_slow(self) -> None:
        # Who has sent nothing is told nothing: browsers open connections that they do not need.
        if not self.conn.trailing_data[0]:
            self.transport.close()
            return
        within = f"{self.headers_within:g} s"
        self._refuse(
            ApiError(DoorError.TIMED_OUT, f"The headers did not come within {within}. Send it again.")
        )

    def _wait_to_be_read(self) -> None:
        if self._read_timer is None:
            self._read_timer = self.loop.call_later(self.read_within, self.transport.abort)

    def _stop_waiting_to_be_read(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def _refuse(self, error: ApiError) -> None:
        """Answer, unless another answer is on its way, and close."""
        self._stop_waiting_for_caller()
        if self.transport.is_closing():
            return
        latest = self._latest
        if latest is not None and not latest.response_complete:
            latest.disconnected = True
            latest.message_event.set()
        if self.conn.our_state in _CAN_ANSWER:
            told = answer(error)
            headers = [*told.raw_headers, (b"connection", b"close")]
            for event in (
                h11.Response(status_code=error.status_code, headers=headers),
                h11.Data(data=bytes(told.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
        self._wait_to_be_read()
