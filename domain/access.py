"""The contract start date, and access to the ACPN platform (guide §2.4, §2.5)."""

from datetime import datetime
from typing import Final, Literal

from pydantic import Field

from domain import notices
from domain.clocks import ClockKind
from domain.contract import Command, Stage
from domain.inquiry import AccessOutcome, AccessRequest, AccountAnswers, Table, TableEntry
from domain.periods import start_date_clock
from domain.state import Application, newest_within
from domain.status import Amendment, Status
from domain.steps import BD, Moment, Step
from domain.values import Day, Text, TimeZone, Uid


class AmendStartDate(Command):
    """BD: the signed contract takes effect on another day."""

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
    return covered(application) if application.stage is Stage.ACTIVE else ()


def covered(application: Application) -> tuple[Uid, ...]:
    """The accounts the contract is for."""
    return application.form.covered_uids if application.form else ()


def access_request(application: Application, now: datetime, generation: int) -> AccessRequest:
    """What ACPN is asked to open: {Main UID} and Associated UIDs."""
    return AccessRequest(
        application_id=application.application_id,
        generation=generation,
        company_master_uid=application.company_master_uid,
        uids=covered(application),
        require_credit_control=application.policy.require_credit_control,
        at=now,
    )


def still_closed(application: Application, outcome: AccessOutcome) -> tuple[Application, bool]:
    """The application after an attempt that opened nothing, and whether that has to be told.

    What is missing is told once, an outage only when it is still there at the second attempt.
    """
    tell = not application.access_delay_told and not (outcome.outage and application.access_attempts == 0)
    waiting = application.but(
        access_missing=outcome.missing,
        access_attempts=application.access_attempts + 1,
        access_delay_told=application.access_delay_told or tell,
    )
    return waiting, tell


def _agreed_zone(status: Status) -> str:
    """The zone the contract has; before there is one, any: the workflow says what is possible instead."""
    if status.amendments:
        return status.amendments[-1].time_zone
    sheet = status.sheet and status.sheet.content
    return sheet.basic.time_zone if sheet else "UTC"


# fmt: off
STEPS: Final[tuple[Step, ...]] = (
    Step(AmendStartDate, BD, (Stage.SIGNED,), None, (notices.StartDateAmended,),
         done=_start_date_amended, entries=_entries_of_the_amendment, changes=_amend_start_date,
         restarts=(start_date_clock,), current={"time_zone": _agreed_zone}),
)
MOMENTS: Final[tuple[Moment, ...]] = (
    Moment("start_date", ClockKind.START_DATE, (Stage.SIGNED,), Stage.ACTIVATING),
    Moment("access_check", ClockKind.ACCESS_CHECK, (Stage.ACTIVATING,)),
)
# fmt: on
