"""A calendar or zone that a worker no longer knows ends nothing: the application stays, is told and heals."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from activities import working_days
from activities.clocks import SPREAD
from activities.db.access import SqlAcpnAccess
from activities.working_days import WorkingCalendar
from domain.clocks import ClockKind
from domain.contract import Stage
from domain.policy import Policy
from tests import payloads
from tests.rig import Applicant, Service
from tests.service.evidence import BD, BD_LEAD, PARTNER, first_instant, last, mails, row
from tests.service.test_ops_view import details
from tests.service.trail import audit, unharmed

REGION: Final = "AR"
"""No other test's desk."""
ZONE: Final = "America/Argentina/Buenos_Aires"
START_ZONE: Final = "Pacific/Chatham"
ESTIMATED: Final = ("deadline_estimated", BD_LEAD)
AN_HOUR: Final = timedelta(hours=1, minutes=1)
A_LONG_HOLIDAY: Final = timedelta(days=7)
KNOWN_REGION: Final = working_days._known_region
KNOWN_ZONE: Final = working_days._known_zone


class Release:
    """The libraries of the release the worker runs: a region or zone may be missing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def without(self, region: str = "", zone: str = "") -> None:
        """Deploy one that does not know these."""

        def known_region(name: str) -> tuple[str, str | None]:
            if name == region:
                raise ValueError(f"region {name!r} is not in the calendars")
            return KNOWN_REGION(name)

        def known_zone(name: str) -> ZoneInfo:
            if name == zone:
                raise ValueError(f"time zone {name!r} is not in the database")
            return KNOWN_ZONE(name)

        self._monkeypatch.setattr(working_days, "_known_region", known_region)
        self._monkeypatch.setattr(working_days, "_known_zone", known_zone)

    def whole(self) -> None:
        """Deploy one that knows all."""
        self.without()


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> Release:
    """The libraries of this test."""
    return Release(monkeypatch)


@pytest.fixture
async def applicant(service: Service) -> Applicant:
    """One whose desk is in a region every release knows so far."""
    return await service.applicant(policy={"calendar": REGION, "time_zone": ZONE})


Loses = Callable[[Release], None]


@pytest.mark.parametrize(
    "loses",
    [
        pytest.param(lambda release: release.without(region=REGION), id="region"),
        pytest.param(lambda release: release.without(zone=ZONE), id="zone"),
    ],
)
async def test_the_application_stays_is_told_and_heals_within_the_hour(
    applicant: Applicant, release: Release, loses: Loses
) -> None:
    await applicant.signal("confirm_company")
    loses(release)
    status = await applicant.signal("submit_application", application=payloads.form(applicant.uid))

    assert status.stage is Stage.UNDER_REVIEW
    assert status.deadline
    assert status.deadline.kind is ClockKind.REVIEW
    assert "is not in the" in (status.deadline.estimate or "")
    assert not status.deadline.provisional, "it is not the holidays that are not known yet"
    submitted = (await last(applicant, "submit_application")).at
    assert submitted + timedelta(days=3) <= status.deadline.due_at <= submitted + timedelta(days=6)
    assert f"- **Deadline only estimated**: {status.deadline.estimate}" in await details(applicant)
    assert (await row(applicant)).status.deadline == status.deadline
    assert mails(applicant) == [("application_received", PARTNER), ("review_requested", BD), ESTIMATED]

    # Hour after hour it is counted again, told no more, and nothing that would have to be recorded.
    still = await applicant.pass_time(3 * AN_HOUR)
    assert (still.deadline, still.sequence) == (status.deadline, status.sequence)
    assert mails(applicant).count(ESTIMATED) == 1

    release.whole()
    healed = await applicant.pass_time(AN_HOUR)
    counted = WorkingCalendar(REGION, ZONE).working_days_after(submitted, 3)
    assert healed.deadline
    assert (healed.deadline.estimate, healed.deadline.due_at) == (None, counted.due_at)
    assert healed.deadline.days_counted == counted.days
    assert "estimated" not in await details(applicant)
    assert (await row(applicant)).due_at == counted.due_at

    overdue = await applicant.pass_until(counted.due_at + A_LONG_HOLIDAY)
    assert overdue.overdue
    assert mails(applicant)[3:] == [("review_reminder", BD), ("review_overdue", BD_LEAD)]
    await applicant.signal("approve_application", form_revision=1)
    await unharmed(applicant)


async def test_who_was_reminded_by_the_estimate_is_not_reminded_again(
    applicant: Applicant, release: Release
) -> None:
    await applicant.signal("confirm_company")
    release.without(region=REGION)
    status = await applicant.signal("submit_application", application=payloads.form(applicant.uid))
    assert status.deadline
    last_day = status.deadline.days_counted[-1]
    begins = datetime(last_day.year, last_day.month, last_day.day, Policy().mail_hour, tzinfo=UTC)
    reminded = await applicant.pass_until(begins + SPREAD)
    assert reminded.deadline
    assert reminded.deadline.estimate
    assert mails(applicant)[-1] == ("review_reminder", BD)
    release.whole()
    healed = await applicant.pass_time(AN_HOUR)
    assert healed.deadline
    assert healed.deadline.estimate is None
    await applicant.pass_until(healed.deadline.due_at + A_LONG_HOLIDAY)
    assert [template for template, _ in mails(applicant)][2:] == [
        *("deadline_estimated", "review_reminder", "review_overdue")
    ]
    await unharmed(applicant)


async def test_a_start_date_in_a_lost_zone_opens_nothing_early_and_heals(
    service: Service, release: Release
) -> None:
    applicant = await service.applicant()
    day = ((await applicant.now()) + timedelta(days=3)).date()
    await applicant.to_signatures(start=day.isoformat(), zone=START_ZONE)
    await applicant.sign("partner")
    release.without(zone=START_ZONE)
    status = await applicant.sign("vendor")

    assert status.stage is Stage.SIGNED
    assert status.deadline
    assert status.deadline.estimate
    # Where a date begins last on earth.
    assert status.due_at == datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    assert mails(applicant).count(ESTIMATED) == 1

    start = first_instant(day, START_ZONE)
    assert (await applicant.pass_until(start - timedelta(hours=6))).stage is Stage.SIGNED
    release.whole()
    healed = await applicant.pass_time(AN_HOUR)
    assert healed.contract_start_at == healed.due_at == start
    assert await SqlAcpnAccess(service.database).grants(applicant.uid) == ()
    assert (await applicant.pass_until(start)).stage is Stage.ACTIVE
    assert mails(applicant).count(ESTIMATED) == 1
    await unharmed(applicant)


async def test_with_the_calendar_lost_for_good_the_process_goes_its_way(
    applicant: Applicant, release: Release
) -> None:
    release.without(region=REGION)
    await applicant.to_signed()
    assert (await applicant.result()).outcome is Stage.ACTIVE
    assert {event.error for event in await audit(applicant)} == {None}
    # The lead is told once, however many deadlines can only be estimated.
    assert mails(applicant) == [
        *(("application_received", PARTNER), ("review_requested", BD), ESTIMATED),
        ("application_approved", PARTNER),
        ("sheet_to_confirm", PARTNER),
        *(("terms_confirmed", PARTNER), ("terms_confirmed_to_bd", BD)),
        *(("contract_signed", PARTNER), ("access_granted", PARTNER)),
    ]
    await unharmed(applicant)
