"""An application as the workflow would hand it to the activities."""

from datetime import UTC, datetime
from typing import Final

from domain.records import Record

from domain.audit import AuditEvent, Verdict
from domain.contract import Actor, OnboardingInput, Person, Role, Stage
from domain.documents import DecisionSheet, sheet_hash
from domain.policy import Policy
from domain.state import Application
from domain.status import IssuedSheet, field_changes

NOON: Final = datetime(2025, 3, 14, 4, 0, tzinfo=UTC)
"""A Friday, noon in Shanghai."""

BD: Final = Actor(role=Role.BD, id="bd-1", name="Li Wei")


def application(
    application_id: str = "run-1", *, uid: str = "1001", stage: Stage = Stage.DRAFTING
) -> Application:
    """An application that has just joined, or stands at another stage."""
    joined = OnboardingInput(
        company_master_uid=uid,
        contact_name="Ada Byron",
        contact_email="ada@partner.example",
        bd=Person(name="Li Wei", email="li@vendor.example"),
        bd_lead=Person(name="Chen Fang", email="chen@vendor.example"),
    )
    return Application.joined(application_id, joined, Policy()).but(stage=stage)


def event(
    sequence: int, *, at: datetime = NOON, command: str = "confirm_company", **more: object
) -> AuditEvent:
    """An accepted command."""
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


def record(
    subject: Application, *events: AuditEvent, sequence: int | None = None, at: datetime = NOON
) -> Record:
    """What a transition to this state writes down."""
    newest = sequence if sequence is not None else max((audited.sequence for audited in events), default=1)
    return Record(application=subject, sequence=newest, at=at, events=events)


def sheet(revision: int) -> IssuedSheet:
    """A revision of the decision sheet: the term is that many years."""
    content = _content(revision)
    changes = (
        field_changes(_content(revision - 1).model_dump(mode="json"), content.model_dump(mode="json"))
        if revision > 1
        else ()
    )
    return IssuedSheet(revision=revision, hash=sheet_hash(content), content=content, changes=changes)


def sheet_issued(sequence: int, content: int, at: datetime = NOON, revision: int | None = None) -> AuditEvent:
    """The event of issuing the content of that sheet, as the revision of the same number or another one."""
    details = {"sheet": sheet(content).content.model_dump(mode="json")}
    return event(
        sequence,
        at=at,
        command="issue_decision_sheet",
        details=details,
        sheet_revision=revision or content,
    )


def _content(revision: int) -> DecisionSheet:
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
