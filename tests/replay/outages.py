"""Journeys through outages: a service is down, or the worker no longer knows a calendar."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import date, datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy import text
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory

from activities import clocks
from activities.working_days import WorkingCalendar, start_of_day
from domain.contract import DELIVERY_TYPE, Stage
from tests import payloads
from tests.replay.ways import FAR, Journey, confirm, issue, modify, to_activating, to_justifying, until_due
from tests.rig import Applicant
from tests.service.trail import delivery_of, ledger
from tests.smtp_server import Plan, SmtpServer
from tests.temporal_env import fast_forward
from workflows import calls

_GONE_CALENDAR: Final = "NZ"
_GONE_ZONE: Final = "Pacific/Auckland"
_GONE_POLICY: Final = {"calendar": _GONE_CALENDAR, "time_zone": _GONE_ZONE}
_CHANGED_ZONE: Final = "Pacific/Chatham"
_LATER: Final = "421 4.3.2 try again later"
_PUT_OFF: Final = "451 4.7.1 too many for this mailbox"
_RECHECKED: Final = timedelta(hours=1, seconds=2)


async def _pass_unsettled(applicant: Applicant, duration: timedelta) -> None:
    """Let time pass while something is tried again and again."""
    await fast_forward(applicant.service.env, applicant.handle, duration)


@asynccontextmanager
async def without_table(applicant: Applicant, table: str) -> AsyncIterator[None]:
    """The database does not answer when asked for this table."""
    database = applicant.service.database
    away, back = (
        text(f"ALTER TABLE {name} RENAME TO {other}") for name, other in ((table, "away"), ("away", table))
    )
    await database.write(lambda connection: connection.execute(away))
    try:
        yield
    finally:
        await database.write(lambda connection: connection.execute(back))


async def _directory_down_at_join(applicant: Applicant) -> None:
    async with without_table(applicant, "accounts"):
        await applicant.join()
    await applicant.to_review()


async def _directory_down_at_submission(applicant: Applicant) -> None:
    await applicant.signal("confirm_company")
    form = payloads.form(applicant.uid)
    async with without_table(applicant, "accounts"):
        await applicant.signal("submit_application", command_id="submission", application=form)
    await applicant.signal("submit_application", command_id="submission", application=form)


async def _database_down_then_back(applicant: Applicant) -> None:
    async with without_table(applicant, "applications"):
        await applicant.update("confirm_company")
        await applicant.update("submit_application", application=payloads.form(applicant.uid))
        await applicant.update("request_justification", question="Who are your customers?")
        await _pass_unsettled(applicant, timedelta(seconds=5))
    await applicant.pass_time(timedelta(minutes=10))
    await applicant.signal("provide_justification", answer="Forty companies.")


_FORGETTING: Final = asyncio.Lock()
"""Journeys are recorded side by side; only one at a time may make the worker forget, and remember again."""


@contextmanager
def _calendar_unknown() -> Iterator[None]:
    """The worker can't count by the calendar of New Zealand, nor tell when a day begins there.

    Of all journeys recorded beside this one none does either.
    """

    def without(region: str, zone: str) -> WorkingCalendar:
        if region == _GONE_CALENDAR:
            raise ValueError(f"'{region}' is not a region of the package holidays")
        return WorkingCalendar(region, zone)

    def without_the_zone(day: date, zone: str) -> datetime:
        if zone == _GONE_ZONE:
            raise ValueError(f"'{zone}' is not an IANA time zone")
        return start_of_day(day, zone)

    vars(clocks).update(WorkingCalendar=without, start_of_day=without_the_zone)
    try:
        yield
    finally:
        vars(clocks).update(WorkingCalendar=WorkingCalendar, start_of_day=start_of_day)


async def _calendar_gone_then_back(applicant: Applicant) -> None:
    """A deadline is estimated, then counted as ever by the next release, and missed."""
    async with _FORGETTING:
        await applicant.join(policy=_GONE_POLICY)
        with _calendar_unknown():
            await applicant.to_review()
            await applicant.pass_time(_RECHECKED)
        await applicant.pass_time(_RECHECKED)
        await until_due(applicant)


async def _calendar_gone_in_every_stage(applicant: Applicant) -> None:
    """In each stage a deadline is estimated, and counted again an hour later; in the first in vain before."""
    sent = applicant.signal
    form = payloads.form(applicant.uid)
    steps: tuple[Callable[[], Awaitable[object]], ...] = (
        lambda: to_justifying(applicant),
        lambda: sent("withdraw_application"),
        lambda: sent("submit_application", application=form),
        lambda: sent("approve_application", form_revision=2),
        lambda: issue(applicant, start=FAR, zone=_GONE_ZONE),
        lambda: modify(applicant, "11 % on ecs, please"),
        lambda: _corrected_and_confirmed(applicant),
        lambda: _signed(applicant),
        lambda: _in_effect_without_verification(applicant),
    )
    async with _FORGETTING:
        with _calendar_unknown():
            await applicant.join(policy=_GONE_POLICY)
            await applicant.pass_time(_RECHECKED)
        await applicant.pass_time(_RECHECKED)
        for step in steps:
            with _calendar_unknown():
                await step()
            await applicant.pass_time(_RECHECKED)


async def _corrected_and_confirmed(applicant: Applicant) -> None:
    await issue(applicant, start=FAR, zone=_GONE_ZONE, ecs="11")
    await confirm(applicant)


async def _signed(applicant: Applicant) -> None:
    await applicant.sign("partner")
    await applicant.sign("vendor")


async def _in_effect_without_verification(applicant: Applicant) -> None:
    await applicant.service.account(applicant.uid, verified=False)
    amended = {"start_date": payloads.REACHED, "time_zone": "UTC", "reason": "As agreed by phone."}
    await applicant.signal("amend_start_date", **amended)


@contextmanager
def _zone_with_other_rules() -> Iterator[None]:
    """A day begins an hour later in the Chatham Islands, where no other journey's contract starts."""

    def by_other_rules(day: date, zone: str) -> datetime:
        return start_of_day(day, zone) + timedelta(hours=zone == _CHANGED_ZONE)

    vars(clocks).update(start_of_day=by_other_rules)
    try:
        yield
    finally:
        vars(clocks).update(start_of_day=start_of_day)


