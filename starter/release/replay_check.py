"""Before a deploy: does the code here replay what applications on a live server have done so far?

Applications are picked stage by stage, so that every stage there is gets replayed, and within a stage from
the newest to the oldest, whose histories older code wrote.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from temporalio.api.history.v1 import History
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus, WorkflowHistory
from temporalio.converter import PayloadCodec
from temporalio.plugin import SimplePlugin
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Replayer, WorkflowRunner

from domain.contract import COVERAGE_TYPE, DELIVERY_TYPE, WEBHOOK_TYPE, WORKFLOW_TYPE, Stage
from domain.signatures import SIGNATURE_TYPE, SWEEP_TYPE
from domain.values import instant_text
from settings import load_settings
from starter.release.anonymise import Anonymiser, payloads
from starter.release.replaying import Remedy, WatchedRunner, met, processes_for, replaying, stages_shown
from worker import WORKFLOWS
from workflows.plugin import OnboardingPlugin, sandboxed_workflow_runner
from workflows.search_attributes import STAGE

NO_STAGE_YET: Final = "no stage yet"
DELIVERY: Final = "outstanding delivery"
COVERAGE: Final = "change of coverage"
WEBHOOKS: Final = "webhooks"
SIGNATURES: Final = "signatures in"


@dataclass(frozen=True)
class Selection:
    """Which runs are looked at: all that run, and those closed since ``closed_since``.

    ``query`` narrows them down (a Temporal visibility query). At most ``limit`` runs are picked, but at
    least one of every stage there is.
    """

    limit: int
    closed_since: datetime
    query: str | None = None

    def of(self, group: str) -> str:
        """The visibility query for the runs of one of `groups`."""
        terms = [
            _GROUPS[group],
            f"(ExecutionStatus = 'Running' OR CloseTime >= '{instant_text(self.closed_since)}')",
        ]
        if self.query:
            terms.append(f"({self.query})")
        return " AND ".join(terms)


@dataclass(frozen=True)
class Run:
    """A run picked, and the group (the stage) it stands for."""

    group: str
    workflow_id: str
    run_id: str
    running: bool


@dataclass(frozen=True)
class Break:
    """A run the code here can't go on with: what it did instead, the event of the history it met, and what to
    do."""

    run: Run
    problem: str
    event: str | None = None
    remedy: Remedy = Remedy.CODE


@dataclass(frozen=True)
class Group:
    """A stage, how many runs there are in it, and those picked."""

    name: str
    found: int
    picked: tuple[Run, ...]


@dataclass(frozen=True)
class Checked:
    """What a replay check found. ``gone`` are runs the server removed meanwhile, ``left_alone`` those that
    release 0.1.0 began and that have ended: nothing has to go on with them."""

    groups: tuple[Group, ...]
    breaks: tuple[Break, ...]
    gone: tuple[Run, ...] = ()
    left_alone: tuple[Run, ...] = ()

    def broken(self, group: Group) -> int:
        """How many runs of a group broke."""
        return sum(found.run.group == group.name for found in self.breaks)


@dataclass(frozen=True)
class Exported:
    """What an export wrote, and the runs it refused to keep because they don't replay without their data."""

    files: tuple[Path, ...]
    refused: tuple[Break, ...]


_GROUPS: Final = {
    **{stage.value: f"WorkflowType = '{WORKFLOW_TYPE}' AND {STAGE.name} = '{stage}'" for stage in Stage},
    NO_STAGE_YET: f"WorkflowType = '{WORKFLOW_TYPE}' AND {STAGE.name} IS NULL",
    DELIVERY: f"WorkflowType = '{DELIVERY_TYPE}'",
    COVERAGE: f"WorkflowType = '{COVERAGE_TYPE}'",
    WEBHOOKS: f"WorkflowType = '{WEBHOOK_TYPE}'",
    SIGNATURES: f"WorkflowType IN ('{SIGNATURE_TYPE}', '{SWEEP_TYPE}')",
}


async def pick(client: Client, selection: Selection) -> tuple[Group, ...]:
    """The groups that have runs, with runs picked evenly from each, the newest and the oldest among them.

    Raises:
        RPCError: the server refuses the query (INVALID_ARGUMENT), or can't be asked.
    """
    counted = {group: (await client.count_workflows(selection.of(group))).count for group in _GROUPS}
    found = {group: count for group, count in counted.items() if count}
    quotas = _quotas(found, selection.limit)
    groups = [
        Group(group, found[group], await _spread(client, selection, group, found[group], quotas[group]))
        for group in found
    ]
    return tuple(groups)


def _quotas(found: dict[str, int], limit: int) -> dict[str, int]:
    """One of each, then one more of each that has more, until the limit is reached."""
    quotas = dict.fromkeys(found, 1)
    left = limit - len(found)
    while left > 0 and (growing := [group for group in found if quotas[group] < found[group]]):
        for group in growing[:left]:
            quotas[group] += 1
        left -= len(growing)
    return quotas


