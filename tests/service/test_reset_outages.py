"""Temporal's Reset while something is down, late, or already over: mails that wait, a database that is away,
activities of the run that was left, what an ended run handed on, and runs that were continued as new.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from temporalio.client import WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from activities.acpn_access import Grant
from activities.db.access import SqlAcpnAccess
from domain.contract import Stage
from tests import payloads
from tests.databases import Postgresql
from tests.long import SHORT
from tests.rig import Applicant, serve
from tests.service import evidence
from tests.service.own_server import (
    HANG,
    LONGEST_RETRY,
    ends,
    on_postgresql,
    outage,
    own_environment,
    review_by_updates,
    sheet_by_updates,
    templates,
    without_mail,
)
from tests.service.resetting import (
    each_mail_left_once,
    mark,
    names_the_head_it_leaves,
    nothing_overwritten,
    outcome,
    replays,
    row_tells_the_truth,
    stored,
    taken_up,
    task_ends,
    turn_back,
)

EVENTS_A_RUN: Final = 60


async def states(applicant: Applicant) -> dict[str, str]:
    """Each e-mail of the ledger, and what became of it."""
    return {key: row["state"] for key, row in (await stored(applicant)).emails.items()}


async def in_state(applicant: Applicant, key: str, state: str) -> None:
    """Wait until this e-mail is that far."""
    async with asyncio.timeout(HANG):
        while True:
            if (await states(applicant)).get(key) == state:
                return
            await asyncio.sleep(0.03)


# Mails.


@pytest.mark.parametrize("reapply", [True, False])
async def test_of_mails_that_wait_those_that_still_count_leave_and_the_others_never(
    server: WorkflowEnvironment, tmp_path: Path, reapply: bool
) -> None:
    async with without_mail(server, tmp_path) as (applicant, smtp):
        await review_by_updates(applicant)
        await applicant.update("request_justification", question="Who?")
        await applicant.stored()
        there = await mark(applicant)
        await applicant.update("provide_justification", answer="We.")
        await sheet_by_updates(applicant, ecs="11")
        await applicant.stored()
        before = await stored(applicant)

        await turn_back(applicant, there, reapply=reapply)
        event = await taken_up(applicant)
        undone = ["5.justification_answered", "6.application_approved", "7.sheet_to_confirm"]
        assert event.details["emails_withdrawn"] == len(undone)
        assert (await states(applicant))["4.justification_requested"] == "pending"
        if not reapply:
            await applicant.update("provide_justification", answer="We.")
            await applicant.update("approve_application", form_revision=1)
            await applicant.update("issue_decision_sheet", sheet=payloads.sheet(ecs="13"))
        async with smtp.running():
            status = await applicant.pass_time(LONGEST_RETRY)
        assert (status.stage, status.pending_emails) == (Stage.CONFIRMING_TERMS, 0)
        withdrawn = [key for key, state in (await states(applicant)).items() if state == "withdrawn"]
        assert withdrawn == undone
        assert templates(smtp) == [
            *("application_received", "review_requested", "justification_requested"),
            *("justification_answered", "application_approved", "sheet_to_confirm"),
        ]
        assert status.sheet is not None
        assert status.sheet.revision == 2
        body = smtp.accepted[-1].message.get_body(("plain",))
        assert body is not None
        assert ("11 %" if reapply else "13 %") in body.get_content()
        await nothing_overwritten(applicant, before)
        await row_tells_the_truth(applicant)
        await replays(applicant)


async def test_a_late_activity_of_the_run_that_was_left_sends_and_writes_nothing_more(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    """It is in the middle of sending the first of two mails, and learns of the reset later."""
    async with serve(server, tmp_path) as service:
        applicant = await service.applicant()
        at_the_mark, there = await applicant.to_review(), await mark(applicant)
        hangs, goes_on = asyncio.Event(), asyncio.Event()

        async def hang(content: bytes) -> None:
            if not hangs.is_set():
                hangs.set()
                await goes_on.wait()

        service.mailbox.before_accepting = hang
        await applicant.update("withdraw_application")
        await hangs.wait()
        assert {"4.application_withdrawn", "4.withdrawn_to_bd"} <= (await states(applicant)).keys()
        before = await stored(applicant)

        await turn_back(applicant, there, reapply=False)
        await taken_up(applicant)
        assert await applicant.settled() == at_the_mark.model_copy(update={"sequence": 5})
        goes_on.set()
        # It left after all, and that is on record; the one after it did not.
        await in_state(applicant, "4.application_withdrawn", "sent")
        await applicant.update("withdraw_application")
        await applicant.settled()
        assert await states(applicant) == {
            "3.application_received": "sent",
            "3.review_requested": "sent",
            "4.application_withdrawn": "sent",
            "4.withdrawn_to_bd": "withdrawn",
            "6.application_withdrawn": "sent",
            "6.withdrawn_to_bd": "sent",
        }
        after = await nothing_overwritten(applicant, before)
        await each_mail_left_once(applicant, after)
        await row_tells_the_truth(applicant)
        await replays(applicant)


async def test_what_an_ended_run_handed_on_ends_with_the_reset(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    async with without_mail(server, tmp_path) as (applicant, smtp):
        await review_by_updates(applicant)
        await applicant.stored()
        there = await mark(applicant)
        await applicant.update("reject_application", reason_code="other", explanation="No team.")
        await in_state(applicant, "4.application_rejected", "pending")
        await server.fast_forward(applicant.handle, timedelta(minutes=1))
        assert (await outcome(applicant)).outcome is Stage.REJECTED
        before = await stored(applicant)
        child = server.client.get_workflow_handle(
            f"{applicant.handle.id}-delivery-{(await applicant.status()).application_id}-{len(before.events)}"
        )
        assert (await child.describe()).status is WorkflowExecutionStatus.RUNNING

        await turn_back(applicant, there, reapply=False)
        await taken_up(applicant)
        async with asyncio.timeout(HANG):
            await ends(server, child)
        async with smtp.running():
            status = await applicant.pass_time(LONGEST_RETRY)
        assert templates(smtp) == ["application_received", "review_requested"]
        assert (status.stage, status.pending_emails) == (Stage.UNDER_REVIEW, 0)
        await nothing_overwritten(applicant, before)
        await names_the_head_it_leaves(applicant, before, 3)
        await row_tells_the_truth(applicant)
        await replays(applicant)


@SHORT
async def test_reset_of_an_end_that_handed_on_its_mails_goes_by_the_newest_way(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    """Nothing is undone, and yet another child is to deliver what waits."""
    async with without_mail(server, tmp_path) as (applicant, smtp):
        await applicant.handle.cancel()
        await in_state(applicant, "2.application_cancelled", "pending")
        await server.fast_forward(applicant.handle, timedelta(minutes=1))
        assert (await outcome(applicant)).outcome is Stage.CANCELLED
        before = await stored(applicant)
        for number in (1, 2):
            await turn_back(applicant, await mark(applicant))
            async with asyncio.timeout(HANG):
                await server.fast_forward(applicant.handle, timedelta(minutes=1))
                assert (await outcome(applicant)).outcome is Stage.CANCELLED
                await taken_up(applicant, number)
        after = await nothing_overwritten(applicant, before)
        assert [event["command"] for event in after.events][-2:] == ["reset", "reset"]
        child = server.client.get_workflow_handle(
            f"{applicant.handle.id}-delivery-{(await applicant.status()).application_id}-{len(after.events)}"
        )
        async with smtp.running():
            await ends(server, child)
        assert sorted(templates(smtp)) == ["application_cancelled", "closed_to_bd"]
        row = await evidence.row(applicant)
        assert (row.stage, row.sequence, row.status.pending_emails) == (Stage.CANCELLED, len(after.events), 0)
        await replays(applicant)


# Access.


@SHORT
async def test_access_that_is_being_opened_is_asked_for_anew(
    server: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reset leads to a task that came while ACPN was asked: what it answers is no answer any more."""
    asked, goes_on, give = asyncio.Event(), asyncio.Event(), SqlAcpnAccess.give

    async def late(access: SqlAcpnAccess, grants: Sequence[Grant]) -> None:
        asked.set()
        await goes_on.wait()
        await give(access, grants)

    monkeypatch.setattr(SqlAcpnAccess, "give", late)
    async with serve(server, tmp_path) as service:
        applicant = await service.applicant()
        await applicant.to_signatures()
        await applicant.sign("partner")
        await applicant.handle.signal(
            "sign_contract", payloads.command("sign_contract", **await applicant.signature(party="vendor"))
        )
        await asked.wait()
        tasks = len(await task_ends(applicant))
        await applicant.handle.signal("record_contact", payloads.command("record_contact"))
        async with asyncio.timeout(HANG):
            while len(await task_ends(applicant)) == tasks:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.03)
        before = await stored(applicant)

        await turn_back(applicant, await mark(applicant))
        goes_on.set()
        await taken_up(applicant)
        assert (await outcome(applicant)).outcome is Stage.ACTIVE
        after = await nothing_overwritten(applicant, before)
        assert after.grants
        await each_mail_left_once(applicant, after)
        await row_tells_the_truth(applicant)
        await replays(applicant)


