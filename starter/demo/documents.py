"""Who plays in the reference story, and the papers they hand each other."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from domain.contract import Actor, OnboardingInput, Person, Role
from domain.documents import ApplicationForm, BusinessType, DecisionSheet
from domain.status import Company

DESK_ZONE: Final = "Asia/Shanghai"
"""Where BD works: the policy's default, and the zone of the timeline."""
CONTRACT_ZONE: Final = "Asia/Dubai"

BD: Final = Person(name="Bo Chen", email="bo.chen@vendor.example.com")
LEAD: Final = Person(name="Li Wei", email="li.wei@vendor.example.com")
BD_ACTOR: Final = Actor(role=Role.BD, id="bo.chen", name="Bo Chen")
ESIGN: Final = Actor(role=Role.ESIGN, id="e-signature-service", name="E-signature service")
SERVICE: Final = Actor(role=Role.SYSTEM, id="onboarding", name="Onboarding service")

MASTER_UID: Final = "5010000000000001"
"""Company Master UID of the first applicant; the form's other UIDs are accounts of the same company."""
MAIN_UID: Final = "5010000000000002"
ASSOCIATED_UID: Final = "5010000000000003"
SECOND_UID: Final = "5020000000000001"
REFERENCE_UID: Final = "5030000000000001"

FALCON: Final = Company.model_validate(
    {"legal_name": "Falcon Cloud FZ-LLC", "registration_number": "DXB-204518", "country": "AE"}
)
LOTUS: Final = Company.model_validate(
    {"legal_name": "Lotus Data Co., Ltd.", "registration_number": "91310000MA1FL0XX", "country": "CN"}
)
AMIRA: Final = Actor(role=Role.PARTNER, id="amira.haddad", name="Amira Haddad")
MEI: Final = Actor(role=Role.PARTNER, id="mei.lin", name="Mei Lin")
_EMAILS: Final[Mapping[str, str]] = {AMIRA.id: "amira@falcon.example.com", MEI.id: "mei@lotus.example.com"}


def email_of(applicant: Actor) -> str:
    """An applicant's Contact E-mail."""
    return _EMAILS[applicant.id]


def joining(uid: str, applicant: Actor, *, locale: str = "en") -> OnboardingInput:
    """What JOIN NOW hands over."""
    return OnboardingInput.model_validate(
        {
            "company_master_uid": uid,
            "contact_name": applicant.name,
            "contact_email": email_of(applicant),
            "locale": locale,
            "bd": BD,
            "bd_lead": LEAD,
        }
    )


def form(
    company: Company,
    applicant: Actor,
    main_uid: str,
    *associated_uids: str,
    qualification: str = "Twelve certified engineers; four years of cloud resale in the Gulf.",
) -> ApplicationForm:
    """The basic information an applicant submits."""
    return ApplicationForm.model_validate(
        {
            "legal_name": company.legal_name,
            "registration_number": company.registration_number,
            "country": company.country,
            "address": "Head office",
            "contact": {"name": applicant.name, "email": email_of(applicant)},
            "business_type": BusinessType.RESELLER,
            "main_uid": main_uid,
            "associated_uids": associated_uids,
            "territories": [company.country],
            "qualification": qualification,
        }
    )


def sheet(start: date, *, compute_discount: str = "10", term_months: int = 12) -> DecisionSheet:
    """A decision sheet; the contract starts on ``start`` in `CONTRACT_ZONE`."""
    return DecisionSheet.model_validate(
        {
            "basic": {
                "business_type": BusinessType.RESELLER,
                "partner_level": "gold",
                "territories": ["AE", "SA"],
                "currency": "USD",
                "contract_start_date": start.isoformat(),
                "time_zone": CONTRACT_ZONE,
                "term_months": term_months,
                "credit_line": "50000",
            },
            "commitment": {
                "amount": "1200000",
                "period_months": 12,
                "compensation": "8 % of what is missing at the end of the period",
            },
            "commission_policy": {
                "code": "CP-STANDARD",
                "name": "Standard reseller commission",
                "bands": [
                    {"from_amount": "0", "to_amount": "100000", "rate_percent": "5"},
                    {"from_amount": "100000", "rate_percent": "7.5"},
                ],
            },
            "discounts": [
                {"product_code": "ecs", "percent": compute_discount},
                {"product_code": "oss", "percent": "12.5"},
            ],
        }
    )


def signal(command_id: str, actor: Actor, **fields: Any) -> dict[str, Any]:
    """A command as a service sends it by signal: plain JSON, nothing of our models."""
    return {"command_id": command_id, "actor": actor.model_dump(mode="json", exclude_none=True), **fields}
