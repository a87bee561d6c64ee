"""An application as the workflow would hand it to the activities."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import JsonValue

from activities.acpn_access import Grant
from domain.audit import AuditEvent, Verdict
from domain.clocks import Clock, ClockKind
from domain.contract import Actor, OnboardingInput, Person, Role, Stage
from domain.documents import ApplicationForm, DecisionSheet, sheet_hash
from domain.notices import (
    AnyNotice,
    ApplicationApproved,
    ApplicationReceived,
    ReviewOverdue,
    ReviewRequested,
    SheetToConfirm,
)
from domain.policy import Policy
from domain.publication import Entry, Lineage, Publication, stored_state
from domain.sheets import IssuedSheet, field_changes
from domain.state import Application

NOON: Final = datetime(2025, 3, 14, 4, 0, tzinfo=UTC)
"""A Friday, noon in Shanghai."""
LINEAGE: Final = Lineage(application_id="run-1")

BD: Final = Actor(role=Role.BD, id="bd-1", name="Li Wei")
LI: Final = Person(name="Li Wei", email="li@vendor.example")
CHEN: Final = Person(name="Chen Fang", email="chen@vendor.example")
REVIEW: Final = Clock(kind=ClockKind.REVIEW, due_at=NOON + timedelta(days=5), time_zone="Asia/Shanghai")
EXPIRY: Final = Clock(kind=ClockKind.EXPIRY, due_at=NOON + timedelta(days=90), time_zone="Asia/Shanghai")

RECEIVED: Final = ApplicationReceived(review=REVIEW, form_revision=1, warnings=())
REQUESTED: Final = ReviewRequested(review=REVIEW, form_revision=1, warnings=())
APPROVED: Final = ApplicationApproved()
OVERDUE: Final = ReviewOverdue(review=REVIEW)


def to_confirm(revision: int) -> AnyNotice:
    """The notice that brings the partner this revision of the decision sheet."""
    return SheetToConfirm(sheet_revision=revision, expiry=EXPIRY)


def application(
    application_id: str = "run-1", *, uid: str = "1001", stage: Stage = Stage.DRAFTING
) -> Application:
    """An application that has just joined, or stands at another stage."""
    joined = OnboardingInput(
        company_master_uid=uid,
        contact_name="Ada Byron",
        contact_email="ada@partner.example",
        bd=LI,
        bd_lead=CHEN,
    )
    return Application.joined(application_id, joined, Policy()).but(stage=stage)


def event(
    sequence: int, *, at: datetime | None = None, command: str = "confirm_company", **more: object
) -> AuditEvent:
    """An accepted command, a minute after the event before it unless told otherwise."""
    at = at or NOON + timedelta(minutes=sequence - 1)
    return AuditEvent.model_validate(
        {
            "sequence": sequence,
            "at": at,
            "command": command,
            "verdict": Verdict.ACCEPTED,
            "command_id": f"c-{sequence}",
            "actor": BD,
            "occurred_at": at,
            "from_stage": Stage.DRAFTING,
            "to_stage": Stage.DRAFTING,
            **more,
        }
    )


def entry(sequence: int, *notices: AnyNotice, **more: Any) -> Entry:
    """An event with its notices; ``resend`` and ``close_access_of`` are the entry's, the rest its event's."""
    own = {name: more.pop(name) for name in ("resend", "close_access_of") if name in more}
    return Entry(event=event(sequence, **more), notices=notices, **own)


def submitted(sequence: int, revision: int, *notices: AnyNotice, **more: Any) -> Entry:
    """The form comes in, as this revision."""
    at = event(sequence, command="submit_application", form_revision=revision, **more)
    return Entry(event=at, form=form(revision), notices=notices)


def issued(
    sequence: int, revision: int, *notices: AnyNotice, replaces: int | None = None, **more: Any
) -> Entry:
    """The decision sheet of this revision is issued, at its time unless told otherwise."""
    more = {"at": issued_at(revision)} | more
    at = event(sequence, command="issue_decision_sheet", sheet_revision=revision, **more)
    return Entry(event=at, sheet=content(revision), sheet_replaces=replaces, notices=notices)


def publication(
    subject: Application, *entries: Entry, generation: int = 0, after: Application | None = None, **more: Any
) -> Publication:
    """What the workflow publishes; with ``after`` only what has changed since that was stored.

    The state before is taken to be that of the event before the first of these.
    """
    return Publication(
        lineage=Lineage(application_id=subject.application_id, generation=generation),
        since=entries[0].event.sequence - 1 if after else None,
        changes=changes(after, subject) if after else stored_state(subject),
        entries=entries,
        **more,
    )


def changes(before: Application, after: Application) -> dict[str, JsonValue]:
    """What has to be written over the stored state; what is unset again becomes ``null``."""
    old, new = stored_state(before), stored_state(after)
    return {name: new.get(name) for name in old | new if old.get(name) != new.get(name)}


def form(revision: int) -> ApplicationForm:
    """A revision of the form; each has another legal name."""
    return ApplicationForm.model_validate(
        {
            "legal_name": f"Acme {revision} 有限公司",
            "registration_number": "91-1",
            "country": "CN",
            "address": "1 Cloud Road",
            "contact": {"name": "Mei Tan", "email": "mei@partner.example"},
            "business_type": "reseller",
            "main_uid": "1002",
            "associated_uids": ["1003"],
            "qualification": "Ten engineers.",
        }
    )


def with_form(subject: Application, revision: int) -> Application:
    """The application with this revision of its form."""
    return subject.but(
        form=form(revision), form_revision=revision, submitted_revision=revision, forms_used=revision
    )


def sheet(revision: int, *, replaces: int | None = None) -> IssuedSheet:
    """A revision of the decision sheet, the term of which is that many years, beside the one it replaces."""
    terms = content(revision)
    different = (
        field_changes(content(replaces).model_dump(mode="json"), terms.model_dump(mode="json"))
        if replaces
        else ()
    )
    return IssuedSheet(
        revision=revision,
        hash=sheet_hash(terms),
        issued_at=issued_at(revision),
        content=terms,
        changes=different,
    )


def issued_at(revision: int) -> datetime:
    """When the sheet of this revision was issued."""
    return NOON + timedelta(minutes=revision)


def with_sheet(subject: Application, revision: int, *, replaces: int | None = None) -> Application:
    """The application with this revision of the decision sheet in force."""
    return subject.but(sheet=sheet(revision, replaces=replaces), sheets_used=revision)


def content(revision: int) -> DecisionSheet:
    """What the decision sheet of this revision says."""
    return DecisionSheet.model_validate(
        {
            "basic": {
                "business_type": "reseller",
                "partner_level": "gold",
                "territories": ["中国", "Côte d’Ivoire"],
                "currency": "USD",
                "contract_start_date": "2025-05-01",
                "time_zone": "Asia/Shanghai",
                "term_months": 12 * revision,
            },
            "commission_policy": {"code": "CP-1", "name": "Standard"},
            "discounts": [{"product_code": "ecs", "percent": "12.50"}],
        }
    )


def grant(uid: str, application_id: str = "run-1") -> Grant:
    """Access of an account, by an application of the company 1001."""
    return Grant(uid=uid, application_id=application_id, company_master_uid="1001", granted_at=NOON)
