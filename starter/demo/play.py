"""One step of the story: do it, let it settle, tell it from the audit trail, and check all three sources."""

from collections.abc import Awaitable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from activities.clocks import SPREAD
from activities.working_days import WorkingCalendar
from domain.audit import AuditEvent, Verdict
from domain.contract import Actor, ErrorType, Role, Stage
from domain.policy import Policy
from domain.status import Access, Status
from starter.client.errors import OnboardingError
from starter.demo.checks import Checks, Source
from starter.demo.documents import DESK_ZONE, SERVICE
from starter.demo.output import Narrator
from starter.demo.service import DemoService
from starter.local.mail_sink import KeptMail

ACCEPTED: Final = str(Verdict.ACCEPTED)


class BrokenOffError(Exception):
    """The story can't go on: what its next step needs is not there."""


def start_of(day: date, zone: str) -> datetime:
    """The instant a date begins in a zone."""
    return datetime.combine(day, time.min, ZoneInfo(zone))


def morning_of(day: date) -> datetime:
    """When the reminders and escalations of a working day at the desk have left."""
    hour = time(Policy().mail_hour)
    return datetime.combine(day, hour, ZoneInfo(DESK_ZONE)) + SPREAD


def next_working_day(day: date) -> date:
    """The first working day of the desk after this one."""
    return WorkingCalendar(Policy().calendar, DESK_ZONE).first_working_day(day + timedelta(days=1))


class Play:
    """Plays steps one after the other; whatever nobody expected (an event, a mail) fails the next check."""

    def __init__(self, service: DemoService, narrator: Narrator, checks: Checks, uid: str) -> None:
        """``uid``: the applicant's Company Master UID."""
        self.service: Final = service
        self.narrator: Final = narrator
        self.checks: Final = checks
        self.uid: Final = uid
        self._told: dict[str, int] = {}

    async def step(
        self,
        element: str,
        who: Actor,
        what: str,
        act: Awaitable[object],
        *,
        stage: Stage,
        events: Mapping[str, str],
        mails: Mapping[str, str] | None = None,
        refused: ErrorType | None = None,
        remedy: str = "",
    ) -> Status:
        """Somebody does something.

        Args:
            element: the element of the reference story this step is.
            who: who acts; `SERVICE` where only time passes.
            what: what is told of it.
            act: does it.
            stage: the stage it must lead to.
            events: the audit events it must leave, name to verdict (or error type), in order.
            mails: the mails it must set going, template to recipient, in order.
            refused: the error it must be answered with.
            remedy: what the error's remedy must name.
        """
        error = await _refusal(act)
        status = await self.service.settled(self.uid)
        new_events, new_mails = await self._new_events(status), await self.service.new_mails()
        self._tell(who, what, status, new_events, new_mails, error)
        equal = self.checks.equal
        equal(element, Source.WORKFLOW, "stage", stage, status.stage)
        equal(element, Source.WORKFLOW, "refusal", refused, error.type if error else None)
        equal(element, Source.WORKFLOW, "remedy", True, remedy in (error.remedy if error else ""))
        found = [(event.command, event.error or str(event.verdict)) for event in new_events]
        equal(element, Source.DATABASE, "audit events", list(events.items()), found)
        row = await self.service.archive.newest(self.uid)
        equal(
            element,
            Source.DATABASE,
            "application row",
            (status.application_id, status.stage, status.waiting_on, status.due_at, status.overdue),
            row and (row.application_id, row.stage, row.waiting_on, row.due_at, row.overdue),
        )
        sent = [
            (str(mail.message["X-Onboarding-Template"]), ", ".join(mail.recipients)) for mail in new_mails
        ]
        equal(element, Source.MAILS, "mails", list((mails or {}).items()), sent)
        return status

    async def log_in(self, element: str, who: Actor, uid: str, expected: Access, *, names: str = "") -> None:
        """Somebody tries the door of the ACPN platform with an account of the applicant.

        The text of the answer is not compared, but it must contain ``names``.
        """
        access = await self.service.log_in(uid)
        self.narrator.happens(await self.service.now(self.uid), who, f"logs in to ACPN with UID {uid}")
        if access.granted:
            self.narrator.granted(access.message)
        else:
            self.narrator.error_box("ACPN", access.message)
        equal = self.checks.equal
        equal(
            element,
            Source.WORKFLOW,
            "answer of the gate",
            (expected.granted, expected.reason, expected.available_at),
            (access.granted, access.reason, access.available_at),
        )
        equal(element, Source.WORKFLOW, f"text names {names}", True, names in access.message)
        granted = await self.service.archive.grant(uid)
        equal(element, Source.DATABASE, f"access grant of {uid}", expected.granted, granted is not None)
        equal(element, Source.MAILS, "mails", [], await self.service.new_mails())

    async def until_hour(self, hour: int) -> datetime:
        """Let time pass until the desk's clock next shows this hour; nothing may happen meanwhile."""
        now = (await self.service.now(self.uid)).astimezone(ZoneInfo(DESK_ZONE))
        then = now.replace(hour=hour, minute=0, second=0, microsecond=0)
        then += timedelta(days=then <= now)
        await self.service.pass_until(self.uid, then)
        return then

    def _tell(
        self,
        who: Actor,
        what: str,
        status: Status,
        events: list[AuditEvent],
        mails: list[KeptMail],
        error: OnboardingError | None,
    ) -> None:
        for event in events:
            timely = event.actor is not None and event.actor.role is Role.SYSTEM and event.command != "join"
            if timely:
                self.narrator.by_itself(event, SERVICE)
            else:
                self.narrator.happens(event.at, who, what)
        if error:
            self.narrator.error_box(str(error.type), error.message, error.remedy)
        else:
            self.narrator.status(status)
        for mail in mails:
            self.narrator.mail(mail)

    async def _new_events(self, status: Status) -> list[AuditEvent]:
        events = await self.service.archive.audit(status.application_id)
        told = self._told.get(status.application_id, 0)
        self._told[status.application_id] = len(events)
        return list(events[told:])


async def _refusal(act: Awaitable[object]) -> OnboardingError | None:
    try:
        await act
    except OnboardingError as error:
        return error
    return None
