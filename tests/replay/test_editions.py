"""An application keeps the edition it began with: under newer code nothing of it changes, under older code it
waits."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import pytest
import pytest_asyncio
from temporalio.client import WorkflowExecutionStatus, WorkflowHistory
from temporalio.exceptions import ApplicationError

from domain.clocks import ClockKind
from domain.contract import ErrorType, Stage
from domain.editions import in_force
from domain.lifecycle import NEWEST
from domain.periods import FIRST_ACCESS_RECHECK
from starter.release.replaying import Remedy, met
from tests import payloads
from tests.long import LONG, some_of
from tests.replay.corpus import Ask, Recorded, editions, recorded, replay
from tests.replay.newer_process import LONGEST_TERM, NEXT, RECHECK, TOO_LONG, knowing, newer_process
from tests.replay.verdict import verdict
from tests.rig import Applicant, Service, serve
from tests.service.own_server import own_environment


class Releases(Protocol):
    """Runs a service on the server and the database of the one before."""

    def __call__(self) -> AbstractAsyncContextManager[Service]: ...


@pytest_asyncio.fixture
async def release(tmp_path: Path) -> AsyncIterator[Releases]:
    """One release after the other; the server is its own, or another worker would take its work."""
    async with own_environment() as env:
        yield lambda: serve(env, tmp_path)


# Newer code


@pytest.mark.parametrize("one", some_of(recorded(), every=8), ids=lambda one: one.name)
async def test_what_began_before_replays_unchanged_under_newer_code(one: Recorded) -> None:
    with newer_process():
        wrong = verdict(one, await replay(one.history()))

    assert wrong is None, str(wrong)


def sheet(*, months: int) -> payloads.Json:
    """A decision sheet with a term of so many months."""
    made = payloads.sheet()
    made["basic"]["term_months"] = months
    return made


async def days_of_review(applicant: Applicant) -> int:
    """How many working days the review has."""
    deadline = (await applicant.status()).deadline
    assert deadline is not None
    assert deadline.kind is ClockKind.REVIEW
    return len(deadline.days_counted)


async def approved_with(applicant: Applicant) -> tuple[str, ...]:
    """The notices the approval was told by, and that no patch was asked for on the way."""
    asked: tuple[Ask, ...] = (await replay(await applicant.history())).trail
    assert not [ask for ask in asked if ask.patch]
    return next(ask.notices for ask in asked if ask.command == "approve_application")


async def test_running_applications_go_their_way_and_new_ones_the_new_way(release: Releases) -> None:
    async with release() as service:
        under_review, before_review = await service.applicant(), await service.applicant()
        await under_review.to_review()

    with newer_process():
        async with release() as service:
            newer = await service.applicant()
            await newer.to_review()
            await before_review.to_review()
            for applicant in (under_review, before_review, newer):
                await applicant.signal("approve_application", form_revision=1)
            for applicant, edition, told in (
                (under_review, NEWEST, ("application_approved",)),
                (before_review, NEWEST, ("application_approved",)),
                (newer, NEXT, ("application_approved", "assigned_to_bd")),
            ):
                assert editions((await applicant.history()).events) == {edition}
                assert await approved_with(applicant) == told
            for applicant in (under_review, before_review):
                await applicant.update("issue_decision_sheet", sheet=sheet(months=LONGEST_TERM + 1))
            with pytest.raises(ApplicationError, match=TOO_LONG) as refused:
                await newer.update("issue_decision_sheet", sheet=sheet(months=LONGEST_TERM + 1))
            assert refused.value.type == ErrorType.INVALID
            await newer.update("issue_decision_sheet", sheet=sheet(months=LONGEST_TERM))
            assert (await newer.status()).stage is Stage.CONFIRMING_TERMS


@LONG
async def test_periods_are_those_of_the_edition_an_application_began_with(release: Releases) -> None:
    async with release() as service:
        older = await service.applicant()

    with newer_process():
        async with release() as service:
            newer = await service.applicant()
            for applicant in (older, newer):
                await applicant.to_review()
            assert (await days_of_review(older), await days_of_review(newer)) == (3, 6)
            pauses = [await pause_after_failed_access(applicant) for applicant in (older, newer)]
            first = in_force(FIRST_ACCESS_RECHECK, NEWEST)
            assert pauses == [first.total_seconds(), RECHECK.total_seconds()]


async def pause_after_failed_access(applicant: Applicant) -> float:
    """Seconds until access is tried again, to the nearest second."""
    await applicant.signal("approve_application", form_revision=1)
    await applicant.signal("issue_decision_sheet", sheet=sheet(months=LONGEST_TERM))
    await applicant.signal("confirm_terms", **await applicant.named_sheet())
    await applicant.sign("partner")
    await applicant.service.account(applicant.uid, verified=False)
    assert (await applicant.sign("vendor")).stage is Stage.ACTIVATING
    timers = [ask.after for ask in (await replay(await applicant.history())).trail if ask.after]
    return round(timers[-1].total_seconds())


# Older code


@pytest.mark.parametrize("name", ["open_in_qualified", "continue_as_new.run-2"])
async def test_older_code_names_the_edition_it_does_not_know(name: str) -> None:
    """Whether it is met in the history of the first task, or in the memory of the run before."""
    history = newest(name).history()
    [edition] = newest(name.partition(".")[0]).editions()
    with knowing(edition - 1):
        replayed = await replay(history)

    found = met(str(replayed.failure), history.events)
    unknown = f"of edition {edition} of the process; this worker knows editions up to {edition - 1}"
    assert found.problem.startswith(f"The application is {unknown}")
    assert found.remedy is Remedy.EDITION


async def test_older_code_names_the_edition_of_a_memory_it_can_not_read() -> None:
    history = newest("continue_as_new.run-2").history()
    _, memory = history.events[0].workflow_execution_started_event_attributes.input.payloads
    content = json.loads(memory.data)
    content["application"] |= {"edition": NEXT, "stage": "credit_check"}
    memory.data = json.dumps(content).encode()

    found = met(str((await replay(history)).failure), history.events)

    assert found.problem.startswith(f"The application is of edition {NEXT} of the process")
    assert found.remedy is Remedy.EDITION


def newest(name: str) -> Recorded:
    """The history of this name that was recorded last."""
    return [one for one in recorded() if one.path.stem == name][-1]


async def test_under_older_code_the_task_fails_and_not_the_run(release: Releases) -> None:
    with knowing(NEXT):
        async with release() as service:
            applicant = await service.applicant()

    async with release() as service:
        await applicant.handle.signal("confirm_company", payloads.command("confirm_company"))
        failed = await failed_task(applicant)
        assert f"of edition {NEXT} of the process; this worker knows editions up to {NEWEST}" in failed
        assert (await applicant.handle.describe()).status is WorkflowExecutionStatus.RUNNING

    with knowing(NEXT):
        async with release() as service:
            status = await applicant.settled()
            assert status.company_confirmed


async def failed_task(applicant: Applicant) -> str:
    """Why a workflow task of the run has failed, as soon as one has."""
    while True:
        history: WorkflowHistory = await applicant.history()
        for event in history.events:
            if event.HasField("workflow_task_failed_event_attributes"):
                return str(event.workflow_task_failed_event_attributes.failure.message)
        await asyncio.sleep(0.05)
