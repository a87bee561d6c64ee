"""What the API adds to a command: the same commands by the direct client and over HTTP, taking turns."""

import time
from uuid import uuid4

from bench.front_door.figures import Figure
from bench.front_door.programs import Site
from bench.front_door.story import Story
from bench.percentiles import percentile
from domain.commands import COMMAND_ADAPTER
from starter.client.onboarding_client import OnboardingClient
from tests import payloads

MOST_ADDED_MS = 15.0


async def measure(site: Site, *, commands: int) -> list[Figure]:
    """A question to BD each time: an application takes as many as one likes."""
    uid = site.uids[0]
    client = OnboardingClient(site.client)
    direct: list[float] = []
    over_http: list[float] = []
    async with site.http() as http:
        story = Story(site, http, uid)
        await story.to("drafting")
        for number in range(commands):
            asked = payloads.command("ask_bd", question=f"Direct {number}?")
            command = COMMAND_ADAPTER.validate_python({"kind": "ask_bd", **asked})
            began = time.perf_counter()
            await client.send(uid, command, update_id=str(uuid4()))
            between = time.perf_counter()
            await story.send("mei", "ask_bd", question=f"Over HTTP {number}?")
            direct.append(1000 * (between - began))
            over_http.append(1000 * (time.perf_counter() - between))
    p50 = [percentile(each, 50) for each in (direct, over_http)]
    return [
        Figure(part="latency", name="direct client, p50", value=round(p50[0], 1), unit="ms"),
        Figure(part="latency", name="API, p50", value=round(p50[1], 1), unit="ms"),
        Figure(
            part="latency",
            name="added, p50",
            value=round(p50[1] - p50[0], 1),
            unit="ms",
            most=MOST_ADDED_MS,
        ),
        Figure(part="latency", name="ratio", value=round(p50[1] / p50[0], 2)),
    ]
