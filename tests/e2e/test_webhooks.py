"""A thousand events to an endpoint that fails, answers late, dies and comes back; workers are killed."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from temporalio.client import Client

from activities.db.engine import Database
from activities.db.trail import AuditTrail
from activities.db.webhook_endpoints import WebhookEndpoints
from activities.webhooks.waking import wake
from starter.local.dev_server import DevServer
from tests.activities.examples import application, entry, publication
from tests.activities.receivers import BROKEN, OK, Received, receiving, until
from tests.e2e.test_worker import until as said
from tests.e2e.test_worker import worker
from workflows.plugin import OnboardingPlugin

APPLICATIONS: Final = 40
EVENTS: Final = 25
KILLED: Final = 2


@asynccontextmanager
async def working(folder: Path, address: str, url: str) -> AsyncIterator[None]:
    """A worker, killed at the end of the block."""
    settings = {"ONBOARDING_DATABASE_URL": url, "ONBOARDING_WEBHOOK_ALLOW": "127.0.0.1"}
    with worker(folder, TEMPORAL_ADDRESS=address, **settings) as process:
        await asyncio.to_thread(said, process, "Working on task queue")
        yield
        process.kill()


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_each_event_is_delivered_in_order_and_doubles_have_the_same_id(
    tmp_path: Path, postgresql_url: str
) -> None:
    chance, down = random.Random(3), False  # noqa: S311 - a test's order
    reached = defaultdict[str, list[int]](list)

    async def answers(received: Received) -> str | None:
        fate = chance.random()
        if down:
            return None
        await asyncio.sleep(chance.random() / 20)
        if fate < 0.15:
            return BROKEN
        data = received.said["data"]
        reached[data["application_id"]].append(data["sequence"])
        # Taken, but its answer gets lost.
        return None if fate < 0.3 else OK

    database = Database(postgresql_url)
    trail, endpoints = AuditTrail(database), WebhookEndpoints(database)
    names = [f"run-{number}" for number in range(1, APPLICATIONS + 1)]

    async def happens(client: Client, first: int, last: int) -> None:
        todo = [(name, sequence) for sequence in range(first, last) for name in names]
        for name, sequence in todo:
            await trail.publish(publication(application(name, uid="1001"), entry(sequence)))
            await wake(client, await endpoints.asleep())

    async with (
        DevServer(log_file=tmp_path / "temporal.log", headless=True) as server,
        receiving(answers) as receiver,
    ):
        client = await Client.connect(server.address, plugins=[OnboardingPlugin()])
        endpoint, secret = await endpoints.add(receiver.url, None)
        share = EVENTS // (KILLED + 1)
        for number in range(KILLED):
            async with working(tmp_path, server.address, postgresql_url):
                await happens(client, 1 + number * share, 1 + (number + 1) * share)
            down = number == 0
        async with working(tmp_path, server.address, postgresql_url):
            await happens(client, 1 + KILLED * share, EVENTS + 1)
            down = False

            async def all_reached() -> bool:
                return sum(len(set(each)) for each in reached.values()) == APPLICATIONS * EVENTS

            await until(all_reached, within=200)

            async def nothing_waits() -> bool:
                return await endpoints.asleep() == (endpoint.endpoint_id,)

            await until(nothing_waits)

    for name in names:
        assert list(dict.fromkeys(reached[name])) == list(range(1, EVENTS + 1)), name
        assert reached[name] == sorted(reached[name]), "a double comes before what follows"
    ids = {each.webhook_id for each in receiver.received}
    assert len(ids) == APPLICATIONS * EVENTS < len(receiver.received)
    receiver.received[-1].verified_by(secret)
    await database.dispose()
