"""The steps of the process as commands of the console script: each is one command of the contract.

A step function says which options its command has and returns the command's fields; what all steps share
(whose application, who acts, the command ID, sending, printing) is added by `step`.
"""

import functools
import getpass
import inspect
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import uuid4

import typer

from domain.access import AmendStartDate
from domain.anytime import CancelApplication, CorrectContact, Decline, ReassignBd, ResendEmail
from domain.application import (
    ApproveApplication,
    ConfirmCompany,
    ProvideJustification,
    RejectApplication,
    RequestJustification,
    SubmitApplication,
    WithdrawApplication,
)
from domain.contract import Command, ErrorType, Party, Role, SignatureOrder, SigningPath
from domain.signing import ChooseSigningPath, RecordContact, SignContract
from domain.status import Status
from domain.terms import ConfirmTerms, IssueDecisionSheet, ModifyTerms, ReopenTerms
from starter.cli_runner import PROCESS, UidArgument, perform
from starter.errors import OnboardingError
from starter.output import print_status
from starter.session import Session

Fields = dict[str, Any]
Current = Mapping[str, Callable[[Status], object]]

OWN_ROLE: Final = "_role"
"""Key of a step's fields that says who acts by default, where that depends on its options."""
# What the workflow refuses as too early when there is no sheet, with the commands that are possible.
NO_HASH: Final = "0" * 64
CURRENT_FORM: Final[Current] = {"form_revision": lambda status: max(status.form_revision, 1)}
CURRENT_SHEET_REVISION: Final[Current] = {
    "sheet_revision": lambda status: status.sheet.revision if status.sheet else 1
}
CURRENT_SHEET: Final[Current] = {
    **CURRENT_SHEET_REVISION,
    "sheet_hash": lambda status: status.sheet.hash if status.sheet else NO_HASH,
}

ActingRole = Annotated[
    Role | None, typer.Option("--as", help="The role that acts.", show_default="the role the step is for")
]
ActorId = Annotated[
    str | None, typer.Option("--actor-id", help="Who acts.", show_default="who is logged in here")
]
ActorName = Annotated[str | None, typer.Option("--actor-name", help="His or her name, for the audit trail.")]
CommandIdOption = Annotated[
    str | None,
    typer.Option(
        "--command-id", help="Unique ID; the same again is never carried out twice.", show_default="a new one"
    ),
]
Revision = Annotated[
    int | None, typer.Option("--revision", min=1, help="The revision meant.", show_default="the current one")
]
SheetHash = Annotated[str | None, typer.Option("--hash", help="Its hash.", show_default="the current one")]
Reason = Annotated[str, typer.Option("--reason", help="Why.")]
OptionalReason = Annotated[str | None, typer.Option("--reason", help="Why.")]

app: Final = typer.Typer()


def step(
    name: str,
    command: type[Command],
    role: Role,
    example: str,
    *,
    current: Current | None = None,
) -> Callable[[Callable[..., Fields]], Callable[..., None]]:
    """Make a step function a command of the console script.

    ``current`` fills fields that were not given from the status as it stands.
    """

    def decorate(fields_of: Callable[..., Fields]) -> Callable[..., None]:
        @functools.wraps(fields_of)
        def run(
            ctx: typer.Context,
            uid: str,
            acting_role: Role | None,
            actor_id: str | None,
            actor_name: str | None,
            command_id: str | None,
            **options: Any,
        ) -> None:
            async def action(session: Session) -> None:
                fields = fields_of(**options)
                own_role = fields.pop(OWN_ROLE, role)
                fields["command_id"] = command_id or str(uuid4())
                fields["actor"] = {
                    "role": acting_role or own_role,
                    "id": actor_id or _user(),
                    "name": actor_name,
                }
                await _send(session, uid, command, fields, current or {})

            perform(ctx, action)

        _take_options_of(run, fields_of)
        app.command(name, rich_help_panel=PROCESS, epilog=f"Example: onboarding {example}")(run)
        return run

    return decorate


def _take_options_of(run: Callable[..., None], fields_of: Callable[..., Fields]) -> None:
    """Show typer, which reads signatures, the shared parameters and the step's own."""
    shared: dict[str, Any] = {
        "ctx": typer.Context,
        "uid": UidArgument,
        "acting_role": ActingRole,
        "actor_id": ActorId,
        "actor_name": ActorName,
        "command_id": CommandIdOption,
    }
    keyword = inspect.Parameter.KEYWORD_ONLY
    required = ("ctx", "uid")
    own = inspect.signature(fields_of).parameters.values()
    parameters = [
        *(inspect.Parameter(name, keyword, annotation=shared[name]) for name in required),
        *(parameter.replace(kind=keyword) for parameter in own),
        *(
            inspect.Parameter(name, keyword, annotation=annotation, default=None)
            for name, annotation in shared.items()
            if name not in required
        ),
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # functions have no such slot
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}


