"""A signal of its own for every command."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from temporalio import workflow

from domain.lifecycle import newest_rows
from workflows.inbox import Message


class Receiver(Protocol):
    """What a generated signal handler needs of its workflow."""

    def receive(self, name: str | None, arguments: tuple[Any, ...]) -> Message:
        """Put a command in the inbox."""


ReceiverClass = TypeVar("ReceiverClass", bound=type[Receiver])


def takes_every_command(onboarding: ReceiverClass) -> ReceiverClass:
    """Give the workflow a signal of its own for every command in the table."""
    for step in newest_rows():
        setattr(onboarding, step.name, _signal_of(step.name, step.description))
    return onboarding


def _signal_of(name: str, description: str) -> Callable[..., None]:
    @workflow.signal(name=name, description=description)
    def handle(self: Receiver, *arguments: Any) -> None:
        self.receive(name, arguments)

    return handle
