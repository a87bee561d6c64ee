"""The metrics of several processes on one page, each sample with the number of its process.

What it reads and writes is Prometheus' text format, version 0.0.4
(https://prometheus.io/docs/instrumenting/exposition_formats).
"""

import http.client
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Final

from runtime.startup import StartupError

LABEL: Final = "process"
_ANSWER_WITHIN: Final = 5
"""Seconds; Prometheus itself gives up after ten."""
_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


@contextmanager
def joint_metrics(address: str, ports: Sequence[int | None]) -> Iterator[None]:
    """Answer at ``address`` with the metrics of the processes on these ports of this machine, the first
    process being 1; one that does not answer is left out.

    Raises:
        StartupError: that address can't be used.
    """
    host, _, port = address.rpartition(":")
    try:
        server = _Server((host.strip("[]"), int(port)), partial(_Handler, ports))
    except OSError as error:
        raise StartupError(
            f"ONBOARDING_METRICS_ADDRESS: {address} can't be listened on ({error.strerror or error})"
        ) from error
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def joined(pages: Mapping[int, str]) -> str:
    """One page of those of the processes, by their numbers; the samples of a metric stay together."""
    said: dict[str, dict[str, str]] = {}
    samples: dict[str, list[str]] = {}
    for number, page in pages.items():
        metric = ""
        for line in filter(None, page.splitlines()):
            if line.startswith("# "):
                _, kind, metric, *_ = line.split(" ", 3)
                said.setdefault(metric, {}).setdefault(kind, line)
            else:
                samples.setdefault(metric, []).append(_labelled(line, number))
    lines = [line for metric in samples for line in (*said.get(metric, {}).values(), *samples[metric])]
    return "".join(f"{line}\n" for line in lines)


def _labelled(sample: str, number: int) -> str:
    label = f'{LABEL}="{number}"'
    name, brace, rest = sample.partition("{")
    if brace:
        return f"{name}{{{label}{'' if rest.startswith('}') else ','}{rest}"
    name, _, value = sample.partition(" ")
    return f"{name}{{{label}}} {value}"


class _Server(ThreadingTCPServer):
    # Not `http.server.HTTPServer`, which has its address resolved to a name.
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: Callable[..., BaseHTTPRequestHandler]) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler)


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, ports: Sequence[int | None], *arguments: object) -> None:
        self._ports = ports
        super().__init__(*arguments)  # type: ignore[arg-type]  # they are what the server has

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(404)
            return
        body = joined(dict(_pages(self._ports))).encode()
        self.send_response(200)
        self.send_header("Content-Type", _TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """A line for each request would be in the log of the workers."""


def _pages(ports: Sequence[int | None]) -> Iterator[tuple[int, str]]:
    for number, port in enumerate(ports, start=1):
        # It is being started again; Prometheus sees its samples missing.
        with suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_WITHIN)
            try:
                connection.request("GET", "/metrics")
                answer = connection.getresponse()
                if answer.status == 200:
                    yield number, answer.read().decode()
            finally:
                connection.close()
