"""The audit trail: one event for every command and every due deadline, accepted or refused, each chained to
the last."""

from enum import StrEnum
from typing import Final

from pydantic import Field, JsonValue

from domain.contract import Actor, Stage, Via
from domain.values import Contract, Instant

CAME_AGAIN: Final = "came_again"
"""The detail of a refused event whose command came again by Temporal's Reset."""


class Verdict(StrEnum):
    """What became of a command."""

    ACCEPTED = "accepted"
    NO_OP = "no_op"
    REFUSED = "refused"


class AuditEvent(Contract):
    """``sequence`` numbers the events of an application from 1 without gaps; no number is ever used twice.

    ``command`` is a command of the contract, or the name of what the service did by itself
    (``review_reminder``, ``expiry``, ``reset`` …; actor ``system``). ``details`` is the command's own
    payload without the form or sheet it carries, which are stored under ``form_revision`` or
    ``sheet_revision``; for one that did not parse as much of it as could be kept. A command that names a
    revision has it there, too.
    """

    sequence: int
    at: Instant
    command: str
    verdict: Verdict
    command_id: str | None = None
    actor: Actor | None = None
    occurred_at: Instant | None = None
    from_stage: Stage
    to_stage: Stage
    error: str | None = None
    message: str | None = None
    form_revision: int | None = None
    sheet_revision: int | None = None
    via: Via | None = None
    details: dict[str, JsonValue] = Field(default_factory=dict)
