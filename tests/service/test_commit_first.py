"""Nothing leaves before the workflow task that decided it is committed: no row, event, mail or access.

A task is lost here by failing right after its decision: what it had let go by then would be seen. The task of
a worker that dies is lost the same way.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import ModuleType
from typing import Any, Final

import pytest
from sqlalchemy import select
from temporalio.api.enums.v1 import EventType

from activities.db.access import SqlAcpnAccess
from activities.db.tables import (
    AccessGrantRow,
    ApplicationRow,
    AuditEventRow,
    AuditHeadRow,
    DecisionSheetRow,
    EmailRow,
    FormRow,
)
from domain import access, decisions
from domain.contract import Stage
from tests import payloads
from tests.rig import Applicant, Service
from tests.service.evidence import first_instant, last, mails, row
from tests.service.trail import audit
from tests.temporal_env import fast_forward

SINGAPORE: Final = "Asia/Singapore"
HANG: Final = 30.0
"""Seconds after which a test gives up on what should come at once."""
OF_AN_APPLICATION: Final = (
    *(ApplicationRow, AuditEventRow, AuditHeadRow, FormRow, DecisionSheetRow, EmailRow, AccessGrantRow),
)
LOST: Final = "This task is lost."

Losing = Callable[..., Any]
"""Tasks that call this function of the process (with such arguments) are lost, inside the block."""


def always(*arguments: Any) -> bool:
    """Whatever the arguments are."""
    return True


@pytest.fixture
def losing(monkeypatch: pytest.MonkeyPatch) -> Losing:
    """How a test loses tasks."""

    @contextmanager
    def at(module: ModuleType, function: str, with_such: Callable[..., bool] = always) -> Iterator[None]:
        called = getattr(module, function)

        def fail(*arguments: Any) -> Any:
            if with_such(*arguments):
                raise RuntimeError(LOST)
            return called(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(module, function, fail)
            yield

    return at


async def a_task_is_lost(applicant: Applicant) -> None:
    """Wait until one is."""
    async with asyncio.timeout(HANG):
        async for event in applicant.handle.fetch_history_events(wait_new_event=True):
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                assert event.workflow_task_failed_event_attributes.failure.message == LOST
                return


async def outside(applicant: Applicant) -> list[Any]:
    """All that has left an application: its rows in every table, and its mails."""
    application_id = applicant.handle.first_execution_run_id
    left: list[Any] = list(mails(applicant))
    for table in OF_AN_APPLICATION:
        columns = table.__table__.c
        mine = select(*columns).where(columns.application_id == application_id)
        left += sorted(map(str, await applicant.service.database.rows(mine, {})))
    return left


async def joined(applicant: Applicant) -> None:
    """Nothing more than JOIN NOW."""


async def company_confirmed(applicant: Applicant) -> None:
    await applicant.signal("confirm_company")


async def half_signed(applicant: Applicant) -> None:
    await applicant.to_signatures(start="2030-01-01")
    await applicant.sign("partner")


Way = Callable[[Applicant], Awaitable[Any]]
Payload = Callable[[Applicant], Awaitable[payloads.Json]]


def fixed(**payload: Any) -> Payload:
    async def same(applicant: Applicant) -> payloads.Json:
        return payload

    return same


async def form(applicant: Applicant) -> payloads.Json:
    return {"application": payloads.form(applicant.uid)}


async def vendors_signature(applicant: Applicant) -> payloads.Json:
    return await applicant.signature("vendor")


# A way to a stage, and the command that is decided in a task that is lost.
DECIDED: Final[dict[str, tuple[Way, str, Payload]]] = {
    "a refusal": (joined, "approve_application", fixed(form_revision=1)),
    "a form": (company_confirmed, "submit_application", form),
    "an approval": (Applicant.to_review, "approve_application", fixed(form_revision=1)),
    "a sheet": (Applicant.to_qualified, "issue_decision_sheet", fixed(sheet=payloads.sheet())),
    "the last signature": (half_signed, "sign_contract", vendors_signature),
    "an end": (Applicant.to_review, "reject_application", fixed(reason_code="none", explanation="No.")),
}


@pytest.mark.parametrize(("way", "kind", "payload"), DECIDED.values(), ids=DECIDED)
async def test_what_a_lost_task_decided_has_not_left_and_leaves_once(
    service: Service, losing: Losing, way: Way, kind: str, payload: Payload
) -> None:
    applicant = await service.applicant()
    await way(applicant)
    command = payloads.command(kind, **await payload(applicant))
    before = await outside(applicant)
    with losing(decisions, "next_clock"):
        await applicant.handle.signal(kind, command)
        await a_task_is_lost(applicant)
        assert await outside(applicant) == before
    await applicant.settled()

    event = (await audit(applicant))[-1]
    assert (event.command, event.command_id) == (kind, command["command_id"])
    assert [e.command_id for e in await audit(applicant)].count(event.command_id) == 1
    assert len(mails(applicant)) == len(set(mails(applicant)))
    assert (await row(applicant)).sequence == event.sequence


async def test_an_update_is_answered_only_when_its_task_is_committed(
    service: Service, losing: Losing
) -> None:
    applicant = await service.applicant()
    await applicant.to_review()
    before = await outside(applicant)
    with losing(decisions, "next_clock"):
        answer = asyncio.create_task(applicant.update("approve_application", form_revision=1))
        await a_task_is_lost(applicant)
        assert not answer.done()
        assert await outside(applicant) == before
    assert (await answer).stage is Stage.QUALIFIED
    await applicant.settled()
    assert applicant.templates().count("application_approved") == 1
    assert [event.command for event in await audit(applicant)].count("approve_application") == 1


async def waiting_for_start(applicant: Applicant) -> None:
    """Signed by both; the contract starts in five days."""
    day = (await applicant.now() + timedelta(days=5)).date()
    status = await applicant.to_signed(start=day.isoformat(), zone=SINGAPORE)
    assert (status.stage, status.due_at) == (Stage.SIGNED, first_instant(day, SINGAPORE))


@contextmanager
def time_passes(applicant: Applicant, duration: timedelta) -> Iterator[asyncio.Task[bool]]:
    """Let time pass beside what the block does; await the task once the application can go on."""
    passing = asyncio.create_task(fast_forward(applicant.service.env, applicant.handle, duration))
    try:
        yield passing
    finally:
        passing.cancel()


async def grants(applicant: Applicant) -> int:
    return len(await SqlAcpnAccess(applicant.service.database).grants(applicant.uid))


async def test_a_cancel_judged_first_on_the_second_try_leaves_no_access(
    service: Service, losing: Losing
) -> None:
    applicant = await service.applicant()
    await waiting_for_start(applicant)
    before = await outside(applicant)
    with time_passes(applicant, timedelta(days=6)), losing(access, "access_request"):
        await a_task_is_lost(applicant)
        assert await outside(applicant) == before
        await applicant.handle.cancel()
        assert (await applicant.result()).outcome is Stage.CANCELLED

    assert await grants(applicant) == 0
    event = await last(applicant, "cancel_application")
    assert (event.from_stage, event.to_stage) == (Stage.SIGNED, Stage.CANCELLED)
    assert event == (await audit(applicant))[-1]
    assert Stage.ACTIVATING not in [e.to_stage for e in await audit(applicant)]
    assert "access_granted" not in applicant.templates()


async def test_a_date_amended_on_the_second_try_comes_too_late_for_a_contract_that_has_begun(
    service: Service, losing: Losing
) -> None:
    applicant = await service.applicant()
    await waiting_for_start(applicant)
    later = (await applicant.now() + timedelta(days=40)).date()
    amend = payloads.command(
        "amend_start_date", start_date=later.isoformat(), time_zone=SINGAPORE, reason="later"
    )
    with time_passes(applicant, timedelta(days=6)) as passing:
        with losing(access, "access_request"):
            await a_task_is_lost(applicant)
            await applicant.handle.signal("amend_start_date", amend)
        await passing
    assert (await applicant.result()).outcome is Stage.ACTIVE

    [event] = [each for each in await audit(applicant) if each.command == "amend_start_date"]
    # Which of the two the next try sees first is not ours to say; what it may do then is in test_late_clocks.
    assert (event.verdict, event.error in {"wrong_stage", "closed"}) == ("refused", True)
    assert await grants(applicant) == 1


async def test_a_cancel_after_access_was_given_in_a_committed_task_is_too_late(
    service: Service, losing: Losing
) -> None:
    """The answer's task is lost, not the one that asked: what was given stays decided."""
    applicant = await service.applicant()
    await waiting_for_start(applicant)
    with time_passes(applicant, timedelta(days=6)), losing(decisions, "access_answered"):
        await a_task_is_lost(applicant)
        assert await grants(applicant) == 1
        assert "access_granted" not in applicant.templates()
        await applicant.handle.cancel()
    assert (await applicant.result()).outcome is Stage.ACTIVE
    assert await grants(applicant) == 1
    assert (await audit(applicant))[-1].to_stage is Stage.ACTIVE
    assert applicant.templates().count("access_granted") == 1


async def test_a_deadline_met_first_on_the_second_try_is_not_overdue(
    service: Service, losing: Losing
) -> None:
    applicant = await service.applicant()
    status = await applicant.to_review()
    assert status.due_at
    await applicant.pass_until(status.due_at - timedelta(minutes=5))
    before = await outside(applicant)
    approve = payloads.command("approve_application", form_revision=1)
    # The reminder was a clock, too, which a replay comes by.
    overdue = losing(decisions, "time_is_up", lambda application, clock, now: now >= status.due_at)
    with time_passes(applicant, timedelta(minutes=10)) as passing, overdue:
        await a_task_is_lost(applicant)
        assert await outside(applicant) == before
        await applicant.handle.signal("approve_application", approve)
        await passing
        after = await applicant.settled()

    assert (after.stage, after.overdue) == (Stage.QUALIFIED, False)
    assert "review_overdue" not in applicant.templates()
    assert [event.command for event in await audit(applicant)][-1] == "approve_application"
