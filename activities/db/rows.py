"""What is stored of events, e-mails and applications, as the values of their rows."""

from typing import Any, Final

from activities.db.email_ledger import LedgerState
from activities.db.queued import QueuedNotice
from domain.audiences import audience_of
from domain.audit import AuditEvent
from domain.chain import Link
from domain.contract import Locale, Person, workflow_id
from domain.lifecycle import STAGES
from domain.notice import Audience, key_of
from domain.notices import AnyNotice
from domain.publication import Entry
from domain.state import Application
from domain.view import describe

BD_LOCALE: Final[Locale] = "en"
"""The language of mails to a BD or lead who has named none."""


def event_values(application_id: str, event: AuditEvent, link: Link) -> dict[str, Any]:
    """Of an event, chained."""
    values = {name: getattr(event, name) for name in AuditEvent.model_fields}
    return values | {
        "application_id": application_id,
        "actor": event.actor and event.actor.model_dump(mode="json"),
        "via": event.via and event.via.model_dump(mode="json"),
        "previous_hash": link.previous,
        "salt": link.salt,
        "commitment": link.commitment,
        "hash": link.hash,
    }


def email_values(
    application: Application, event: AuditEvent, notice: AnyNotice, addressee: Person | None, position: int
) -> dict[str, Any]:
    """Of an e-mail that waits, the one at this position; ``addressee``: instead of who is in charge."""
    audience = audience_of(notice.template)
    to = addressee or _recipient(audience, application)
    queued = QueuedNotice(
        to=to,
        bd=application.bd,
        company_master_uid=application.company_master_uid,
        company_name=application.company_name,
        status_text=STAGES[event.to_stage].status_text,
        time_zone=application.policy.time_zone,
        notice=notice,
    )
    return {
        "application_id": application.application_id,
        "key": key_of(event.sequence, notice),
        "position": position,
        "template": notice.template,
        "locale": application.locale if audience is Audience.PARTNER else to.locale or BD_LOCALE,
        "recipient": to.email,
        "subject": "",
        "message_id": "",
        "state": LedgerState.PENDING,
        "attempts": 0,
        "deferrals": 0,
        "queued_at": event.at,
        "sequence": event.sequence,
        "notice": queued.model_dump(mode="json"),
    }


def _recipient(audience: Audience, application: Application) -> Person:
    return {
        Audience.PARTNER: application.recipient,
        Audience.BD: application.bd,
        Audience.BD_LEAD: application.bd_lead,
    }[audience]


def application_values(
    application: Application, state: dict[str, Any], entries: list[Entry]
) -> dict[str, Any]:
    """Of an application after these entries; ``state``: as `domain.publication.stored_state` has it."""
    newest = entries[-1].event
    status = describe(application, sequence=newest.sequence)
    return {
        "application_id": application.application_id,
        "workflow_id": workflow_id(application.company_master_uid),
        "company_master_uid": application.company_master_uid,
        "company_name": application.company_name,
        "stage": status.stage,
        "waiting_on": status.waiting_on,
        "due_at": status.due_at,
        "overdue": status.overdue,
        "sequence": newest.sequence,
        "status": status.without_documents().model_dump(mode="json"),
        "state": state,
        "created_at": entries[0].event.at,
        "updated_at": newest.at,
        "bd": application.bd.email.lower(),
        "bd_lead": application.bd_lead.email.lower(),
        "desk": application.desk,
    }
