"""Signing the contract (guide §2.3, last step, and §2.4): contact, the path, the signatures of both
parties."""

from datetime import datetime, timedelta
from typing import Final, Literal

from pydantic import Field

from domain import notices
from domain.clocks import ClockKind, When
from domain.contract import (
    Command,
    ErrorType,
    Party,
    Role,
    SignatureOrder,
    SigningPath,
    Stage,
    WaitingOn,
)
from domain.documents import FILES, EvidenceFiles
from domain.editions import in_force
from domain.inquiry import AccountAnswers
from domain.periods import PAPER_SIGNED_BEFORE, first_contact_clock, reminder_clock
from domain.refusal import RefusedError
from domain.signatures import RefusedSignature
from domain.state import Application
from domain.status import Signature, Signing
from domain.steps import BD, BEFORE_SIGNATURES, SIGNATORIES, Branch, Moment, Step
from domain.terms import AFTER_CONFIRMATION, CURRENT_SHEET, sheet_is_current
from domain.values import Digest, HeaderText, Instant, Text, instant_text, says_nothing

_FIRST: Final = {SignatureOrder.PARTNER_FIRST: Party.PARTNER, SignatureOrder.VENDOR_FIRST: Party.VENDOR}
CLOCK_SKEW: Final = timedelta(minutes=5)
"""By how much the clock of who signs may be fast: what Kerberos allows for (RFC 4120 §8.2)."""


class RecordContact(Command):
    """BD: the partner has been contacted about signing (guide §2.3, last step)."""

    kind: Literal["record_contact"] = "record_contact"
    note: Text | None = Field(
        default=None, description="What was said.", examples=["Called, sends the papers on Monday"]
    )


def _contact_recorded(application: Application, command: RecordContact) -> bool:
    return application.contacted_at is not None and command.note in (None, application.contact_note)


def _record_contact(
    application: Application, command: RecordContact, now: datetime, accounts: AccountAnswers
) -> Application:
    return application.but(
        contacted_at=application.contacted_at or now,
        contact_note=command.note,
        overdue=False,
        reminders=application.reminders if application.contacted_at else 0,
    )


class ChooseSigningPath(Command):
    """BD: how, and in which order, the contract is signed (guide §2.4)."""

    kind: Literal["choose_signing_path"] = "choose_signing_path"
    path: SigningPath = Field(description="How the contract is signed.", examples=[SigningPath.OFFLINE_PAPER])
    order: SignatureOrder = Field(
        default=SignatureOrder.ANY,
        description="Who signs first.",
        examples=[SignatureOrder.PARTNER_FIRST],
    )


def _path_chosen(application: Application, command: ChooseSigningPath) -> bool:
    signing = application.signing
    return application.stage in AFTER_CONFIRMATION and (signing.path, signing.order) == (
        command.path,
        command.order,
    )


def _choose_signing_path(
    application: Application, command: ChooseSigningPath, now: datetime, accounts: AccountAnswers
) -> Application:
    return application.but(
        signing=application.signing.model_copy(update={"path": command.path, "order": command.order})
    )


class SignContract(Command):
    """A party, or the e-signature service for it: signed, on exactly these terms (guide §2.4)."""

    kind: Literal["sign_contract"] = "sign_contract"
    party: Party = Field(description="Who signs.")
    signer_name: HeaderText = Field(description="Name of the signatory.", examples=["Mei Lin"])
    sheet_revision: int = Field(ge=1, le=1_000_000, description="The revision of the sheet meant.")
    sheet_hash: Digest = Field(description="Its hash.")
    signed_at: Instant = Field(description="ISO 8601 with its zone, such as 2026-03-31T09:00:00Z.")
    document_ref: HeaderText | None = Field(default=None, description="Reference of the signed document.")
    evidence: EvidenceFiles = Field(default=(), description=FILES, exclude_if=says_nothing)

    @property
    def about_sheet(self) -> int:
        """The revision of the decision sheet it names."""
        return self.sheet_revision


def _contract_signed(application: Application, command: SignContract) -> bool:
    existing, sheet = application.signing.by(command.party), application.sheet
    return (
        existing is not None
        and sheet is not None
        and (existing.signer_name, sheet.revision, sheet.hash)
        == (command.signer_name, command.sheet_revision, command.sheet_hash.lower())
    )


def _signed_sheet_is_current(application: Application, command: SignContract) -> None:
    sheet_is_current(application, command.sheet_revision, command.sheet_hash)


def signs_for_itself(command: SignContract) -> bool:
    """Partner and vendor sign for their own party; the e-signature service for the one it names."""
    return command.actor.role is Role.ESIGN or command.actor.role.value == command.party.value


def parties_to_sign(signing: Signing) -> tuple[Party, ...]:
    """Who may sign next, by the order chosen."""
    unsigned = tuple(party for party in Party if signing.by(party) is None)
    first = _FIRST.get(signing.order)
    return (first,) if first in unsigned else unsigned


def _may_sign_now(application: Application, role: Role) -> bool:
    return role is Role.ESIGN or role.value in parties_to_sign(application.signing)


