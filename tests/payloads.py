"""What a service sends, as plain JSON: the contract seen from outside, without our models."""

import copy
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

Json = dict[str, Any]

BD: Final = {"name": "Bo Chen", "email": "bo.chen@vendor.example.com"}
BD_LEAD: Final = {"name": "Li Wei", "email": "li.wei@vendor.example.com"}
CONTACT: Final = {"name": "Ann Tan", "title": "CFO", "email": "ann.tan@acme.example.com"}
ENTERPRISE: Final = "Acme Cloud Pte. Ltd."
REGISTRATION: Final = "201912345K"
REACHED: Final = f"{datetime.now(UTC).year - 1}-01-01"
"""A contract start date that is past: by a year and more, as five years are too many."""
ROLE_OF: Final = {
    "confirm_company": "partner",
    "submit_application": "partner",
    "withdraw_application": "partner",
    "request_justification": "bd",
    "provide_justification": "partner",
    "approve_application": "bd",
    "reject_application": "bd",
    "issue_decision_sheet": "bd",
    "confirm_terms": "partner",
    "modify_terms": "partner",
    "record_contact": "bd",
    "choose_signing_path": "bd",
    "sign_contract": "partner",
    "reopen_terms": "bd",
    "amend_start_date": "bd",
    "ask_bd": "partner",
    "answer_partner": "bd",
    "reassign_bd": "bd_lead",
    "reassign_lead": "bd_lead",
    "correct_contact": "bd",
    "resend_email": "bd",
    "decline": "partner",
    "end_contract": "bd",
    "cancel_application": "bd",
}


def join(uid: str, **changes: Any) -> Json:
    """The workflow's argument."""
    return {
        "company_master_uid": uid,
        "contact_name": "Ann Tan",
        "contact_email": "join@acme.example.com",
        "locale": "en",
        "bd": BD,
        "bd_lead": BD_LEAD,
        **changes,
    }


def form(uid: str, **changes: Any) -> Json:
    """An application form that meets every rule for an account with `ENTERPRISE` verified."""
    return {
        "legal_name": ENTERPRISE,
        "registration_number": REGISTRATION,
        "country": "SG",
        "address": "1 Raffles Place\nSingapore 048616",
        "contact": CONTACT,
        "business_type": "reseller",
        "main_uid": uid,
        "associated_uids": [],
        "territories": ["SG", "MY"],
        "qualification": "Twelve certified engineers; four years of cloud resale.",
        **changes,
    }


_SHEET: Final[Json] = {
    "basic": {
        "business_type": "reseller",
        "partner_level": "gold",
        "territories": ["SG", "MY"],
        "currency": "USD",
        "contract_start_date": REACHED,
        "time_zone": "Asia/Singapore",
        "term_months": 24,
        "credit_line": "50000",
    },
    "commitment": {"amount": "1200000", "period_months": 12, "compensation": "8 % of the shortfall"},
    "commission_policy": {
        "code": "CP-2026",
        "name": "Standard reseller commission",
        "bands": [
            {"from_amount": "0", "to_amount": "100000", "rate_percent": "5"},
            {"from_amount": "100000", "rate_percent": "7.5"},
        ],
    },
    "discounts": [
        {"product_code": "ecs", "percent": "10"},
        {"product_code": "oss", "percent": "12.5"},
    ],
}


def sheet(*, start: str = REACHED, zone: str = "Asia/Singapore", ecs: str = "10") -> Json:
    """A decision sheet; its start date is reached unless another is given."""
    made = copy.deepcopy(_SHEET)
    made["basic"] |= {"contract_start_date": start, "time_zone": zone}
    made["discounts"][0]["percent"] = ecs
    return made


def command(kind: str, *, role: str | None = None, command_id: str | None = None, **payload: Any) -> Json:
    """A command as a signal carries it, by the role that usually sends it."""
    role = role or ROLE_OF[kind]
    return {"command_id": command_id or str(uuid4()), "actor": {"role": role, "id": f"{role}-1"}, **payload}
