"""A receiver of webhooks in a container of its own: each fourth delivery is taken only when it is repeated.

It runs there alone, by the standard library, and says on standard output what came and what it answered.
"""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

PORT: Final = 8080
_NOT_AT_ONCE: Final = 4
_seen: Final[list[str]] = []


class _Receiver(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(204)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        new = headers["webhook-id"] not in _seen
        if new:
            _seen.append(headers["webhook-id"])
        status = 503 if new and len(_seen) % _NOT_AT_ONCE == 0 else 204
        print(json.dumps({"headers": headers, "body": body, "status": status}), flush=True)
        self._answer(status)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: what came is said already."""


if __name__ == "__main__":
    ThreadingHTTPServer(("", PORT), _Receiver).serve_forever()
