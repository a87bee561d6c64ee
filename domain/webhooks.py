"""Events for other systems: which types an audit event has, and what each delivery says. Nothing personal.

The form is that of Standard Webhooks (https://www.standardwebhooks.com): a body of ``type``, ``timestamp``
and ``data``, and an ID that is the same on every attempt.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Final, get_args

from pydantic import Field

from domain import coverage
from domain.audit import AuditEvent, Verdict
from domain.contract import SYSTEM, ErrorType, Stage
from domain.lifecycle import MOMENTS, STEPS
from domain.readers import JOIN
from domain.state import OUTCOMES
from domain.values import Contract, Instant, Uid

FIRST_PAUSE: Final = timedelta(seconds=1)
LONGEST_PAUSE: Final = timedelta(hours=1)
GIVEN_UP_AFTER: Final = timedelta(days=3)
"""How long one delivery is tried before its endpoint is switched off."""
EMAIL_FAILED: Final = "email_failed"
"""The event that tells of an e-mail that could not be delivered."""


class WebhookType(StrEnum):
    """What other systems may be told, in the order in which one event tells it."""

    STARTED = "application.started"
    """JOIN NOW: an application has begun."""
    STAGE_CHANGED = "application.stage_changed"
    """It has gone from one stage to another."""
    COMMAND_ACCEPTED = "application.command_accepted"
    """A command was carried out; one whose effect was in place already is not told."""
    COMMAND_REFUSED = "application.command_refused"
    """A command was refused; ``error`` says why."""
    OVERDUE = "application.overdue"
    """BD has missed a deadline."""
    ACCESS_GRANTED = "application.access_granted"
    """The accounts of the application have access to the ACPN platform."""
    ENDED = "application.ended"
    """It has come to its outcome, which is its stage."""
    EMAIL_FAILED = "email.failed"
    """An e-mail of the application could not be delivered."""


COMMANDS: Final = frozenset(
    {JOIN, *(step.name for step in STEPS)}
    | {str(kind.model_fields["kind"].default) for kind in get_args(coverage.AnyCoverageCommand)}
)
"""The commands whose names are the contract's: what else a caller wrote as one may be anything."""
_OVERDUE: Final = frozenset(moment.name for moment in MOMENTS if moment.overdue)


class WebhookData(Contract):
    """What a delivery says of its event; who wants more reads the application.

    ``command``: a command of the contract, or what the service did by itself.
    """

    application_id: str
    company_master_uid: Uid
    sequence: int
    stage: Stage
    from_stage: Stage
    command: str | None = Field(default=None, exclude_if=lambda value: value is None)
    error: str | None = Field(default=None, exclude_if=lambda value: value is None)


class WebhookBody(Contract):
    """The body of a delivery; ``timestamp``: when the event happened."""

    type: str
    timestamp: Instant
    data: WebhookData


class Outgoing(Contract):
    """Deliver what waits for this endpoint."""

    endpoint_id: str


class Outcome(Contract):
    """How an endpoint stands after a round.

    ``on``: there is such an endpoint, and it takes deliveries. ``more``: there may be more to do at once.
    ``pause``: until the next attempt of what it did not take; without, nothing waits. ``told``: whether the
    operators know that it was switched off.
    """

    on: bool = True
    more: bool = False
    pause: timedelta | None = None
    told: bool = True


def types_of(event: AuditEvent) -> tuple[WebhookType, ...]:
    """The types of an event, in their order; none for what concerns nobody outside, such as a reminder."""
    accepted = event.verdict is Verdict.ACCEPTED
    moved = accepted and event.from_stage is not event.to_stage
    by_command = event.command in COMMANDS and event.command != JOIN
    holds = {
        WebhookType.STARTED: accepted and event.command == JOIN,
        WebhookType.STAGE_CHANGED: moved,
        WebhookType.COMMAND_ACCEPTED: accepted and by_command,
        WebhookType.COMMAND_REFUSED: event.verdict is Verdict.REFUSED,
        WebhookType.OVERDUE: accepted and event.command in _OVERDUE,
        WebhookType.ACCESS_GRANTED: moved and event.to_stage is Stage.ACTIVE,
        WebhookType.ENDED: moved and event.to_stage in OUTCOMES and event.from_stage not in OUTCOMES,
        WebhookType.EMAIL_FAILED: event.command == EMAIL_FAILED,
    }
    return tuple(kind for kind in WebhookType if holds[kind])


def webhook_id(application_id: str, sequence: int, kind: str) -> str:
    """The ID of a delivery, the same on every attempt and at every endpoint.

    Without a full stop, which parts it from what is signed beside it.
    """
    return f"{application_id}-{sequence}-{kind.replace('.', '_')}"


def data_of(event: AuditEvent, application_id: str, company_master_uid: str) -> WebhookData:
    """What is told of an event."""
    known_error = event.error is not None and event.error in tuple(ErrorType)
    return WebhookData(
        application_id=application_id,
        company_master_uid=company_master_uid,
        sequence=event.sequence,
        stage=event.to_stage,
        from_stage=event.from_stage,
        command=event.command if event.actor == SYSTEM or event.command in COMMANDS else None,
        error=event.error if known_error else None,
    )


def body_of(event: AuditEvent, application_id: str, company_master_uid: str, kind: str) -> str:
    """The body of the delivery, the same on every attempt."""
    data = data_of(event, application_id, company_master_uid)
    return WebhookBody(type=kind, timestamp=event.at, data=data).model_dump_json()


def pause_after(attempts: int) -> timedelta:
    """How long after this many attempts in vain the next one follows: 1 s, doubled to an hour at most."""
    seconds = FIRST_PAUSE.total_seconds() * 2.0 ** min(attempts - 1, 20)
    return min(timedelta(seconds=seconds), LONGEST_PAUSE)
