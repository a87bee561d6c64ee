"""What journeys are made of: how an application comes to each stage, and what happens on many of them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from domain.contract import Stage
from domain.status import Status
from tests import payloads
from tests.rig import Applicant
from tests.service.evidence import morning_after

Story = Callable[[Applicant], Awaitable[object]]
FAR: Final = "2099-01-01"
"""A contract start date no journey reaches by itself."""


@dataclass(frozen=True)
class Journey:
    """A story to record; ``ends`` is ``None`` when the start itself is refused.

    ``asks``: what its runs have to ask for, or the story went another way.
    ``joins``: the applicant has joined when the story begins. ``short_runs``: on a server that suggests
    continue-as-new after a few events.
    """

    name: str
    story: Story
    ends: Stage | None
    joins: bool = True
    short_runs: bool = False
    asks: tuple[str, ...] = ()


async def _nothing(applicant: Applicant) -> None:
    """The applicant has joined; that is all."""


async def to_justifying(applicant: Applicant) -> Status:
    """BD has asked."""
    await applicant.to_review()
    return await applicant.signal("request_justification", question="Who are your customers?")


async def to_withdrawn(applicant: Applicant) -> Status:
    """The form is the partner's again."""
    await applicant.to_review()
    return await applicant.signal("withdraw_application", reason="The territories are incomplete.")


async def to_correcting(applicant: Applicant) -> Status:
    """The partner has asked for other terms."""
    await applicant.to_confirming()
    return await modify(applicant, "12 % on ecs, please")


async def to_activating(applicant: Applicant) -> Status:
    """In effect, but the enterprise verification is no longer valid."""
    await applicant.to_signatures()
    await applicant.sign("partner")
    await applicant.service.account(applicant.uid, verified=False)
    return await applicant.sign("vendor")


async def modify(applicant: Applicant, text: str) -> Status:
    """The partner asks for a modification of the sheet as it stands."""
    revision = (await applicant.named_sheet())["sheet_revision"]
    return await applicant.signal(
        "modify_terms", sheet_revision=revision, description=text, fields=["discounts"]
    )


async def issue(applicant: Applicant, **terms: str) -> Status:
    """BD issues a sheet."""
    return await applicant.signal("issue_decision_sheet", sheet=payloads.sheet(**terms))


async def confirm(applicant: Applicant) -> Status:
    """The partner confirms the sheet as it stands."""
    return await applicant.signal("confirm_terms", **await applicant.named_sheet())


async def until_due(applicant: Applicant) -> Status:
    """Let time pass until the deadline shown is due."""
    due_at = (await applicant.status()).due_at
    assert due_at is not None
    return await applicant.pass_until(due_at)


async def until_told(applicant: Applicant) -> Status:
    """Let time pass until the deadline shown is due, and told in the morning after."""
    due_at = (await applicant.status()).due_at
    assert due_at is not None
    return await applicant.pass_until(morning_after(due_at))


async def wait_a_week(applicant: Applicant) -> Status:
    """More than three working days."""
    return await applicant.pass_time(timedelta(days=7))


WAYS: Final[dict[Stage, Story]] = {
    Stage.DRAFTING: _nothing,
    Stage.UNDER_REVIEW: Applicant.to_review,
    Stage.JUSTIFYING: to_justifying,
    Stage.WITHDRAWN: to_withdrawn,
    Stage.QUALIFIED: Applicant.to_qualified,
    Stage.CONFIRMING_TERMS: Applicant.to_confirming,
    Stage.CORRECTING_TERMS: to_correcting,
    Stage.AWAITING_SIGNATURES: Applicant.to_signatures,
    Stage.SIGNED: partial(Applicant.to_signed, start=FAR),
    Stage.ACTIVATING: to_activating,
}
"""How to come to each stage an application can wait in."""
