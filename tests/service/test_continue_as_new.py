"""One application over several runs: nothing is lost, nothing is doubled."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from domain.audit import Verdict
from domain.contract import Actor, Role, Stage
from domain.signing import RecordContact
from domain.status import Status
from starter.client.onboarding_client import OnboardingClient
from tests import payloads
from tests.databases import Postgresql
from tests.rig import Applicant, Service, serve
from tests.service.own_server import (
    LONGEST_RETRY,
    on_postgresql,
    outage,
    own_environment,
    review_by_updates,
    sheet_by_updates,
    templates,
    without_mail,
)
from tests.service.trail import accepted, audit, histories, ledger, refused, unharmed

EVENTS_A_RUN: Final = 40
UPDATES: Final = 150
IN_FLIGHT: Final = 10
"""What the server allows; it rejects the eleventh, and to do so throws away the task the ten wait for."""
UNTIL_ALL_ARE_ANSWERED: Final = timedelta(seconds=90)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def short_runs() -> AsyncIterator[WorkflowEnvironment]:
    """A server that suggests continue-as-new after a few events."""
    limit = {"limit.historyCount.suggestContinueAsNew": str(EVENTS_A_RUN)}
    async with own_environment(**limit) as environment:
        yield environment


@pytest_asyncio.fixture(loop_scope="session")
async def service(short_runs: WorkflowEnvironment, tmp_path: Path) -> AsyncIterator[Service]:
    """A service on that server."""
    async with serve(short_runs, tmp_path) as running:
        yield running


async def use_up_runs(applicant: Applicant, at_least: int) -> list[str]:
    """Send commands that are refused until so many runs have been continued; their IDs."""
    sent: list[str] = []
    wanted = len(await histories(applicant)) + at_least
    while len(await histories(applicant)) < wanted:
        command = payloads.command("confirm_company", role="vendor")
        sent.append(command["command_id"])
        with pytest.raises(ApplicationError):
            await applicant.submit({"kind": "confirm_company", **command})
    return sent


async def test_a_whole_onboarding_over_several_runs(service: Service) -> None:
    applicant = await service.applicant()
    first = await applicant.status()
    confirm = payloads.command("confirm_company")
    early = payloads.command("approve_application", form_revision=1)
    await applicant.handle.signal("approve_application", early)
    await applicant.handle.signal("confirm_company", confirm)
    await applicant.settled()
    await applicant.signal("submit_application", application=payloads.form(applicant.uid))
    await applicant.signal("approve_application", form_revision=1)
    await applicant.update("issue_decision_sheet", sheet=payloads.sheet(start="2030-01-01"))
    await applicant.signal("modify_terms", sheet_revision=1, description="12 %, please")
    await applicant.update("issue_decision_sheet", sheet=payloads.sheet(start="2030-01-01", ecs="12"))
    await applicant.update("confirm_terms", **await applicant.named_sheet())
    await applicant.sign("partner")
    halfway = await use_up_runs(applicant, 2)
    assert (await applicant.status()).signing.partner
    signed = await applicant.sign("vendor")
    await use_up_runs(applicant, 2)

    status = await applicant.status()
    assert status.stage is Stage.SIGNED
    assert status.application_id == first.application_id == applicant.handle.first_execution_run_id
    assert (status.due_at, status.contract_start_at) == (signed.due_at, signed.contract_start_at)
    assert status.last_refusals[0].command_id in {early["command_id"], *halfway}

    # What was answered in the first run is known in the last one.
    again = await applicant.submit({"kind": "confirm_company", **confirm})
    assert again.stage is Stage.SIGNED
    with pytest.raises(ApplicationError) as known:
        await applicant.submit({"kind": "approve_application", **early})
    assert known.value.type == "wrong_stage"
    with pytest.raises(ApplicationError) as other:
        await applicant.submit(
            {"kind": "decline", **payloads.command("decline", command_id=confirm["command_id"])}
        )
    assert other.value.type == "invalid"

    await applicant.settled()
    trail = await audit(applicant)
    assert Counter(e.command_id for e in trail)[confirm["command_id"]] == 2
    assert (await refused(applicant))[0] == ("approve_application", "wrong_stage")
    assert (await refused(applicant))[-1] == ("decline", "invalid")
    assert await accepted(applicant) == [
        *("join", "confirm_company", "submit_application", "approve_application", "issue_decision_sheet"),
        *("modify_terms", "issue_decision_sheet", "confirm_terms", "sign_contract", "sign_contract"),
    ]
    assert applicant.templates() == [
        *("application_received", "review_requested", "application_approved", "sheet_to_confirm"),
        *("modification_requested", "sheet_to_confirm", "terms_confirmed", "terms_confirmed_to_bd"),
        "contract_signed",
    ]
    assert (await applicant.pass_until(signed.due_at or await applicant.now())).stage is Stage.ACTIVE
    assert applicant.templates()[-1] == "access_granted"
    assert len(await histories(applicant)) >= 5
    await unharmed(applicant)


async def test_a_deadline_stays_what_it_was_and_speaks_once(service: Service) -> None:
    applicant = await service.applicant()
    before = await applicant.to_review()
    await use_up_runs(applicant, 3)
    after = await applicant.settled()
    assert after.due_at == before.due_at
    assert after.deadline == before.deadline
    assert before.due_at
    overdue = await applicant.pass_until(before.due_at)
    assert overdue.overdue
    assert overdue.due_at == before.due_at
    await use_up_runs(applicant, 2)
    await applicant.pass_time(timedelta(days=5))
    assert Counter(applicant.templates()) == Counter(
        {"application_received": 1, "review_requested": 1, "review_reminder": 1, "review_overdue": 1}
    )
    assert (await applicant.status()).overdue
    await unharmed(applicant)


async def test_mails_that_wait_are_carried_over_and_leave_in_order(
    short_runs: WorkflowEnvironment, tmp_path: Path
) -> None:
    async with without_mail(short_runs, tmp_path) as (applicant, smtp):
        await review_by_updates(applicant)
        await use_up_runs(applicant, 2)
        await sheet_by_updates(applicant)
        await use_up_runs(applicant, 1)
        await applicant.update("confirm_terms", **await applicant.named_sheet())
        assert (await applicant.status()).pending_emails == 6
        async with smtp.running():
            status = await applicant.pass_time(LONGEST_RETRY)
            assert status.pending_emails == 0
            assert status.failed_emails == ()
        assert templates(smtp) == [
            *("application_received", "review_requested", "application_approved", "sheet_to_confirm"),
            *("terms_confirmed", "terms_confirmed_to_bd"),
        ]
        assert [mail.state for mail in await ledger(applicant)] == ["sent"] * 6
        await unharmed(applicant)


async def test_events_a_database_did_not_take_are_carried_over(
    short_runs: WorkflowEnvironment, tmp_path: Path, own_postgresql: Postgresql
) -> None:
    async with on_postgresql(short_runs, tmp_path, own_postgresql) as service:
        applicant = await service.applicant()
        await applicant.to_review()
        async with outage(own_postgresql):
            for turn in range(3):
                await applicant.update("request_justification", question=f"Question {turn}?")
                await applicant.update("provide_justification", answer=f"Answer {turn}.")
            refusals = await use_up_runs(applicant, 1)
            assert (await applicant.status()).stage is Stage.UNDER_REVIEW
        status = await applicant.pass_time(LONGEST_RETRY)
        assert status.pending_emails == 0
        assert await accepted(applicant) == [
            *("join", "confirm_company", "submit_application"),
            *(["request_justification", "provide_justification"] * 3),
        ]
        trail = await audit(applicant)
        assert [e.command_id for e in trail if e.verdict is Verdict.REFUSED] == refusals
        assert applicant.templates() == [
            *("application_received", "review_requested"),
            *(["justification_requested", "justification_answered"] * 3),
        ]
        await unharmed(applicant)


async def test_updates_that_race_continue_as_new_are_answered_and_carried_out_once(service: Service) -> None:
    applicant = await service.applicant()
    await applicant.to_signatures()
    runs = len(await histories(applicant))
    client = OnboardingClient(service.env.client, answer_within=UNTIL_ALL_ARE_ANSWERED)
    actor = Actor(role=Role.BD, id="bd-1")
    commands = [
        RecordContact(command_id=f"{applicant.uid}-{n}", actor=actor, note=f"call {n}")
        for n in range(UPDATES)
    ]
    turn = asyncio.Semaphore(IN_FLIGHT)

    async def send(command: RecordContact) -> Status:
        async with turn:
            return await client.send(applicant.uid, command)

    answers = await asyncio.gather(*map(send, commands))
    assert {answer.stage for answer in answers} == {Stage.AWAITING_SIGNATURES}
    assert len(await histories(applicant)) > runs + 3
    await applicant.settled()
    contacts = [e for e in await audit(applicant) if e.command == "record_contact"]
    assert Counter(e.command_id for e in contacts) == Counter(command.command_id for command in commands)
    assert {e.verdict for e in contacts} == {Verdict.ACCEPTED}
    await unharmed(applicant)


async def test_signals_that_race_continue_as_new_are_carried_out_once_in_order(service: Service) -> None:
    applicant = await service.applicant()
    await applicant.to_signatures()
    sent = [payloads.command("record_contact", note=f"call {n}") for n in range(UPDATES)]
    for command in sent:
        await applicant.handle.signal("record_contact", command)
    await applicant.settled()
    contacts = [e for e in await audit(applicant) if e.command == "record_contact"]
    assert [e.command_id for e in contacts] == [command["command_id"] for command in sent]
    assert len(await histories(applicant)) > 1
    await unharmed(applicant)


@pytest.mark.parametrize("before", range(6))
async def test_cancel_around_continue_as_new_is_obeyed_once(service: Service, before: int) -> None:
    """The more messages wait, the nearer to its end a run gets the request."""
    applicant = await service.applicant()
    await applicant.to_review()
    rest: list[dict[str, Any]] = [payloads.command("reopen_terms", reason="x") for _ in range(before)]
    await asyncio.gather(*(applicant.handle.signal("reopen_terms", command) for command in rest))
    await applicant.handle.cancel()
    outcome: Status = await applicant.result()
    assert outcome.outcome is Stage.CANCELLED
    cancelled = [e for e in await audit(applicant) if e.command == "cancel_application"]
    [event] = cancelled
    assert event.actor is not None
    assert event.actor.role is Role.SYSTEM
    assert Counter(applicant.templates())["application_cancelled"] == 1
    assert len(await refused(applicant)) == before
    await unharmed(applicant)
