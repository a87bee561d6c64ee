"""Examples of what the fields of the API hold, where the models of the contract have none."""

from collections.abc import Mapping
from typing import Any, Final

UID: Final = "5123456789"
HASH: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
EXAMPLES: Final[Mapping[str, Any]] = {
    "company_master_uid": UID,
    "contact_name": "Mei Lin",
    "contact_email": "mei@lincloud.example",
    "form_revision": 1,
    "sheet_revision": 1,
    "sheet_hash": HASH,
    "party": "partner",
    "signed_at": "2027-01-15T09:00:00Z",
    "application": {
        "legal_name": "Lin Cloud Ltd",
        "registration_number": "91310000MA1K00001X",
        "country": "CN",
        "address": "88 Century Avenue, Pudong, Shanghai",
        "contact": {"name": "Mei Lin", "email": "mei@lincloud.example"},
        "business_type": "reseller",
        "main_uid": UID,
        "associated_uids": ["5123456790"],
        "territories": ["CN"],
        "qualification": "Forty customers in retail; six certified engineers.",
    },
    "sheet": {
        "basic": {
            "business_type": "reseller",
            "partner_level": "gold",
            "territories": ["CN"],
            "currency": "USD",
            "contract_start_date": "2027-02-01",
            "time_zone": "Asia/Shanghai",
            "term_months": 12,
        },
        "commitment": {"amount": "100000", "period_months": 12, "compensation": "5 % of the shortfall"},
        "commission_policy": {
            "code": "CP-2027",
            "name": "Reseller commission 2027",
            "bands": [{"from_amount": "0", "rate_percent": "5"}],
        },
        "discounts": [{"product_code": "ecs", "percent": "10"}],
    },
}
