"""From both signatures to the contract start date: how long access waits for it (guide §2.4, §2.5)."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from activities import clocks
from activities.working_days import start_of_day
from domain.clocks import ClockKind
from domain.contract import Stage, WaitingOn
from domain.values import day_text
from tests.rig import Applicant, Service
from tests.service.evidence import (
    A_MINUTE,
    attributes,
    first_instant,
    last,
    row,
    timers,
)
from tests.service.test_waits_access import (
    CONTRACT_SIGNED,
    DEADLINE_TIMER,
    GRANTED,
    SINGAPORE,
    START_MOVED,
    covered,
    in_days,
    news,
    signed,
)


class TestStartDate:
    async def test_access_waits_for_the_start_of_the_date_in_the_contracts_zone(
        self, service: Service
    ) -> None:
        applicant = await service.applicant()
        day = await in_days(applicant, 45)
        start = first_instant(day, SINGAPORE)
        status = await signed(applicant, day)

        assert status.stage is Stage.SIGNED
        assert status.status_text == "You have successfully signed the contract"
        assert status.waiting_on is WaitingOn.PLATFORM
        assert status.due_at == status.contract_start_at == start
        assert status.deadline is not None
        assert status.deadline.kind is ClockKind.START_DATE
        assert await attributes(applicant) == {
            "stage": "signed",
            "waiting_on": "platform",
            "due_at": start,
            "overdue": False,
        }
        assert (await timers(applicant))[-1] == DEADLINE_TIMER

        status = await applicant.pass_until(start - A_MINUTE)
        assert status.stage is Stage.SIGNED
        assert await covered(applicant) == []
        status = await applicant.pass_until(start)
        assert status.stage is status.outcome is Stage.ACTIVE
        assert status.status_text == "ACPN access granted"
        assert status.access.granted
        assert news(applicant) == [CONTRACT_SIGNED, GRANTED]
        assert await covered(applicant) == [applicant.uid]

    async def test_gate_refuses_with_the_date_and_its_zone(self, service: Service) -> None:
        applicant = await service.applicant()
        day = await in_days(applicant, 45)
        assert (await applicant.to_signatures(start=day.isoformat())).access.reason == "not_signed"
        await applicant.sign("vendor")
        access = (await applicant.sign("partner")).access

        assert not access.granted
        assert access.reason == "before_start_date"
        assert day_text(day) in access.message
        assert SINGAPORE in access.message
        assert access.available_at == first_instant(day, SINGAPORE)

    async def test_date_already_reached_starts_no_timer(self, service: Service) -> None:
        applicant = await service.applicant()
        yesterday = await in_days(applicant, -1)
        await applicant.to_signatures(start=yesterday.isoformat())
        await applicant.sign("partner")
        before = (await timers(applicant)).count(DEADLINE_TIMER)
        status = await applicant.sign("vendor")

        assert status.stage is Stage.ACTIVE
        assert status.contract_start_at == first_instant(yesterday, SINGAPORE)
        assert news(applicant) == [CONTRACT_SIGNED, GRANTED]
        assert (await timers(applicant)).count(DEADLINE_TIMER) == before

    async def test_today_counts_where_the_day_has_begun(self, service: Service) -> None:
        applicant = await service.applicant()
        # Kiritimati is at UTC+14, so the date there is never behind the one anywhere else.
        today = datetime.now(ZoneInfo("Pacific/Kiritimati")).date()

        assert (await signed(applicant, today, "Pacific/Kiritimati")).stage is Stage.ACTIVE

    @pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Australia/Sydney"])
    async def test_daylight_saving_time_of_the_date_counts(self, service: Service, zone: str) -> None:
        applicant = await service.applicant()
        now = await applicant.now()
        days = [now.date() + timedelta(days=ahead) for ahead in range(2, 400)]
        day = next(d for d in days if offset(d, zone) != now.astimezone(ZoneInfo(zone)).utcoffset())
        status = await signed(applicant, day, zone)

        start = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
        assert status.contract_start_at == start
        assert (await applicant.pass_until(start - A_MINUTE)).stage is Stage.SIGNED
        assert (await applicant.pass_until(start)).stage is Stage.ACTIVE

    async def test_date_whose_midnight_does_not_exist_starts_at_one(self, service: Service) -> None:
        applicant = await service.applicant()
        zone = "America/Santiago"  # its clocks go forward at midnight
        today = await in_days(applicant, 0)
        days = [today + timedelta(days=ahead) for ahead in range(2, 400)]
        day = next(d for d in days if first_instant(d, zone).astimezone(ZoneInfo(zone)).hour == 1)
        status = await signed(applicant, day, zone)

        start = first_instant(day, zone)
        assert status.contract_start_at == start
        assert (await applicant.pass_until(start - A_MINUTE)).stage is Stage.SIGNED
        assert (await applicant.pass_until(start)).stage is Stage.ACTIVE


def offset(day: date, zone: str) -> timedelta | None:
    """How far a zone is from UTC at the start of a date."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).utcoffset()


async def asked(applicant: Applicant) -> Counter[str]:
    """How often the run has asked something by a local activity (a marker), or an activity."""
    kinds = ("marker_recorded_event_attributes", "activity_task_scheduled_event_attributes")
    events = (await applicant.history()).events
    return Counter(kind for event in events if (kind := event.WhichOneof("attributes")) in kinds)


class TestStartCountedAgain:
    """The zone's rules change while the contract waits."""

    async def test_the_timer_moves_and_what_has_not_changed_costs_little(
        self, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        applicant = await service.applicant()
        day = await in_days(applicant, 90)
        start = first_instant(day, SINGAPORE)
        status = await signed(applicant, day)
        events, before = status.sequence, await asked(applicant)
        status = await applicant.pass_until(start - timedelta(days=20))
        assert (status.sequence, status.due_at) == (events, start), "nothing to record"
        assert await asked(applicant) - before == Counter(marker_recorded_event_attributes=1)

        later = start + timedelta(hours=1)
        monkeypatch.setattr(
            clocks,
            "start_of_day",
            lambda on, zone: start_of_day(on, zone) + timedelta(hours=(on, zone) == (day, SINGAPORE)),
        )
        status = await applicant.pass_until(start - timedelta(days=3))
        assert status.due_at == status.contract_start_at == later
        assert status.access.available_at == later
        assert (await row(applicant)).due_at == later
        assert (await attributes(applicant))["due_at"] == later
        assert news(applicant) == [CONTRACT_SIGNED, START_MOVED]
        assert (await last(applicant, "start_recount")).sequence == status.sequence == events + 1
        assert (await applicant.pass_until(start)).stage is Stage.SIGNED
        assert (await applicant.pass_until(later)).stage is Stage.ACTIVE
        assert news(applicant) == [CONTRACT_SIGNED, START_MOVED, GRANTED]

    async def test_a_start_within_a_week_is_not_counted_again(self, service: Service) -> None:
        applicant = await service.applicant()
        day = await in_days(applicant, 6)
        await signed(applicant, day)
        before = await asked(applicant)
        await applicant.pass_until(first_instant(day, SINGAPORE) - A_MINUTE)
        assert await asked(applicant) == before
