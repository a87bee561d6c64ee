"""The contract start date, and access to the ACPN platform (guide §2.4, §2.5)."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, Literal

from pydantic import Field

from domain import notices
from domain.clocks import ClockKind, When
from domain.contract import Command, ErrorType, Stage
from domain.editions import in_force
from domain.inquiry import AccessOutcome, AccessRequest, AccountAnswers, Table, TableEntry
from domain.periods import (
    ACCESS_TOLD_AGAIN,
    access_clock,
    access_delay_clock,
    reminder_clock,
    start_date_clock,
    start_recount_clock,
)
from domain.refusal import RefusedError
from domain.state import Application, newest_within
from domain.status import AccessCause, Amendment, Missing, Status
from domain.steps import BD, BY_OPERATORS, Attempt, Moment, Step
from domain.terms import check_start
from domain.values import Day, Text, TimeZone, Uid, instant_text


class AmendStartDate(Command):
    """BD: the signed contract takes effect on another day; on one that is past, at once, which no command
    takes back."""

    kind: Literal["amend_start_date"] = "amend_start_date"
    start_date: Day = Field(description="ISO 8601, such as 2027-02-01.", examples=["2027-02-01"])
    time_zone: TimeZone = Field(
        description="IANA time zone in which the day begins.", examples=["Asia/Shanghai"]
    )
    reason: Text = Field(description="Why.", examples=["Licence granted later"])


def _start_date_amended(application: Application, command: AmendStartDate) -> bool:
    in_force = application.stage in (Stage.SIGNED, Stage.ACTIVATING)
    named = (command.start_date, command.time_zone)
    return in_force and named == (application.start_date, application.start_zone)


def _entries_of_the_amendment(command: AmendStartDate) -> tuple[TableEntry, ...]:
    return (TableEntry(field="time_zone", table=Table.TIME_ZONE, value=command.time_zone),)


def contract_has_not_begun(application: Application, command: Command, now: datetime) -> None:
    """The contract has not begun: what is in effect neither ends nor begins anew by a word of BD's; unless
    access can't be given, because another application has it for the account."""
    starts = application.contract_start_at
    # The stage follows when its clock is looked at, after the commands that came meanwhile.
    if application.stage is Stage.SIGNED and starts and starts <= now:
        raise RefusedError(
            ErrorType.WRONG_STAGE,
            f"'{command.kind}' is possible only before the contract starts; it has been in effect since "
            f"{instant_text(starts)}. {BY_OPERATORS}",
        )


def amended_start_is_not_long_past(application: Application, command: AmendStartDate, now: datetime) -> None:
    """The date lies no more than five years back."""
    check_start("start_date", command.start_date, application, now)


def _amend_start_date(
    application: Application, command: AmendStartDate, now: datetime, accounts: AccountAnswers
) -> Application:
    amendment = Amendment(
        start_date=command.start_date,
        time_zone=command.time_zone,
        reason=command.reason,
        at=now,
        by=command.actor,
    )
    return application.but(amendments=newest_within((*application.amendments, amendment)))


def has_access(application: Application) -> tuple[Uid, ...]:
    """The accounts the application has given access to: {Main UID} and Associated UIDs, once it is active."""
    return application.covered_uids if application.stage is Stage.ACTIVE else ()


def access_request(
    application: Application, now: datetime, generation: int, uids: tuple[Uid, ...] | None = None
) -> AccessRequest:
    """What ACPN is asked to open, or to close: {Main UID} and Associated UIDs, or these alone."""
    return AccessRequest(
        application_id=application.application_id,
        generation=generation,
        company_master_uid=application.company_master_uid,
        uids=application.covered_uids if uids is None else uids,
        require_credit_control=application.policy.require_credit_control,
        at=now,
    )


def in_words(missing: Iterable[Missing]) -> str:
    """What holds access up, for who is not admitted yet; the mails say it in the reader's language."""
    return " ".join(f"{_IN_WORDS[each.cause]}{_named(each.uids)}." for each in missing)


def _named(uids: Iterable[Uid]) -> str:
    named = ", ".join(uids)
    return f" (UID {named})" if named else ""


_IN_WORDS: Final[Mapping[AccessCause, str]] = {
    AccessCause.ACCOUNT_UNKNOWN: "There is no such account, please consult your BD",
    AccessCause.ENTERPRISE_NOT_VERIFIED: "Enterprise verification is not complete, please click Go to Verify",
    AccessCause.ENTERPRISE_DIFFERS: (
        "The account is verified for another enterprise than the Company Master UID, please consult your BD"
    ),
    AccessCause.COVERED_ELSEWHERE: ("The account has access by another application, please consult your BD"),
    AccessCause.CREDIT_CONTROL_MISSING: "Credit control is not set up yet, please consult your BD",
    AccessCause.PLATFORM_UNAVAILABLE: "The platform does not answer; there is nothing you have to do",
}
_Each = tuple[AccessCause, Uid | None]


