"""Records the histories of the release that is being made: ``python -m tests.replay.record``.

Every journey runs on the real server with time skipping, is replayed as it was written, and is kept only
if it replays and ended where it should. Older releases are never touched: their histories are what their
code wrote.
"""

import argparse
import asyncio
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from base64 import b64decode
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from packaging.version import Version
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory
from temporalio.testing import WorkflowEnvironment

from domain.contract import Stage, coverage_id
from starter.local.dev_server import (
    TIME_SKIPPING_DYNAMIC_CONFIG,
    dynamic_config_arguments,
    temporal_executable,
)
from tests.replay import contracts
from tests.replay.accidents import accidents
from tests.replay.corpus import HISTORIES, Recorded, Replayed, parse, recorded, release, replay, written
from tests.replay.coverage import coverage
from tests.replay.journeys import ORDINARY
from tests.replay.outages import outages
from tests.replay.signatures import SIGNATURES, runs_of_signatures, runs_of_sweeps
from tests.replay.ways import Journey
from tests.replay.webhooks import runs_of_endpoints, webhooks
from tests.rig import Applicant, Service, serve
from tests.smtp_server import Plan, SmtpServer
from tests.temporal_env import SEARCH_ATTRIBUTES, TIME_SKIPPING
from workflows.plugin import OnboardingPlugin

LANES: Final = 3
"""Journeys recorded at a time, each on a server, a database and a mail server of its own."""
EVENTS_OF_A_SHORT_RUN: Final = 60
WITHIN: Final = timedelta(seconds=120)
"""No journey takes nearly as long."""
RECORDER: Final = "recorder"
_ROOT: Final = Path(__file__).parents[2]


class RefusedError(Exception):
    """These histories may not be recorded; the message says what to do."""


def journeys(server: SmtpServer) -> tuple[Journey, ...]:
    """All journeys of the corpus, with ``server`` as the service's mail server."""
    return (
        *(*ORDINARY, *accidents(server), *outages(server), *coverage(server)),
        *(*webhooks(server), *SIGNATURES),
    )


def names() -> tuple[str, ...]:
    """The names of all journeys."""
    return tuple(journey.name for journey in journeys(SmtpServer(Plan())))


def folder_to_record() -> Path:
    """The folder of the release that is being made.

    Raises:
        RefusedError: that release is out already, or a newer one has histories.
    """
    current = release()
    newer = [path.name for path in HISTORIES.glob("*") if Version(path.name) > Version(current)]
    if newer:
        raise RefusedError(
            f"Version {current} (pyproject.toml) is older than the histories of {', '.join(newer)}:"
            " older releases are never touched. Raise the version, then record."
        )
    if is_tagged(f"v{current}"):
        raise RefusedError(
            f"Version {current} is released (tag v{current}), its histories are not touched any more."
            " Raise the version in pyproject.toml, then record."
        )
    return HISTORIES / current


def is_tagged(tag: str) -> bool:
    """Whether the repository has this tag; a release has one."""
    git = shutil.which("git")
    if git is None:
        return False
    found = subprocess.run(
        [git, "tag", "--list", tag], cwd=_ROOT, capture_output=True, text=True, check=False
    )
    return bool(found.stdout.strip())


@asynccontextmanager
async def _lane(folder: Path, *, short_runs: bool) -> AsyncIterator[tuple[Service, SmtpServer]]:
    config = dict(TIME_SKIPPING_DYNAMIC_CONFIG)
    if short_runs:
        config["limit.historyCount.suggestContinueAsNew"] = str(EVENTS_OF_A_SHORT_RUN)
    server = SmtpServer(Plan())
    async with (
        server.running(),
        await WorkflowEnvironment.start_time_skipping_v2(
            ts_config=TIME_SKIPPING,
            plugins=[OnboardingPlugin()],
            search_attributes=SEARCH_ATTRIBUTES,
            dev_server_existing_path=str(temporal_executable()),
            dev_server_extra_args=["--log-level=error", *dynamic_config_arguments(config)],
            dev_server_startup_timeout=WITHIN,
        ) as env,
        serve(env, folder, smtp_url=server.url) as service,
    ):
        yield service, server


