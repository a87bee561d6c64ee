"""Deliveries of signatures, each three times, in any order, with wrong signatures among them."""

import asyncio
import random
import time
from collections import Counter
from typing import Final

from bench.front_door.figures import Figure
from bench.front_door.programs import Site
from bench.front_door.story import many
from domain.contract import Party
from domain.signatures import Provider, Terms
from starter.web.signatures import PATH
from tests.activities.signature_payloads import deliveries, signed_headers

TIMES: Final = 3
_PROVIDERS: Final = (Provider.STANDARD, Provider.DOCUSEAL)


async def measure(site: Site, *, contracts: int, within: float, seed: int = 5) -> list[Figure]:
    """So many contracts to be signed, by two providers in turn."""
    chance = random.Random(seed)  # noqa: S311 - a test's order
    uids = list(site.uids[:contracts])
    statuses = await many(site, uids, "signing")
    posts: list[tuple[Provider, bytes, bool]] = []
    for number, status in enumerate(statuses):
        terms = Terms.named(status["external_id"])
        if terms is None:
            raise RuntimeError(f"{status['external_id']} names no terms")
        provider = _PROVIDERS[number % len(_PROVIDERS)]
        times = dict.fromkeys(Party, status["sheet"]["issued_at"])
        for example in deliveries(provider, terms, times):
            body = _of_its_own(example, number)
            posts += [(provider, body, genuine) for genuine in (True,) * TIMES + (False,)]
    chance.shuffle(posts)
    answers: Counter[tuple[bool, int]] = Counter()
    slowest = 0.0
    slots = asyncio.Semaphore(8)
    async with site.http() as http:

        async def post(provider: Provider, body: bytes, genuine: bool) -> None:
            nonlocal slowest
            async with slots:
                headers = signed_headers(provider, body if genuine else body + b" ")
                began = time.monotonic()
                response = await http.post(f"{site.url}{PATH}/{provider}", content=body, headers=headers)
                slowest = max(slowest, time.monotonic() - began)
                answers[genuine, response.status_code] += 1

        await asyncio.gather(*(post(*each) for each in posts))
        once, until = 0, time.monotonic() + within
        while once < contracts and time.monotonic() < until:
            once = 0
            for uid in uids:
                path, headers = f"/applications/{uid}/audit", await site.headers("ops")
                trail = (await http.get(path, headers=headers)).raise_for_status().json()
                signed = Counter(
                    each["details"].get("party")
                    for each in trail
                    if (each["command"], each["verdict"]) == ("sign_contract", "accepted")
                )
                once += signed == Counter(map(str, Party))
            await asyncio.sleep(0.5)
    genuine = TIMES * len(posts) // (TIMES + 1)
    return [
        Figure(part="signatures", name="deliveries", value=len(posts)),
        Figure(part="signatures", name="genuine and taken", value=answers[True, 200], least=genuine),
        Figure(
            part="signatures", name="wrong and refused", value=answers[False, 401], least=len(posts) - genuine
        ),
        Figure(
            part="signatures", name="signed once by each party", value=once, least=contracts, most=contracts
        ),
        Figure(part="signatures", name="slowest answer", value=round(slowest, 2), unit="s"),
    ]


def _of_its_own(body: bytes, number: int) -> bytes:
    """The delivery with IDs that no other contract has: DocuSeal's of submission and submitters."""
    for known in (17, 51, 52):
        for name in ("id", "submission_id"):
            body = body.replace(
                f'"{name}": {known},'.encode(), f'"{name}": {1000 * number + known},'.encode()
            )
    return body
