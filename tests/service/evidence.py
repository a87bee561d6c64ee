"""What an application leaves behind, as tests look at it: mails, audit trail, search attributes, timers."""

from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.exceptions import ApplicationError

from activities.clocks import SPREAD
from activities.db.applications import ApplicationRecords, StoredApplication
from activities.working_days import WorkingCalendar, WorkingDays
from domain.audit import AuditEvent, Verdict
from domain.policy import Policy
from tests import payloads
from tests.rig import Applicant
from workflows.search_attributes import DUE_AT, OVERDUE, STAGE, WAITING_ON

PARTNER: Final = payloads.CONTACT["email"]
"""The form's Contact E-mail: the partner's mailbox once a form is accepted."""
JOINER: Final = "join@acme.example.com"
"""The partner's mailbox before."""
BD: Final = payloads.BD["email"]
BD_LEAD: Final = payloads.BD_LEAD["email"]
DESK_ZONE: Final = "Asia/Shanghai"
"""Where BD's days begin, unless the policy says otherwise."""
DESK: Final = WorkingCalendar("CN", DESK_ZONE)
A_MINUTE: Final = timedelta(minutes=1)

Sent = tuple[str, str]
"""Template and recipient of a mail."""


def mails(applicant: Applicant) -> list[Sent]:
    """Template and recipient of each mail that has left, in order."""
    return [
        (str(mail["X-Onboarding-Template"]), mail["To"].addresses[0].addr_spec)
        for mail in applicant.service.mailbox.of(applicant.uid)
    ]


async def records(applicant: Applicant) -> ApplicationRecords:
    """The database's records."""
    await applicant.stored()
    return ApplicationRecords(applicant.service.database)


async def row(applicant: Applicant) -> StoredApplication:
    """The applicant's newest row."""
    stored = await (await records(applicant)).newest(applicant.uid)
    assert stored is not None
    return stored


async def audit(applicant: Applicant) -> tuple[AuditEvent, ...]:
    """The newest application's audit trail."""
    return await (await records(applicant)).audit((await row(applicant)).application_id)


async def last(applicant: Applicant, command: str) -> AuditEvent:
    """The latest event of this name that was carried out."""
    events = await audit(applicant)
    return [e for e in events if e.command == command and e.verdict is Verdict.ACCEPTED][-1]


async def count(applicant: Applicant, command: str) -> int:
    """How many events of this name the audit trail has."""
    return sum(event.command == command for event in await audit(applicant))


async def working_days_after(applicant: Applicant, command: str, number: int = 3) -> WorkingDays:
    """The deadline so many working days after the event of this name, by its time on the workflow's clock."""
    return DESK.working_days_after((await last(applicant, command)).at, number)


def morning(day: date) -> datetime:
    """When the e-mails of this working day have left."""
    return DESK.at_hour(day, Policy().mail_hour) + SPREAD


def morning_after(midnight: datetime) -> datetime:
    """When what was due at this midnight has been told, by the default policy."""
    return morning(DESK.first_working_day(DESK.local_date(midnight)))


async def attributes(applicant: Applicant) -> dict[str, Any]:
    """What ops filter runs by."""
    found = (await applicant.handle.describe()).typed_search_attributes
    return {
        "stage": found.get(STAGE),
        "waiting_on": found.get(WAITING_ON),
        "due_at": found.get(DUE_AT),
        "overdue": found.get(OVERDUE),
    }


async def timers(applicant: Applicant) -> list[str]:
    """The summaries of all timers the run has started, as the Web UI shows them."""
    history = await applicant.history()
    return [
        event.user_metadata.summary.data.decode().strip('"')
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED
    ]


async def refused(applicant: Applicant, kind: str, **payload: Any) -> ApplicationError:
    """Send a command that has to be refused; the error its caller gets."""
    with pytest.raises(ApplicationError) as caught:
        await applicant.update(kind, **payload)
    return caught.value


def first_instant(day: date, zone: str) -> datetime:
    """The first instant of a date in a zone, found by looking at the clock on that wall."""
    quarter = datetime.fromisoformat(f"{day.isoformat()}T00:00:00+00:00") - timedelta(days=1)
    while quarter.astimezone(ZoneInfo(zone)).date() < day:
        quarter += timedelta(minutes=15)
    return quarter


def noon(day: date) -> datetime:
    """Noon at the BD desk: far from any midnight that counts."""
    return datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(DESK_ZONE))