async def _send(session: Session, uid: str, kind: type[Command], fields: Fields, current: Current) -> None:
    async with session.service() as service:
        missing = {name: read for name, read in current.items() if fields.get(name) is None}
        if missing:
            status = await service.status(uid)
            fields = fields | {name: read(status) for name, read in missing.items()}
        command = OnboardingError.unless_valid(kind, fields)
        print_status(session.console, await service.send(uid, command))


def _user() -> str:
    try:
        return getpass.getuser()
    # No such user on this machine, as in a container; OSError from Python 3.13 on.
    except (KeyError, OSError):
        return "cli"


def _read_json(file: typer.FileText) -> Any:
    try:
        return json.load(file)
    # ValueError: no JSON, no UTF-8, or a number Python won't read; RecursionError: nested too deeply.
    except (ValueError, RecursionError) as error:
        raise OnboardingError(ErrorType.INVALID, f"{file.name} is not JSON: {error}") from None


@step("confirm-company", ConfirmCompany, Role.PARTNER, "confirm-company 5123456789")
def confirm_company() -> Fields:
    """Partner: confirm the company information."""
    return {}


@step("submit", SubmitApplication, Role.PARTNER, "submit 5123456789 --form examples/application.json")
def submit(
    form: Annotated[typer.FileText, typer.Option("--form", encoding="utf-8", help="JSON file; - is stdin.")],
) -> Fields:
    """Partner: submit the application form, again after a withdrawal."""
    return {"application": _read_json(form)}


@step("withdraw", WithdrawApplication, Role.PARTNER, 'withdraw 5123456789 --reason "The address is outdated"')
def withdraw(reason: OptionalReason = None) -> Fields:
    """Partner: take the application back to modify it."""
    return {"reason": reason}


@step("ask", RequestJustification, Role.BD, 'ask 5123456789 --question "Which customers do you serve?"')
def ask(question: Annotated[str, typer.Option(help="What the partner has to justify.")]) -> Fields:
    """BD: ask the partner to justify the qualification."""
    return {"question": question}


@step(
    "justify", ProvideJustification, Role.PARTNER, 'justify 5123456789 --answer "Forty in retail, see site"'
)
def justify(answer: Annotated[str, typer.Option(help="The answer to BD's question.")]) -> Fields:
    """Partner: answer BD's question."""
    return {"answer": answer}


@step("approve", ApproveApplication, Role.BD, "approve 5123456789", current=CURRENT_FORM)
def approve(revision: Revision = None) -> Fields:
    """BD: the application qualifies, in this revision of the form."""
    return {"form_revision": revision}


@step(
    "reject",
    RejectApplication,
    Role.BD,
    'reject 5123456789 --code no-local-team --explanation "Apply again with a sales team in the territory"',
)
def reject(
    code: Annotated[str, typer.Option(help="Reason code.")],
    explanation: Annotated[str, typer.Option(help="Why, and what would fix it.")],
) -> Fields:
    """BD: the application does not qualify."""
    return {"reason_code": code, "explanation": explanation}


@step("issue-sheet", IssueDecisionSheet, Role.BD, "issue-sheet 5123456789 --sheet examples/sheet.json")
def issue_sheet(
    sheet: Annotated[
        typer.FileText, typer.Option("--sheet", encoding="utf-8", help="JSON file; - is stdin.")
    ],
) -> Fields:
    """BD: issue the decision sheet, or the next revision of it."""
    return {"sheet": _read_json(sheet)}


@step("confirm", ConfirmTerms, Role.PARTNER, "confirm 5123456789", current=CURRENT_SHEET)
def confirm(revision: Revision = None, hash_: SheetHash = None) -> Fields:
    """Partner: the business terms are correct."""
    return {"sheet_revision": revision, "sheet_hash": hash_}


@step(
    "modify",
    ModifyTerms,
    Role.PARTNER,
    'modify 5123456789 --text "We agreed on 24 months" --field basic.term_months',
    current=CURRENT_SHEET_REVISION,
)
def modify(
    text: Annotated[str, typer.Option(help="What is wrong, in detail.")],
    field: Annotated[list[str] | None, typer.Option(help="Field in question; may be repeated.")] = None,
    revision: Revision = None,
) -> Fields:
    """Partner: the business terms have to be modified."""
    return {"description": text, "fields": tuple(field or ()), "sheet_revision": revision}


