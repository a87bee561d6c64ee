"""Webhooks of the whole service: what happens is delivered by a run of the endpoint, which then ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from temporalio.client import WorkflowExecution, WorkflowExecutionStatus
from temporalio.service import RPCError
from temporalio.worker import Replayer

from activities.db.webhook_deliveries import WebhookDeliveries
from activities.db.webhook_endpoints import EndpointState, WebhookEndpoints
from activities.webhooks.addresses import Allowed
from activities.webhooks.sender import WebhookSender
from domain.contract import WEBHOOK_TYPE, webhook_workflow_id
from starter.client.webhooks import Webhooks
from tests.activities.receivers import Receiver, fails, receiving, takes, until
from tests.rig import OPS_EMAIL, Applicant, Service
from tests.temporal_env import fast_forward
from worker import WORKFLOWS
from workflows.plugin import OnboardingPlugin
from workflows.webhook_endpoint import LINGERS


@asynccontextmanager
async def endpoint(service: Service, receiver: Receiver) -> AsyncIterator[str]:
    """An endpoint of the service, as long as the block lasts."""
    endpoints = WebhookEndpoints(service.database)
    added, _ = await endpoints.add(receiver.url, None)
    try:
        yield added.endpoint_id
    finally:
        await endpoints.remove(added.endpoint_id)


async def runs(service: Service, endpoint_id: str) -> list[WorkflowExecution]:
    """The runs that have delivered to it."""
    query = f"WorkflowId = '{webhook_workflow_id(endpoint_id)}'"
    return [run async for run in service.env.client.list_workflows(query)]


async def ended(service: Service, endpoint_id: str) -> None:
    """Wait until no run is left, and replay them all."""

    async def none_runs() -> bool:
        found = await runs(service, endpoint_id)
        return bool(found) and all(run.status is WorkflowExecutionStatus.COMPLETED for run in found)

    for run in await runs(service, endpoint_id):
        # It waits a minute for what may come.
        with suppress(RPCError):
            await fast_forward(
                service.env, service.env.client.get_workflow_handle(run.id, run_id=run.run_id), 2 * LINGERS
            )
    await until(none_runs)
    replayer = Replayer(workflows=WORKFLOWS, plugins=[OnboardingPlugin()])
    for run in await runs(service, endpoint_id):
        assert run.workflow_type == WEBHOOK_TYPE
        handle = service.env.client.get_workflow_handle(run.id, run_id=run.run_id)
        await replayer.replay_workflow(await handle.fetch_history())


def told(receiver: Receiver, applicant: Applicant) -> list[str]:
    """What the receiver was told of an applicant, each once."""
    mine = [each for each in receiver.taken if each.said["data"]["company_master_uid"] == applicant.uid]
    first = {each.webhook_id: each for each in reversed(mine)}
    return [each.said["type"] for each in reversed(first.values())]


TO_REVIEW = [
    "application.started",
    "application.command_accepted",
    "application.stage_changed",
    "application.command_accepted",
]


async def test_what_happens_is_delivered_in_order_and_then_nothing_runs(service: Service) -> None:
    async with receiving() as receiver, endpoint(service, receiver) as endpoint_id:
        assert await runs(service, endpoint_id) == [], "nothing runs before something happens"
        applicant = await service.applicant()
        await applicant.to_review()

        async def all_told() -> bool:
            return told(receiver, applicant) == TO_REVIEW

        await until(all_told)
        await ended(service, endpoint_id)


async def test_an_endpoint_that_takes_nothing_for_days_is_switched_off_and_on_by_sending_again(
    service: Service,
) -> None:
    async with receiving(fails) as receiver, endpoint(service, receiver) as endpoint_id:
        endpoints, deliveries = WebhookEndpoints(service.database), WebhookDeliveries(service.database)
        applicant = await service.applicant()

        async def off() -> bool:
            found = await endpoints.get(endpoint_id)
            return found is not None and found.state is EndpointState.OFF and found.told_at is not None

        await until(off)
        await ended(service, endpoint_id)
        mails = [mail for mail in service.mailbox.messages if endpoint_id in str(mail["Subject"])]
        assert [mail["To"] for mail in mails] == [OPS_EMAIL]
        await applicant.to_review()
        receiver.answers = takes
        waits = next(each for each in await deliveries.of(endpoint_id, pending=True) if each.sequence == 1)
        webhooks = Webhooks(service.database, WebhookSender(Allowed()), service.env.client)
        await webhooks.resend(endpoint_id, waits.webhook_id)

        async def all_told() -> bool:
            return told(receiver, applicant) == TO_REVIEW

        await until(all_told)
        await ended(service, endpoint_id)
        assert len([mail for mail in service.mailbox.messages if endpoint_id in str(mail["Subject"])]) == 1
