"""Mail that can't be delivered is seen, told and sent again once the address is right."""

from pathlib import Path

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from domain.contract import Stage
from domain.status import Status
from tests import payloads
from tests.long import SHORT
from tests.rig import Applicant, Service
from tests.service.own_server import LONGEST_RETRY, review_by_updates, without_mail
from tests.service.resetting import mark, replays, taken_up, turn_back

UNKNOWN = "nobody@acme.example.com"


@pytest.fixture
async def bounced(service: Service) -> tuple[Applicant, Status]:
    """An applicant under review whose own address the mail server does not know."""
    service.mailbox.unknown.add(UNKNOWN)
    applicant = await service.applicant()
    status = await applicant.to_review(contact={"name": "Ann Tan", "email": UNKNOWN})
    return applicant, status


async def test_a_mail_that_bounces_is_shown_and_bd_is_told(bounced: tuple[Applicant, Status]) -> None:
    applicant, status = bounced

    assert status.stage is Stage.UNDER_REVIEW
    [failed] = status.failed_emails
    assert (failed.template, failed.to) == ("application_received", UNKNOWN)
    assert "550" in failed.reason
    assert applicant.templates() == ["review_requested", "email_failed"]
    alert = applicant.service.mailbox.of(applicant.uid)[-1]
    body = alert.get_body(("plain",))
    assert alert["To"].addresses[0].addr_spec == payloads.BD["email"]
    assert body is not None
    assert failed.key in body.get_content()


@pytest.mark.parametrize("role", ["partner", "bd", "bd_lead"])
async def test_resent_to_the_corrected_address(bounced: tuple[Applicant, Status], role: str) -> None:
    applicant, status = bounced
    [failed] = status.failed_emails

    await applicant.update("correct_contact", role=role, email="ann@acme.example.com")
    assert (await applicant.status()).contact_email == "ann@acme.example.com"
    await applicant.update("resend_email", role=role, key=failed.key)
    again = await applicant.update("resend_email", role=role, key=failed.key)
    assert again.failed_emails == ()
    await applicant.settled()

    assert applicant.templates() == ["review_requested", "email_failed", "application_received"]
    assert (
        applicant.service.mailbox.of(applicant.uid)[-1]["To"].addresses[0].addr_spec == "ann@acme.example.com"
    )


async def test_correcting_twice_does_it_once(service: Service) -> None:
    applicant = await service.applicant()
    await applicant.update("correct_contact", email="ann@acme.example.com", name="Ann")
    again = await applicant.update("correct_contact", email="ann@acme.example.com")

    assert again.answered
    assert again.answered.verdict == "no_op"
    status = await applicant.status()
    assert (status.contact_email, status.last_refusals) == ("ann@acme.example.com", ())


async def test_a_mail_that_has_not_failed_is_not_resent(service: Service) -> None:
    applicant = await service.applicant()
    await applicant.to_review()
    with pytest.raises(ApplicationError) as refused:
        await applicant.update("resend_email", key="3.application_received")

    assert refused.value.type == "invalid"
    assert len(applicant.templates()) == 2


async def test_a_mail_to_bd_that_bounces_is_told_to_the_lead_and_resent_to_the_new_bd(
    service: Service,
) -> None:
    service.mailbox.unknown.add("gone@vendor.example.com")
    applicant = await service.applicant(bd={"name": "Gone", "email": "gone@vendor.example.com"})
    status = await applicant.to_review()
    [failed] = status.failed_emails
    assert applicant.templates() == ["application_received", "email_to_bd_failed"]

    await applicant.signal("reassign_bd", bd=payloads.BD)
    await applicant.signal("resend_email", key=failed.key)

    assert applicant.templates()[2:] == ["assigned_to_bd", "review_requested"]
    assert (await applicant.status()).failed_emails == (), "that the farewell bounced, too, bothers nobody"


async def test_the_last_mail_bouncing_is_told_before_the_run_ends(service: Service) -> None:
    service.mailbox.unknown.add(UNKNOWN)
    applicant = await service.applicant()
    await applicant.to_review(contact={"name": "Ann Tan", "email": UNKNOWN})
    await applicant.signal("reject_application", reason_code="capacity", explanation="Hire engineers.")

    status = await applicant.result()
    assert [failed.template for failed in status.failed_emails] == [
        "application_received",
        "application_rejected",
    ]
    assert applicant.templates() == ["review_requested", "email_failed", "email_failed"]


@SHORT
async def test_a_mail_that_bounced_on_a_way_that_was_left_is_told_again(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    """Reset leads to where the run did not know of it; the ledger does."""
    async with without_mail(server, tmp_path) as (applicant, smtp):
        smtp.plan.recipients[payloads.CONTACT["email"]] = "550 5.1.1 No such user"
        await review_by_updates(applicant)
        await applicant.stored()
        there = await mark(applicant)
        async with smtp.running():
            before = await applicant.pass_time(LONGEST_RETRY)
            assert [email.key for email in before.failed_emails] == ["3.application_received"]
            await turn_back(applicant, there, reapply=False)
            await taken_up(applicant)
            status = await applicant.pass_time(LONGEST_RETRY)
        assert status.stage is Stage.UNDER_REVIEW
        assert status.failed_emails == before.failed_emails
        await replays(applicant)
