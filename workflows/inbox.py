"""What lies in a run's inbox, and the signals that put it there."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from temporalio import workflow

from workflows.letters import AnyLetter
from workflows.lifecycle import STEPS
from workflows.rules import RefusedError
from workflows.status import FailedEmail, Status


@dataclass(eq=False)
class Message:
    """A command in the inbox. ``name`` is the signal's name, ``None`` for an update, whose payload tells.

    ``answer``: once the command is finished, the status it led to, or why it was refused.
    """

    name: str | None
    arguments: tuple[Any, ...]
    answer: "asyncio.Future[Status | RefusedError]" = field(default_factory=asyncio.Future)


@dataclass(frozen=True)
class OperatorCancel:
    """Temporal's own Cancel of this run."""


@dataclass(frozen=True)
class EmailsFailed:
    """The courier's report of mails that can't be delivered."""

    failed: tuple[FailedEmail, ...]
    letters: tuple[AnyLetter, ...]


class Receiver(Protocol):
    """What a generated signal handler needs of its workflow."""

    def receive(self, name: str | None, arguments: tuple[Any, ...]) -> Message:
        """Put a command in the inbox."""


ReceiverClass = TypeVar("ReceiverClass", bound=type[Receiver])


def takes_every_command(onboarding: ReceiverClass) -> ReceiverClass:
    """Give the workflow a signal of its own for every command in the table."""
    for step in STEPS:
        setattr(onboarding, step.name, _signal_of(step.name, step.description))
    return onboarding


def _signal_of(name: str, description: str) -> Callable[..., None]:
    @workflow.signal(name=name, description=description)
    def handle(self: Receiver, *arguments: Any) -> None:
        self.receive(name, arguments)

    return handle
