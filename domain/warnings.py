"""What the process allows, but the applicant should know."""

from typing import Final

from domain.state import Application

MASTER_UID_NOT_COVERED: Final = (
    "The Company Master UID {uid} may not carry out distribution business: "
    "enter it as Main UID or Associated UID if it shall."
)

ACCOUNT_UNKNOWN: Final = (
    "The account directory had no account of UID {uid} when this application began: check its digits. "
    "If they are right, open the account, then confirm the company; if not, join with the right ones."
)


def of(application: Application) -> tuple[str, ...]:
    """The warnings the application carries now (guide, FAQ Q4)."""
    if application.account_unknown:
        return (ACCOUNT_UNKNOWN.format(uid=application.company_master_uid),)
    form = application.form
    if form is None or application.company_master_uid in form.covered_uids:
        return ()
    return (MASTER_UID_NOT_COVERED.format(uid=application.company_master_uid),)