# The database.


@pytest.mark.parametrize("reapply", [True, False])
@pytest.mark.parametrize("to_the_first_task", [True, False])
async def test_with_the_database_down_a_reset_waits_until_it_can_be_taken_up(
    server: WorkflowEnvironment,
    tmp_path: Path,
    own_postgresql: Postgresql,
    to_the_first_task: bool,
    reapply: bool,
) -> None:
    async with on_postgresql(server, tmp_path, own_postgresql) as service:
        applicant = await service.applicant()
        [first, *_] = await task_ends(applicant)
        await applicant.to_review()
        there = first if to_the_first_task else await mark(applicant)
        await applicant.signal("request_justification", question="Who?")
        await applicant.update("provide_justification", answer="We.")
        await applicant.settled()
        before = await stored(applicant)
        async with outage(own_postgresql):
            # What it decided is still on its way when it is reset, and lost.
            await applicant.update("approve_application", form_revision=1)
            await turn_back(applicant, there, reapply=reapply)
            waiting = asyncio.create_task(
                applicant.update("cancel_application", reason="Entered twice", role="ops")
            )
            while True:
                raw = (await applicant.handle.describe()).raw_description
                tried = {pending.activity_type.name: pending.attempt for pending in raw.pending_activities}
                if tried.get("take_up", 0) > 1:
                    break
                await asyncio.sleep(0.03)
            assert not waiting.done()
        async with asyncio.timeout(HANG):
            await server.fast_forward(applicant.handle, LONGEST_RETRY)
            assert (await waiting).stage is Stage.CANCELLED
            assert (await outcome(applicant)).outcome is Stage.CANCELLED
        after = await nothing_overwritten(applicant, before)
        await names_the_head_it_leaves(applicant, before, 0 if to_the_first_task else 3)
        again = [event["command"] for event in after.events[len(before.events) :]]
        assert again[0] == "reset"
        assert again[-1] == "cancel_application"
        assert ("provide_justification" in again) is reapply
        assert ("join" in again) is to_the_first_task
        await each_mail_left_once(applicant, after)
        await row_tells_the_truth(applicant)
        await replays(applicant)


