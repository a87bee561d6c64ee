"""Mail server, database and worker away for a while: the process goes on, and what was held up catches up."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from activities.db.email_ledger import EmailLedger
from domain.contract import Role, Stage
from tests import payloads
from tests.databases import Postgresql
from tests.long import SHORT
from tests.rig import Applicant, serve
from tests.service import evidence
from tests.service.own_server import (
    HANG,
    LONGEST_RETRY,
    on_postgresql,
    outage,
    review_by_updates,
    sheet_by_updates,
    templates,
    without_mail,
)
from tests.service.trail import accepted, audit, delivery_of, ledger, refused, unharmed


async def to_confirming(applicant: Applicant) -> None:
    """By updates, which are answered while mails or rows wait."""
    await review_by_updates(applicant)
    await sheet_by_updates(applicant)


async def test_with_the_mail_server_down_the_process_goes_on_and_the_mails_leave_in_order_later(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    async with without_mail(server, tmp_path) as (applicant, smtp):
        await to_confirming(applicant)
        status = await applicant.update("confirm_terms", **await applicant.named_sheet())
        assert status.stage is Stage.AWAITING_SIGNATURES
        await server.fast_forward(applicant.handle, timedelta(hours=1))
        waiting = await applicant.status()
        assert waiting.pending_emails == 6
        assert waiting.failed_emails == ()
        assert (await evidence.row(applicant)).stage is Stage.AWAITING_SIGNATURES
        async with smtp.running():
            status = await applicant.pass_time(LONGEST_RETRY)
            assert status.pending_emails == 0
            # The process goes on as if nothing had been.
            await applicant.sign("partner")
            assert (await applicant.sign("vendor")).stage is Stage.ACTIVE
        assert templates(smtp) == [
            *("application_received", "review_requested", "application_approved", "sheet_to_confirm"),
            *("terms_confirmed", "terms_confirmed_to_bd", "contract_signed", "access_granted"),
        ]
        assert [mail.state for mail in await ledger(applicant)] == ["sent"] * 8
        await unharmed(applicant)


async def test_one_recipient_refused_for_good_holds_nobody_else_up(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    async with without_mail(server, tmp_path) as (applicant, smtp), smtp.running():
        smtp.plan.recipients[payloads.BD["email"]] = "550 5.1.1 No such user"
        await to_confirming(applicant)
        status = await applicant.settled()
        assert [(mail.template, mail.to) for mail in status.failed_emails] == [
            ("review_requested", payloads.BD["email"])
        ]
        assert "550" in status.failed_emails[0].reason
        assert status.pending_emails == 0
        to_partner = [a.message for a in smtp.accepted if a.recipient == payloads.CONTACT["email"]]
        assert [str(mail["X-Onboarding-Template"]) for mail in to_partner] == [
            *("application_received", "application_approved", "sheet_to_confirm"),
        ]
        await unharmed(applicant)


async def delivery_after_the_end(
    server: WorkflowEnvironment, applicant: Applicant
) -> WorkflowHandle[Any, Any]:
    """An application ends while no mail can leave; the child that has got them."""
    await to_confirming(applicant)
    await applicant.update("decline", reason="too expensive")
    await server.fast_forward(applicant.handle, timedelta(minutes=1))
    assert (await applicant.result()).outcome is Stage.CANCELLED
    return await delivery_of(applicant)


async def test_an_ended_run_hands_its_mails_to_a_child_that_delivers_them_later(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    async with without_mail(server, tmp_path) as (applicant, smtp):
        delivery = await delivery_after_the_end(server, applicant)
        assert (await delivery.describe()).status is WorkflowExecutionStatus.RUNNING
        assert smtp.accepted == []
        async with smtp.running(), asyncio.timeout(HANG):
            await delivery.result()
        assert templates(smtp) == [
            *("application_received", "review_requested", "application_approved", "sheet_to_confirm"),
            *("application_cancelled", "closed_to_bd"),
        ]
        sent = await EmailLedger(applicant.service.database).of((await applicant.result()).application_id)
        assert [mail.state for mail in sent] == ["sent"] * 6
        assert (await evidence.row(applicant)).stage is Stage.CANCELLED
        await unharmed(applicant)


@SHORT
async def test_what_bounces_after_the_end_is_told_to_bd(server: WorkflowEnvironment, tmp_path: Path) -> None:
    async with without_mail(server, tmp_path) as (applicant, smtp):
        smtp.plan.recipients[payloads.CONTACT["email"]] = "550 5.1.1 No such user"
        delivery = await delivery_after_the_end(server, applicant)
        async with smtp.running(), asyncio.timeout(HANG):
            await delivery.result()
        assert templates(smtp) == ["review_requested", "closed_to_bd", "email_failed"]
        told = (await audit(applicant))[-1]
        assert (told.command, told.actor and told.actor.role) == ("email_failed", Role.SYSTEM)
        await unharmed(applicant)


async def test_with_the_database_down_all_is_answered_and_the_rows_catch_up(
    server: WorkflowEnvironment, tmp_path: Path, own_postgresql: Postgresql
) -> None:
    async with on_postgresql(server, tmp_path, own_postgresql) as service:
        applicant = await service.applicant()
        await applicant.to_review()
        submit = payloads.command(
            "submit_application", application=payloads.form(applicant.uid, address="2 Raffles Place")
        )
        async with outage(own_postgresql), asyncio.timeout(HANG):
            asked = await applicant.update("request_justification", question="Who are your engineers?")
            assert asked.stage is Stage.JUSTIFYING
            await applicant.update("provide_justification", answer="Twelve of them.")
            with pytest.raises(ApplicationError) as refusal:
                await applicant.update("approve_application", form_revision=7)
            assert refusal.value.type == "stale_revision"
            await applicant.update("withdraw_application")
            with pytest.raises(ApplicationError) as unavailable:
                await applicant.submit({"kind": "submit_application", **submit})
            assert unavailable.value.type == "unavailable"
            status = await applicant.status()
            assert status.stage is Stage.WITHDRAWN
            assert status.pending_emails == 4
            assert [refusal.error for refusal in status.last_refusals] == ["stale_revision", "unavailable"]
        # The same command again, by signal this time: ``unavailable`` was no answer to it.
        await applicant.handle.signal("submit_application", submit)
        status = await applicant.pass_time(LONGEST_RETRY)
        assert (status.stage, status.form_revision) == (Stage.UNDER_REVIEW, 2)
        assert status.pending_emails == 0

        assert [(e.command, e.error) for e in await audit(applicant)] == [
            *(("join", None), ("confirm_company", None), ("submit_application", None)),
            *(("request_justification", None), ("provide_justification", None)),
            *(("approve_application", "stale_revision"), ("withdraw_application", None)),
            *(("submit_application", "unavailable"), ("submit_application", None)),
        ]
        row = await evidence.row(applicant)
        assert (row.stage, row.sequence) == (Stage.UNDER_REVIEW, 9)
        assert applicant.templates() == [
            *("application_received", "review_requested", "justification_requested"),
            *("justification_answered", "application_withdrawn", "withdrawn_to_bd"),
            *("application_received", "review_requested"),
        ]
        await unharmed(applicant)


async def test_who_joins_while_the_database_is_down_is_recorded_later(
    server: WorkflowEnvironment, tmp_path: Path, own_postgresql: Postgresql
) -> None:
    async with on_postgresql(server, tmp_path, own_postgresql) as service:
        applicant = await service.applicant(start=False)
        async with outage(own_postgresql), asyncio.timeout(HANG):
            await applicant.start(payloads.join(applicant.uid))
            assert (await applicant.status()).stage is Stage.DRAFTING
            with pytest.raises(ApplicationError) as unavailable:
                await applicant.update("confirm_company")
            assert unavailable.value.type == "unavailable"
        await applicant.pass_time(LONGEST_RETRY)
        assert (await applicant.update("confirm_company")).company_confirmed
        assert (await applicant.settled()).company
        assert await accepted(applicant) == ["join", "confirm_company"]
        assert await refused(applicant) == [("confirm_company", "unavailable")]
        await unharmed(applicant)


async def test_what_comes_without_a_worker_is_done_in_order_by_the_next_one(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    async with serve(server, tmp_path) as service:
        applicant = await service.applicant()
        await applicant.to_review()
        before = applicant.templates()
    sent = [
        ("confirm_terms", payloads.command("confirm_terms", sheet_revision=1, sheet_hash="0" * 64)),
        ("request_justification", payloads.command("request_justification", question="Who are you?")),
        ("provide_justification", payloads.command("provide_justification", answer="A reseller.")),
        ("approve_application", payloads.command("approve_application", form_revision=1)),
    ]
    for kind, command in sent:
        await applicant.handle.signal(kind, command)
    waiting = asyncio.create_task(applicant.update("issue_decision_sheet", sheet=payloads.sheet()))
    async with serve(server, tmp_path) as service, asyncio.timeout(HANG):
        applicant.service = service
        assert (await waiting).stage is Stage.CONFIRMING_TERMS
        await applicant.settled()
        trail = (await audit(applicant))[3:]
        assert [event.command_id for event in trail][:-1] == [command["command_id"] for _, command in sent]
        assert [event.error for event in trail] == ["wrong_stage", None, None, None, None]
        assert before == ["application_received", "review_requested"]
        assert applicant.templates() == [
            *("justification_requested", "justification_answered"),
            *("application_approved", "sheet_to_confirm"),
        ]
        await unharmed(applicant)
