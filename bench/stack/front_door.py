"""The stack's front door, as callers elsewhere have it: over HTTP, by tokens of its identity provider."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import httpx
from standardwebhooks import Webhook

from bench.stack.stack import SIGNATURE_SECRET, Stack, StackError

UID: Final = "5123456789"
PERSONAS: Final = ("mei", "wei", "vic", "ops", "crm")
APPLICATION: Final = f"/api/v1/applications/{UID}"
ANSWER_WITHIN: Final = 60
"""Seconds; the front door itself gives up a command after 30."""


@dataclass(frozen=True)
class Reply:
    """What was answered; ``status`` 0: nothing, the connection broke."""

    status: int
    seconds: float
    said: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class FrontDoor:
    """Its calls, each by the persona named."""

    def __init__(self, stack: Stack) -> None:
        self._url = f"http://127.0.0.1:{stack.ports['WEB_PORT']}"
        self._background = ThreadPoolExecutor(1)
        # Before anything is measured; good for hours, as long as the identity provider is not started again.
        self._tokens = {persona: stack.token(persona) for persona in PERSONAS}

    def get(self, persona: str, path: str = APPLICATION) -> Reply:
        """Read something; by default the status."""
        return self._call("GET", path, self._by(persona))

    def post(self, persona: str, path: str, body: object) -> Reply:
        """Add something."""
        return self._call("POST", path, self._by(persona), json.dumps(body))

    def send(self, persona: str, command: str, **fields: object) -> Reply:
        """Send a command, always under the same ID for the same command of a persona."""
        headers = self._by(persona) | {"idempotency-key": f"stack-{persona}-{command}"}
        return self._call("POST", f"{APPLICATION}/commands/{command}", headers, json.dumps(fields))

    def begin(self, persona: str, command: str, **fields: object) -> Callable[[], Reply]:
        """The same in the background; the function returned waits for its end."""
        return self._background.submit(self.send, persona, command, **fields).result

    def report_signature(self, message: str, body: object, *, secret: str = SIGNATURE_SECRET) -> Reply:
        """Deliver a signature as its provider does, by Standard Webhooks, under the ID of this message."""
        text, now = json.dumps(body), datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": message,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(secret).sign(message, now, text),
        }
        return self._call("POST", "/webhooks/signatures/standard", headers, text)

    def events(self, persona: str, last: int) -> Sequence[Mapping[str, Any]]:
        """The stream of the application's events from the first one to the one with this sequence."""
        headers = self._by(persona) | {"last-event-id": "0"}
        address = f"{self._url}{APPLICATION}/events"
        found: list[Mapping[str, Any]] = []
        with httpx.stream("GET", address, headers=headers, timeout=ANSWER_WITHIN) as answer:
            for line in answer.raise_for_status().iter_lines():
                if line.startswith("data:"):
                    found.append(json.loads(line.removeprefix("data:")))
                    if found[-1]["data"]["sequence"] >= last:
                        return found
        raise StackError(f"the stream ended after {len(found)} events")

    def _by(self, persona: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self._tokens[persona]}", "content-type": "application/json"}

    def _call(self, method: str, path: str, headers: Mapping[str, str], body: str | None = None) -> Reply:
        began = time.monotonic()
        try:
            answer = httpx.request(
                method, f"{self._url}{path}", headers=dict(headers), content=body, timeout=ANSWER_WITHIN
            )
        except httpx.TransportError:
            return Reply(0, time.monotonic() - began)
        seconds = time.monotonic() - began
        if answer.status_code in {500, 502}:
            raise StackError(f"{method} {path} was answered {answer.status_code}:\n{answer.text}")
        return Reply(answer.status_code, seconds, answer.json() if answer.content else None, answer.headers)
