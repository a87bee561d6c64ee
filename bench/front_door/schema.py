"""Schemathesis against the running service: whatever its description allows, and what it forbids."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench.front_door.figures import Figure
from bench.front_door.programs import Site
from bench.front_door.story import STORY, Story

PERSONAS: Final = ("mei", "ops", "wei", "crm", "ada", "vic")
"""Each in a run of its own: who may do less is refused more."""
ALL_PHASES: Final = "examples,coverage,fuzzing,stateful"
STREAMS: Final = ("stream_events", "stream_application_events")
"""Left out: they never end. `bench.front_door.streams` has them."""
TESTED: Final = frozenset({0, 1})
"""The codes by which Schemathesis says that it has tested: nothing was found, or something."""
MOST_SAID: Final = 20_000
"""Characters of what Schemathesis says of failures."""
_AT_ONCE: Final = 3
_KNOWN: Final = 0.7
"""How often an address names an application that is there."""


async def measure(
    site: Site, *, examples: int, least: int, personas: Sequence[str] = PERSONAS, phases: str = ALL_PHASES
) -> list[Figure]:
    """Take one application to each point of the story, and let everybody loose on them.

    ``examples``: of each operation in each run, beside those that the description itself leads to;
    ``least``: the cases there have to be.
    """
    async with site.http() as http:
        for uid, goal in zip(site.uids, STORY, strict=False):
            await Story(site, http, uid).to(goal)
    settings = site.folder / "schemathesis.toml"
    settings.write_text(_settings(site), encoding="utf-8")
    slots = asyncio.Semaphore(_AT_ONCE)

    async def run(persona: str) -> dict[str, Any]:
        async with slots:
            return await _run(site, settings, persona, examples, phases)

    reports = await asyncio.gather(*map(run, personas))
    failed = dict.fromkeys(("with_failures", "errored"), 0)
    for persona, report in zip(personas, reports, strict=True):
        for name in failed:
            failed[name] += report["test_cases"][name]
        if report["failures"] or report["errors"]:
            print(f"As {persona}:\n{_log(site, persona).read_text('utf-8')[-MOST_SAID:]}", file=sys.stderr)
    cases = sum(report["test_cases"]["generated"] for report in reports)
    errors = sum(each["count"] for report in reports for each in report["errors"])
    return [
        Figure(part="schema", name="cases", value=cases, least=least),
        Figure(part="schema", name="cases that fail a check", value=failed["with_failures"], most=0),
        Figure(part="schema", name="errors", value=failed["errored"] + errors, most=0),
    ]


def _log(site: Site, persona: str) -> Path:
    return site.folder / f"schemathesis-{persona}.log"


async def _run(site: Site, settings: Path, persona: str, examples: int, phases: str) -> dict[str, Any]:
    found = site.folder / f"schemathesis-{persona}.json"
    log = _log(site, persona)
    with log.open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("schemathesis")),
            *("--config-file", str(settings), "run", f"{site.url}/api/v1/openapi.json"),
            *("--header", f"Authorization: Bearer {await site.token(persona)}"),
            *("--checks", "all", "--max-examples", str(examples), "--workers", "1"),
            *("--phases", phases),
            *("--generation-database", "none", "--no-color"),
            *(part for name in STREAMS for part in ("--exclude-operation-id", name)),
            *("--report", "json", "--report-json-path", str(found)),
            # It leaves a folder where it runs.
            cwd=site.folder,
            env=dict(site.environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
        try:
            code = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if code not in TESTED or not found.exists():
        raise RuntimeError(f"Schemathesis ended with code {code}:\n{log.read_text('utf-8')[-3000:]}")
    report: dict[str, Any] = json.loads(found.read_text("utf-8"))
    return report


def _settings(site: Site) -> str:
    """`schemathesis.toml`."""
    known = json.dumps(list(site.uids))
    return f"""
hooks = {json.dumps(str(Path(__file__).with_name("hooks.py")))}
request-timeout = 60.0
continue-on-failure = true
[dictionaries.uids]
values = {known}
[parameters]
"path.uid" = {{ dictionary = "uids", probability = {_KNOWN} }}
"body.company_master_uid" = {{ dictionary = "uids", probability = {_KNOWN} }}
# 422 is also what breaks a rule that no schema says, such as a cursor of no page; 412 a condition that fails.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "401", "403", "404", "409", "412", "422", "429"]
"""
