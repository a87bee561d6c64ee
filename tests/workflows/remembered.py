"""A run's memory, and what is said to it."""

from datetime import timedelta
from typing import Any

from domain import intake
from domain.audit import AuditEvent, Verdict
from domain.contract import Command, ErrorType
from domain.refusal import RefusedError
from tests import payloads
from tests.domain.applications import JOINED_AT, journey_to
from workflows.memory import Memory, RunMemory


def command(command_id: str = "c-1", kind: str = "confirm_company", **payload: Any) -> Command:
    return intake.parse_command(kind, (payloads.command(kind, command_id=command_id, **payload),))


def refusal(error: ErrorType = ErrorType.WRONG_STAGE, message: str = "Not now.") -> RefusedError:
    return RefusedError(error, message)


def handed_over(before: RunMemory) -> RunMemory:
    """The memory of the next run: it crosses continue-as-new as JSON."""
    return RunMemory(Memory.model_validate_json(before.memory().model_dump_json(exclude_none=True)))


def memory_of(situation: str) -> RunMemory:
    return RunMemory.of(journey_to(situation).application)


def note(
    kept: RunMemory,
    name: str = "decline",
    verdict: Verdict = Verdict.ACCEPTED,
    at: timedelta = timedelta(),
    **more: Any,
) -> AuditEvent:
    """Put an event on record that leaves the application as it is."""
    event = kept.event(JOINED_AT + at, name, verdict, kept.application, **more)
    kept.note(event)
    return event


def publish(kept: RunMemory) -> list[int]:
    """Publish what one activity takes; the numbers of its events."""
    entries = kept.publication(hold=False).entries
    kept.published(entries, JOINED_AT)
    return [entry.event.sequence for entry in entries]
