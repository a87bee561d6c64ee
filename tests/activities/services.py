"""The vendor's services over HTTP, on the loopback interface."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class VendorServices(ThreadingHTTPServer):
    """Account directory and ACPN access; a test fills `answers` and reads what was put or deleted there.

    ``answers`` maps a path to the JSON of its answer, or its bytes; a path that is not there is 404. What is
    deleted is there no more.
    ``status`` other than 200 is the answer to everything. ``authorizations``: the headers of that name it
    was asked with. ``takes``: seconds an answer takes, ``lanes`` of them at a time; ``busiest``: the most
    requests that were there at once.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, Any] = {}
        self.puts: list[tuple[str, Any]] = []
        self.deleted: list[str] = []
        self.status = 200
        self.authorizations: set[str | None] = set()
        self.takes = 0.0
        self.lanes = threading.Semaphore(4)
        self.here = self.busiest = 0
        self.counting = threading.Lock()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: VendorServices

    def do_GET(self) -> None:
        server = self.server
        with server.counting:
            server.here += 1
            server.busiest = max(server.busiest, server.here)
        if server.takes:
            with server.lanes:
                time.sleep(server.takes)
        with server.counting:
            server.here -= 1
        self._answer(server.answers.get(self.path))

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.puts.append((self.path, body))
        self._answer({})

    def do_DELETE(self) -> None:
        self.server.deleted.append(self.path)
        down = self.server.status != 200
        self._answer(None if down else self.server.answers.pop(self.path, None))

    def _answer(self, answer: Any) -> None:
        self.server.authorizations.add(self.headers["Authorization"])
        status = self.server.status if self.server.status != 200 else 404 if answer is None else 200
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@contextmanager
def vendor_services() -> Iterator[VendorServices]:
    """The services, as long as the context lasts."""
    with VendorServices() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