@step("contact", RecordContact, Role.BD, 'contact 5123456789 --note "Called, sends the papers on Monday"')
def contact(note: Annotated[str | None, typer.Option(help="What was said.")] = None) -> Fields:
    """BD: the partner has been contacted about signing."""
    return {"note": note}


@step(
    "signing-path",
    ChooseSigningPath,
    Role.BD,
    "signing-path 5123456789 --path offline_paper --order partner_first",
)
def signing_path(
    path: Annotated[SigningPath, typer.Option(help="How the contract is signed.")],
    order: Annotated[SignatureOrder, typer.Option(help="Who signs first.")],
) -> Fields:
    """BD: choose how, and in which order, the contract is signed."""
    return {"path": path, "order": order}


@step(
    "sign",
    SignContract,
    Role.PARTNER,
    'sign 5123456789 --party partner --signer "Mei Lin"',
    current=CURRENT_SHEET,
)
def sign(
    party: Annotated[Party, typer.Option(help="Who signs; the party acts itself unless --as says else.")],
    signer: Annotated[str, typer.Option(help="Name of the signatory.")],
    document: Annotated[str | None, typer.Option(help="Reference of the signed document.")] = None,
    signed_at: Annotated[
        str | None, typer.Option(help="ISO 8601 with zone: 2026-03-31T09:00:00Z.", show_default="now")
    ] = None,
    revision: Revision = None,
    hash_: SheetHash = None,
) -> Fields:
    """A party signs the contract, on the confirmed terms."""
    return {
        OWN_ROLE: Role(party.value),
        "party": party,
        "signer_name": signer,
        "document_ref": document,
        "signed_at": signed_at or datetime.now(UTC),
        "sheet_revision": revision,
        "sheet_hash": hash_,
    }


@step("reopen", ReopenTerms, Role.BD, 'reopen 5123456789 --reason "The discount was not approved"')
def reopen(reason: Reason) -> Fields:
    """BD: the confirmed terms have to change; signatures are void."""
    return {"reason": reason}


@step(
    "amend-start-date",
    AmendStartDate,
    Role.BD,
    'amend-start-date 5123456789 --date 2027-02-01 --zone Asia/Shanghai --reason "Licence granted later"',
)
def amend_start_date(
    date: Annotated[str, typer.Option(help="ISO 8601: 2027-02-01.")],
    reason: Reason,
    zone: Annotated[str, typer.Option(help="IANA time zone the day begins in.")] = "Asia/Shanghai",
) -> Fields:
    """BD: the signed contract takes effect on another day."""
    return {"start_date": date, "time_zone": zone, "reason": reason}


@step(
    "reassign",
    ReassignBd,
    Role.BD_LEAD,
    'reassign 5123456789 --bd-name "Wei Zhang" --bd-email wei@example.com',
)
def reassign(
    bd_name: Annotated[str, typer.Option(help="Name of the new BD.")],
    bd_email: Annotated[str, typer.Option(help="E-mail address of the new BD.")],
) -> Fields:
    """BD lead: another BD looks after the application."""
    return {"bd": {"name": bd_name, "email": bd_email}}


@step(
    "correct-contact",
    CorrectContact,
    Role.BD,
    "correct-contact 5123456789 --contact-email ann.tan@acme.example.com",
)
def correct_contact(
    contact_email: Annotated[str, typer.Option(help="Where mails to the partner go from now on.")],
    contact_name: Annotated[
        str | None, typer.Option(help="Whom they address; as before if left out.")
    ] = None,
) -> Fields:
    """BD or partner: correct where mails to the partner go."""
    return {"email": contact_email, "name": contact_name}


@step("resend", ResendEmail, Role.BD, "resend 5123456789 12.sheet_to_confirm")
def resend(
    key: Annotated[str, typer.Argument(help="Its key, as `onboarding mails UID` shows it.")],
) -> Fields:
    """BD or partner: send an e-mail that could not be delivered once more."""
    return {"key": key}


@step("decline", Decline, Role.PARTNER, 'decline 5123456789 --reason "We stay with another vendor"')
def decline(reason: OptionalReason = None) -> Fields:
    """Partner: no contract after all; ends the application."""
    return {"reason": reason}


@step("cancel", CancelApplication, Role.BD, 'cancel 5123456789 --reason "Entered twice"')
def cancel(reason: Reason) -> Fields:
    """BD: call the application off; ends it."""
    return {"reason": reason}
