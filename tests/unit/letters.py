"""Every letter of the process with every fact filled in, for tests of what is rendered and sent."""

from typing import Any, Final, get_args

from pydantic import TypeAdapter

from domain.letters import AnyLetter

LETTER_TYPES: Final = get_args(get_args(AnyLetter)[0])
TEMPLATES: Final = tuple(letter.model_fields["template"].default for letter in LETTER_TYPES)

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


def _clock(kind: str, due_at: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "due_at": due_at, "time_zone": "Asia/Shanghai", **more}


def letter(template: str, *, locale: str = "en", user_text: str | None = None, **changes: Any) -> AnyLetter:
    """A letter of this template; ``user_text`` stands wherever somebody may write freely."""
    free = user_text or "Line one\nLine two"
    name = " ".join((user_text or "Cloud Nine Pte. Ltd.").split())[:200]
    review = _clock("review", "2025-03-19T16:00:00Z")
    facts: dict[str, Any] = {
        "template": template,
        "key": f"7.{template}",
        "sequence": 7,
        "application_id": "0195a1f2-0000-7000-8000-000000000001",
        "to": {"name": "Mei Tan", "email": "mei.tan@example.com"},
        "locale": locale,
        "at": "2025-03-14T09:30:00Z",
        "time_zone": "Asia/Shanghai",
        "company_master_uid": "5000000000000001",
        "company_name": name,
        "status_text": "Please be patient and wait for the approval",
        "bd": {"name": "Li Wei", "email": "li.wei@example.com"},
        "review": review,
        "contact": _clock("contact", "2025-03-19T16:00:00Z"),
        "expiry": _clock("expiry", "2027-06-12T16:00:00Z", provisional=True),
        "deadline": review,
        "form_revision": 2,
        "warnings": [free],
        "justification": {"question": free, "answer": free},
        "sheet": {
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
        },
        "modification": {"sheet_revision": 1, "description": free, "fields": ["basic.term_months", name]},
        "signing": {
            "path": "offline_paper",
            "order": "partner_first",
            "partner": {"signer_name": name, "signed_at": "2025-03-20T02:00:00Z", "document_ref": "D-1"},
        },
        "start": {"day": "2025-04-01", "time_zone": "Asia/Singapore", "at": "2025-03-31T16:00:00Z"},
        "amendment": {
            "start_date": "2025-04-01",
            "time_zone": "Asia/Singapore",
            "reason": free,
            "at": "2025-03-21T02:00:00Z",
        },
        "missing": ["enterprise verification of 5000000000000001"],
        "failed_emails": [
            {
                "key": "4.sheet_to_confirm",
                "template": "sheet_to_confirm",
                "to": "mei.tan@example.com",
                "reason": free,
                "at": "2025-03-14T09:30:00Z",
            }
        ],
        "covered_uids": ["5000000000000002", "5000000000000003"],
        "rejection": {"reason_code": "INCOMPLETE", "explanation": free},
        "closing": {"by": "bd", "reason": free},
        "form": {
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
        },
    }
    return _ADAPTER.validate_python(facts | changes)


_ADAPTER: Final[TypeAdapter[AnyLetter]] = TypeAdapter(AnyLetter)
