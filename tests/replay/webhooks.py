"""Journeys with an endpoint of webhooks: the runs that deliver to it are recorded with the applicant's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final
from unittest.mock import patch

from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus, WorkflowHistory

from activities.db.webhook_deliveries import WebhookDeliveries
from activities.db.webhook_endpoints import EndpointState, WebhookEndpoint, WebhookEndpoints
from activities.webhooks.addresses import Allowed
from activities.webhooks.sender import WebhookSender
from domain.contract import Stage, webhook_workflow_id
from starter.client.webhooks import Webhooks
from tests.activities.receivers import BROKEN, OK, Received, Receiver, fails, receiving, takes, until
from tests.replay.ways import Journey
from tests.rig import Applicant, Service
from workflows import calls

MOST_ATTEMPTS: Final = 10


async def runs_of_endpoints(service: Service, uid: str) -> AsyncIterator[WorkflowHistory]:
    """The runs that have delivered to the applicant's endpoints, once they have ended; the endpoints go."""
    client = service.env.client
    for endpoint in await _endpoints(service, uid):
        await _ended(client, endpoint)
        runs = await _runs(client, endpoint)
        for run in sorted(runs, key=lambda run: run.start_time):
            yield await client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()
        await WebhookEndpoints(service.database).remove(endpoint.endpoint_id)


async def _endpoints(service: Service, uid: str) -> list[WebhookEndpoint]:
    return [each for each in await WebhookEndpoints(service.database).all() if each.url.endswith(f"?{uid}")]


async def _runs(client: Client, endpoint: WebhookEndpoint) -> list[WorkflowExecution]:
    query = f"WorkflowId = '{webhook_workflow_id(endpoint.endpoint_id)}'"
    return [run async for run in client.list_workflows(query)]


async def _ended(client: Client, endpoint: WebhookEndpoint) -> None:
    async def none_runs() -> bool:
        found = await _runs(client, endpoint)
        return bool(found) and all(run.status is not WorkflowExecutionStatus.RUNNING for run in found)

    await until(none_runs)


@asynccontextmanager
async def _endpoint(applicant: Applicant, receiver: Receiver) -> AsyncIterator[WebhookEndpoint]:
    """The applicant's endpoint; its runs have ended when the block has."""
    service = applicant.service
    endpoint, _ = await WebhookEndpoints(service.database).add(f"{receiver.url}?{applicant.uid}", None)
    yield endpoint
    await _ended(service.env.client, endpoint)


async def _delivered(applicant: Applicant) -> None:
    """Some deliveries are not taken at once."""
    refused = set[str]()

    async def answers(received: Received) -> str | None:
        again = received.webhook_id in refused
        refused.add(received.webhook_id)
        return OK if again else BROKEN

    async with receiving(answers) as receiver, _endpoint(applicant, receiver):
        await applicant.join()
        await applicant.signal("confirm_company")
        await applicant.signal("decline", reason="Not now.")
        await applicant.result()


async def _switched_off(applicant: Applicant) -> None:
    """Nothing is taken for days; then what was not taken is sent again."""
    database = applicant.service.database
    short = patch("activities.db.webhook_deliveries.GIVEN_UP_AFTER", timedelta(minutes=1))
    async with receiving(fails) as receiver, _endpoint(applicant, receiver) as endpoint:
        with short:
            await _off(applicant, endpoint)
        receiver.answers = takes
        [waits, *_] = await WebhookDeliveries(database).of(endpoint.endpoint_id, pending=True)
        sender, client = WebhookSender(Allowed()), applicant.service.env.client
        await Webhooks(database, sender, client).resend(endpoint.endpoint_id, waits.webhook_id)


async def _off(applicant: Applicant, endpoint: WebhookEndpoint) -> None:
    database = applicant.service.database
    await applicant.join()

    async def told() -> bool:
        found = await WebhookEndpoints(database).get(endpoint.endpoint_id)
        return found is not None and found.state is EndpointState.OFF and found.told_at is not None

    await until(told)


async def _goes_on_as_new(applicant: Applicant) -> None:
    """So many attempts that a run goes on as a new one."""

    async def answers(received: Received) -> str | None:
        return OK if len(receiver.received) > MOST_ATTEMPTS else BROKEN

    async with receiving(answers) as receiver, _endpoint(applicant, receiver):
        await applicant.join()


WEBHOOKS = (
    Journey("webhooks_delivered", _delivered, Stage.CANCELLED, joins=False),
    Journey(
        "webhooks_switched_off",
        _switched_off,
        Stage.DRAFTING,
        joins=False,
        asks=(calls.SEND_WEBHOOKS, calls.TELL_OF_WEBHOOKS),
    ),
    Journey("webhooks_tried_often", _goes_on_as_new, Stage.DRAFTING, joins=False, short_runs=True),
)