def _each(missing: Iterable[Missing]) -> dict[_Each, None]:
    """Cause by cause and account by account, in their order."""
    return {(one.cause, uid): None for one in missing for uid in one.uids or (None,)}


def by_cause(each: Iterable[_Each]) -> tuple[Missing, ...]:
    """Each cause once, with its accounts."""
    uids: dict[AccessCause, list[Uid]] = {}
    for cause, uid in each:
        uids.setdefault(cause, []).extend([uid] if uid else [])
    return tuple(Missing(cause=cause, uids=tuple(of_it)) for cause, of_it in uids.items())


def _still_told(application: Application, outcome: AccessOutcome, now: datetime) -> tuple[Missing, ...]:
    """What need not be told again.

    What went away counts as told for a while, so that a cause that comes and goes is told once a day at
    most; an outage says nothing about what has gone.
    """
    told, at = application.access_told, application.access_told_at
    if outcome.outage or at is None or now - at < in_force(ACCESS_TOLD_AGAIN, application.edition):
        return told
    still = _each(outcome.missing)
    return by_cause(one for one in _each(told) if one in still)


def _granted(application: Application, outcome: AccessOutcome, now: datetime) -> bool:
    return outcome.granted


def _to_be_told(application: Application, outcome: AccessOutcome, now: datetime) -> bool:
    """A cause nobody has been told of; an outage, if nothing else was told, and not at the first attempt."""
    if outcome.outage:
        return application.access_attempts > 0 and not application.access_told
    return not _each(outcome.missing).keys() <= _each(_still_told(application, outcome, now)).keys()


def _nothing_new(application: Application, outcome: AccessOutcome, now: datetime) -> bool:
    return True


def _nothing_missing(application: Application, outcome: AccessOutcome, now: datetime) -> Application:
    return application.but(access_missing=(), access_told=(), access_told_at=None, access_taken_back=False)


def _tried(application: Application, outcome: AccessOutcome, now: datetime) -> Application:
    return application.but(
        access_missing=outcome.missing,
        access_attempts=application.access_attempts + 1,
        access_told=_still_told(application, outcome, now),
    )


def _told(application: Application, outcome: AccessOutcome, now: datetime) -> Application:
    tried = _tried(application, outcome, now)
    told = by_cause(_each((*tried.access_told, *outcome.missing)))
    return tried.but(access_told=told, access_told_at=now, reminders=0)


def _agreed_zone(status: Status) -> str:
    """The zone the contract has; before there is one, any: the workflow says what is possible instead."""
    if status.amendments:
        return status.amendments[-1].time_zone
    sheet = status.sheet and status.sheet.content
    return sheet.basic.time_zone if sheet else "UTC"


# fmt: off
STEPS: Final[tuple[Step, ...]] = (
    Step(AmendStartDate, BD, (Stage.SIGNED,), None, (notices.StartDateAmended,),
         done=_start_date_amended, timed_rules=(contract_has_not_begun, amended_start_is_not_long_past,),
         entries=_entries_of_the_amendment, changes=_amend_start_date,
         stops=(ClockKind.START_DATE, ClockKind.START_RECOUNT),
         restarts=(start_date_clock, start_recount_clock), current={"time_zone": _agreed_zone}),
)
MOMENTS: Final[tuple[Moment, ...]] = (
    Moment("start_date", ClockKind.START_DATE, (Stage.SIGNED,), Stage.ACTIVATING),
    Moment("start_recount", ClockKind.START_RECOUNT, (Stage.SIGNED,), None,
           restarts=(start_date_clock, start_recount_clock), if_start_moves=(notices.ContractStartMoved,)),
    Moment("access_check", ClockKind.ACCESS_CHECK, (Stage.ACTIVATING,)),
    Moment("access_still_delayed", ClockKind.ACCESS_DELAY, (Stage.ACTIVATING,),
           None, (notices.AccessStillDelayed,), when=When.MORNING, restarts=(reminder_clock,)),
    Moment("access_reminder", ClockKind.REMINDER, (Stage.ACTIVATING,),
           None, (notices.AccessStillDelayed,), when=When.MORNING, restarts=(reminder_clock,)),
)
ATTEMPTS: Final[tuple[Attempt, ...]] = (
    Attempt("granted", _granted, _nothing_missing, Stage.ACTIVE, (notices.AccessGranted,)),
    Attempt("told", _to_be_told, _told, None, (notices.AccessDelayed, notices.AccessAlert),
            restarts=(access_clock, access_delay_clock), stops=(ClockKind.REMINDER,)),
    Attempt("waits", _nothing_new, _tried, restarts=(access_clock,)),
)
# fmt: on
