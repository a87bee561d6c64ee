"""Every mail of the process with every fact filled in, for tests of what is rendered and sent."""

from datetime import UTC, datetime
from typing import Any, Final

from activities.emails.addressed import AddressedNotice
from domain.contract import Person
from domain.documents import ApplicationForm
from domain.notices import NOTICE_ADAPTER, NOTICES, AnyNotice
from domain.sheets import SheetShown

TEMPLATES: Final = tuple(notice.model_fields["template"].default for notice in NOTICES)

SHEET: Final[dict[str, Any]] = {
    "basic": {
        "business_type": "reseller",
        "partner_level": "gold",
        "territories": ["Singapore", "Malaysia"],
        "currency": "USD",
        "contract_start_date": "2025-04-01",
        "time_zone": "Asia/Singapore",
        "term_months": 24,
        "credit_line": "250000",
    },
    "commitment": {"amount": "1250000.5", "period_months": 12, "compensation": "5 % of the shortfall"},
    "commission_policy": {
        "code": "CP-1",
        "name": "Standard commission",
        "bands": [
            {"from_amount": "0", "to_amount": "100000", "rate_percent": "5"},
            {"from_amount": "100000", "rate_percent": "7.5"},
        ],
    },
    "discounts": [{"product_code": "ecs", "percent": "12.5", "valid_from": "2025-04-01"}],
}


def _file(reference: str) -> dict[str, Any]:
    return {"reference": reference, "sha256": "cd" * 32, "media_type": "application/pdf"}


def _clock(kind: str, due_at: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "due_at": due_at, "time_zone": "Asia/Shanghai", **more}


def notice(template: str, *, user_text: str | None = None, **changes: Any) -> AnyNotice:
    """A notice of this template; ``user_text`` stands wherever somebody may write freely."""
    free = user_text or "Line one\nLine two"
    name = _one_line(user_text)
    review = _clock("review", "2025-03-19T16:00:00Z")
    accounts: dict[str, Any] = {
        "template": template,
        "review": review,
        "contact": _clock("contact", "2025-03-19T16:00:00Z"),
        "expiry": _clock("expiry", "2027-06-12T16:00:00Z", provisional=True),
        "deadline": review,
        "estimates": [
            _clock(
                "review",
                "2025-03-20T00:00:00Z",
                estimate="no calendar 'XX'",
                unknown={"what": "calendar", "name": "XX"},
                time_zone=None,
            )
        ],
        "stage": "confirming_terms",
        "reminders": 3,
        "form_revision": 2,
        "sheet_revision": 2,
        "warnings": [{"code": "master_uid_not_covered", "uid": "5000000000000001"}],
        "justification": {"question": free, "answer": free, "evidence": [_file(name)]},
        "asked": {"number": 1, "question": free, "asked_at": "2025-03-14T02:00:00Z"},
        "answered": {
            "number": 1,
            "question": free,
            "asked_at": "2025-03-13T02:00:00Z",
            "answer": free,
            "answered_at": "2025-03-14T02:00:00Z",
        },
        "oldest_question": {"number": 1, "question": free, "asked_at": "2025-03-10T02:00:00Z"},
        "waiting_questions": 2,
        "question_reminders": 3,
        "start_date": "2025-04-01",
        "start_zone": "Asia/Singapore",
        "bd_lead": {"name": name, "email": "ada@example.com"},
        "former_bd": {"name": "Old Bo", "email": "bo@example.com"},
        "former_lead": {"name": "Old Li", "email": "li@example.com"},
        "modification": {"sheet_revision": 1, "description": free, "fields": ["basic.term_months", name]},
        "signing": {
            "path": "offline_paper",
            "order": "partner_first",
            "partner": {"signer_name": name, "signed_at": "2025-03-20T02:00:00Z", "document_ref": "D-1"}
            | {"evidence": [_file(name)]},
        },
        "refused_signature": {
            "party": "partner",
            "signer_name": name,
            "signed_at": "2025-03-20T02:00:00Z",
            "document_ref": "docuseal:17",
            "sheet_revision": 1,
            "error": "stale_revision",
            "message": free,
        },
        "start": {"day": "2025-04-01", "time_zone": "Asia/Singapore", "at": "2025-03-31T16:00:00Z"},
        "amendment": {
            "start_date": "2025-04-01",
            "time_zone": "Asia/Singapore",
            "reason": free,
            "at": "2025-03-21T02:00:00Z",
        },
        "missing": [
            {"cause": "enterprise_not_verified", "uids": ["5000000000000001", "5000000000000003"]},
            {"cause": "credit_control_missing", "uids": ["5000000000000002"]},
        ],
        "in_effect_since": "2025-03-31T16:00:00Z",
        "failed_emails": [
            {
                "key": "4.sheet_to_confirm",
                "template": "sheet_to_confirm",
                "to": "mei.tan@example.com",
                "reason": free,
                "at": "2025-03-14T09:30:00Z",
            }
        ],
        "coverage_change": {"uid": "5000000000000003", "added": True, "at": "2025-04-21T02:00:00Z"},
        "covered_uids": ["5000000000000002", "5000000000000003"],
        "rejection": {"reason_code": "INCOMPLETE", "explanation": free},
        "closing": {"by": "bd", "reason": free},
    }
    return NOTICE_ADAPTER.validate_python(accounts | changes)


