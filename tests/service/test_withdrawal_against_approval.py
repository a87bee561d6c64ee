"""Withdrawing and approving against each other: one is carried out, whichever came first."""

import asyncio
from typing import Any

from temporalio.exceptions import ApplicationError

from domain.audit import Verdict
from domain.contract import Stage
from domain.status import Status
from tests import payloads
from tests.rig import Applicant, Service
from tests.service.evidence import (
    PARTNER,
    audit,
    mails,
)
from tests.service.test_waits_review import SUBMITTED


class TestWithdrawalAgainstApproval:
    APPROVAL = ("approve_application", {"form_revision": 1})
    WITHDRAWAL: tuple[str, dict[str, Any]] = ("withdraw_application", {})

    async def test_at_the_same_moment_exactly_one_is_carried_out(self, service: Service) -> None:
        applicant = await service.applicant()
        await applicant.to_review()
        answers = await asyncio.gather(
            applicant.update("withdraw_application"),
            applicant.update("approve_application", form_revision=1),
            return_exceptions=True,
        )

        refusals = [a for a in answers if isinstance(a, ApplicationError)]
        accepted = [a for a in answers if isinstance(a, Status)]
        assert [refusal.type for refusal in refusals] == ["wrong_stage"]
        assert len(accepted) == 1
        assert (await applicant.settled()).stage is accepted[0].stage

    async def test_approval_that_came_first_stands(self, service: Service) -> None:
        applicant = await self.after(service, self.APPROVAL, self.WITHDRAWAL)

        status = await applicant.status()
        assert status.stage is Stage.QUALIFIED
        assert status.form_revision == 1
        assert [(r.command, r.error) for r in status.last_refusals] == [
            ("withdraw_application", "wrong_stage")
        ]
        assert mails(applicant) == [*SUBMITTED, ("application_approved", PARTNER)]

    async def test_withdrawal_that_came_first_stands(self, service: Service) -> None:
        applicant = await self.after(service, self.WITHDRAWAL, self.APPROVAL)

        status = await applicant.status()
        assert status.stage is Stage.WITHDRAWN
        assert [(r.command, r.error) for r in status.last_refusals] == [
            ("approve_application", "wrong_stage")
        ]
        refusal = (await audit(applicant))[-1]
        assert refusal.verdict is Verdict.REFUSED
        assert (refusal.from_stage, refusal.to_stage) == (Stage.WITHDRAWN, Stage.WITHDRAWN)

    async def after(self, service: Service, *commands: tuple[str, dict[str, Any]]) -> Applicant:
        """An application under review that got these signals one on the heels of the other."""
        applicant = await service.applicant()
        await applicant.to_review()
        for kind, payload in commands:
            await applicant.handle.signal(kind, payloads.command(kind, **payload))
        await applicant.settled()
        return applicant