async def _spread(
    client: Client, selection: Selection, group: str, found: int, quota: int
) -> tuple[Run, ...]:
    """As many runs as the quota, at even distances in the list, which begins with the newest."""
    last = max(quota - 1, 1)
    wanted = {number * (found - 1) // last for number in range(quota)}
    picked, place = [], 0
    async for execution in client.list_workflows(selection.of(group)):
        if place in wanted:
            picked.append(_run(group, execution))
        place += 1
    return tuple(picked)


def _run(group: str, execution: WorkflowExecution) -> Run:
    running = execution.status is WorkflowExecutionStatus.RUNNING
    return Run(group, execution.id, execution.run_id, running)


async def check(client: Client, groups: Sequence[Group], advance: Callable[[], None]) -> Checked:
    """Replay every run picked against the code here, several processes at a time.

    ``advance`` is called after each. Only the histories being replayed are held in memory.

    Raises:
        ReplayDiedError: a process died, of a lack of memory perhaps.
        RPCError: the server can't be asked.
    """
    breaks: list[Break] = []
    gone: list[Run] = []
    left_alone: list[Run] = []
    runs = [run for group in groups for run in group.picked]
    processes = processes_for(len(runs))
    with replaying(processes) as pool:

        async def one(run: Run) -> None:
            history = await _history(client, run)
            if history is None:
                gone.append(run)
            elif found := await _replayed(pool, run, history):
                if found.remedy is Remedy.END_FIRST and not run.running:
                    left_alone.append(run)
                else:
                    breaks.append(found)
            advance()

        await _each(runs, 2 * processes, one)
    return Checked(tuple(groups), tuple(breaks), tuple(gone), tuple(left_alone))


async def export(
    client: Client, groups: Sequence[Group], folder: Path, advance: Callable[[], None]
) -> Exported:
    """Write every run picked into a folder, without personal data; what then does not replay is not kept.

    Files are named by stage and number; those in the folder stay as they are. Raises as `check` does.
    """
    anonymiser = Anonymiser()
    files: list[Path] = []
    refused: list[Break] = []
    with replaying(1) as pool:
        for run in (run for group in groups for run in group.picked):
            history = await _history(client, run)
            if history is not None:
                stand_in = anonymiser.history(await _decrypted(history, client.data_converter.payload_codec))
                found = await _replayed(pool, run, stand_in, encrypted=False)
                if found:
                    refused.append(found)
                else:
                    files.append(_write(folder, run.group, stand_in))
            advance()
    return Exported(tuple(files), tuple(refused))


def _write(folder: Path, group: str, history: WorkflowHistory) -> Path:
    name = group.replace(" ", "_")
    number = 1
    while (path := folder / f"{name}-{number:03}.json").exists():
        number += 1
    path.write_text(_lines(history), encoding="utf-8")
    return path


def _lines(history: WorkflowHistory) -> str:
    """As ``temporal workflow show -o json`` has it, but one event a line: a diff shows which changed."""
    events = ",\n".join(
        json.dumps(event, separators=(",", ":")) for event in json.loads(history.to_json())["events"]
    )
    return f'{{"events":[\n{events}\n]}}\n'


async def _history(client: Client, run: Run) -> WorkflowHistory | None:
    handle = client.get_workflow_handle(run.workflow_id, run_id=run.run_id)
    try:
        return await handle.fetch_history()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


async def _each(runs: Iterable[Run], at_a_time: int, action: Callable[[Run], Awaitable[None]]) -> None:
    waiting = iter(runs)
    failures: list[Exception] = []

    async def lane() -> None:
        for run in waiting:
            try:
                await action(run)
            except Exception as failure:
                failures.append(failure)
            if failures:
                return

    # Not a TaskGroup, and none is cancelled: the SDK prints a trace when the answer to a call meets a loop
    # that was closed meanwhile, and the console script, which tells what an error means, knows no groups.
    await asyncio.gather(*(lane() for _ in range(at_a_time)))
    if failures:
        raise failures[0]


async def _decrypted(history: WorkflowHistory, codec: PayloadCodec | None) -> WorkflowHistory:
    if codec:
        for payload in payloads(history.events):
            [clear] = await codec.decode([payload])
            payload.CopyFrom(clear)
    return history


async def _replayed(
    pool: Executor, run: Run, history: WorkflowHistory, *, encrypted: bool = True
) -> Break | None:
    events = History(events=history.events).SerializeToString()
    failure = await asyncio.get_running_loop().run_in_executor(
        pool, _replay, history.workflow_id, events, encrypted
    )
    if failure is None:
        return None
    found = met(failure, history.events)
    return Break(run, found.problem, found.event_name, found.remedy)


def _replay(workflow_id: str, events: bytes, encrypted: bool) -> str | None:
    """What a replay failed with; in a process of the pool."""
    # Read here: the process of the pool has the environment, but no codec can be handed to it.
    codec = load_settings().codec if encrypted else None
    return asyncio.run(_failure(WorkflowHistory(workflow_id, History.FromString(events).events), codec))


async def _failure(history: WorkflowHistory, codec: PayloadCodec | None) -> str | None:
    """What is wrong with the replay. Temporal's compares kinds of commands only, hence the stages here."""
    now: list[str] = []

    def notice(command: WorkflowCommand) -> None:
        shown = command.upsert_workflow_search_attributes.search_attributes.indexed_fields
        if STAGE.name in shown:
            now.append(str(json.loads(shown[STAGE.name].data)))

    def watched(runner: WorkflowRunner | None) -> WorkflowRunner:
        return WatchedRunner(runner or sandboxed_workflow_runner(), notice)

    plugins = [OnboardingPlugin(codec), SimplePlugin("stages-shown", workflow_runner=watched)]
    replayer = Replayer(workflows=WORKFLOWS, plugins=plugins)
    result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
    if result.replay_failure is not None:
        return str(result.replay_failure)
    recorded = stages_shown(history.events)
    # The code may be one workflow task ahead of a history that was fetched in the middle of it.
    if tuple(now[: len(recorded)]) == recorded:
        return None
    return f"goes through other stages: {' → '.join(now)}, where the history has {' → '.join(recorded)}"
