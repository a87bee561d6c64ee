"""What the process allows, but the applicant should know."""

from collections.abc import Iterator, Mapping
from typing import Final

from domain.periods import latest_start_expected
from domain.state import Application
from domain.status import Warned, WarningCode
from domain.values import day_text

_ENGLISH: Final[Mapping[WarningCode, str]] = {
    WarningCode.MASTER_UID_NOT_COVERED: (
        "The Company Master UID {uid} may not carry out distribution business: "
        "enter it as Main UID or Associated UID if it shall."
    ),
    WarningCode.ACCOUNT_UNKNOWN: (
        "The account directory had no account of UID {uid} when this application began: check its digits. "
        "If they are right, open the account, then confirm the company; if not, join with the right ones."
    ),
    WarningCode.ACCOUNT_COVERED: (
        "UID {uid} had access to the ACPN platform by another company's application when this one began: "
        "talk to the company that takes care of the access there, or to your BD. Once it is taken out there, "
        "confirm the company."
    ),
    WarningCode.START_DATE_PAST: (
        "The contract start date, {day} ({zone}), is past: "
        "the contract is in effect once both parties have signed, and access is opened as soon as nothing "
        "else is missing."
    ),
    WarningCode.ADDED_UID_LEFT_OUT: (
        "UID {uid} was added as Associated UID after access had been given, and this form leaves it out: "
        "enter it as Associated UID if it shall have access again."
    ),
    WarningCode.REMOVED_UID_NAMED: (
        "UID {uid} was taken away after access had been given, and this form names it: "
        "take it out if it shall not have access again."
    ),
    WarningCode.ACCESS_TAKEN_BACK: (
        "Access to the ACPN platform had been given, and was taken back, as the operators have set this "
        "application back to an earlier step: it is given again once the application gets there again."
    ),
    WarningCode.START_DATE_FAR: (
        "The contract start date, {day} ({zone}), is more than five years ahead: access is opened only then."
    ),
}


def of(application: Application) -> tuple[Warned, ...]:
    """The warnings the application carries now (guide, FAQ Q4), and that its start date was past, or
    years ahead, when it was set, by the days of UTC."""
    return tuple(_warnings(application))


def _warnings(application: Application) -> Iterator[Warned]:
    uid, form = application.company_master_uid, application.form
    if application.access_taken_back and not application.ended:
        yield Warned(code=WarningCode.ACCESS_TAKEN_BACK)
    day, since = application.start_date, application.start_set_at
    if application.account_unknown:
        yield Warned(code=WarningCode.ACCOUNT_UNKNOWN, uid=uid)
    if application.account_covered:
        yield Warned(code=WarningCode.ACCOUNT_COVERED, uid=uid)
    if form and uid not in application.covered_uids:
        yield Warned(code=WarningCode.MASTER_UID_NOT_COVERED, uid=uid)
    if day and since and not application.ended:
        if day < since.date():
            yield Warned(code=WarningCode.START_DATE_PAST, day=day, time_zone=application.start_zone)
        elif day > latest_start_expected(application, since):
            yield Warned(code=WarningCode.START_DATE_FAR, day=day, time_zone=application.start_zone)
    if form:
        yield from _changed_otherwise(application)


def _changed_otherwise(application: Application) -> Iterator[Warned]:
    """What was changed after access was given stays, unless a form is submitted anew: that says otherwise."""
    stands = {change.uid: change.added for change in application.coverage_changes}
    for uid, added in stands.items():
        if added is not (uid in application.covered_uids):
            code = WarningCode.ADDED_UID_LEFT_OUT if added else WarningCode.REMOVED_UID_NAMED
            yield Warned(code=code, uid=uid)


def in_english(warned: Warned) -> str:
    """The warning as a sentence; the mails say it in the reader's language."""
    return _ENGLISH[warned.code].format(
        uid=warned.uid, day=warned.day and day_text(warned.day), zone=warned.time_zone
    )
