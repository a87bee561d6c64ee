"""What a person types for a command and its fields, where that is not the contract's name.

Everything else about a console command comes from the table of commands (`domain.lifecycle.STEPS`). A command
not named here is typed as the contract calls it, with hyphens; so are its fields. The contract's names are
taken for the others, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True)
class Typed:
    """What is typed for a command, and for its fields: an option, or in capitals an argument."""

    command: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


TYPED: Final[Mapping[str, Typed]] = {
    "confirm_company": Typed(fields={"company_hash": "--hash"}),
    "submit_application": Typed("submit", {"application": "--form"}),
    "withdraw_application": Typed("withdraw", {"form_revision": "--revision"}),
    "request_justification": Typed("ask", {"form_revision": "--revision"}),
    "provide_justification": Typed("justify", {"form_revision": "--revision"}),
    "approve_application": Typed("approve", {"form_revision": "--revision"}),
    "reject_application": Typed(
        "reject", {"reason_code": "--code", "explanation": "--reason", "form_revision": "--revision"}
    ),
    "issue_decision_sheet": Typed("issue-sheet"),
    "confirm_terms": Typed("confirm", {"sheet_revision": "--revision", "sheet_hash": "--hash"}),
    "modify_terms": Typed(
        "modify", {"sheet_revision": "--revision", "description": "--text", "fields": "--field"}
    ),
    "record_contact": Typed("contact"),
    "choose_signing_path": Typed("signing-path"),
    "sign_contract": Typed(
        "sign",
        {
            "signer_name": "--signer",
            "document_ref": "--document",
            "sheet_revision": "--revision",
            "sheet_hash": "--hash",
        },
    ),
    "reopen_terms": Typed("reopen", {"sheet_revision": "--revision"}),
    "amend_start_date": Typed(fields={"start_date": "--date", "time_zone": "--zone"}),
    "reassign_bd": Typed("reassign"),
    "correct_contact": Typed(fields={"email": "--contact-email", "name": "--contact-name"}),
    "resend_email": Typed("resend", {"key": "KEY"}),
    "cancel_application": Typed("cancel"),
    "add_associated_uid": Typed("coverage add"),
    "remove_associated_uid": Typed("coverage remove"),
}
