"""The rules a command has to meet once role and stage are right, each with its remedy in the message.

Rules raise `RefusedError`; they never change anything. Sources: the guide's §2.2 to §2.4 and its FAQ.
"""

from domain.contract import (
    AmendStartDate,
    ApproveApplication,
    ConfirmCompany,
    ConfirmTerms,
    ErrorType,
    IssueDecisionSheet,
    ModifyTerms,
    Party,
    ResendEmail,
    SignatureOrder,
    SignContract,
    SigningPath,
    SubmitApplication,
)
from domain.documents import ApplicationForm
from domain.facts import Account, AccountFacts
from domain.state import Application
from domain.status import Signing

NOT_VERIFIED = "Your account has not completed enterprise verification"
"""The text of the guide's message box (FAQ Q1)."""
MASTER_UID_NOT_COVERED = (
    "The Company Master UID {uid} may not carry out distribution business: "
    "enter it as Main UID or Associated UID if it shall."
)

_FIRST = {SignatureOrder.PARTNER_FIRST: Party.PARTNER, SignatureOrder.VENDOR_FIRST: Party.VENDOR}


class RefusedError(Exception):
    """A command that is not carried out: ``error`` is its type, the message says what to do."""

    def __init__(self, error: ErrorType, message: str) -> None:
        super().__init__(message)
        self.error = error
        self.message = message


def warnings(application: Application) -> tuple[str, ...]:
    """What the form allows but the applicant should know (guide, FAQ Q4)."""
    form = application.form
    if form is None or application.company_master_uid in form.covered_uids:
        return ()
    return (MASTER_UID_NOT_COVERED.format(uid=application.company_master_uid),)


def company_can_be_confirmed(application: Application, command: ConfirmCompany, facts: AccountFacts) -> None:
    """There is a verified company to confirm, and it has no access yet (guide §2.1, §2.2 Step 1)."""
    _not_a_partner(application, facts)
    _verified(application.company_master_uid, facts)


def form_is_acceptable(application: Application, command: SubmitApplication, facts: AccountFacts) -> None:
    """Enterprise verified (FAQ Q1), company confirmed (§2.2 Step 1), UIDs that belong together (Q3, Q5)."""
    form = command.application
    _not_a_partner(application, facts)
    master = _verified(application.company_master_uid, facts)
    if not application.company_confirmed:
        raise RefusedError(
            ErrorType.COMPANY_NOT_CONFIRMED,
            "The company information is not confirmed yet: send confirm_company first.",
        )
    covered = [_verified(uid, facts) for uid in form.covered_uids]
    _same_enterprise(master, covered, form)
    _same_business(covered, form)


def already_partner(application: Application) -> RefusedError:
    """An earlier application of the same company ended in access."""
    return RefusedError(
        ErrorType.ALREADY_PARTNER,
        f"Company Master UID {application.company_master_uid} already has access to the ACPN platform.",
    )


def _not_a_partner(application: Application, facts: AccountFacts) -> None:
    if facts.already_partner:
        raise already_partner(application)


def _verified(uid: str, facts: AccountFacts) -> Account:
    account = facts.account(uid)
    if account is None or not account.verified:
        raise RefusedError(
            ErrorType.ENTERPRISE_NOT_VERIFIED,
            f"{NOT_VERIFIED} (UID {uid}): complete it by Go to Verify.",
        )
    return account


def _same_enterprise(master: Account, covered: list[Account], form: ApplicationForm) -> None:
    for account in covered:
        if account.enterprise != master.enterprise:
            raise RefusedError(
                ErrorType.UID_MISMATCH,
                f"UID {account.uid} is verified for another enterprise than the Company Master UID "
                f"{master.uid}: Company Master UID, Main UID and Associated UIDs must apply the same "
                "enterprise-verified information.",
            )
    if master.enterprise and _folded(form.legal_name) != _folded(master.enterprise.legal_name):
        raise RefusedError(
            ErrorType.UID_MISMATCH,
            f"legal_name '{form.legal_name}' is not the verified enterprise's name "
            f"'{master.enterprise.legal_name}': correct the form, or the verification.",
        )


def _same_business(covered: list[Account], form: ApplicationForm) -> None:
    for account in covered:
        if account.business_type not in (None, form.business_type):
            raise RefusedError(
                ErrorType.UID_MISMATCH,
                f"UID {account.uid} has business type {account.business_type}, the form says "
                f"{form.business_type}: Main UID and Associated UIDs must have the same business type.",
            )
    levels = {account.partner_level: account.uid for account in covered if account.partner_level}
    if len(levels) > 1:
        described = ", ".join(f"{uid} has {level}" for level, uid in levels.items())
        raise RefusedError(
            ErrorType.UID_MISMATCH,
            f"Main UID and Associated UIDs must have the same partner level: {described}.",
        )


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())


def reviewed_form_is_current(application: Application, command: ApproveApplication) -> None:
    """BD approves the form he has read, not one that replaced it meanwhile."""
    if command.form_revision != application.form_revision:
        raise RefusedError(
            ErrorType.STALE_REVISION,
            f"The form is at revision {application.form_revision}, not {command.form_revision}: "
            "read the current form, then approve that one.",
        )


def sheet_is_current(application: Application, command: ConfirmTerms | SignContract | ModifyTerms) -> None:
    """Terms are confirmed, modified and signed by revision, and by hash where the command has one."""
    sheet = application.sheet
    if sheet is None:
        raise RefusedError(ErrorType.STALE_REVISION, "No decision sheet has been issued yet.")
    named = f"revision {command.sheet_revision}"
    current = f"revision {sheet.revision}"
    if command.sheet_revision == sheet.revision:
        if isinstance(command, ModifyTerms) or command.sheet_hash.lower() == sheet.hash:
            return
        named, current = f"hash {command.sheet_hash}", f"{current} with hash {sheet.hash}"
    raise RefusedError(
        ErrorType.STALE_REVISION,
        f"The decision sheet is at {current}, not {named}: "
        "read the current sheet, then send the command for that one.",
    )


def sheet_fits_application(application: Application, command: IssueDecisionSheet) -> None:
    """The sheet is for the business type applied for (FAQ Q5)."""
    applied = application.form.business_type if application.form else None
    offered = command.sheet.basic.business_type
    if offered is not applied:
        raise RefusedError(
            ErrorType.INVALID,
            f"sheet.basic.business_type: must be '{applied}' as in the application, not '{offered}'.",
        )


def parties_to_sign(signing: Signing) -> tuple[Party, ...]:
    """Who has not signed yet and may, by the order chosen."""
    unsigned = tuple(party for party in Party if signing.by(party) is None)
    first = _FIRST.get(signing.order)
    return (first,) if first in unsigned else unsigned


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
    if signing.path is SigningPath.OFFLINE_PAPER and command.document_ref is None:
        raise RefusedError(
            ErrorType.INVALID,
            "document_ref: a signature on paper needs the reference of the signed document as evidence.",
        )


def email_has_failed(application: Application, command: ResendEmail) -> None:
    """Only what could not be delivered is sent once more."""
    if command.key not in {failed.key for failed in application.failed_emails}:
        keys = ", ".join(failed.key for failed in application.failed_emails) or "none"
        raise RefusedError(
            ErrorType.INVALID,
            f"key: no e-mail with this key has failed; the failed ones are: {keys}.",
        )


def amendment_changes_something(application: Application, command: AmendStartDate) -> bool:
    """Whether the amendment moves the start date at all."""
    return (command.start_date, command.time_zone) != (application.start_date, application.start_zone)
