"""What people may say to an application as it stands: what would be next, and all sorts of other things."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, Protocol, TypeVar

from domain.contract import Role
from domain.possible import allowed_commands as possible_commands
from domain.state import Application
from tests import payloads
from tests.payloads import Json

SIDEWAYS: Final = {
    *("reject_application", "decline", "cancel_application", "withdraw_application", "reopen_terms"),
    *("request_justification", "reassign_bd", "record_contact", "correct_contact", "resend_email"),
    *("ask_bd", "answer_partner", "reassign_lead", "end_contract"),
}
"""Commands that lead away from access, or could be said for ever without coming nearer to it."""
ENDS_IT: Final = {"reject_application", "decline", "cancel_application", "end_contract"}
FEW: Final[Mapping[str, Sequence[Any]]] = {
    "note": ["Called.", "Met."],
    "question": ["How many?", "Which?"],
    "answer": ["Twelve.", "These."],
    "qualification": ["Twelve engineers.", "Now certified."],
    "percent": ["10", "11"],
    "path": ["online_esign", "offline_paper", "framework_addendum"],
    "order": ["any", "partner_first", "vendor_first"],
    "document": [None, "DOC-1"],
}
"""Few things to say, so that the same is said again by chance."""
T = TypeVar("T")


class Pick(Protocol):
    """One of these, by whatever dice the check throws."""

    def __call__(self, among: Sequence[T], /) -> T: ...


def terms_in_force(application: Application) -> Json:
    """The revision and hash of the sheet in force; of one that does not exist before there is one."""
    sheet = application.sheet
    return {
        "sheet_revision": sheet.revision if sheet else 1,
        "sheet_hash": sheet.hash if sheet else "0" * 64,
    }


def something_new(kind: str, application: Application, now: datetime, start: str) -> Json:
    """What a well-formed command of this kind says that was not said before and meets the rules.

    ``start``: the contract start date of a sheet.
    """
    revision = application.form_revision or 1
    party = "vendor" if application.signing.partner else "partner"
    failed = application.failed_emails
    later = f"{date.fromisoformat(start).year}-12-24"
    form = payloads.form(application.company_master_uid, qualification="Now certified.")
    new: dict[str, Callable[[], Json]] = {
        "confirm_company": dict,
        "submit_application": lambda: {"application": form},
        "withdraw_application": dict,
        "request_justification": lambda: {"question": "And which certificates?"},
        "provide_justification": lambda: {"answer": "These twelve."},
        "approve_application": lambda: {"form_revision": revision},
        "reject_application": lambda: {"reason_code": "NO_FIT", "explanation": "Get certified first."},
        "issue_decision_sheet": lambda: {"sheet": payloads.sheet(start=start, ecs="33")},
        "confirm_terms": lambda: terms_in_force(application),
        "modify_terms": lambda: {
            "sheet_revision": terms_in_force(application)["sheet_revision"],
            "description": "Another discount, please.",
        },
        "record_contact": lambda: {"note": "Called again."},
        "choose_signing_path": lambda: {"path": "framework_addendum", "order": "partner_first"},
        "sign_contract": lambda: (
            {"party": party, "signer_name": "Someone Else", "signed_at": now.isoformat()}
            | terms_in_force(application)
        ),
        "reopen_terms": lambda: {"reason": "The currency is wrong."},
        "amend_start_date": lambda: {
            "start_date": later,
            "time_zone": "Asia/Shanghai",
            "reason": "Later.",
        },
        "correct_contact": lambda: {"email": "ann@acme.example.com"},
        "resend_email": lambda: {"key": failed[-1].key if failed else "0.none_failed"},
        "ask_bd": lambda: {"question": "Does the discount hold for renewals?"},
        "answer_partner": lambda: {"answer": "For the whole term."},
        "reassign_lead": lambda: {"bd_lead": {"name": "Leo New", "email": "leo@vendor.example.com"}},
        "end_contract": lambda: {"reason": "The partner has been taken over."},
        "reassign_bd": lambda: {"bd": {"name": "Nia New", "email": "nia@vendor.example.com"}},
        "decline": dict,
        "cancel_application": lambda: {"reason": "Out of business."},
    }
    assert kind in new, f"something_new (tests/model/commands.py) has no example of '{kind}'"
    return new[kind]()


def something_forward(application: Application, pick: Pick) -> str | None:
    """A command that brings the application nearer to access; ``None`` once it has ended."""
    forward = [kind for kind in possible_commands(application) if kind not in SIDEWAYS]
    return pick(forward) if forward else None


def any_kind(application: Application, pick: Pick) -> str:
    """Any command, half of the time a possible one: only there can stale terms or a wrong party do harm.

    What would end it all comes seldom.
    """
    every, possible = sorted(payloads.ROLE_OF), sorted(possible_commands(application))
    goes_on = [kind for kind in possible if kind not in ENDS_IT]
    return pick(pick([possible, goes_on, every, every]) or every)


def anything(kind: str, application: Application, now: datetime, pick: Pick, starts: Sequence[str]) -> Json:
    """What a command of this kind may say: stale terms, a repetition, the wrong party, or what is right.

    ``starts``: contract start dates to pick from.
    """
    in_force = terms_in_force(application)
    stale: list[Json] = [
        in_force | {"sheet_hash": "f" * 64},
        in_force | {"sheet_revision": in_force["sheet_revision"] + 1},
    ]
    new = something_new(kind, application, now, starts[-1])
    match kind:
        case "submit_application":
            qualification = pick(FEW["qualification"])
            return {"application": payloads.form(application.company_master_uid, qualification=qualification)}
        case "approve_application":
            return {"form_revision": pick([new["form_revision"], 1])}
        case "request_justification":
            return {"question": pick(FEW["question"])}
        case "ask_bd":
            return {"question": pick(FEW["question"])}
        case "answer_partner":
            return {"answer": pick(FEW["answer"]), "question_number": pick([None, 1, 2])}
        case "provide_justification":
            return {"answer": pick(FEW["answer"])}
        case "issue_decision_sheet":
            return {"sheet": payloads.sheet(start=pick(starts), ecs=pick(FEW["percent"]))}
        case "confirm_terms":
            return pick([in_force] * 3 + stale)
        case "record_contact":
            return {"note": pick(FEW["note"])}
        case "choose_signing_path":
            return {"path": pick(FEW["path"]), "order": pick(FEW["order"])}
        case "sign_contract":
            terms = pick([in_force] * 3 + stale)
            party, document = pick(["partner", "vendor"]), pick(FEW["document"])
            return new | terms | {"party": party, "document_ref": document}
        case "amend_start_date":
            return new | {"start_date": pick(starts)}
        case _:
            return new


def usual_role(kind: str, payload: Json) -> str:
    """Who says such a thing."""
    return str(payload.get("party", payloads.ROLE_OF[kind]))


def any_role(kind: str, payload: Json, pick: Pick) -> str:
    """Whoever says it: mostly who may."""
    return pick([usual_role(kind, payload)] * 6 + [role.value for role in Role])
