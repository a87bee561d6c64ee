"""Which accounts may belong to one application (guide, FAQ Q1, Q3 to Q5): verified, of one enterprise,
business type and level, and of no other application."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from domain.contract import Command, ErrorType, Role, Stage
from domain.documents import ApplicationForm
from domain.inquiry import Account, AccountAnswers, AccountQuery, Covering
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


_PROGRESS: Final = {Stage.ACTIVE: 0, Stage.ACTIVATING: 1, Stage.SIGNED: 1}
_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)


def _order(covering: Covering) -> tuple[int, datetime, str]:
    """Of the applications that cover an account, the one with the smallest comes first: the one that has
    access, then one that is signed, then the one that was first to submit a form, then the smaller ID."""
    submitted_at = covering.submitted_at or _BEGINNING
    return _PROGRESS.get(covering.stage, 2), submitted_at, covering.application_id


def covered_before(
    application: Application, uids: Sequence[str], accounts: AccountAnswers
) -> tuple[Covering, ...]:
    """Of each of these accounts, the application of another company that comes first, where this one does
    not: of those that cover an account at once one always goes on.

    An application that does not cover the account yet comes last.
    """
    first: dict[str, Covering] = {}
    for covering in sorted(accounts.covered_by, key=_order):
        first.setdefault(covering.uid, covering)
    found = (first[uid] for uid in uids if uid in first)
    return tuple(covering for covering in found if covering.application_id != application.application_id)


def not_covered_elsewhere(
    application: Application, command: Command, uids: Sequence[str], accounts: AccountAnswers
) -> None:
    """Raises `RefusedError` if another company's application, running or active, covers one of these and
    comes first."""
    _refuse(command, covered_before(application, uids, accounts), to_partner=_LEAVE_OUT, to_vendor=".")


def accounts_of_the_application(application: Application, command: Command) -> AccountQuery:
    """Asks about the accounts of the form that was submitted."""
    return AccountQuery(company_master_uid=application.company_master_uid, uids=application.covered_uids)


def no_other_comes_first(application: Application, command: Command, accounts: AccountAnswers) -> None:
    """No application of another company covers an account of the form and comes first, as far as is stored:
    neither one that has access, nor one that is signed, nor one that submitted its form before."""
    taken = covered_before(application, application.covered_uids, accounts)
    way_out = _FORM_CAN_CHANGE if application.stage is Stage.UNDER_REVIEW else _FORM_STANDS
    _refuse(command, taken, to_partner=_ASK_BD, to_vendor=f"; or {way_out}")


def _refuse(command: Command, taken: Sequence[Covering], *, to_partner: str, to_vendor: str) -> None:
    """Raises `RefusedError` if any come first. Whose they are is the vendor's people's business alone;
    ``to_partner``, ``to_vendor``: what to do about it."""
    if not taken:
        return
    if command.actor.role is Role.PARTNER:
        uids = ", ".join(covering.uid for covering in taken)
        raise RefusedError(ErrorType.UID_MISMATCH, f"Another application covers UID {uids}{to_partner}")
    named = "; ".join(
        f"UID {covering.uid} is covered by that of {_whose(covering)} (stage '{covering.stage}')"
        for covering in taken
    )
    told = f"Another application comes first: {named}. Have it taken out or ended there{to_vendor}"
    raise RefusedError(ErrorType.UID_MISMATCH, told)


def _whose(covering: Covering) -> str:
    uid = covering.company_master_uid
    return f"{covering.company_name}, Company Master UID {uid}" if uid else covering.company_name


_LEAVE_OUT: Final = ": leave it out, or have it taken out there first; your BD can help you with it."
_ASK_BD: Final = ", and comes first: please consult your BD, who settles which of the two goes on."
_FORM_CAN_CHANGE: Final = (
    "have the partner withdraw the form and submit it without the account, or reject this application."
)
_FORM_STANDS: Final = (
    "cancel this application, so that the partner can join again and leave the account out of the form."
)


def access_by_another(uid: str) -> RefusedError:
    """The account has access as an Associated UID or Main UID of another company's application."""
    return RefusedError(
        ErrorType.UID_MISMATCH,
        f"UID {uid} has access to the ACPN platform already, by another company's application: talk to "
        "the company that takes care of the access there, or to your BD. Once it is taken out there, you can "
        "apply with it.",
    )


def has_access_by_another(uid: str, accounts: AccountAnswers) -> bool:
    """Whether an application of another company that is active covers the account."""
    return any(covering.uid == uid and covering.stage is Stage.ACTIVE for covering in accounts.covered_by)
