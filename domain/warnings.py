"""What the process allows, but the applicant should know."""

from collections.abc import Iterator
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

START_PAST: Final = (
    "The contract start date {day} ({zone}) was past already when it was set: "
    "access is opened as soon as both parties have signed."
)


def of(application: Application) -> tuple[str, ...]:
    """The warnings the application carries now (guide, FAQ Q4), and that its start date was past when it was
    set, by the days of UTC."""
    return tuple(_warnings(application))


def _warnings(application: Application) -> Iterator[str]:
    uid, form = application.company_master_uid, application.form
    day, since = application.start_date, application.start_set_at
    if application.account_unknown:
        yield ACCOUNT_UNKNOWN.format(uid=uid)
    if form and uid not in form.covered_uids:
        yield MASTER_UID_NOT_COVERED.format(uid=uid)
    if day and since and day < since.date():
        yield START_PAST.format(day=day, zone=application.start_zone)
