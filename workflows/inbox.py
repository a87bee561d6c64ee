"""What lies in a run's inbox."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from domain.refusal import RefusedError
from domain.status import FailedEmail, Status


@dataclass(frozen=True)
class Reply:
    """What the sender of a command is told: the status, or why it was refused."""

    status: Status
    refusal: RefusedError | None = None


@dataclass(eq=False)
class Message:
    """A command in the inbox. ``name`` is the signal's name, ``None`` for an update, whose payload tells.

    ``reply``: once the command is finished. ``again``: it came again by a reset; nobody has sent it now.
    """

    name: str | None
    arguments: tuple[Any, ...]
    reply: "asyncio.Future[Reply]" = field(default_factory=asyncio.Future)
    again: bool = False


@dataclass(frozen=True)
class OperatorCancel:
    """Temporal's own Cancel of this run."""


@dataclass(frozen=True)
class OperatorReset:
    """Temporal's own Reset has turned this run back."""


@dataclass(frozen=True)
class EmailsFailed:
    """The outbox's report of mails that can't be delivered."""

    failed: tuple[FailedEmail, ...]


Item = Message | OperatorCancel | OperatorReset | EmailsFailed
