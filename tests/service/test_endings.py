"""The four outcomes, who may bring them about, and what comes after (docs/reference/contract.md)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

from activities.db.access import SqlAcpnAccess
from domain.audit import Verdict
from domain.contract import OnboardingInput, Role, Stage
from domain.status import Status
from starter.client.onboarding_client import OnboardingClient
from tests import payloads
from tests.rig import Applicant, Service, answered
from tests.service.evidence import (
    BD,
    JOINER,
    PARTNER,
    attributes,
    audit,
    last,
    mails,
    records,
    refused,
    row,
)
from tests.service.own_server import HANG, review_by_updates, without_mail
from tests.temporal_env import fast_forward
from workflows.hand_over import LAST_MAILS_WITHIN

Ending = Callable[[Applicant], Awaitable[Status]]


async def rejected(applicant: Applicant) -> Status:
    await applicant.to_review()
    return await applicant.signal("reject_application", reason_code="none", explanation="Not enough.")


async def cancelled_by_bd(applicant: Applicant) -> Status:
    await applicant.to_review()
    return await applicant.signal("cancel_application", reason="Duplicate of another company.")


async def declined(applicant: Applicant) -> Status:
    await applicant.to_qualified()
    return await applicant.signal("decline", reason="Another vendor.")


async def expired(applicant: Applicant) -> Status:
    return await applicant.pass_time(timedelta(days=92))


async def active(applicant: Applicant) -> Status:
    return await applicant.to_signed()


# How an application ends, as what, by whom, and the mails that tell so.
ENDINGS: Final = [
    pytest.param(rejected, Stage.REJECTED, Role.BD, [("application_rejected", PARTNER)], id="rejected"),
    pytest.param(
        cancelled_by_bd, Stage.CANCELLED, Role.BD, [("application_cancelled", PARTNER)], id="cancelled"
    ),
    pytest.param(
        declined,
        Stage.CANCELLED,
        Role.PARTNER,
        [("application_cancelled", PARTNER), ("closed_to_bd", BD)],
        id="declined",
    ),
    pytest.param(expired, Stage.EXPIRED, Role.SYSTEM, [("application_expired", JOINER)], id="expired"),
    pytest.param(active, Stage.ACTIVE, None, [("access_granted", PARTNER)], id="active"),
]


class TestOutcomes:
    @pytest.mark.parametrize(("end", "stage", "by", "told"), ENDINGS)
    async def test_outcome_is_told_shown_and_stored(
        self,
        service: Service,
        end: Ending,
        stage: Stage,
        by: Role | None,
        told: list[tuple[str, str]],
    ) -> None:
        applicant = await service.applicant()
        await end(applicant)
        result = await applicant.result()

        assert result.stage is result.outcome is stage
        assert (result.closing.by if result.closing else None) is by
        assert result.allowed_commands == ()
        assert result.due_at is None
        assert result.access.granted is (stage is Stage.ACTIVE)
        assert mails(applicant)[-len(told) :] == told
        status = await applicant.status()
        assert result == answered(status)
        description = await applicant.handle.describe()
        assert description.status is WorkflowExecutionStatus.COMPLETED
        assert await attributes(applicant) == {
            "stage": stage,
            "waiting_on": "none",
            "due_at": None,
            "overdue": False,
        }
        stored = await row(applicant)
        assert stored.stage is stage
        assert stored.status.model_dump() == status.model_dump()
        assert stored.status.pending_emails == 0
        events = await audit(applicant)
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        assert events[-1].to_stage is stage

    @pytest.mark.parametrize(("end", "stage", "by", "told"), ENDINGS)
    async def test_nothing_is_accepted_after_the_end(
        self, service: Service, end: Ending, stage: Stage, by: Role | None, told: list[tuple[str, str]]
    ) -> None:
        applicant = await service.applicant()
        await end(applicant)
        sent = len(mails(applicant))

        with pytest.raises(RPCError) as signalled:
            await applicant.handle.signal("confirm_company", payloads.command("confirm_company"))
        with pytest.raises(RPCError) as updated:
            await applicant.update("confirm_company")
        assert signalled.value.status is updated.value.status is RPCStatusCode.NOT_FOUND
        assert (await applicant.status()).stage is stage
        assert len(mails(applicant)) == sent

    async def test_command_that_comes_while_the_last_mails_leave_is_closed(self, service: Service) -> None:
        applicant = await service.applicant()
        await applicant.to_qualified()
        async with held_mails(service, "application_cancelled") as mail_is_held:
            await applicant.handle.signal("decline", payloads.command("decline"))
            await mail_is_held.wait()
            error = await refused(applicant, "issue_decision_sheet", sheet=payloads.sheet())
        await applicant.result()
        status = await applicant.status()

        assert error.type == "closed"
        assert status.stage is Stage.CANCELLED
        assert status.sheet is None
        assert [(r.command, r.error) for r in status.last_refusals] == [("issue_decision_sheet", "closed")]
        refusal = (await audit(applicant))[-1]
        assert (refusal.command, refusal.verdict) == ("issue_decision_sheet", Verdict.REFUSED)
        assert mails(applicant)[-2:] == [("application_cancelled", PARTNER), ("closed_to_bd", BD)]


@asynccontextmanager
async def held_mails(service: Service, template: str) -> AsyncIterator[asyncio.Event]:
    """The mail server keeps whoever brings a mail of this template waiting until the block is left.

    The event is set once it does.
    """
    held, go_on = asyncio.Event(), asyncio.Event()

    async def hold(content: bytes) -> None:
        if f"X-Onboarding-Template: {template}".encode() in content:
            held.set()
            await go_on.wait()

    service.mailbox.before_accepting = hold
    try:
        yield held
    finally:
        service.mailbox.before_accepting = None
        go_on.set()


class TestCancelOfTemporal:
    """The button in the Web UI: the operators' last resort, in every stage before an end."""

    async def test_drafting(self, service: Service) -> None:
        applicant = await service.applicant()
        status = await self.cancelled(applicant)

        assert mails(applicant) == [("application_cancelled", JOINER), ("closed_to_bd", BD)]
        assert status.application is None

    async def test_signed(self, service: Service) -> None:
        applicant = await service.applicant()
        start = ((await applicant.now()) + timedelta(days=30)).date().isoformat()
        assert (await applicant.to_signed(start=start)).stage is Stage.SIGNED
        status = await self.cancelled(applicant)

        assert mails(applicant)[-2:] == [("application_cancelled", PARTNER), ("closed_to_bd", BD)]
        assert status.signing.complete
        assert status.access.reason == "closed"

    async def test_activating(self, service: Service) -> None:
        applicant = await service.applicant(policy={"require_credit_control": True})
        assert (await applicant.to_signed()).stage is Stage.ACTIVATING
        await self.cancelled(applicant)

        assert mails(applicant)[-2:] == [("application_cancelled", PARTNER), ("closed_to_bd", BD)]
        assert await SqlAcpnAccess(service.database).grants(applicant.uid) == ()

    async def cancelled(self, applicant: Applicant) -> Status:
        """Cancel in Temporal, and check that it has become an ending like any other."""
        before = (await applicant.status()).stage
        await applicant.handle.cancel()
        status = await applicant.result()

        assert status.stage is status.outcome is Stage.CANCELLED
        assert status.closing is not None
        assert status.closing.by is Role.SYSTEM
        event = await last(applicant, "cancel_application")
        assert (event.from_stage, event.to_stage) == (before, Stage.CANCELLED)
        assert event.actor is not None
        assert event.actor.role is Role.SYSTEM
        assert (await applicant.handle.describe()).status is WorkflowExecutionStatus.COMPLETED
        assert (await attributes(applicant))["stage"] == "cancelled"
        assert (await row(applicant)).stage is Stage.CANCELLED
        return status


