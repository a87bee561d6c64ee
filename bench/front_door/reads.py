"""Reads from many applications, beside a bare FastAPI route that returns the same bytes."""

import asyncio
import random
import sqlite3
import sys
from contextlib import closing
from statistics import median
from typing import Final

from bench.chaos.services import free_ports
from bench.front_door.bare import READY
from bench.front_door.figures import Figure
from bench.front_door.load import Answers, asked
from bench.front_door.programs import Program, Site
from bench.front_door.story import Story
from bench.percentiles import percentile

LEAST: Final = 0.25
CONNECTIONS: Final = 8
FIRST_UID: Final = 6_000_000_000
_COPIED: Final = ("applications", "audit_heads", "audit_events", "forms", "decision_sheets")


async def measure(site: Site, *, applications: int, rounds: int, seconds: float) -> list[Figure]:
    """Open one, copy it as it is stored, and read."""
    uid = site.uids[0]
    async with site.http() as http:
        status = await Story(site, http, uid).to("signing")
        headers = await site.headers("ops")
        await asyncio.to_thread(_copy, site, status["application_id"], uid, applications)
        some = f"/applications/{FIRST_UID + 1}"
        content = (await http.get(some, headers=headers)).raise_for_status().content
        listed = (await http.get("/applications", headers=headers)).raise_for_status().content
    chosen = random.Random(7)  # noqa: S311 - an order

    def one() -> str:
        return f"/api/v1/applications/{FIRST_UID + chosen.randrange(applications)}"

    found = []
    for name, path, same in (
        ("status", one, content),
        ("list of 50", lambda: "/api/v1/applications", listed),
    ):
        file, [port] = site.folder / "same.json", free_ports(1)
        file.write_bytes(same)
        arguments = [sys.executable, "-m", "bench.front_door.bare", str(port), str(file)]
        bare = Program(arguments, site.folder / "bare.log", site.environment, says=READY)
        await bare.start()
        try:
            ours: list[Answers] = []
            bares: list[Answers] = []
            for _ in range(rounds):
                ours.append(
                    await asked(
                        site.url, path, headers, site.serve.pid, seconds=seconds, connections=CONNECTIONS
                    )
                )
                bares.append(
                    await asked(
                        f"http://127.0.0.1:{port}",
                        lambda: "/applications/1",
                        headers,
                        bare.pid,
                        seconds=seconds,
                        connections=CONNECTIONS,
                    )
                )
        finally:
            await bare.kill()
        found += _figures(name, ours, bares, len(same))
    return found


def _figures(name: str, ours: list[Answers], bares: list[Answers], size: int) -> list[Figure]:
    ratio = median(mine.per_second / other.per_second for mine, other in zip(ours, bares, strict=True))
    cpu = median(other.cpu_ms / mine.cpu_ms for mine, other in zip(ours, bares, strict=True))
    latencies = [each for answers in ours for each in answers.latencies]
    return [
        Figure(part="reads", name=f"{name}: ratio to a bare route", value=round(ratio, 3), least=LEAST),
        Figure(part="reads", name=f"{name}: ratio by CPU time", value=round(cpu, 3)),
        Figure(
            part="reads", name=f"{name}: a second", value=round(median(each.per_second for each in ours), 1)
        ),
        Figure(part="reads", name=f"{name}: CPU each", value=_ms(ours), unit="ms"),
        Figure(part="reads", name=f"{name}: CPU each, bare", value=_ms(bares), unit="ms"),
        Figure(
            part="reads", name=f"{name}: p50", value=round(1000 * percentile(latencies, 50), 1), unit="ms"
        ),
        Figure(part="reads", name=f"{name}: size", value=size, unit="bytes"),
        Figure(part="reads", name=f"{name}: not 200", value=sum(each.failed for each in ours), most=0),
    ]


def _ms(answers: list[Answers]) -> float:
    return round(median(each.cpu_ms for each in answers), 3)


def _copy(site: Site, application_id: str, uid: str, count: int) -> None:
    """So many copies of an application, as it is stored."""
    with closing(sqlite3.connect(site.folder / "onboarding.db", timeout=60)) as connection, connection:
        for table in _COPIED:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            copied = ", ".join(_copied(column) for column in columns)
            connection.execute(
                f"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {count} - 1)"  # noqa: S608 - our own tables
                f" INSERT INTO {table} ({', '.join(columns)}) SELECT {copied} FROM {table}, n"
                " WHERE application_id = :id",
                {"id": application_id, "uid": uid, "first": FIRST_UID},
            )


def _copied(column: str) -> str:
    match column:
        case "company_master_uid":
            return "CAST(:first + i AS TEXT)"
        case "application_id":
            return "'copy-' || i"
        case "state" | "status":
            return f"replace(replace({column}, :id, 'copy-' || i), :uid, CAST(:first + i AS TEXT))"
        case _:
            return column