class Recorder:
    """Takes journeys from a list, records each, and writes it into ``folder``."""

    def __init__(self, folder: Path, wanted: Iterable[str]) -> None:
        self._folder = folder
        self._wanted = list(wanted)
        self._private = _private_words()
        self.recorded: list[str] = []
        self.failed: list[str] = []

    async def run(self, scratch: Path) -> None:
        """Record everything, several at a time, with data in ``scratch``."""
        async with asyncio.TaskGroup() as lanes:
            for number in range(LANES):
                lanes.create_task(self._work(scratch / f"lane-{number}", short_runs=False))
            lanes.create_task(self._work(scratch / "short-runs", short_runs=True))

    async def _work(self, folder: Path, *, short_runs: bool) -> None:
        async with _lane(folder, short_runs=short_runs) as (service, server):
            stories = {j.name: j for j in journeys(server) if j.short_runs == short_runs}
            while mine := next((name for name in self._wanted if name in stories), None):
                self._wanted.remove(mine)
                began = time.monotonic()
                try:
                    async with asyncio.timeout(WITHIN.total_seconds()):
                        await self._record(stories[mine], service)
                except Exception:
                    self.failed.append(mine)
                    print(f"FAILED {mine}\n{traceback.format_exc()}", file=sys.stderr)
                else:
                    self.recorded.append(mine)
                    print(f"{mine} ({time.monotonic() - began:.1f} s)", flush=True)
                finally:
                    server.plan = Plan()

    async def _record(self, journey: Journey, service: Service) -> None:
        applicant = await service.applicant(start=journey.joins)
        await journey.story(applicant)
        if journey.ends:
            await applicant.settled()
        runs = [(name, _normalised(history)) async for name, history in _runs(journey.name, applicant)]
        files: dict[Path, str] = {}
        reached: Stage | None = None
        unasked = set(journey.asks)
        for name, document in runs:
            text = _lines(document)
            self._refuse_private(name, text, document)
            replayed = await replay(parse(text))
            if replayed.failure:
                raise AssertionError(f"{name} does not replay: {replayed.failure}")
            reached = next((ask.to_stage for ask in reversed(replayed.trail) if ask.to_stage), reached)
            unasked -= {ask.ask for ask in replayed.trail}
            one = Recorded(self._folder / f"{name}.json")
            files[one.path] = text
            files[one.trail_path] = written(replayed.trail)
        if journey.ends and reached is not journey.ends:
            raise AssertionError(f"{journey.name} came to {reached}, not to {journey.ends}")
        if unasked:
            raise AssertionError(f"{journey.name} has not asked for {', '.join(sorted(unasked))}")
        remove(self._folder, journey.name)
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")

    def _refuse_private(self, name: str, text: str, document: dict[str, Any]) -> None:
        """Nothing of this machine, also not inside a payload."""
        seen = "\n".join((text, *_payloads(document)))
        found = [word for word in self._private if word in seen]
        if found:
            raise AssertionError(f"{name} names this machine: {', '.join(found)}")


async def rewrite_trails() -> int:
    """Accept what today's code decides, in all releases; histories stay. Returns how many trails changed."""
    changed = 0
    for one in recorded():
        replayed = await replay(one.history())
        if acceptable(one, replayed) and replayed.trail != one.trail():
            one.trail_path.write_text(written(replayed.trail), encoding="utf-8")
            print(one.name)
            changed += 1
    return changed


def acceptable(one: Recorded, replayed: Replayed) -> bool:
    """Whether another trail may be accepted: the history replays, and goes through the stages it did."""
    return replayed.failure is None and replayed.stages() == one.stages()


def remove(folder: Path, journey: str) -> None:
    """Remove what an earlier recording of the journey has left."""
    for path in folder.glob(f"{journey}*"):
        if path.name.split(".")[0] == journey:
            path.unlink()


