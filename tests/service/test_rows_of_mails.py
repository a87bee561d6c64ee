"""Rows tell by themselves how the e-mails stand: while they wait, once they have left, when they failed."""

from datetime import timedelta
from pathlib import Path

from temporalio.testing import WorkflowEnvironment

from domain.contract import Stage
from domain.status import Status
from tests import payloads
from tests.rig import Applicant, Service
from tests.service.evidence import row
from tests.service.own_server import LONGEST_RETRY, review_by_updates, without_mail
from tests.service.trail import delivery_of, ledger, unharmed


async def as_stored(applicant: Applicant) -> Status:
    """The status as the row has it, which is what the run itself says."""
    stored = (await row(applicant)).status
    assert stored.model_dump() == (await applicant.status()).model_dump()
    return stored


async def test_right_after_the_mails_have_left_none_is_pending(service: Service) -> None:
    applicant = await service.applicant()
    await applicant.to_review()
    assert len(applicant.templates()) == 2
    assert (await as_stored(applicant)).pending_emails == 0
    await applicant.signal("approve_application", form_revision=1)
    assert len(applicant.templates()) == 3
    assert (await as_stored(applicant)).pending_emails == 0


async def test_while_they_wait_they_are_pending_and_no_longer_once_they_have_left(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    async with without_mail(server, tmp_path) as (applicant, smtp):
        await review_by_updates(applicant)
        assert (await as_stored(applicant)).pending_emails == 2
        await applicant.update("approve_application", form_revision=1)
        await server.fast_forward(applicant.handle, timedelta(hours=1))
        assert (await as_stored(applicant)).pending_emails == 3
        assert [mail.state for mail in await ledger(applicant)] == ["pending"] * 3
        sequence = (await row(applicant)).sequence
        async with smtp.running():
            await applicant.pass_time(LONGEST_RETRY)
        stored = await as_stored(applicant)
        # No event was needed for it.
        assert (stored.pending_emails, stored.sequence) == (0, sequence)
        assert [mail.state for mail in await ledger(applicant)] == ["sent"] * 3
        await unharmed(applicant)


async def test_those_that_failed_are_no_longer_pending_but_shown(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    async with without_mail(server, tmp_path) as (applicant, smtp):
        smtp.plan.recipients[payloads.CONTACT["email"]] = "550 5.1.1 No such user"
        await review_by_updates(applicant)
        assert (await as_stored(applicant)).pending_emails == 2
        async with smtp.running():
            await applicant.pass_time(LONGEST_RETRY)
        stored = await as_stored(applicant)
        assert stored.pending_emails == 0
        assert [mail.template for mail in stored.failed_emails] == ["application_received"]
        assert [(mail.template, mail.state) for mail in await ledger(applicant)] == [
            ("application_received", "failed"),
            ("review_requested", "sent"),
            ("email_failed", "sent"),
        ]
        await unharmed(applicant)


async def test_after_the_end_the_row_follows_the_mails_that_leave_later(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    async with without_mail(server, tmp_path) as (applicant, smtp):
        await review_by_updates(applicant)
        await applicant.update("cancel_application", reason="by mistake")
        await server.fast_forward(applicant.handle, timedelta(minutes=1))
        assert (await applicant.result()).outcome is Stage.CANCELLED
        stored = await row(applicant)
        assert (stored.stage, stored.status.pending_emails) == (Stage.CANCELLED, 3)
        async with smtp.running():
            await (await delivery_of(applicant)).result()
        assert (await row(applicant)).status.pending_emails == 0
        await unharmed(applicant)