async def _zone_rules_change(applicant: Applicant) -> None:
    """A contract two months ahead starts at another instant than was counted when it was signed."""
    start = (await applicant.now() + timedelta(days=60)).date().isoformat()
    async with _FORGETTING:
        await applicant.to_signed(start=start, zone=_CHANGED_ZONE)
        with _zone_with_other_rules():
            await applicant.pass_time(timedelta(days=40))


async def _access_held_up(applicant: Applicant) -> None:
    """Until the lead is told, and reminded, while one cause follows another."""
    await applicant.join(policy={"reminder_working_days": 1, "require_credit_control": True})
    await to_activating(applicant)
    await applicant.service.account(applicant.uid)
    told = 0
    while told < 2:
        await applicant.pass_time(timedelta(hours=12))
        told = [mail.template for mail in await ledger(applicant)].count("access_still_delayed")
    await applicant.service.account(applicant.uid, credit_control=True)
    await until_due(applicant)


async def _access_down(applicant: Applicant) -> None:
    await applicant.to_signatures()
    await applicant.sign("partner")
    async with without_table(applicant, "access_grants"):
        await applicant.sign("vendor")
    await until_due(applicant)


def _goes_down(server: SmtpServer) -> None:
    """Also for whoever is connected."""
    server.plan = Plan(greeting=_LATER, sender=_LATER)
    server.hang_up()


async def _delayed_mail(applicant: Applicant, *, server: SmtpServer) -> None:
    """The mail server is down for a while; the process goes on, and no later mail overtakes."""
    _goes_down(server)
    await applicant.update("confirm_company")
    await applicant.update("submit_application", application=payloads.form(applicant.uid))
    await _pass_unsettled(applicant, timedelta(minutes=1))
    await applicant.update("approve_application", form_revision=1)
    await _pass_unsettled(applicant, timedelta(minutes=1))
    server.plan = Plan()
    await applicant.pass_time(timedelta(minutes=10))