async def test_what_was_not_stored_yet_where_a_reset_leads_is_stored_after_it(
    server: WorkflowEnvironment, tmp_path: Path, own_postgresql: Postgresql
) -> None:
    """Also a signal that is called as a reset is on record, and is none."""
    async with on_postgresql(server, tmp_path, own_postgresql) as service:
        applicant = await service.applicant()
        await applicant.to_review()
        before = await stored(applicant)
        async with outage(own_postgresql):
            await applicant.handle.signal("reset", {"back_to": 1})
            await applicant.update("request_justification", question="Who?")
            await applicant.update("provide_justification", answer="We.")
            there = await mark(applicant)
            await turn_back(applicant, there, reapply=False)
        await server.fast_forward(applicant.handle, LONGEST_RETRY)
        async with asyncio.timeout(HANG):
            while True:
                if len((await stored(applicant)).events) > len(before.events) + 2:
                    break
                await asyncio.sleep(0.03)
        status = await applicant.settled()
        assert status.stage is Stage.JUSTIFYING
        after = await nothing_overwritten(applicant, before)
        assert [(event["command"], event["verdict"]) for event in after.events[len(before.events) :]] == [
            *(("reset", "refused"), ("request_justification", "accepted"), ("reset", "accepted")),
        ]
        assert "4.justification_requested" not in after.emails
        assert after.emails["5.justification_requested"]["state"] == "sent"
        await each_mail_left_once(applicant, after)
        await row_tells_the_truth(applicant)
        await replays(applicant)


