"""The mail server refuses one recipient for now, or everybody for a moment: who gets mails all the same."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowExecutionStatus, WorkflowHandle, WorkflowHistory
from temporalio.testing import WorkflowEnvironment

from domain.contract import Stage
from tests import payloads
from tests.long import SHORT
from tests.rig import Applicant, serve
from tests.service.own_server import own_environment, templates
from tests.service.trail import delivery_of, ledger, unharmed
from tests.smtp_server import Plan, SmtpServer
from tests.temporal_env import fast_forward
from workflows import calls
from workflows.pauses import LONGEST

PARTNER, BD = payloads.CONTACT["email"], payloads.BD["email"]
LATER, DENIED = "451 4.7.1 too many for this mailbox", "554 5.7.1 relay access denied"
A_LITTLE = timedelta(seconds=10)
TO_PARTNER = ["application_received", "application_approved", "sheet_to_confirm", "terms_confirmed"]


async def to_signing(applicant: Applicant) -> None:
    """By updates, which are answered while mails wait."""
    await applicant.update("confirm_company")
    await applicant.update("submit_application", application=payloads.form(applicant.uid))
    await applicant.update("approve_application", form_revision=1)
    await applicant.update("issue_decision_sheet", sheet=payloads.sheet())
    await applicant.update("confirm_terms", **await applicant.named_sheet())


def deliveries(history: WorkflowHistory) -> int:
    """How often the activity that sends what waits was begun."""
    return sum(
        event.activity_task_scheduled_event_attributes.activity_type.name == calls.DELIVER
        for event in history.events
    )


def to(smtp: SmtpServer, recipient: str) -> list[str]:
    """The templates of the mails one recipient got."""
    return [
        str(accepted.message["X-Onboarding-Template"])
        for accepted in smtp.accepted
        if accepted.recipient == recipient
    ]


async def test_one_recipient_refused_for_now_holds_up_his_own_mails_alone(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    async with (
        SmtpServer(Plan(recipients={PARTNER: LATER})).running() as smtp,
        serve(server, tmp_path, smtp_url=smtp.url) as service,
    ):
        applicant = await service.applicant()
        await to_signing(applicant)
        status = await applicant.settled()
        assert (status.stage, status.pending_emails) == (Stage.AWAITING_SIGNATURES, 4)
        assert status.failed_emails == ()
        assert templates(smtp) == ["review_requested", "terms_confirmed_to_bd"], "at once"

        smtp.plan.recipients.clear()
        assert (await applicant.pass_time(LONGEST + A_LITTLE)).pending_emails == 0
        assert to(smtp, PARTNER) == TO_PARTNER
        assert [mail.state for mail in await ledger(applicant)] == ["sent"] * 6
        assert len(smtp.accepted) == 6
        await unharmed(applicant)


async def test_what_waits_for_a_refused_recipient_is_tried_at_longer_and_longer_intervals(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    async with (
        SmtpServer(Plan(recipients={PARTNER: LATER})).running() as smtp,
        serve(server, tmp_path, smtp_url=smtp.url) as service,
    ):
        applicant = await service.applicant()
        await to_signing(applicant)
        await applicant.settled()
        begun = deliveries(await applicant.history())
        await applicant.pass_time(8 * LONGEST)
        assert 8 <= deliveries(await applicant.history()) - begun <= 20
        smtp.plan.recipients.clear()
        await applicant.pass_time(LONGEST + A_LITTLE)
        assert to(smtp, PARTNER) == TO_PARTNER
        await unharmed(applicant)


async def test_everybody_denied_for_a_quarter_of_a_minute_loses_no_mail(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    async with (
        SmtpServer(Plan(recipients={PARTNER: DENIED, BD: DENIED})).running() as smtp,
        serve(server, tmp_path, smtp_url=smtp.url) as service,
    ):
        applicant = await service.applicant()
        await to_signing(applicant)
        status = await applicant.pass_time(timedelta(seconds=15))
        assert (status.pending_emails, status.failed_emails) == (6, ())
        assert smtp.accepted == []
        smtp.plan.recipients.clear()
        status = await applicant.pass_time(timedelta(minutes=2))
        assert (status.pending_emails, status.failed_emails) == (0, ())
        assert to(smtp, PARTNER) == TO_PARTNER
        assert to(smtp, BD) == ["review_requested", "terms_confirmed_to_bd"]
        await unharmed(applicant)


async def test_while_the_server_is_away_nothing_is_sent_beside_the_activity_that_waits_for_it(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    """Not even when all that waits is for who was refused before: two senders would send a mail twice."""
    async with (
        SmtpServer(Plan(recipients={PARTNER: LATER})).running() as smtp,
        serve(server, tmp_path, smtp_url=smtp.url) as service,
    ):
        applicant = await service.applicant()
        await applicant.update("confirm_company")
        await applicant.update("submit_application", application=payloads.form(applicant.uid))
        await applicant.settled()
        smtp.plan.greeting = smtp.plan.sender = "421 4.3.2 going down"
        smtp.hang_up()
        await fast_forward(server, applicant.handle, timedelta(minutes=2))
        for kind, text in (("request_justification", "question"), ("provide_justification", "answer")):
            await applicant.update(kind, **{text: "Twelve?"})
            await applicant.stored()
        assert [(mail.template, mail.attempts) for mail in await ledger(applicant)][2:] == [
            *(("justification_requested", 0), ("justification_answered", 0))
        ]
        smtp.plan.greeting = smtp.plan.sender = None
        smtp.plan.recipients.clear()
        await applicant.pass_time(LONGEST + A_LITTLE)
        assert to(smtp, PARTNER) == ["application_received", "justification_requested"]
        assert to(smtp, BD) == ["review_requested", "justification_answered"]
        await unharmed(applicant)


async def handed_on(env: WorkflowEnvironment, applicant: Applicant) -> WorkflowHandle[Any, Any]:
    """The application ends while its partner is refused; the child that has got his mails."""
    await to_signing(applicant)
    await applicant.update("decline", reason="too expensive")
    await fast_forward(env, applicant.handle, timedelta(minutes=1))
    assert (await applicant.result()).outcome is Stage.CANCELLED
    return await delivery_of(applicant)


async def test_after_the_end_a_child_waits_for_who_is_refused_without_a_loop(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    async with (
        SmtpServer(Plan(recipients={PARTNER: DENIED})).running() as smtp,
        serve(server, tmp_path, smtp_url=smtp.url) as service,
    ):
        applicant = await service.applicant()
        child = await handed_on(server, applicant)
        assert to(smtp, BD) == ["review_requested", "terms_confirmed_to_bd", "closed_to_bd"]
        await fast_forward(server, child, timedelta(hours=2))
        assert (await child.describe()).status is WorkflowExecutionStatus.RUNNING
        assert 5 <= deliveries(await child.fetch_history()) <= 20
        smtp.plan.recipients.clear()
        await fast_forward(server, child, LONGEST + A_LITTLE)
        await child.result()
        assert to(smtp, PARTNER) == [*TO_PARTNER, "application_cancelled"]
        await unharmed(applicant)


@SHORT
async def test_a_child_that_waits_for_long_continues_as_new(tmp_path: Path) -> None:
    limit = {"limit.historyCount.suggestContinueAsNew": "100"}
    async with (
        own_environment(**limit) as env,
        SmtpServer(Plan(recipients={PARTNER: DENIED})).running() as smtp,
        serve(env, tmp_path, smtp_url=smtp.url) as service,
    ):
        applicant = await service.applicant()
        child = await handed_on(env, applicant)
        first = (await child.describe()).run_id
        # A new run begins with short pauses, so that a hundred events last it a few minutes only.
        await fast_forward(env, child, timedelta(minutes=10))
        smtp.plan.recipients.clear()
        await fast_forward(env, child, LONGEST + A_LITTLE)
        await child.result()
        assert (await child.describe()).run_id != first
        assert to(smtp, PARTNER) == [*TO_PARTNER, "application_cancelled"]