async def _runs(name: str, applicant: Applicant) -> AsyncIterator[tuple[str, WorkflowHistory]]:
    """The applicant's newest application, run by run, the changes of what it covers, the children they leave
    behind, and the runs that deliver webhooks of it, or carry signatures to it.

    Of a run that was reset, what it was turned into: that has its history in it.
    """
    client, workflow_id = applicant.service.env.client, applicant.handle.id
    run_id = applicant.handle.first_execution_run_id
    number, children = 1, list[str]()
    while run_id:
        handle = client.get_workflow_handle(workflow_id, run_id=run_id)
        if turned_into := (await handle.describe()).raw_description.workflow_extended_info.reset_run_id:
            run_id = turned_into
            continue
        history = await handle.fetch_history()
        yield name if number == 1 else f"{name}.run-{number}", history
        last = history.events[-1]
        continued = last.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW
        run_id = (
            last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
            if continued
            else None
        )
        number += 1
        children += _children(history)
    query = f"WorkflowId = '{coverage_id(applicant.uid)}'"
    changes = [change async for change in client.list_workflows(query)]
    for number, change in enumerate(sorted(changes, key=lambda change: change.start_time), 1):
        history = await client.get_workflow_handle(change.id, run_id=change.run_id).fetch_history()
        yield f"{name}.change-{number}", history
        for child_id in _children(history):
            child = client.get_workflow_handle(child_id)
            await child.result()
            yield f"{name}.change-{number}.child", await child.fetch_history()
    for child_id in children:
        child = client.get_workflow_handle(child_id)
        await child.result()
        yield f"{name}.child", await child.fetch_history()
    beside = {
        "webhook": runs_of_endpoints(applicant.service, applicant.uid),
        "signature": runs_of_signatures(applicant.service, str(applicant.handle.first_execution_run_id)),
        "sweep": runs_of_sweeps(applicant.service, applicant.uid),
    }
    for what, histories in beside.items():
        number = 0
        async for history in histories:
            number += 1
            yield f"{name}.{what}-{number}", history


def _children(history: WorkflowHistory) -> list[str]:
    return [
        event.start_child_workflow_execution_initiated_event_attributes.workflow_id
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED
    ]


def _normalised(history: WorkflowHistory) -> dict[str, Any]:
    """The history without what tells of this machine; none of it matters to a replay."""
    document: dict[str, Any] = json.loads(history.to_json())
    for part in objects(document):
        if "identity" in part:
            part["identity"] = RECORDER
        if part.get("kind") == "TASK_QUEUE_KIND_STICKY":
            part["name"] = "sticky"
        if "buildId" in part:
            part["buildId"] = RECORDER
        part.pop("stackTrace", None)
    return document


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object in a document, at any depth."""
    if isinstance(value, dict):
        yield value
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        yield from objects(child)


def _payloads(document: dict[str, Any]) -> Iterator[str]:
    for part in objects(document):
        if isinstance(part.get("data"), str):
            yield b64decode(part["data"]).decode("utf-8", "replace")


def _lines(document: dict[str, Any]) -> str:
    """One event a line: short, and a diff shows which events changed."""
    events = ",\n".join(json.dumps(event, separators=(",", ":")) for event in document["events"])
    return f'{{"events":[\n{events}\n]}}\n'


def _private_words() -> tuple[str, ...]:
    return (
        f"{os.getpid()}@",
        f"@{socket.gethostname()}",
        str(_ROOT),
        str(Path.home()) + os.sep,
        tempfile.gettempdir() + os.sep,
        sys.prefix,
    )


def main() -> int:
    """Record what is missing (or, with ``--again``, everything or what is named); 1 when something failed."""
    parser = argparse.ArgumentParser(prog="make histories", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="JOURNEY", help="only these; without, all of them")
    parser.add_argument("--again", action="store_true", help="also those recorded already")
    parser.add_argument(
        "--trails", action="store_true", help="only accept the trails of today's code, in all releases"
    )
    options = parser.parse_args()
    # Half of the journeys are accidents; what goes wrong is told at the end.
    logging.disable(logging.CRITICAL)
    if options.trails:
        print(f"{asyncio.run(rewrite_trails())} trails changed: read `git diff` before you commit them.")
        return 0
    unknown = set(options.names) - set(names())
    try:
        if unknown:
            raise RefusedError(
                f"No such journey: {', '.join(sorted(unknown))}. There are: {', '.join(names())}"
            )
        folder = folder_to_record()
    except RefusedError as refusal:
        print(refusal, file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    contracts.write(release())
    wanted = [
        name
        for name in options.names or names()
        if options.again or not Recorded(folder / f"{name}.json").path.exists()
    ]
    if not wanted:
        print(f"All {len(names())} journeys of {release()} are recorded; --again records them anew.")
        return 0
    recorder = Recorder(folder, wanted)
    with tempfile.TemporaryDirectory() as scratch:
        asyncio.run(recorder.run(Path(scratch)))
    if not options.names:
        for stale in {path.name.split(".")[0] for path in folder.iterdir()} - set(names()):
            remove(folder, stale)
    print(f"{len(recorder.recorded)} of {len(wanted)} journeys recorded in {folder.relative_to(_ROOT)}")
    return 1 if recorder.failed else 0


if __name__ == "__main__":
    code = main()
    # The SDK's threads may still be at work, and a process ending under them aborts (sdk-python #300).
    time.sleep(0.1)
    sys.exit(code)
