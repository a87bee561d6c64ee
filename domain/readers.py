"""What each reader may read: the applicant's side sees neither what BD was refused nor its mails, neither the
operators' words nor who leads BD.

The vendor's people (BD and its lead, the vendor's signatory, ops) read all of it.
"""

from collections.abc import Iterable
from typing import Final, TypeVar

from domain.audiences import audience_of
from domain.audit import AuditEvent, Verdict
from domain.contract import SYSTEM, Actor, Role
from domain.lifecycle import newest_rows
from domain.notice import Audience
from domain.status import Amendment, Closing, ClosingCode, CoverageChanged, FailedEmail, Status

OUTSIDE: Final = frozenset({Role.PARTNER, Role.ESIGN})
"""Who does not belong to the vendor."""
NEUTRAL: Final = "The onboarding service has ended the application; please consult your BD."
"""What is read outside instead of the operators' words; the mails say it in the reader's language."""
JOIN: Final = "join"
_INSIDE: Final = {step.name: step.inside for step in newest_rows()}
_ABOUT_MAILS: Final = "resend_email"
Change = TypeVar("Change", Amendment, CoverageChanged)


def status_for(status: Status, role: Role) -> Status:
    """The status as this role reads it: with the commands it may send.

    Outside, ``pending_emails`` is 0, as it counts the mails of all.
    """
    mine = status.allowed_for.get(role, ()) if status.allowed_for else status.allowed_commands
    own = status.model_copy(update={"allowed_commands": mine})
    if role not in OUTSIDE:
        return own
    return own.model_copy(
        update={
            "allowed_for": {role: mine} if mine and status.allowed_for else {},
            "last_refusals": tuple(
                refusal for refusal in status.last_refusals if refusal.role is role and not refusal.again
            ),
            "pending_emails": 0,
            "failed_emails": mails_for(status.failed_emails, role),
            "closing": status.closing and closing_for(status.closing, role),
            "bd_lead": None,
            "amendments": tuple(map(_by_whom, status.amendments)),
            "coverage_changes": tuple(map(_by_whom, status.coverage_changes)),
        }
    )


def _by_whom(change: Change) -> Change:
    """The change with who made it as he is read outside."""
    return change.model_copy(update={"by": change.by and _actor_outside(change.by)})


def closing_for(closing: Closing, role: Role) -> Closing:
    """Who ended the application, and why, as this role reads it."""
    if role in OUTSIDE and closing.by_operators:
        return Closing(by=Role.SYSTEM, reason=NEUTRAL, code=ClosingCode.BY_SERVICE)
    return closing


def may_read_mail(template: str, role: Role) -> bool:
    """Whether mails of this template are any of this role's business; the e-signature service gets none."""
    return role not in OUTSIDE or (role is Role.PARTNER and audience_of(template) is Audience.PARTNER)


def mails_for(failed: Iterable[FailedEmail], role: Role) -> tuple[FailedEmail, ...]:
    """The mails that could not be delivered and that this role may know of."""
    return tuple(each for each in failed if may_read_mail(each.template, role))


def audit_for(events: Iterable[AuditEvent], role: Role) -> tuple[AuditEvent, ...]:
    """The audit trail as this role reads it.

    Outside, that is what he sent himself, and what others did to the application; of what the service did by
    itself, what moved it on.
    """
    if role not in OUTSIDE:
        return tuple(events)
    return tuple(_outside(event) for event in events if _concerns(event, role))


def _concerns(event: AuditEvent, role: Role) -> bool:
    sender = event.actor.role if event.actor else None
    if sender is role:
        return True
    if event.verdict is not Verdict.ACCEPTED:
        return False
    if sender is Role.SYSTEM:
        return event.command == JOIN or event.from_stage is not event.to_stage
    return event.command != _ABOUT_MAILS


def _outside(event: AuditEvent) -> AuditEvent:
    actor = event.actor
    if actor is None or actor.role in OUTSIDE:
        return event
    seen = _actor_outside(actor)
    if seen is SYSTEM:
        return event.model_copy(update={"actor": SYSTEM, "message": None, "details": {}, "via": None})
    hidden = _INSIDE.get(event.command, ())
    told = {name: value for name, value in event.details.items() if name not in hidden}
    return event.model_copy(update={"actor": seen, "details": told, "via": None})


def _actor_outside(actor: Actor) -> Actor:
    """Without the login of who belongs to the vendor; of the lead, without the name, too."""
    if actor.role in OUTSIDE:
        return actor
    if actor.role in (Role.OPS, Role.SYSTEM):
        return SYSTEM
    name = None if actor.role is Role.BD_LEAD else actor.name
    return Actor(role=actor.role, id=str(actor.role), name=name)