def signature_is_in_order(application: Application, command: SignContract) -> None:
    """One signature a party, in the order chosen, with a document where the path is paper (guide §2.4)."""
    signing = application.signing
    existing = signing.by(command.party)
    if existing:
        raise RefusedError(
            ErrorType.INVALID,
            f"The {command.party} has signed already ({existing.signer_name}): "
            "BD can void signatures with reopen_terms.",
        )
    turn = parties_to_sign(signing)
    if command.party not in turn:
        raise RefusedError(
            ErrorType.SIGNATURE_ORDER,
            f"The order of signatures is {signing.order}: the {turn[0]} has to sign first.",
        )
    if signing.path is SigningPath.OFFLINE_PAPER and not (command.document_ref or command.evidence):
        raise RefusedError(
            ErrorType.INVALID,
            "document_ref: a signature on paper needs the reference of the signed document as evidence, here "
            "or in `evidence` with its hash.",
        )


def signed_by_now(application: Application, command: SignContract, now: datetime) -> None:
    """A signature has been given: one of tomorrow is none, whoever sends it."""
    if command.signed_at > now + CLOCK_SKEW:
        raise RefusedError(
            ErrorType.INVALID,
            f"signed_at: lies in the future, it is {instant_text(now)} now: "
            "send a signature once it is given.",
        )


def signed_on_issued_terms(application: Application, command: SignContract, now: datetime) -> None:
    """A signature stands on terms there were: it is no older than the sheet; on paper, than a week before
    that."""
    sheet, paper = application.sheet, application.signing.path is SigningPath.OFFLINE_PAPER
    if sheet is None or sheet.issued_at is None:
        return
    before = in_force(PAPER_SIGNED_BEFORE, application.edition)
    tolerance = before if paper else CLOCK_SKEW
    if command.signed_at < sheet.issued_at - tolerance:
        earlier = f", or up to {before.days} days before that on paper (path {SigningPath.OFFLINE_PAPER})"
        raise RefusedError(
            ErrorType.INVALID,
            f"signed_at: {instant_text(command.signed_at)} lies before this decision sheet was issued, at "
            f"{instant_text(sheet.issued_at)}: a signature is given on these terms after that{earlier}.",
        )


def _sign_contract(
    application: Application, command: SignContract, now: datetime, accounts: AccountAnswers
) -> Application:
    signature = Signature(
        signer_name=command.signer_name,
        signed_at=command.signed_at,
        document_ref=command.document_ref,
        evidence=command.evidence,
        recorded_at=now,
    )
    side = "partner" if command.party is Party.PARTNER else "vendor"
    return application.but(
        signing=application.signing.model_copy(update={side: signature}),
        # Who has a signature has been in contact (guide §2.3, last step).
        contacted_at=application.contacted_at or now,
        overdue=False,
        reminders=0,
    )


def _signature_refused(application: Application, command: SignContract, refusal: RefusedError) -> Application:
    return application.but(
        refused_signature=RefusedSignature(
            party=command.party,
            signer_name=command.signer_name,
            signed_at=command.signed_at,
            document_ref=command.document_ref,
            sheet_revision=command.sheet_revision,
            error=refusal.error,
            message=refusal.message,
        )
    )


def _both_have_signed(application: Application) -> bool:
    return application.signing.complete


def turn_to_sign(application: Application) -> WaitingOn:
    """Who has to sign next."""
    turn = parties_to_sign(application.signing)
    if len(turn) > 1:
        return WaitingOn.BOTH
    return WaitingOn.PARTNER if turn[0] is Party.PARTNER else WaitingOn.BD


def _partner_has_to_sign(application: Application) -> bool:
    return turn_to_sign(application) is not WaitingOn.BD


def _vendor_has_to_sign(application: Application) -> bool:
    return turn_to_sign(application) is not WaitingOn.PARTNER


# fmt: off
STEPS: Final[tuple[Step, ...]] = (
    Step(RecordContact, BD, (Stage.AWAITING_SIGNATURES,), None,
         done=_contact_recorded, changes=_record_contact, inside=("note",),
         stops=(ClockKind.CONTACT,), restarts=(first_contact_clock,)),
    Step(ChooseSigningPath, BD, (Stage.AWAITING_SIGNATURES,), None, only=BEFORE_SIGNATURES,
         done=_path_chosen, changes=_choose_signing_path),
    Step(SignContract, SIGNATORIES, (Stage.AWAITING_SIGNATURES,), None,
         branch=Branch(_both_have_signed, Stage.SIGNED, (notices.ContractSigned,)),
         speaks_for=signs_for_itself, turn=_may_sign_now,
         done=_contract_signed, revision=_signed_sheet_is_current, rules=(signature_is_in_order,),
         timed_rules=(signed_by_now, signed_on_issued_terms),
         changes=_sign_contract, stops=(ClockKind.CONTACT,), restarts=(reminder_clock,),
         tells_refusal={Role.ESIGN: (notices.SignatureRefused,)}, refused=_signature_refused,
         current=CURRENT_SHEET),
)
MOMENTS: Final[tuple[Moment, ...]] = (
    Moment("contact_overdue", ClockKind.CONTACT, (Stage.AWAITING_SIGNATURES,),
           overdue=True, restarts=(reminder_clock,)),
    Moment("contact_escalation", ClockKind.CONTACT, (Stage.AWAITING_SIGNATURES,),
           None, (notices.ContactOverdue,), when=When.MORNING),
    Moment("signature_reminder", ClockKind.REMINDER, (Stage.AWAITING_SIGNATURES,),
           None, (notices.SignatureReminder, notices.SignatureReminderToBd), when=When.MORNING,
           concerns={notices.SignatureReminder: _partner_has_to_sign,
                     notices.SignatureReminderToBd: _vendor_has_to_sign},
           unanswered=(notices.RemindersUnanswered,), restarts=(reminder_clock,)),
)
# fmt: on
