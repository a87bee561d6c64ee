"""Journeys with an endpoint of webhooks: the runs that deliver to it are recorded with the applicant's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Final

from sqlalchemy import update
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus, WorkflowHistory

from activities.db.tables import WebhookDeliveryRow
from activities.db.webhook_deliveries import WebhookDeliveries
from activities.db.webhook_endpoints import EndpointState, WebhookEndpoint, WebhookEndpoints
from activities.webhooks.addresses import Allowed
from activities.webhooks.sender import WebhookSender
from activities.webhooks.waking import wake
from domain.contract import Stage, webhook_workflow_id
from domain.webhooks import GIVEN_UP_AFTER
from starter.client.webhooks import Webhooks
from tests.activities.receivers import BROKEN, OK, Received, Receiver, fails, receiving, takes, until
from tests.replay.ways import Journey
from tests.rig import OPS_EMAIL, Applicant, Service
from tests.smtp_server import Plan, SmtpServer
from tests.temporal_env import fast_forward
from workflows import calls
from workflows.webhook_endpoint import LINGERS

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
    """Nothing is taken for days; woken all the same, it tells nobody again; then what was not taken is sent
    again."""
    client = applicant.service.env.client
    async with receiving(fails) as receiver, _endpoint(applicant, receiver) as endpoint:
        await applicant.join()
        await _off(applicant, endpoint, told=True)
        await _ended(client, endpoint)
        await wake(client, [endpoint.endpoint_id])
        await _ended(client, endpoint)
        receiver.answers = takes
        await _sent_again(applicant, endpoint)


async def _on_before_told(applicant: Applicant, *, server: SmtpServer) -> None:
    """Switched on again while the mail server does not take what the operators are to be told."""
    server.plan = Plan(recipients={OPS_EMAIL: "450 4.2.1 Later, please"})
    async with receiving(fails) as receiver, _endpoint(applicant, receiver) as endpoint:
        await applicant.join()
        await _off(applicant, endpoint, told=False)
        receiver.answers = takes
        await _sent_again(applicant, endpoint)
        server.plan = Plan()


async def _woken(applicant: Applicant) -> None:
    """Something happens while a run waits for the next event."""
    env = applicant.service.env
    async with receiving(takes) as receiver, _endpoint(applicant, receiver) as endpoint:
        # Or the wait would be over before anything happens.
        with env.with_time_skipping_disabled():
            await wake(env.client, [endpoint.endpoint_id])
            [run] = await _runs(env.client, endpoint)
            handle = env.client.get_workflow_handle(run.id, run_id=run.run_id)

            async def waits() -> bool:
                history = await handle.fetch_history()
                return any(event.event_type == EventType.EVENT_TYPE_TIMER_STARTED for event in history.events)

            await until(waits)
            await applicant.join()

            async def all_taken() -> bool:
                waiting = await WebhookDeliveries(applicant.service.database).pending(endpoint.endpoint_id)
                return bool(receiver.taken) and not waiting

            await until(all_taken)
        assert len(await _runs(env.client, endpoint)) == 1, "the run that waits takes it"
        await fast_forward(env, handle, 2 * LINGERS)


async def _off(applicant: Applicant, endpoint: WebhookEndpoint, *, told: bool) -> None:
    """Have the endpoint switched off, as if it had taken nothing for days, and wait until it is, and the
    operators are told of it."""
    database = applicant.service.database
    long_ago = datetime.now(UTC) - GIVEN_UP_AFTER
    tried_long = (
        update(WebhookDeliveryRow)
        .where(
            WebhookDeliveryRow.endpoint_id == endpoint.endpoint_id, WebhookDeliveryRow.tried_since > long_ago
        )
        .values(tried_since=long_ago)
    )

    async def off() -> bool:
        found = await WebhookEndpoints(database).get(endpoint.endpoint_id)
        assert found
        if found.state is EndpointState.ON:
            await database.write(lambda connection: connection.execute(tried_long))
        return found.state is EndpointState.OFF and (found.told_at is not None or not told)

    await until(off)


async def _sent_again(applicant: Applicant, endpoint: WebhookEndpoint) -> None:
    """What it did not take, which switches the endpoint on."""
    service = applicant.service
    [waits, *_] = await WebhookDeliveries(service.database).of(endpoint.endpoint_id, pending=True)
    webhooks = Webhooks(service.database, WebhookSender(Allowed()), service.env.client)
    await webhooks.resend(endpoint.endpoint_id, waits.webhook_id)


async def _goes_on_as_new(applicant: Applicant) -> None:
    """So many attempts that a run goes on as a new one."""

    async def answers(received: Received) -> str | None:
        return OK if len(receiver.received) > MOST_ATTEMPTS else BROKEN

    async with receiving(answers) as receiver, _endpoint(applicant, receiver):
        await applicant.join()


def webhooks(server: SmtpServer) -> tuple[Journey, ...]:
    """These journeys, with ``server`` as the service's mail server."""
    switched_off = (calls.SEND_WEBHOOKS, calls.TELL_OF_WEBHOOKS)
    return (
        Journey("webhooks_delivered", _delivered, Stage.CANCELLED, joins=False),
        Journey("webhooks_switched_off", _switched_off, Stage.DRAFTING, joins=False, asks=switched_off),
        Journey(
            "webhooks_on_before_told",
            partial(_on_before_told, server=server),
            Stage.DRAFTING,
            joins=False,
            asks=switched_off,
        ),
        Journey("webhooks_woken", _woken, Stage.DRAFTING, joins=False),
        Journey("webhooks_tried_often", _goes_on_as_new, Stage.DRAFTING, joins=False, short_runs=True),
    )
