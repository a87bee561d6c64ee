"""What ops see of an application in the Web UI, and filter runs by (docs/how-to/operate.md)."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Final

from temporalio.api.enums.v1 import EventType
from temporalio.api.sdk.v1 import WorkflowMetadata

from domain.contract import OnboardingInput, Stage, workflow_id
from domain.lifecycle import STEPS
from domain.values import day_text, instant_text
from starter.client.onboarding_client import OnboardingClient
from tests import payloads
from tests.rig import Applicant, Service
from tests.service import evidence
from tests.service.trail import histories, unharmed

HANG: Final = 30.0
"""Seconds after which a test gives up on the visibility store, which lags by a moment."""


async def metadata(applicant: Applicant) -> WorkflowMetadata:
    """What the Web UI asks a run about itself."""
    answer: WorkflowMetadata = await applicant.handle.query(
        "__temporal_workflow_metadata", result_type=WorkflowMetadata
    )
    return answer


async def details(applicant: Applicant) -> str:
    """The current details, in markdown."""
    return (await metadata(applicant)).current_details


async def test_current_details_say_what_is_waited_for_on_whom_and_until_when(service: Service) -> None:
    applicant = await service.applicant()
    status = await applicant.to_review()
    shown = await details(applicant)
    assert status.due_at
    assert status.deadline
    assert f"**{status.stage}**" in shown
    assert status.status_text in shown
    assert f"**{status.waiting_on}**" in shown
    last = status.deadline.days_counted[-1]
    assert f"by the end of {day_text(last)} (Asia/Shanghai)" in shown
    for day in status.deadline.days_counted:
        assert str(day) in shown
    for command in status.allowed_commands:
        assert f"`{command}`" in shown
    assert "OVERDUE" not in shown
    assert "refusal" not in shown.casefold()


async def test_current_details_show_refusals_overdue_and_the_end(service: Service) -> None:
    applicant = await service.applicant()
    status = await applicant.to_review()
    await applicant.signal("approve_application", form_revision=9)
    assert "**stale_revision**" in await details(applicant)
    assert status.due_at
    await applicant.pass_until(status.due_at)
    assert "OVERDUE" in await details(applicant)
    await applicant.signal("reject_application", reason_code="too_small", explanation="Come back with more.")
    ended = await details(applicant)
    assert "**rejected**" in ended
    assert "Come back with more." in ended
    assert "Possible now" not in ended


async def test_current_details_show_mails_that_failed(service: Service) -> None:
    applicant = await service.applicant()
    contact = dict(payloads.CONTACT, email=f"nobody-{applicant.uid}@acme.example.com")
    service.mailbox.unknown.add(contact["email"])
    await applicant.to_review(contact=contact)
    [failed] = (await applicant.status()).failed_emails
    shown = await details(applicant)
    assert failed.key in shown
    assert contact["email"] not in shown


async def test_every_handler_says_what_it_is_for(service: Service) -> None:
    applicant = await service.applicant()
    definition = (await metadata(applicant)).definition
    assert definition.type == "ResellerOnboarding"
    signals = {signal.name: signal.description for signal in definition.signal_definitions if signal.name}
    assert signals == {step.name: step.description for step in STEPS}
    assert all(len(description) > 20 for description in signals.values())
    updates = {update.name: update.description for update in definition.update_definitions}
    assert updates.keys() == {"submit_command"}
    queries = {query.name: query.description for query in definition.query_definitions if query.description}
    assert "get_status" in queries
    assert all([*updates.values(), *queries.values()])


async def test_a_run_started_by_the_client_says_what_it_is(service: Service) -> None:
    applicant = await service.applicant(start=False)
    with service.env.with_time_skipping_disabled():
        await OnboardingClient(service.env.client).join(
            OnboardingInput.model_validate(payloads.join(applicant.uid))
        )
    applicant.handle = service.env.client.get_workflow_handle(workflow_id(applicant.uid))
    described = await applicant.handle.describe()
    summary, longer = await described.static_summary(), await described.static_details()
    assert summary
    assert applicant.uid in summary
    assert longer
    assert payloads.join("1")["contact_name"] not in summary + longer
    assert payloads.join("1")["contact_email"] not in summary + longer


async def test_every_activity_and_timer_has_a_summary(service: Service) -> None:
    applicant = await service.applicant()
    status = await applicant.to_review()
    assert status.due_at
    await applicant.pass_until(evidence.morning_after(status.due_at))
    await applicant.signal("cancel_application", reason="by mistake")
    [history] = await histories(applicant)
    summaries: dict[int, list[str]] = {}
    for event in history.events:
        if event.event_type in (
            EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
            EventType.EVENT_TYPE_TIMER_STARTED,
            EventType.EVENT_TYPE_MARKER_RECORDED,
        ):
            text = event.user_metadata.summary.data.decode().strip('"')
            summaries.setdefault(event.event_type, []).append(text)
    assert all(text for texts in summaries.values() for text in texts)
    # A timer may ring for another clock than the one it was wound for, so it names none.
    assert set(summaries[EventType.EVENT_TYPE_TIMER_STARTED]) <= {
        "Next deadline, at the earliest",
        "Last e-mails",
    }
    assert summaries[EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED] == [
        "Store join",
        "Store confirm_company",
        "Store submit_application; e-mails: application_received, review_requested",
        "Store review_reminder; e-mails: review_reminder",
        "Store review_overdue",
        "Store review_escalation; e-mails: review_overdue",
        "Store cancel_application; e-mails: application_cancelled",
    ]
    assert set(summaries[EventType.EVENT_TYPE_MARKER_RECORDED]) == {"Look up"}


async def test_search_attributes_follow_every_stage(service: Service) -> None:
    applicant = await service.applicant()
    seen: list[str] = []

    async def look() -> None:
        status = await applicant.settled()
        seen.append(status.stage)
        assert await evidence.attributes(applicant) == {
            "stage": status.stage,
            "waiting_on": status.waiting_on,
            "due_at": status.due_at,
            "overdue": status.overdue,
        }

    await look()
    await applicant.to_review()
    await look()
    await applicant.signal("request_justification", question="Why?")
    await look()
    await applicant.signal("provide_justification", answer="Because.")
    await applicant.signal("withdraw_application")
    await look()
    await applicant.signal("submit_application", application=payloads.form(applicant.uid))
    await applicant.signal("approve_application", form_revision=2)
    await look()
    await applicant.signal("issue_decision_sheet", sheet=payloads.sheet(start="2030-01-01"))
    await look()
    await applicant.signal("modify_terms", sheet_revision=1, description="12 %")
    await look()
    await applicant.signal("issue_decision_sheet", sheet=payloads.sheet(start="2030-01-01", ecs="12"))
    await applicant.signal("confirm_terms", **await applicant.named_sheet())
    await look()
    # Whoever has to sign next is who is waited for.
    await applicant.sign("partner")
    assert (await evidence.attributes(applicant))["waiting_on"] == "bd"
    signed = await applicant.sign("vendor")
    await look()
    assert signed.due_at
    await service.account(applicant.uid, verified=False)
    await applicant.pass_until(signed.due_at)
    assert (await applicant.status()).stage is Stage.ACTIVATING
    await service.account(applicant.uid)
    await applicant.pass_time(timedelta(hours=2))
    await look()
    assert seen == [
        *("drafting", "under_review", "justifying", "withdrawn", "qualified", "confirming_terms"),
        *("correcting_terms", "awaiting_signatures", "signed", "active"),
    ]
    # Not one upsert more than something changed.
    [history] = await histories(applicant)
    kinds = Counter(event.event_type for event in history.events)
    assert kinds[EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES] <= 18
    await unharmed(applicant)


async def test_runs_are_found_by_what_is_overdue_and_whom_they_wait_for(service: Service) -> None:
    overdue, in_time = await service.applicant(), await service.applicant()
    status = await overdue.to_review()
    await in_time.to_review()
    assert status.due_at
    await overdue.pass_until(status.due_at)
    ids = {overdue.handle.id, in_time.handle.id}

    async def found(query: str) -> set[str]:
        running = f"ExecutionStatus = 'Running' AND WorkflowType = 'ResellerOnboarding' AND {query}"
        return {run.id async for run in service.env.client.list_workflows(running)} & ids

    async def becomes(query: str, expected: set[str]) -> None:
        async with asyncio.timeout(HANG):
            while await found(query) != expected:  # noqa: ASYNC110 - the store tells nobody when it has caught up
                await asyncio.sleep(0.05)

    await becomes("OnboardingOverdue = true", {overdue.handle.id})
    await becomes("OnboardingOverdue = false", {in_time.handle.id})
    await becomes("OnboardingStage = 'under_review' AND OnboardingWaitingOn = 'bd'", ids)
    tomorrow = instant_text(status.due_at + timedelta(days=1))
    await becomes(f"OnboardingDueAt < '{tomorrow}' AND OnboardingOverdue = true", {overdue.handle.id})
    await becomes(f"OnboardingDueAt > '{tomorrow}'", set())
    await overdue.signal("approve_application", form_revision=1)
    await becomes("OnboardingOverdue = true", set())


async def test_nothing_personal_is_where_no_codec_covers_it(service: Service) -> None:
    applicant = await service.applicant()
    await applicant.to_signatures()
    described = await applicant.handle.describe()
    open_to_all = f"{described.id} {described.typed_search_attributes} {await described.memo()}"
    for personal in (
        *(payloads.ENTERPRISE, payloads.REGISTRATION, payloads.CONTACT["name"], payloads.CONTACT["email"]),
        *(payloads.BD["name"], payloads.BD["email"]),
    ):
        assert personal not in open_to_all
