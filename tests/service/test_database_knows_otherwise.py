"""What the database says of an application is not what its run knows: it was reset elsewhere, or restored."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import delete, update
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from activities.db.tables import ApplicationRow, AuditHeadRow
from domain.contract import ErrorType, Stage
from tests.databases import Postgresql
from tests.long import SHORT
from tests.rig import Applicant, serve
from tests.service import evidence
from tests.service.own_server import (
    LONGEST_RETRY,
    ends,
    on_postgresql,
    outage,
    review_by_updates,
    templates,
    without_mail,
)
from tests.service.resetting import (
    application_id,
    each_mail_left_once,
    nothing_overwritten,
    replays,
    row_tells_the_truth,
    stored,
    taken_up,
    temporal,
)
from tests.service.trail import delivery_of
from workflows import memory
from workflows.onboarding import BACKLOG_FULL

pytestmark = SHORT


@pytest_asyncio.fixture
async def applicant(server: WorkflowEnvironment, tmp_path: Path) -> AsyncIterator[Applicant]:
    """Somebody who has joined a service of the test's own."""
    async with serve(server, tmp_path) as service:
        yield await service.applicant()


async def turned_back_unnoticed(applicant: Applicant) -> None:
    """Another writer has begun a generation of the trail, and the run was told nothing."""
    raised = (
        update(AuditHeadRow)
        .where(AuditHeadRow.application_id == await application_id(applicant))
        .values(generation=AuditHeadRow.generation + 1)
    )
    await applicant.service.database.write(lambda connection: connection.execute(raised))


async def row_lost(applicant: Applicant) -> None:
    """The database was restored to before the application had a row."""
    mine = ApplicationRow.application_id == await application_id(applicant)
    lost = delete(ApplicationRow).where(mine)
    await applicant.service.database.write(lambda connection: connection.execute(lost))


async def test_a_run_that_learns_of_a_reset_by_what_it_publishes_takes_it_up(applicant: Applicant) -> None:
    await applicant.to_review()
    before = await stored(applicant)

    await turned_back_unnoticed(applicant)
    answered = await applicant.update("approve_application", form_revision=1)

    assert answered.stage is Stage.QUALIFIED
    await taken_up(applicant)
    await applicant.settled()
    after = await nothing_overwritten(applicant, before)
    commands = [event["command"] for event in after.events[len(before.events) :]]
    assert commands == ["approve_application", "reset"]
    await each_mail_left_once(applicant, after)
    await row_tells_the_truth(applicant)
    await replays(applicant)


async def test_a_run_that_learns_of_a_reset_by_its_mails_takes_it_up(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    async with without_mail(server, tmp_path) as (applicant, smtp):
        await review_by_updates(applicant)
        await applicant.stored()
        await turned_back_unnoticed(applicant)
        async with smtp.running():
            await server.fast_forward(applicant.handle, LONGEST_RETRY)
            await taken_up(applicant)
            status = await applicant.pass_time(LONGEST_RETRY)
        assert (status.stage, status.pending_emails) == (Stage.UNDER_REVIEW, 0)
        assert templates(smtp) == ["application_received", "review_requested"]
        await row_tells_the_truth(applicant)
        await replays(applicant)


async def test_a_row_that_was_lost_is_stored_whole_with_the_next_event(applicant: Applicant) -> None:
    await applicant.to_review()
    await row_lost(applicant)

    await applicant.update("approve_application", form_revision=1)

    await row_tells_the_truth(applicant)
    await replays(applicant)


async def test_a_publication_that_an_operator_fails_by_hand_is_made_again(applicant: Applicant) -> None:
    hangs, goes_on = asyncio.Event(), asyncio.Event()

    async def hang(content: bytes) -> None:
        if not hangs.is_set():
            hangs.set()
            await goes_on.wait()

    applicant.service.mailbox.before_accepting = hang
    await review_by_updates(applicant)
    await hangs.wait()
    raw = (await applicant.handle.describe()).raw_description
    [publishing] = raw.pending_activities
    await temporal(
        applicant,
        *("activity", "fail", "--workflow-id", applicant.handle.id),
        *("--activity-id", publishing.activity_id, "--reason", "a test"),
    )
    goes_on.set()

    status = await applicant.settled()
    assert (status.stage, status.pending_emails) == (Stage.UNDER_REVIEW, 0)
    assert (await applicant.handle.describe()).status is WorkflowExecutionStatus.RUNNING
    # The first was under way at the mail server: it arrives once more, as the same message.
    mails = {str(mail["Message-ID"]) for mail in applicant.service.mailbox.of(applicant.uid)}
    assert len(mails) == len(("application_received", "review_requested"))
    await row_tells_the_truth(applicant)
    await replays(applicant)


async def cancelled(server: WorkflowEnvironment, applicant: Applicant) -> None:
    """The application ends, and its last mails and records have had their time."""
    await applicant.handle.cancel()
    await server.fast_forward(applicant.handle, timedelta(minutes=1))
    assert (await applicant.result()).outcome is Stage.CANCELLED


@asynccontextmanager
async def ended_without_database(
    server: WorkflowEnvironment, folder: Path, postgresql: Postgresql
) -> AsyncIterator[tuple[Applicant, WorkflowHandle[Any, Any]]]:
    """An application that has ended while the database was down, and the child that is to store it."""
    async with on_postgresql(server, folder, postgresql) as service:
        applicant = await service.applicant()
        async with outage(postgresql):
            await cancelled(server, applicant)
            child = await delivery_of(applicant)
            await server.fast_forward(child, LONGEST_RETRY)
        yield applicant, child


async def test_what_ended_while_a_row_was_lost_is_stored_whole(
    server: WorkflowEnvironment, tmp_path: Path, own_postgresql: Postgresql
) -> None:
    async with ended_without_database(server, tmp_path, own_postgresql) as (applicant, child):
        await row_lost(applicant)
        await ends(server, child)
        row = await evidence.row(applicant)
        assert (row.stage, row.sequence, row.status.company_master_uid) == (Stage.CANCELLED, 2, applicant.uid)


async def test_what_an_end_handed_on_ends_where_the_application_was_reset_elsewhere(
    server: WorkflowEnvironment, tmp_path: Path, own_postgresql: Postgresql
) -> None:
    async with ended_without_database(server, tmp_path, own_postgresql) as (applicant, child):
        await turned_back_unnoticed(applicant)
        before = await stored(applicant)
        await ends(server, child)
        assert await stored(applicant) == before


async def test_an_end_that_was_handed_on_before_is_not_handed_on_twice(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    async with without_mail(server, tmp_path) as (applicant, _):
        another = f"{applicant.handle.id}-delivery-{await application_id(applicant)}-2"
        await server.client.start_workflow("AnotherDelivery", id=another, task_queue="nobody's")
        await cancelled(server, applicant)
        await replays(applicant)


async def test_while_too_much_waits_to_be_stored_commands_are_refused(
    applicant: Applicant, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(memory, "BACKLOG_BYTES", 0)
        refusal = await evidence.refused(applicant, "confirm_company")
        assert (refusal.type, refusal.message) == (ErrorType.UNAVAILABLE, BACKLOG_FULL)
    assert (await applicant.update("confirm_company")).company_confirmed