def mail(
    template: str, *, locale: str = "en", user_text: str | None = None, **changes: Any
) -> AddressedNotice:
    """A mail with a notice of this template; ``changes`` are the mail's own, the rest is the notice's."""
    own = {name: changes.pop(name) for name in tuple(changes) if name in AddressedNotice.__dataclass_fields__}
    said = notice(template, user_text=user_text, **changes)
    accounts: dict[str, Any] = {
        "key": f"7.{template}",
        "sequence": 7,
        "application_id": "0195a1f2-0000-7000-8000-000000000001",
        "locale": locale,
        "at": datetime(2025, 3, 14, 9, 30, tzinfo=UTC),
        "to": Person(name="Mei Tan", email="mei.tan@example.com"),
        "bd": Person(name="Li Wei", email="li.wei@example.com"),
        "time_zone": "Asia/Shanghai",
        "company_master_uid": "5000000000000001",
        "company_name": _one_line(user_text),
        "status_text": "Please be patient and wait for the approval",
        "notice": said,
        "sheet": sheet(user_text) if hasattr(said, "sheet_revision") else None,
        "form": form(user_text) if hasattr(said, "form_revision") else None,
    }
    return AddressedNotice(**accounts | own)


def sheet(user_text: str | None = None) -> SheetShown:
    """The second revision of a decision sheet, and how it differs from the first."""
    free, name = user_text or "Line one\nLine two", _one_line(user_text)
    return SheetShown.model_validate(
        {
            "revision": 2,
            "hash": "ab" * 32,
            "content": {
                **SHEET,
                "commitment": {**SHEET["commitment"], "compensation": free},
                "basic": {**SHEET["basic"], "territories": [name]},
            },
            "changes": [
                {"field": "basic.term_months", "before": 12, "after": 24},
                {"field": "commission_policy.bands[1].rate_percent", "before": None, "after": "5"},
                {"field": "basic.territories", "before": ["Singapore"], "after": ["Singapore", name]},
                {"field": "commitment.compensation", "before": free, "after": None},
            ],
        }
    )


def form(user_text: str | None = None) -> ApplicationForm:
    """An application form."""
    free, name = user_text or "Line one\nLine two", _one_line(user_text)
    return ApplicationForm.model_validate(
        {
            "legal_name": name,
            "registration_number": "201912345K",
            "country": "SG",
            "address": free,
            "contact": {"name": "Mei Tan", "email": "mei.tan@example.com"},
            "business_type": "reseller",
            "main_uid": "5000000000000002",
            "associated_uids": ["5000000000000003"],
            "territories": [name],
            "qualification": free,
            "evidence": [_file(name)],
        }
    )


def _one_line(text: str | None) -> str:
    return " ".join((text or "Cloud Nine Pte. Ltd.").split())[:200]
