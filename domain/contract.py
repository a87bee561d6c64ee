"""The public contract: names, the start input and the commands.

Signals, the update ``submit_command``, the query ``get_status``, the HTTP and command-line edges and
the recorded histories all speak these models, the documents they carry (`documents.py`) and the status
they lead to (`status.py`). JSON field names are part of the contract; a new field is optional, or old
histories no longer parse.
"""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter

from domain.documents import ApplicationForm, DecisionSheet
from domain.policy import Policy
from domain.values import (
    Code,
    CommandId,
    Contract,
    Day,
    Digest,
    Email,
    HeaderText,
    Instant,
    Text,
    TimeZone,
    Uid,
)

WORKFLOW_TYPE: Final = "ResellerOnboarding"
TASK_QUEUE: Final = "reseller-onboarding"
UPDATE_NAME: Final = "submit_command"
QUERY_NAME: Final = "get_status"


def workflow_id(company_master_uid: str) -> str:
    """The one workflow ID an applicant has, whatever the number of applications."""
    return f"reseller-onboarding-{company_master_uid}"


class Stage(StrEnum):
    """Where an application stands; the last four are its outcomes (design §2)."""

    DRAFTING = "drafting"
    UNDER_REVIEW = "under_review"
    JUSTIFYING = "justifying"
    WITHDRAWN = "withdrawn"
    QUALIFIED = "qualified"
    CONFIRMING_TERMS = "confirming_terms"
    CORRECTING_TERMS = "correcting_terms"
    AWAITING_SIGNATURES = "awaiting_signatures"
    SIGNED = "signed"
    ACTIVATING = "activating"
    ACTIVE = "active"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class WaitingOn(StrEnum):
    """Whose move it is."""

    PARTNER = "partner"
    BD = "bd"
    BOTH = "both"
    PLATFORM = "platform"
    NONE = "none"


class Role(StrEnum):
    """Who acts. ``system`` is the service itself and refused from outside."""

    PARTNER = "partner"
    BD = "bd"
    BD_LEAD = "bd_lead"
    VENDOR = "vendor"
    ESIGN = "esign"
    SYSTEM = "system"


class ErrorType(StrEnum):
    """The ``type`` of the ``ApplicationError`` a refused command fails with (design §3)."""

    WRONG_STAGE = "wrong_stage"
    STALE_REVISION = "stale_revision"
    FORBIDDEN = "forbidden"
    INVALID = "invalid"
    COMPANY_NOT_CONFIRMED = "company_not_confirmed"
    ENTERPRISE_NOT_VERIFIED = "enterprise_not_verified"
    UID_MISMATCH = "uid_mismatch"
    SIGNATURE_ORDER = "signature_order"
    UNAVAILABLE = "unavailable"
    ALREADY_PARTNER = "already_partner"
    CLOSED = "closed"
    NOT_FOUND = "not_found"


class SigningPath(StrEnum):
    """How the contract is signed; BD chooses (guide §2.4)."""

    ONLINE_ESIGN = "online_esign"
    OFFLINE_PAPER = "offline_paper"
    FRAMEWORK_ADDENDUM = "framework_addendum"


class SignatureOrder(StrEnum):
    """Who has to sign first."""

    ANY = "any"
    PARTNER_FIRST = "partner_first"
    VENDOR_FIRST = "vendor_first"


class Party(StrEnum):
    """A side of the contract."""

    PARTNER = "partner"
    VENDOR = "vendor"


class Actor(Contract):
    """Who sends a command. From a raw caller it is his own word; over HTTP the authenticated one."""

    role: Role
    id: HeaderText
    name: HeaderText | None = None


SYSTEM: Final = Actor(role=Role.SYSTEM, id="onboarding")
"""The service itself."""


class Person(Contract):
    """A BD or BD lead: who reads the mails for that desk and whom the partner may consult."""

    name: HeaderText
    email: Email


class OnboardingInput(Contract):
    """The workflow's argument: JOIN NOW (guide §2.1, Step 3)."""

    company_master_uid: Uid
    contact_name: HeaderText
    contact_email: Email
    locale: Literal["en", "zh"] = "en"
    bd: Person
    bd_lead: Person
    policy: Policy | None = None


class Command(Contract):
    """The envelope every command has. ``occurred_at`` is the caller's time; it is kept, not trusted."""

    kind: str
    command_id: CommandId
    actor: Actor
    occurred_at: Instant | None = None


class ConfirmCompany(Command):
    """Partner: the company information shown is ours (guide §2.2, Step 1)."""

    kind: Literal["confirm_company"] = "confirm_company"


class SubmitApplication(Command):
    """Partner: here is the completed form; please review it (guide §2.2, Step 2)."""

    kind: Literal["submit_application"] = "submit_application"
    application: ApplicationForm


