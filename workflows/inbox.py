"""What lies in a run's inbox."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from domain.refusal import RefusedError
from domain.status import FailedEmail, Status


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
class OperatorReset:
    """Temporal's own Reset has turned this run back."""


@dataclass(frozen=True)
class EmailsFailed:
    """The outbox's report of mails that can't be delivered."""

    failed: tuple[FailedEmail, ...]


Event = Message | OperatorCancel | OperatorReset | EmailsFailed