async def _mails_handed_on(applicant: Applicant, *, server: SmtpServer) -> None:
    """The mail server is down when the application ends."""
    await applicant.to_qualified()
    _goes_down(server)
    await applicant.update("decline", reason="Too dear.")
    await _pass_unsettled(applicant, timedelta(minutes=1))
    await applicant.result()
    server.plan = Plan()


async def _all_handed_on(applicant: Applicant, *, server: SmtpServer) -> None:
    """Mail server and database are down when the application ends."""
    async with without_table(applicant, "applications"):
        await _mails_handed_on_unsettled(applicant, server)


async def _mails_handed_on_unsettled(applicant: Applicant, server: SmtpServer) -> None:
    _goes_down(server)
    await applicant.update("cancel_application", reason="Applied twice.")
    await _pass_unsettled(applicant, timedelta(minutes=1))
    await applicant.result()
    server.plan = Plan()


async def _recipient_refused(applicant: Applicant, *, server: SmtpServer) -> None:
    """The partner's mailbox is refused for now: his mails rest, BD's leave; then he gets his, in order."""
    server.plan = Plan(recipients={payloads.CONTACT["email"]: _PUT_OFF})
    await applicant.update("confirm_company")
    await applicant.update("submit_application", application=payloads.form(applicant.uid))
    await _pass_unsettled(applicant, timedelta(minutes=1))
    await applicant.update("approve_application", form_revision=1)
    await _pass_unsettled(applicant, timedelta(minutes=1))
    server.plan = Plan()
    await applicant.pass_time(timedelta(minutes=10))


async def _refused_after_the_end(applicant: Applicant, *, server: SmtpServer) -> None:
    """The partner's mailbox is refused for now when the application ends."""
    await applicant.to_qualified()
    server.plan = Plan(recipients={payloads.CONTACT["email"]: _PUT_OFF})
    await applicant.update("decline", reason="Too dear.")
    await _pass_unsettled(applicant, timedelta(minutes=1))
    await applicant.result()
    delivery = await delivery_of(applicant)
    while not _rests(await delivery.fetch_history()):  # noqa: ASYNC110 - nothing tells when
        await asyncio.sleep(0.03)
    server.plan = Plan()


def _rests(history: WorkflowHistory) -> bool:
    return any(event.event_type == EventType.EVENT_TYPE_TIMER_STARTED for event in history.events)


def outages(server: SmtpServer) -> tuple[Journey, ...]:
    """These journeys, with ``server`` as the service's mail server."""
    return (
        Journey("directory_down_at_join", _directory_down_at_join, Stage.UNDER_REVIEW, joins=False),
        Journey("directory_down_at_submission", _directory_down_at_submission, Stage.UNDER_REVIEW),
        Journey("database_down_then_back", _database_down_then_back, Stage.UNDER_REVIEW),
        Journey("access_down", _access_down, Stage.ACTIVE),
        Journey("calendar_gone_then_back", _calendar_gone_then_back, Stage.UNDER_REVIEW, joins=False),
        Journey("calendar_gone_in_every_stage", _calendar_gone_in_every_stage, Stage.ACTIVATING, joins=False),
        Journey("zone_rules_change", _zone_rules_change, Stage.SIGNED),
        Journey("access_held_up", _access_held_up, Stage.ACTIVE, joins=False),
        Journey(
            "delayed_mail", partial(_delayed_mail, server=server), Stage.QUALIFIED, asks=(calls.DELIVER,)
        ),
        Journey(
            "recipient_refused",
            partial(_recipient_refused, server=server),
            Stage.QUALIFIED,
            asks=(calls.DELIVER,),
        ),
        Journey(
            "refused_after_the_end",
            partial(_refused_after_the_end, server=server),
            Stage.CANCELLED,
            asks=(DELIVERY_TYPE, calls.DELIVER),
        ),
        Journey(
            "mails_handed_on",
            partial(_mails_handed_on, server=server),
            Stage.CANCELLED,
            asks=(DELIVERY_TYPE, calls.DELIVER),
        ),
        Journey(
            "mails_and_record_handed_on",
            partial(_all_handed_on, server=server),
            Stage.CANCELLED,
            asks=(DELIVERY_TYPE, calls.PUBLISH),
        ),
    )
