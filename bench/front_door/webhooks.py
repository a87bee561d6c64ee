"""Events to an endpoint that fails at random, answers late, dies and comes back; worker and front door are
killed meanwhile."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from standardwebhooks import Webhook

from bench.front_door.figures import Figure
from bench.front_door.programs import Site
from bench.front_door.story import Story
from tests.activities.receivers import BROKEN, OK, Received, Receiver, receiving

FAILS: Final = 0.3
_LATE: Final = 0.05
"""Seconds an answer takes at most."""


async def measure(
    site: Site, *, events: int, applications: int, within: float, seed: int = 3
) -> list[Figure]:
    """So many events, of so many applications, by questions over HTTP."""
    chance = random.Random(seed)  # noqa: S311 - a test's order
    taken: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    state = {"down": False}

    async def answers(received: Received) -> str | None:
        if state["down"]:
            return None
        await asyncio.sleep(chance.random() * _LATE)
        fate = chance.random()
        if fate < FAILS / 2:
            return BROKEN
        said = received.said
        if said["type"] == "application.command_accepted":
            taken[said["data"]["application_id"]].append((said["data"]["sequence"], received.webhook_id))
        # Taken, but its answer gets lost.
        return None if fate < FAILS else OK

    async with receiving(answers) as receiver, site.http() as http:
        stories = [Story(site, http, uid) for uid in site.uids[:applications]]
        await asyncio.gather(*(story.to("drafting") for story in stories))
        body = {"url": receiver.url, "types": ["application.command_accepted"]}
        added = (
            await http.post("/webhooks", json=body, headers=await site.headers("ops"))
        ).raise_for_status()
        share, again = events // applications, 0
        answered: dict[str, list[int]] = {story.uid: [] for story in stories}

        async def asks(story: Story) -> None:
            nonlocal again
            for number in range(share):
                key = f"{story.uid}-{number}"
                while True:
                    try:
                        status = await story.send("mei", "ask_bd", key=key, question=f"Question {number}?")
                        break
                    # Not there, or not answered: the same again is never carried out twice.
                    except Exception:
                        again += 1
                        await asyncio.sleep(0.3)
                answered[story.uid].append(status["answered"]["sequence"])

        asking = [asyncio.create_task(asks(story)) for story in stories]
        killed = await _disturbed(site, asking, state)
        await asyncio.gather(*asking)
        wanted = share * len(stories)
        until = time.monotonic() + within
        while sum(len(set(each)) for each in taken.values()) < wanted and time.monotonic() < until:  # noqa: ASYNC110 - other tasks take
            await asyncio.sleep(0.2)
        forged = _forged(receiver, added.json()["secret"])
        return [
            *judged(taken, answered, wanted=wanted),
            Figure(part="webhooks", name="wrongly signed", value=forged, most=0),
            Figure(part="webhooks", name="killed", value=killed, least=1),
            Figure(part="webhooks", name="commands sent again", value=again),
        ]


async def _disturbed(site: Site, asking: list[asyncio.Task[None]], state: dict[str, bool]) -> int:
    """While they ask: kill worker and front door in turn; the endpoint goes down and comes back."""
    killed = 0
    while not all(task.done() for task in asking):
        await asyncio.sleep(4)
        program = (site.worker, site.serve)[killed % 2]
        await program.kill()
        state["down"] = not state["down"]
        await program.start()
        killed += 1
    state["down"] = False
    return killed


def _forged(receiver: Receiver, secret: str) -> int:
    """Deliveries whose signature does not hold."""
    webhook, wrong = Webhook(secret), 0
    for each in receiver.received[-100:]:
        try:
            webhook.verify(each.body, each.headers)
        except Exception:
            wrong += 1
    return wrong


def judged(
    taken: Mapping[str, Sequence[tuple[int, str]]], answered: Mapping[str, Sequence[int]], *, wanted: int
) -> list[Figure]:
    """What was promised of deliveries, and what came of it.

    ``taken``: what the endpoint took, by application, in its order: the event's number and ``webhook-id``.
    ``answered``: the events that the commands were answered with, by company.
    """
    arrived = [[sequence for sequence, _ in each] for each in taken.values()]
    distinct = sum(len(set(each)) for each in arrived)
    sent = {tuple(sorted(each)) for each in answered.values()}
    several = sum(len(set(each)) - len({sequence for sequence, _ in each}) for each in taken.values())
    promised: Sequence[tuple[str, float]] = (
        ("missing", max(0, wanted - distinct)),
        ("applications out of order", sum(each != sorted(each) for each in arrived)),
        ("events under several IDs", several),
        (
            "applications of which other events came",
            sum(tuple(sorted(set(each))) not in sent for each in arrived),
        ),
    )
    return [
        Figure(part="webhooks", name="events", value=distinct, least=wanted, most=wanted),
        *(Figure(part="webhooks", name=name, value=value, most=0) for name, value in promised),
        Figure(part="webhooks", name="came again", value=sum(map(len, arrived)) - distinct),
    ]
