"""From both signatures to access: amendments of the start date, what holds access up (guide §2.4, §2.5)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta

from sqlalchemy import text

from activities.clocks import SPREAD
from activities.db.access import SqlAcpnAccess
from domain.contract import Stage, WaitingOn
from domain.status import AccessCause, Missing, Status
from domain.values import day_text
from tests import payloads
from tests.rig import Applicant, Service
from tests.service.evidence import (
    A_MINUTE,
    BD,
    BD_LEAD,
    DESK,
    PARTNER,
    Sent,
    attributes,
    count,
    first_instant,
    last,
    mails,
    morning_after,
    refused,
    row,
    timers,
)

SINGAPORE = "Asia/Singapore"
SIGNED = 6
"""How many mails have left before the contract is signed."""
CONTRACT_SIGNED = ("contract_signed", PARTNER)
AMENDED = ("start_date_amended", PARTNER)
DELAYED = [("access_delayed", PARTNER), ("access_alert", BD)]
STILL_DELAYED = ("access_still_delayed", BD_LEAD)
START_MOVED = ("contract_start_moved", PARTNER)
GRANTED = ("access_granted", PARTNER)
DEADLINE_TIMER = "Next deadline, at the earliest"


def news(applicant: Applicant) -> list[Sent]:
    """The mails since the last signature."""
    return mails(applicant)[SIGNED:]


async def in_days(applicant: Applicant, days: int) -> date:
    """The date in so many days."""
    return (await applicant.now()).date() + timedelta(days=days)


async def covered(applicant: Applicant) -> list[str]:
    """The accounts that have access, in the order they got it."""
    grants = await SqlAcpnAccess(applicant.service.database).grants(applicant.uid)
    return [grant.uid for grant in grants]


async def signed(applicant: Applicant, day: date, zone: str = SINGAPORE) -> Status:
    return await applicant.to_signed(start=day.isoformat(), zone=zone)


async def amend(applicant: Applicant, day: date, zone: str = SINGAPORE) -> Status:
    return await applicant.signal(
        "amend_start_date", start_date=day.isoformat(), time_zone=zone, reason="Agreed with Ms Tan."
    )


async def to_activating(applicant: Applicant) -> Status:
    """Signed in good order; then the enterprise verification is gone when the start date comes."""
    day = await in_days(applicant, 5)
    await signed(applicant, day)
    await applicant.service.account(applicant.uid, verified=False)
    return await applicant.pass_until(first_instant(day, SINGAPORE))


class TestAmendment:
    async def test_later_date_moves_the_timer_and_leaves_the_sheet(self, service: Service) -> None:
        applicant = await service.applicant()
        old, new = await in_days(applicant, 20), await in_days(applicant, 50)
        before = await signed(applicant, old)
        status = await amend(applicant, new)

        assert status.stage is Stage.SIGNED
        assert status.sheet == before.sheet
        assert status.signing == before.signing
        assert status.due_at == status.contract_start_at == first_instant(new, SINGAPORE)
        (amendment,) = status.amendments
        assert (amendment.start_date, amendment.time_zone) == (new, SINGAPORE)
        assert amendment.reason == "Agreed with Ms Tan."
        assert amendment.at == (await last(applicant, "amend_start_date")).at
        assert day_text(new) in status.access.message
        assert (await attributes(applicant))["due_at"] == first_instant(new, SINGAPORE)
        assert news(applicant) == [CONTRACT_SIGNED, AMENDED]

        assert (await applicant.pass_until(first_instant(old, SINGAPORE))).stage is Stage.SIGNED
        assert (await applicant.pass_until(first_instant(new, SINGAPORE))).stage is Stage.ACTIVE

    async def test_earlier_date_moves_the_timer(self, service: Service) -> None:
        applicant = await service.applicant()
        old, new = await in_days(applicant, 50), await in_days(applicant, 20)
        await signed(applicant, old)
        assert (await amend(applicant, new)).due_at == first_instant(new, SINGAPORE)

        assert (await applicant.pass_until(first_instant(new, SINGAPORE) - A_MINUTE)).stage is Stage.SIGNED
        assert (await applicant.pass_until(first_instant(new, SINGAPORE))).stage is Stage.ACTIVE

    async def test_date_already_reached_activates_at_once_without_a_timer(self, service: Service) -> None:
        applicant = await service.applicant()
        await signed(applicant, await in_days(applicant, 50))
        before = (await timers(applicant)).count(DEADLINE_TIMER)
        status = await amend(applicant, await in_days(applicant, -10))

        assert status.stage is Stage.ACTIVE
        assert news(applicant) == [CONTRACT_SIGNED, AMENDED, GRANTED]
        assert (await timers(applicant)).count(DEADLINE_TIMER) == before

    async def test_other_zone_alone_moves_the_timer(self, service: Service) -> None:
        applicant = await service.applicant()
        day = await in_days(applicant, 30)
        await signed(applicant, day)
        status = await amend(applicant, day, "America/Los_Angeles")

        start = first_instant(day, "America/Los_Angeles")
        assert status.due_at == start
        assert "America/Los_Angeles" in status.access.message
        assert (await applicant.pass_until(first_instant(day, SINGAPORE))).stage is Stage.SIGNED
        assert (await applicant.pass_until(start)).stage is Stage.ACTIVE

    async def test_every_amendment_is_kept(self, service: Service) -> None:
        applicant = await service.applicant()
        await signed(applicant, await in_days(applicant, 30))
        days = [await in_days(applicant, ahead) for ahead in (40, 35, 60)]
        for day in days:
            status = await amend(applicant, day)
        # The date that is in force already is no amendment, and no second mail.
        status = await amend(applicant, days[-1])

        assert [amendment.start_date for amendment in status.amendments] == days
        assert news(applicant) == [CONTRACT_SIGNED, AMENDED, AMENDED, AMENDED]

    async def test_only_a_signed_contract_is_amended(self, service: Service) -> None:
        applicant = await service.applicant()
        await applicant.to_signatures()
        day = (await in_days(applicant, 9)).isoformat()

        error = await refused(
            applicant, "amend_start_date", start_date=day, time_zone=SINGAPORE, reason="Too early"
        )
        assert error.type == "wrong_stage"


class TestActivating:
    async def test_lost_verification_holds_access_up_until_it_is_back(self, service: Service) -> None:
        applicant = await service.applicant()
        status = await to_activating(applicant)

        assert status.stage is Stage.ACTIVATING
        assert status.status_text == "Your contract is in effect; access is being opened"
        assert status.waiting_on is WaitingOn.PLATFORM
        assert status.access.reason == "being_opened"
        assert status.access.missing == (unverified(applicant),)
        assert applicant.uid in status.access.message
        assert news(applicant) == [CONTRACT_SIGNED, *DELAYED]
        assert await covered(applicant) == []
        assert (await attributes(applicant))["stage"] == "activating"

        checks = await count(applicant, "access_check")
        status = await applicant.pass_time(timedelta(hours=23))
        assert status.stage is Stage.ACTIVATING
        assert status.outcome is None
        assert await count(applicant, "access_check") > checks
        assert news(applicant) == [CONTRACT_SIGNED, *DELAYED]

        await service.account(applicant.uid)
        assert status.due_at is not None
        status = await applicant.pass_until(status.due_at)
        assert status.stage is Stage.ACTIVE
        assert status.access.missing == ()
        assert news(applicant) == [CONTRACT_SIGNED, *DELAYED, GRANTED]
        assert await covered(applicant) == [applicant.uid]
        assert (await row(applicant)).stage is Stage.ACTIVE

    async def test_a_cause_that_changes_is_told_and_one_that_lasts_goes_to_the_lead(
        self, service: Service
    ) -> None:
        applicant = await service.applicant(policy={"require_credit_control": True}, locale="zh")
        await to_activating(applicant)
        checked = (await last(applicant, "access_check")).at
        told = [CONTRACT_SIGNED, *DELAYED]
        await service.account(applicant.uid)
        status = await applicant.pass_time(timedelta(minutes=5))
        credit_control = Missing(cause=AccessCause.CREDIT_CONTROL_MISSING, uids=(applicant.uid,))
        assert status.access.missing == (credit_control,)
        assert news(applicant) == told, "it was missing before, beside the verification"

        await service.account(applicant.uid, verified=False, credit_control=True)
        assert (await applicant.pass_time(timedelta(minutes=20))).access.missing == (unverified(applicant),)
        assert news(applicant) == told, "on the same day it is known"

        lasts = DESK.working_days_after(checked, 1).due_at
        await applicant.pass_until(morning_after(lasts) - SPREAD - A_MINUTE)
        assert news(applicant) == told
        await applicant.pass_until(morning_after(lasts))
        assert news(applicant) == (told := [*told, STILL_DELAYED])
        reminded = DESK.working_days_after(lasts - timedelta(seconds=1), 3).due_at
        await applicant.pass_until(morning_after(reminded) - SPREAD - A_MINUTE)
        assert news(applicant) == told
        status = await applicant.pass_until(morning_after(reminded))
        assert news(applicant) == (told := [*told, STILL_DELAYED])
        assert (await row(applicant)).stage is Stage.ACTIVATING

        await service.account(applicant.uid)
        status = await applicant.pass_time(timedelta(hours=1))
        assert status.access.missing == (credit_control,)
        assert news(applicant) == (told := [*told, *DELAYED]), "days later it is another cause"
        await service.account(applicant.uid, credit_control=True)
        assert (await applicant.pass_time(timedelta(hours=1))).stage is Stage.ACTIVE
        assert news(applicant) == [*told, GRANTED]

    async def test_contract_in_effect_is_neither_cancelled_nor_declined(self, service: Service) -> None:
        applicant = await service.applicant()
        await to_activating(applicant)

        assert (await refused(applicant, "cancel_application", reason="Too late")).type == "wrong_stage"
        assert (await refused(applicant, "decline")).type == "wrong_stage"
        assert (await applicant.settled()).stage is Stage.ACTIVATING

    async def test_credit_control_is_awaited_where_the_policy_requires_it(self, service: Service) -> None:
        applicant = await service.applicant(policy={"require_credit_control": True})
        status = await applicant.to_signed()
        assert status.stage is Stage.ACTIVATING
        credit_control = Missing(cause=AccessCause.CREDIT_CONTROL_MISSING, uids=(applicant.uid,))
        assert status.access.missing == (credit_control,)
        assert news(applicant) == [CONTRACT_SIGNED, *DELAYED]

        await service.account(applicant.uid, credit_control=True)
        assert (await applicant.pass_time(timedelta(hours=1))).stage is Stage.ACTIVE

    async def test_credit_control_is_not_required_by_default(self, service: Service) -> None:
        applicant = await service.applicant()

        assert (await applicant.to_signed()).stage is Stage.ACTIVE

    async def test_outage_while_granting_is_tried_again_until_it_works(self, service: Service) -> None:
        applicant = await service.applicant()
        associated = await account_beside(applicant)
        async with grants_fail(service, associated):
            await to_signed_with(applicant, main_uid=applicant.uid, associated_uids=[associated])
            status = await applicant.status()
            assert status.stage is Stage.ACTIVATING
            assert status.access.missing == (Missing(cause=AccessCause.PLATFORM_UNAVAILABLE),)
            assert news(applicant) == [CONTRACT_SIGNED], "an outage of a moment is nobody's news"
            await applicant.pass_time(timedelta(minutes=1, seconds=5))
            assert news(applicant) == [CONTRACT_SIGNED, *DELAYED]
            assert (await applicant.pass_time(timedelta(hours=3))).stage is Stage.ACTIVATING

        assert (await applicant.pass_time(timedelta(hours=1))).stage is Stage.ACTIVE
        assert news(applicant) == [CONTRACT_SIGNED, *DELAYED, GRANTED]
        assert sorted(await covered(applicant)) == sorted([applicant.uid, associated])

    async def test_access_covers_main_and_associated_uids_only(self, service: Service) -> None:
        applicant = await service.applicant()
        main, associated = await account_beside(applicant), await account_beside(applicant)
        status = await to_signed_with(applicant, main_uid=main, associated_uids=[associated])

        assert status.stage is Stage.ACTIVE
        assert applicant.uid in status.warnings[0]
        assert sorted(await covered(applicant)) == sorted([main, associated])


def unverified(applicant: Applicant) -> Missing:
    """What is missing without enterprise verification."""
    return Missing(cause=AccessCause.ENTERPRISE_NOT_VERIFIED, uids=(applicant.uid,))


async def account_beside(applicant: Applicant) -> str:
    """Another account of the applicant's enterprise."""
    return (await applicant.service.applicant(start=False)).uid


async def to_signed_with(applicant: Applicant, *, main_uid: str, associated_uids: list[str]) -> Status:
    """To both signatures, for these accounts."""
    await applicant.to_review(main_uid=main_uid, associated_uids=associated_uids)
    await applicant.signal("approve_application", form_revision=1)
    await applicant.signal("issue_decision_sheet", sheet=payloads.sheet())
    await applicant.signal("confirm_terms", **await applicant.named_sheet())
    await applicant.sign("partner")
    return await applicant.sign("vendor")


@asynccontextmanager
async def grants_fail(service: Service, uid: str) -> AsyncIterator[None]:
    """The database takes no grant for this account meanwhile."""
    made = text(
        f"CREATE TRIGGER no_grant_{int(uid)} BEFORE INSERT ON access_grants "
        f"WHEN NEW.uid = '{int(uid)}' BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    )
    dropped = text(f"DROP TRIGGER no_grant_{int(uid)}")
    await service.database.write(lambda connection: connection.execute(made))
    try:
        yield
    finally:
        await service.database.write(lambda connection: connection.execute(dropped))
