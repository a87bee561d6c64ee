"""What the reference onboarding costs in history: nine messages, ten mails, a moment between two messages."""

from collections import Counter

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory

from domain.contract import Stage
from tests import payloads
from tests.rig import Applicant, Service


async def by(send: str, applicant: Applicant) -> None:
    """The reference onboarding, each message once everything the one before set going is done."""
    terms: payloads.Json = {}
    messages: list[tuple[str, payloads.Json]] = [
        ("confirm_company", {}),
        ("submit_application", {"application": payloads.form(applicant.uid)}),
        ("approve_application", {"form_revision": 1}),
        ("issue_decision_sheet", {"sheet": payloads.sheet()}),
        ("modify_terms", {"sheet_revision": 1, "description": "12 please"}),
        ("issue_decision_sheet", {"sheet": payloads.sheet(ecs="12")}),
        ("confirm_terms", terms),
        ("sign_contract", {"party": "partner", "role": "partner"}),
        ("sign_contract", {"party": "vendor", "role": "vendor"}),
    ]
    for kind, payload in messages:
        if kind == "sign_contract":
            payload = {**await applicant.signature(str(payload["party"])), **payload}
        await getattr(applicant, send)(kind, **payload)
        await applicant.settled()
        terms.update(await applicant.named_sheet() if kind == "issue_decision_sheet" else {})
    assert (await applicant.result()).stage is Stage.ACTIVE


def said(history: WorkflowHistory) -> str:
    """How many events of which type."""
    kinds = Counter(EventType.Name(event.event_type) for event in history.events)
    return ", ".join(
        f"{count} {kind.removeprefix('EVENT_TYPE_').lower()}" for kind, count in kinds.most_common()
    )


async def test_reference_onboarding_by_updates(service: Service) -> None:
    applicant = await service.applicant()
    await by("update", applicant)

    history = await applicant.history()

    assert len(history.events) <= 150, said(history)
    # One look-up to join, and one for each command.
    assert Counter(event.event_type for event in history.events)[EventType.EVENT_TYPE_MARKER_RECORDED] == 10
    assert sum(event.ByteSize() for event in history.events) <= 50_000
    assert len(applicant.templates()) == 10


async def test_reference_onboarding_by_signals(service: Service) -> None:
    applicant = await service.applicant()
    await by("signal", applicant)

    history = await applicant.history()

    assert len(history.events) <= 140, said(history)
    assert len(applicant.templates()) == 10