# Runs that were continued as new.


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def short_runs() -> AsyncIterator[WorkflowEnvironment]:
    """A server that suggests continue-as-new after a few events."""
    limit = {"limit.historyCount.suggestContinueAsNew": str(EVENTS_A_RUN)}
    async with own_environment(**limit) as environment:
        yield environment


async def until_continued(applicant: Applicant) -> None:
    """Send what is refused until there is another run."""
    run = (await applicant.handle.describe()).run_id
    while True:
        with pytest.raises(ApplicationError):
            await applicant.update("confirm_company", role="vendor")
        if (await applicant.handle.describe()).run_id != run:
            await applicant.settled()
            return


@pytest.mark.parametrize("reapply", [True, False])
@pytest.mark.parametrize("where", ["first task", "mid-way", "run before"])
async def test_reset_out_of_a_chain_of_runs(
    short_runs: WorkflowEnvironment, tmp_path: Path, where: str, reapply: bool
) -> None:
    async with serve(short_runs, tmp_path) as service:
        applicant = await service.applicant()
        reviewed = await applicant.to_review()
        first_run, in_the_first_run = (await applicant.handle.describe()).run_id, await mark(applicant)
        await applicant.signal("approve_application", form_revision=1)
        await until_continued(applicant)
        qualified = await applicant.status()
        [first_task, *_] = await task_ends(applicant)
        there: dict[str, Any] = {"event_id": first_task}
        at_the_mark = qualified
        if where == "mid-way":
            there = {"event_id": await mark(applicant)}
        if where == "run before":
            at_the_mark, there = reviewed, {"event_id": in_the_first_run, "run_id": first_run}
        await applicant.signal("issue_decision_sheet", sheet=payloads.sheet(ecs="11"))
        await applicant.signal("modify_terms", sheet_revision=1, description="13 %, please")
        before = await stored(applicant)
        assert (await applicant.status()).application_id == first_run

        await turn_back(applicant, **there, reapply=reapply)
        event = await taken_up(applicant)
        status = await applicant.settled()
        assert status.application_id == first_run
        assert event.details["head_left"] == len(before.events)
        if reapply:
            assert status.stage is Stage.CONFIRMING_TERMS
        else:
            assert status.stage is at_the_mark.stage
            if where == "run before":
                await applicant.signal("approve_application", form_revision=1)
            await applicant.signal("issue_decision_sheet", sheet=payloads.sheet(ecs="12"))
        status = await applicant.signal("confirm_terms", **await applicant.named_sheet())
        assert status.stage is Stage.AWAITING_SIGNATURES
        assert status.sheet is not None
        assert status.sheet.revision == 2
        await until_continued(applicant)
        after = await nothing_overwritten(applicant, before)
        assert [row["void"] for row in after.sheets.values()] == [True, False]
        await each_mail_left_once(applicant, after)
        await row_tells_the_truth(applicant)
        await replays(applicant)
