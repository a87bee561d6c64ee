"""Which accounts may belong to one application (guide, FAQ Q1, Q3 to Q5): verified, of one enterprise,
business type and level, and of no other application."""

from collections.abc import Sequence
from typing import Final

from domain.contract import ErrorType
from domain.documents import ApplicationForm
from domain.inquiry import Account, AccountAnswers
from domain.refusal import RefusedError
from domain.state import Application

NOT_VERIFIED: Final = "Your account has not completed enterprise verification"
"""The text of the guide's message box (FAQ Q1)."""


def already_partner(application: Application) -> RefusedError:
    """An earlier application of the same company ended in access."""
    return RefusedError(
        ErrorType.ALREADY_PARTNER,
        f"Company Master UID {application.company_master_uid} already has access to the ACPN platform.",
    )


def not_a_partner(application: Application, accounts: AccountAnswers) -> None:
    """The applicant has no access yet."""
    if accounts.already_partner:
        raise already_partner(application)


def verified(uid: str, accounts: AccountAnswers) -> Account:
    """The account; raises `RefusedError` unless enterprise verification is done (FAQ Q1)."""
    account = accounts.account(uid)
    if account is None:
        raise RefusedError(
            ErrorType.NOT_FOUND,
            f"The account directory has no account of UID {uid}: check its digits, or open the account"
            " first.",
        )
    if not account.verified:
        raise RefusedError(
            ErrorType.ENTERPRISE_NOT_VERIFIED,
            f"{NOT_VERIFIED} (UID {uid}): complete it by Go to Verify.",
        )
    return account


def same_enterprise(master: Account, covered: Sequence[Account]) -> None:
    """Raises `RefusedError` unless the accounts are verified for the applicant's enterprise (FAQ Q3)."""
    for account in covered:
        if account.enterprise != master.enterprise:
            raise RefusedError(
                ErrorType.UID_MISMATCH,
                f"UID {account.uid} is verified for another enterprise than the Company Master UID "
                f"{master.uid}: Company Master UID, Main UID and Associated UIDs must apply the same "
                "enterprise-verified information.",
            )


def own_name(master: Account, form: ApplicationForm, accounts: AccountAnswers) -> None:
    """Raises `RefusedError` unless the form names the applicant's enterprise."""
    if master.enterprise and not accounts.name_matches:
        raise RefusedError(
            ErrorType.UID_MISMATCH,
            f"legal_name '{form.legal_name}' is not the name of the verified enterprise, "
            f"'{master.enterprise.legal_name}': correct the form, or the verification.",
        )


def same_business(covered: Sequence[Account], form: ApplicationForm) -> None:
    """Raises `RefusedError` unless the accounts may have one business type and partner level (FAQ Q5)."""
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


def not_covered_elsewhere(uids: Sequence[str], accounts: AccountAnswers) -> None:
    """Raises `RefusedError` if another company's application, running or active, covers one of these."""
    if taken := [uid for uid in uids if uid in accounts.covered_elsewhere]:
        raise RefusedError(
            ErrorType.UID_MISMATCH,
            f"Another application covers UID {', '.join(taken)}: leave it out, or have it taken out there "
            "first; your BD can tell which one it is.",
        )
