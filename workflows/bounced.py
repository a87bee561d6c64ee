"""What is told of mails that can't be delivered, once the onboarding's own run has ended."""

from temporalio import workflow

from domain import decisions
from domain.status import FailedEmail
from workflows.memory import RunMemory


def tell_of(memory: RunMemory, failed: tuple[FailedEmail, ...]) -> None:
    """Tell BD, as the onboarding itself would."""
    decision = decisions.mails_bounced(memory.application, failed)
    event = memory.event(workflow.now(), "email_failed", decision.verdict, decision.application)
    memory.carry_out(decision, event)
