"""The chain of an application's audit trail: each event carries the hash of the one before it and its own.

The hash is over the event's impersonal fields and a salted commitment to the personal part, so that salt
and personal part can go one day while the chain still verifies. Who changes, removes or swaps events is
found by `broken_at`.
"""

import hashlib
from collections.abc import Iterable
from typing import Any, Final

import rfc8785

from domain.audit import AuditEvent
from domain.values import Contract

PERSONAL: Final = ("command_id", "actor", "occurred_at", "message", "via", "details")
"""Fields that may name a person, or hold what one wrote."""


class Link(Contract):
    """How an event is chained: ``previous`` is the hash of the event before it, ``None`` of the first one.

    ``salt`` is random, so that nobody who knows the hash can try out what the personal part may have been.
    """

    previous: str | None
    salt: str | None
    commitment: str
    hash: str


class ChainedEvent(Contract):
    """An event as it is stored."""

    event: AuditEvent
    link: Link


def chained(event: AuditEvent, application_id: str, previous: str | None, salt: str) -> Link:
    """The link of an event that follows the one with the hash ``previous``."""
    commitment = _commitment(event, salt)
    return Link(
        previous=previous,
        salt=salt,
        commitment=commitment,
        hash=_hash(event, application_id, previous, commitment),
    )


def broken_at(application_id: str, trail: Iterable[ChainedEvent]) -> int | None:
    """The number of the first event that is not as it was written, or does not follow the one before it.

    An event whose salt is gone is held to its commitment alone. A tail that is cut off does not show here:
    that takes the head, which is stored apart.
    """
    previous: str | None = None
    for stored in trail:
        link, event = stored.link, stored.event
        intact = (
            link.previous == previous
            and link.hash == _hash(event, application_id, previous, link.commitment)
            and (link.salt is None or link.commitment == _commitment(event, link.salt))
        )
        if not intact:
            return event.sequence
        previous = link.hash
    return None


def _hash(event: AuditEvent, application_id: str, previous: str | None, commitment: str) -> str:
    impersonal = event.model_dump(mode="json", exclude={*PERSONAL}, exclude_none=True)
    return _digest(
        {
            "application_id": application_id,
            "previous": previous,
            "commitment": commitment,
            "event": impersonal,
        }
    )


def _commitment(event: AuditEvent, salt: str) -> str:
    personal = event.model_dump(mode="json", include={*PERSONAL}, exclude_none=True)
    return _digest({"salt": salt, "personal": personal})


def _digest(value: dict[str, Any]) -> str:
    return hashlib.sha256(rfc8785.dumps(value)).hexdigest()
