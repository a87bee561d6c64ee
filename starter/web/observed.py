"""What is logged and counted of requests: the route, never the address, which names a company."""

import logging
import time
from collections import Counter, defaultdict
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

log: Final = logging.getLogger("onboarding.web.access")

UNKNOWN: Final = "(none)"
"""The route of a request that has none."""
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_UNSEEN: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines: counted, not logged."""


class Requests:
    """How many requests were answered, and in which time, by method, route and status."""

    def __init__(self) -> None:
        self._count: Counter[tuple[str, str, int]] = Counter()
        self._seconds: defaultdict[tuple[str, str, int], float] = defaultdict(float)
        self.under_way = 0

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one."""
        self._count[method, route, status] += 1
        self._seconds[method, route, status] += seconds

    def text(self) -> str:
        """As Prometheus reads it (text format 0.0.4)."""
        lines = ["# TYPE onboarding_http_requests_under_way gauge"]
        lines.append(f"onboarding_http_requests_under_way {self.under_way}")
        lines.append("# TYPE onboarding_http_request_seconds summary")
        for (method, route, status), count in sorted(self._count.items()):
            labels = f'{{method="{method}",route="{route}",status="{status}"}}'
            seconds = self._seconds[method, route, status]
            lines.append(f"onboarding_http_request_seconds_count{labels} {count}")
            lines.append(f"onboarding_http_request_seconds_sum{labels} {seconds:.6f}")
        return "\n".join(lines) + "\n"


class Observed:
    """Counts and logs what the application within answers."""

    def __init__(self, app: ASGIApp, requests: Requests) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._requests.under_way += 1
        try:
            await self._app(scope, receive, told)
        finally:
            self._requests.under_way -= 1
            seconds = time.perf_counter() - began
            method = scope["method"] if scope["method"] in _METHODS else "(other)"
            route = getattr(scope.get("route"), "path", UNKNOWN)
            self._requests.answered(method, route, status, seconds)
            if route not in _UNSEEN:
                log.info("%s %s %d %.0f ms", method, route, status, seconds * 1000)
