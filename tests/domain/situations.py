"""The situations of `applications.py` as the tables of the tests write them, who says what, what is told."""

from typing import Final

from domain.notice import Notice
from tests import payloads
from tests.payloads import Json

# fmt: off
SHORT: Final = {
    "drafting": "draft", "company_confirmed": "conf", "under_review": "revw", "justifying": "just",
    "withdrawn": "wdrn", "qualified": "qual", "confirming_terms": "cfrm", "correcting_terms": "corr",
    "awaiting_signatures": "sign", "partner_signed": "1sig", "signed": "sgnd", "activating": "actg",
    "active": "ACTV", "rejected": "REJD", "cancelled": "CANC", "expired": "EXPD",
}
ABBREVIATIONS: Final = {short: situation for situation, short in SHORT.items()}
LONG_WAY: Final = {
    "conf": "company_confirmed", "revw": "under_review", "just": "justifying", "answ": "answered",
    "wdrn": "answered_withdrawn", "qual": "answered_qualified", "shee1": "sheet_1", "mody": "modifying",
    "shee2": "sheet_2", "sign": "sheet_2_confirmed", "cont": "contacted", "1sig": "one_signature",
    "reop": "reopened", "sgnd": "both_signatures", "amnd": "amended", "actg": "started",
}
# fmt: on


def usual_role(kind: str, payload: Json) -> str:
    return str(payload.get("party", payloads.ROLE_OF[kind]))


def told(notices: tuple[type[Notice], ...]) -> list[str]:
    """The templates of these notices."""
    return [notice.model_fields["template"].default for notice in notices]
