"""The commands of the reference story as plain JSON, as an outside service would send them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self
from zlib import crc32

from bench.chaos.plan import Dispatch, Script, Sort
from domain.contract import Stage
from domain.status import Status
from domain.values import instant_text
from tests import payloads

SENDER: Final = "Reseller Onboarding <onboarding@vendor.example.com>"
WRONG_ROLE: Final = {"partner": "bd", "bd": "partner", "vendor": "bd"}
NO_HASH: Final = "0" * 64
LONG_AGO: Final = "2026-01-05T02:00:00Z"


@dataclass(frozen=True)
class Terms:
    """The sheet in force, as the driver was told; none yet: revision 0. ``told_at``: when; it can be signed
    from then on.

    ``form_revision``: that of the form under review, where the script does not say.
    """

    revision: int = 0
    hash: str = NO_HASH
    form_revision: int | None = None
    told_at: str = LONG_AGO

    @classmethod
    def of(cls, status: Status) -> Self:
        """What a status tells."""
        sheet = status.sheet
        if sheet is None:
            return cls(form_revision=status.form_revision)
        return cls(sheet.revision, sheet.hash, status.form_revision, instant_text(datetime.now(UTC)))


def contact_of(script: Script) -> str:
    """The applicant's own mailbox; the mail server knows the name of those that do not exist."""
    return f"{'gone' if script.bounces else 'contact'}-{script.uid}@acme.example.com"


def bd_of(uid: str) -> dict[str, str]:
    """Every applicant has a BD of its own, so that a mail's recipient tells whose it is."""
    return {"name": "Bo Chen", "email": f"bd-{uid}@vendor.example.com"}


def lead_of(uid: str) -> dict[str, str]:
    """Likewise the BD lead."""
    return {"name": "Li Wei", "email": f"lead-{uid}@vendor.example.com"}


def joining(script: Script) -> dict[str, Any]:
    """The workflow's argument."""
    return payloads.join(
        script.uid, contact_email=contact_of(script), bd=bd_of(script.uid), bd_lead=lead_of(script.uid)
    )


def kind_of(step: str) -> str:
    """The command of a step (``sign_contract.partner``: ``sign_contract``)."""
    return step.partition(".")[0]


def next_step(status: Status) -> str | None:
    """What brings an application on from where it stands; ``None`` while it goes on by itself."""
    match status.stage:
        case Stage.DRAFTING | Stage.WITHDRAWN:
            return "submit_application" if status.company_confirmed else "confirm_company"
        case Stage.UNDER_REVIEW:
            return "approve_application"
        case Stage.JUSTIFYING:
            return "provide_justification"
        case Stage.QUALIFIED | Stage.CORRECTING_TERMS:
            return "issue_decision_sheet"
        case Stage.CONFIRMING_TERMS:
            return "confirm_terms"
        case Stage.AWAITING_SIGNATURES:
            return "sign_contract.vendor" if status.signing.partner else "sign_contract.partner"
    return None


def wanted_revision(step: str) -> int:
    """The revision of the sheet a step is about."""
    return 1 if step == "modify_terms" else 2


def needs_terms(dispatch: Dispatch) -> bool:
    """Whether it names the sheet in force, so that the driver must have been told of it."""
    named = kind_of(dispatch.step) in {"modify_terms", "confirm_terms", "sign_contract"}
    return named and dispatch.sort is not Sort.EARLY


def argument(dispatch: Dispatch, script: Script, terms: Terms) -> Any:
    """The one argument of the signal, the same for every copy."""
    if dispatch.sort is Sort.BROKEN and crc32(dispatch.command_id.encode()) % 2:
        return f"no JSON object at all ({dispatch.command_id})"
    kind = kind_of(dispatch.step)
    role = "vendor" if dispatch.step == "sign_contract.vendor" else payloads.ROLE_OF[kind]
    if dispatch.sort is Sort.FORBIDDEN:
        role = WRONG_ROLE[role]
    if dispatch.sort is Sort.STALE:
        terms = Terms(terms.revision + 5, NO_HASH, 99)
    fields = _fields(dispatch, script, terms)
    made = payloads.command(kind, role=role, command_id=dispatch.command_id, **fields)
    if dispatch.sort is Sort.BROKEN:
        made["actor"] = {"role": "nobody in particular"}
    return made


def _fields(dispatch: Dispatch, script: Script, terms: Terms) -> dict[str, Any]:
    named = {"sheet_revision": max(terms.revision, 1), "sheet_hash": terms.hash}
    match dispatch.step.partition("."):
        case ("submit_application", _, again):
            contact = payloads.CONTACT | {"email": contact_of(script)}
            territories = ["SG", "MY", "TH"] if again else ["SG", "MY"]
            return {"application": payloads.form(script.uid, contact=contact, territories=territories)}
        case ("request_justification", _, _):
            return {"question": "Which of your engineers are certified?"}
        case ("provide_justification", _, _):
            return {"answer": "Twelve of them; the list is attached to the contract."}
        case ("approve_application", _, _):
            twice = any(turn.right.step == "submit_application.2" for turn in script.turns)
            return {"form_revision": terms.form_revision or (2 if twice else 1)}
        case ("issue_decision_sheet", _, again):
            return {"sheet": payloads.sheet(ecs="12" if again else "10")}
        case ("modify_terms", _, _):
            return {
                "sheet_revision": named["sheet_revision"],
                "description": "The discount on ecs is 12 %, as agreed.",
            }
        case ("confirm_terms", _, _):
            return named
        case ("record_contact", _, _):
            return {"note": "Called about the signing."}
        case ("choose_signing_path", _, _):
            return {"path": "framework_addendum", "order": "any"}
        case ("sign_contract", _, party):
            return {
                "party": party,
                "signer_name": f"Signer of the {party}",
                "signed_at": terms.told_at,
                **named,
            }
    return {}
