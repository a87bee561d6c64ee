"""The stack of docker-compose.yml as a project of its own, on whatever engine ``DOCKER_HOST`` names."""

import base64
import json
import secrets
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from runtime.processes import free_port

ROOT: Final = Path(__file__).parents[2]
PROJECT: Final = "onboarding-stack-test"
IMAGE: Final = "reseller-onboarding:unversioned"
BASE_IMAGE: Final = "python:3.12-slim"
SIGNATURE_SECRET: Final = f"whsec_{base64.b64encode(secrets.token_bytes(24)).decode()}"
PATIENCE: Final = 240.0
"""Seconds anything may take that is waited for: an unhealthy worker is found out after 120, and two looks."""


class StackError(Exception):
    """The stack does not do what it must; the message says what."""


@dataclass(frozen=True)
class Answer:
    """What a command of the console script ended with."""

    code: int
    output: str
    errors: str
    seconds: float


class Stack:
    """Compose project `PROJECT` with passwords and free ports of its own; one at a time."""

    def __init__(self, compose: str, folder: Path) -> None:
        """``compose``: the command, such as ``docker compose``; ``folder``: where settings may be written."""
        self.ports: Final = {
            name: free_port()
            for name in ("TEMPORAL_PORT", "TEMPORAL_UI_PORT", "MAILPIT_PORT", "PROMETHEUS_PORT", "WEB_PORT")
        }
        settings = folder / "stack.env"
        given = {name: str(port) for name, port in self.ports.items()} | {
            "COMPOSE_PROFILES": "demo",
            "ONBOARDING_WEBHOOK_ALLOW": "receiver",
            "ONBOARDING_SIGNATURE_STANDARD_SECRET": SIGNATURE_SECRET,
        }
        settings.write_text(_filled((ROOT / ".env.example").read_text(encoding="utf-8"), given))
        self._compose = [
            *shlex.split(compose),
            f"--project-directory={ROOT}",
            f"--file={ROOT / 'docker-compose.yml'}",
            f"--file={ROOT / 'bench/stack/receiver.yml'}",
            f"--env-file={settings}",
            f"--project-name={PROJECT}",
        ]

    def up(self) -> None:
        """Build and start everything, and return when all of it is healthy."""
        self._composed("build", "--quiet", "setup")
        self._composed("up", "--detach", "--wait", "--quiet-pull")

    def down(self) -> None:
        """Remove everything, data too."""
        self._composed("--profile", "*", "down", "--volumes", "--timeout", "10")

    def onboarding(self, *arguments: str) -> Answer:
        """Run the console script inside the network."""
        began = time.monotonic()
        ended = subprocess.run(  # noqa: S603 - a command this package wrote
            [*self._compose, "--progress=quiet", "run", "--rm", "--no-TTY", "cli", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        return Answer(ended.returncode, ended.stdout, ended.stderr, time.monotonic() - began)

    def token(self, persona: str) -> str:
        """An access token of a persona, from the stack's identity provider."""
        return self._composed("exec", "--no-TTY", "idp", "onboarding", "token", persona).strip()

    def said(self, service: str) -> list[str]:
        """The lines a service's one container has written to its standard output."""
        [container] = self.containers(service)
        return _run(["docker", "logs", container]).splitlines()

    def containers(self, service: str) -> list[str]:
        """The service's container IDs, running or not."""
        return self._composed("ps", "--all", "--quiet", service).split()

    def signal(self, number: str, *containers: str) -> None:
        """Send a signal to the containers' main processes, all in one go."""
        _run(["docker", "kill", f"--signal={number}", *containers])

    def start(self, *containers: str) -> None:
        """Start containers that were killed."""
        _run(["docker", "start", *containers])

    def until(self, health: str, *containers: str) -> float:
        """Wait until all of them are ``healthy`` (or ``unhealthy``); how many seconds that took."""
        return waited(
            f"containers are {health}", lambda: all(self.health(each) == health for each in containers)
        )

    def health(self, container: str) -> str:
        """What the engine holds of a container's health."""
        state: Mapping[str, Any] = inspected(container)["State"]
        return str(state["Health"]["Status"]) if state["Running"] else "stopped"

    def until_polling(self, *workers: str) -> float:
        """Wait until each has shown, after this call, that it polls; how many seconds that took.

        An outage shorter than its patience leaves a container healthy while nothing works yet.
        """
        asked = time.time()
        show = 'stat -c %Y "$ONBOARDING_HEALTH_FILE"'
        return waited(
            "workers poll",
            lambda: all(int(_run(["docker", "exec", each, "sh", "-c", show])) > asked for each in workers),
        )

    def get(self, port: str, path: str) -> bytes:
        """The body at a published port."""
        answer = httpx.get(f"http://127.0.0.1:{self.ports[port]}{path}", timeout=10)
        return answer.raise_for_status().content

    def _composed(self, *arguments: str) -> str:
        return _run([*self._compose, *arguments])


def inspected(name: str) -> Mapping[str, Any]:
    """What the engine knows of a container or image."""
    [found] = json.loads(_run(["docker", "inspect", name]))
    return dict(found)


def waited(what: str, condition: Callable[[], bool]) -> float:
    """Wait until it holds; how many seconds that took.

    Raises:
        StackError: it does not hold within `PATIENCE`.
    """
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > PATIENCE:
            raise StackError(f"not within {PATIENCE:g} s: {what}")
        time.sleep(0.5)
    return time.monotonic() - began


def _run(command: Sequence[str]) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - as above
    if ended.returncode != 0:
        raise StackError(f"{shlex.join(command)} ended with {ended.returncode}:\n{ended.stderr[-4000:]}")
    return ended.stdout


def _filled(example: str, given: Mapping[str, str]) -> str:
    lines = []
    for line in example.splitlines():
        name, assigned, _ = line.partition("=")
        if assigned and name.endswith("_PASSWORD"):
            line = f"{name}={secrets.token_hex(24)}"
        elif assigned and name in given:
            line = f"{name}={given[name]}"
        lines.append(line)
    return "\n".join(lines)