class WithdrawApplication(Command):
    """Partner: give the form back to me, I have to modify it (guide §2.2, Step 2)."""

    kind: Literal["withdraw_application"] = "withdraw_application"
    reason: Text | None = None


class RequestJustification(Command):
    """BD: please justify your qualification; the review clock is paused (guide §2.2, Step 2)."""

    kind: Literal["request_justification"] = "request_justification"
    question: Text


class ProvideJustification(Command):
    """Partner: the answer to BD's question; the review clock goes on."""

    kind: Literal["provide_justification"] = "provide_justification"
    answer: Text


class ApproveApplication(Command):
    """BD: the application, as in this revision of the form, qualifies (guide §2.3)."""

    kind: Literal["approve_application"] = "approve_application"
    form_revision: int = Field(ge=1, le=1_000_000)


class RejectApplication(Command):
    """BD: the application does not qualify, and what would fix it."""

    kind: Literal["reject_application"] = "reject_application"
    reason_code: Code
    explanation: Text


class IssueDecisionSheet(Command):
    """BD: these are the terms as agreed, for the partner to confirm (guide §2.3)."""

    kind: Literal["issue_decision_sheet"] = "issue_decision_sheet"
    sheet: DecisionSheet


class ConfirmTerms(Command):
    """Partner: everything in this revision of the sheet is correct ("Confirm", guide §2.3)."""

    kind: Literal["confirm_terms"] = "confirm_terms"
    sheet_revision: int = Field(ge=1, le=1_000_000)
    sheet_hash: Digest


class ModifyTerms(Command):
    """Partner: what is wrong in this revision of the sheet ("Modify", guide §2.3)."""

    kind: Literal["modify_terms"] = "modify_terms"
    sheet_revision: int = Field(ge=1, le=1_000_000)
    description: Text
    fields: tuple[HeaderText, ...] = Field(default=(), max_length=200)


class RecordContact(Command):
    """BD: the partner has been contacted about signing (guide §2.3, last step)."""

    kind: Literal["record_contact"] = "record_contact"
    note: Text | None = None


class ChooseSigningPath(Command):
    """BD: how, and in which order, the contract is signed (guide §2.4)."""

    kind: Literal["choose_signing_path"] = "choose_signing_path"
    path: SigningPath
    order: SignatureOrder


class SignContract(Command):
    """A party, or the e-signature service for it: signed, on exactly these terms (guide §2.4)."""

    kind: Literal["sign_contract"] = "sign_contract"
    party: Party
    signer_name: HeaderText
    sheet_revision: int = Field(ge=1, le=1_000_000)
    sheet_hash: Digest
    signed_at: Instant
    document_ref: HeaderText | None = None


class ReopenTerms(Command):
    """BD: the confirmed terms have to change; signatures given so far are void."""

    kind: Literal["reopen_terms"] = "reopen_terms"
    reason: Text


class AmendStartDate(Command):
    """BD: the signed contract takes effect on another day."""

    kind: Literal["amend_start_date"] = "amend_start_date"
    start_date: Day
    time_zone: TimeZone
    reason: Text


class ReassignBd(Command):
    """BD lead: another BD looks after this application from now on."""

    kind: Literal["reassign_bd"] = "reassign_bd"
    bd: Person


class CorrectContact(Command):
    """Partner or BD: mails to the partner go to this address (and name) from now on."""

    kind: Literal["correct_contact"] = "correct_contact"
    email: Email
    name: HeaderText | None = None


class ResendEmail(Command):
    """Partner or BD: send the e-mail with this key, which could not be delivered, once more."""

    kind: Literal["resend_email"] = "resend_email"
    key: HeaderText


class Decline(Command):
    """Partner: no contract after all."""

    kind: Literal["decline"] = "decline"
    reason: Text | None = None


class CancelApplication(Command):
    """BD: the application is called off (also Temporal's own Cancel, by ``system``)."""

    kind: Literal["cancel_application"] = "cancel_application"
    reason: Text


AnyCommand = Annotated[
    ConfirmCompany | SubmitApplication | WithdrawApplication | RequestJustification | ProvideJustification
    | ApproveApplication | RejectApplication | IssueDecisionSheet | ConfirmTerms | ModifyTerms | RecordContact
    | ChooseSigningPath | SignContract | ReopenTerms | AmendStartDate | ReassignBd | Decline
    | CancelApplication | CorrectContact | ResendEmail,
    Field(discriminator="kind"),
]  # fmt: skip
"""The tagged union ``submit_command`` takes."""

COMMAND_ADAPTER: Final[TypeAdapter[AnyCommand]] = TypeAdapter(AnyCommand)