class TestNewApplication:
    @pytest.mark.parametrize("end", [rejected, declined, expired])
    async def test_after_an_end_without_access_it_is_another_application(
        self, service: Service, end: Ending
    ) -> None:
        first = await service.applicant()
        before = await end(first)
        second = Applicant(service, first.uid)
        await second.join()
        after = await second.to_review()

        assert after.application_id != before.application_id
        assert after.stage is Stage.UNDER_REVIEW
        assert after.form_revision == 1
        assert after.rejection is None
        assert after.closing is None
        newest, oldest = await (await records(second)).applications_of(second.uid)
        assert (newest.application_id, newest.stage) == (after.application_id, Stage.UNDER_REVIEW)
        assert (oldest.application_id, oldest.stage) == (before.application_id, before.stage)
        for application_id in (after.application_id, before.application_id):
            events = await (await records(second)).audit(application_id)
            assert [event.sequence for event in events] == list(range(1, len(events) + 1))

    async def test_its_mails_are_not_taken_for_the_first_ones(self, service: Service) -> None:
        first = await service.applicant()
        await rejected(first)
        second = Applicant(service, first.uid)
        await second.join()
        await rejected(second)

        templates = ["application_received", "review_requested", "application_rejected"]
        assert second.templates() == templates * 2
        message_ids = [mail["Message-ID"] for mail in service.mailbox.of(second.uid)]
        assert len(set(message_ids)) == len(message_ids)

    async def test_its_sheets_begin_with_revision_one(self, service: Service) -> None:
        first = await service.applicant()
        await first.to_confirming()
        await first.signal("decline")
        second = Applicant(service, first.uid)
        await second.join()
        status = await second.to_confirming(ecs="20")

        assert status.sheet is not None
        assert status.sheet.revision == 1
        (stored,) = await (await records(second)).sheets(status.application_id)
        assert stored.sheet.model_dump() == status.sheet.model_dump()

    async def test_after_access_is_granted_it_ends_as_already_partner(self, service: Service) -> None:
        first = await service.applicant()
        granted = await active(first)
        sent = len(mails(first))
        second = Applicant(service, first.uid)
        await second.start(payloads.join(second.uid))
        result = await second.result()

        assert result.outcome == "already_partner"
        assert result.allowed_commands == ()
        assert (await second.handle.describe()).status is WorkflowExecutionStatus.COMPLETED
        kinds = {event.event_type for event in (await second.history()).events}
        assert EventType.EVENT_TYPE_TIMER_STARTED not in kinds
        assert EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED not in kinds
        assert len(mails(second)) == sent
        (stored,) = await (await records(second)).applications_of(second.uid)
        assert (stored.application_id, stored.stage) == (granted.application_id, Stage.ACTIVE)

    async def test_while_the_last_mails_wait_joining_again_begins_a_new_one_once_they_are_handed_on(
        self, server: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        """Not the cancelled one, as if it were the application asked for."""
        async with without_mail(server, tmp_path) as (first, _), asyncio.timeout(HANG):
            await review_by_updates(first)
            ended = await first.update("cancel_application", reason="Entered twice")
            joining = OnboardingInput.model_validate(payloads.join(first.uid))
            with server.with_time_skipping_disabled():
                again = asyncio.create_task(OnboardingClient(server.client).join(joining))
                while not again.done():
                    with suppress(RPCError):
                        await fast_forward(server, first.handle, LAST_MAILS_WITHIN)
                joined = await again
            assert (joined.started, joined.status.stage) == (True, Stage.DRAFTING)
            assert joined.application_id != ended.application_id
