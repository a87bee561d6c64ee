"""What the reference onboarding costs: events and workflow tasks are billed, and bound the life of a run."""

from collections import Counter

from temporalio.api.enums.v1 import EventType

from domain.contract import Stage
from tests import payloads
from tests.rig import Service


async def test_reference_onboarding_costs_at_most_140_events_and_20_workflow_tasks(service: Service) -> None:
    applicant = await service.applicant()
    await applicant.to_confirming()
    await applicant.signal("modify_terms", sheet_revision=1, description="12 % on ecs, please")
    await applicant.signal("issue_decision_sheet", sheet=payloads.sheet(ecs="12"))
    await applicant.signal("confirm_terms", **await applicant.named_sheet())
    await applicant.sign("partner")
    status = await applicant.sign("vendor")

    assert status.stage is Stage.ACTIVE
    assert len(applicant.templates()) == 10
    history = await applicant.history()
    kinds = Counter(event.event_type for event in history.events)
    assert len(history.events) <= 140
    assert kinds[EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED] <= 20
