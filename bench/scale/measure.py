"""The measurements: opening, commands, restarts, drains of a backlog, runs in the worker's memory."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from statistics import mean
from typing import Any, Final
from uuid import uuid4

from bench.chaos.services import cancelled, within
from bench.scale.figures import Cached, Drain, History, Level, Restart, Spread, WorkerOptions, rate
from bench.scale.site import Site
from domain.commands import COMMAND_ADAPTER
from domain.contract import TASK_QUEUE, WORKFLOW_TYPE, Command, OnboardingInput, Stage, workflow_id
from tests import payloads

READ_EVERY: Final = 0.05
"""Seconds between two readings of a drain."""
DRAIN_WITHIN: Final = 120.0
HISTORIES: Final = 20
RESTARTS: Final = 2
ASKED_EVERY: Final = 0.25
"""Seconds between two commands to a service whose worker has just been killed."""
ASKED: Final = 20
COUNTED_EVERY: Final = 0.25
"""Seconds between two counts of what is recorded: counting 100,000 rows takes its time, too."""
STARTS_AT_ONCE: Final = 16
PORTION: Final = 200
WAITING_WITHIN: Final = 120.0
"""Seconds until those under way wait in their stage."""
QUERIES_AT_ONCE: Final = 10


def command(kind: str, **fields: Any) -> Command:
    """A command under a new ID, by the role that usually sends it."""
    return COMMAND_ADAPTER.validate_python({"kind": kind, **payloads.command(kind, **fields)})


async def open_by_client(site: Site, uid: str, stage: Stage) -> None:
    """Take one applicant in by the typed client: start, first status, commands with their answers.

    Raises:
        OnboardingError: refused, or not answered in time.
    """
    await site.service.join(OnboardingInput.model_validate(payloads.join(uid)))
    await site.service.send(uid, command("confirm_company"))
    if stage is Stage.UNDER_REVIEW:
        await site.service.send(uid, command("submit_application", application=payloads.form(uid)))


async def open_by_signals(site: Site, uid: str, stage: Stage) -> None:
    """Take one applicant in as a service does that waits for no answer: a start that carries its command."""
    handle = await site.client.start_workflow(
        WORKFLOW_TYPE,
        payloads.join(uid),
        id=workflow_id(uid),
        task_queue=TASK_QUEUE,
        start_signal="confirm_company",
        start_signal_args=[payloads.command("confirm_company")],
    )
    if stage is Stage.UNDER_REVIEW:
        form = payloads.form(uid)
        await handle.signal("submit_application", payloads.command("submit_application", application=form))


async def open_many(
    site: Site,
    uids: Sequence[str],
    stage: Stage,
    *,
    until: float,
    opened: Callable[[list[str]], None],
    intake: Callable[[Site, str, Stage], Awaitable[None]] = open_by_signals,
) -> None:
    """Open applications, `STARTS_AT_ONCE` at a time, until all wait or the time (`time.monotonic`) is up.

    While one `PORTION` is being started, the one before is taken in. So no worker runs dry, and no more than
    two portions are queued: a longer backlog would measure the wrong thing.
    ``opened`` hears of those that wait, which in the end are all that were started.

    Raises:
        TimeoutError: those under way do not wait after `WAITING_WITHIN`.
    """
    before = await site.recorded(stage)
    started = told = 0

    async def all_wait(count: int) -> None:
        nonlocal told
        async with within(WAITING_WITHIN, f"{count - told} more applications that wait in {stage}"):
            while await site.recorded(stage) - before < count:  # noqa: ASYNC110 - a database sets no event
                await asyncio.sleep(COUNTED_EVERY)
        opened(list(uids[told:count]))
        told = count

    for first in range(0, len(uids), PORTION):
        portion = uids[first : first + PORTION]
        waiting = iter(portion)

        async def clerk(waiting: Iterator[str] = waiting) -> None:
            for uid in waiting:
                await intake(site, uid, stage)

        await _crew(clerk, STARTS_AT_ONCE)
        started = first + len(portion)
        await all_wait(first)
        if time.monotonic() > until:
            break
    await all_wait(started)


async def _crew(clerk: Callable[[], Coroutine[Any, Any, None]], count: int) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(clerk())


async def answered(site: Site, uid: str) -> float:
    """Seconds until a command is answered that changes something; it is stored and mailed afterwards."""
    name = uuid4().hex
    reassign = command("reassign_bd", bd={"name": f"BD {name}", "email": f"{name}@vendor.example.com"})
    began = time.monotonic()
    await site.service.send(uid, reassign)
    return time.monotonic() - began


async def level(
    site: Site, uids: Sequence[str], reference: Site, others: Sequence[str], samples: int
) -> Level:
    """Commands to ``samples`` of the open ones, later one more to each; each time one to the reference."""
    sampled = random.sample(uids, min(samples, len(uids)))
    times: list[list[float]] = [[], []]
    between = []
    for passed in times:
        for uid in sampled:
            passed.append(await answered(site, uid))
            between.append(await answered(reference, random.choice(others)))  # noqa: S311 - any one
        # What is stored and mailed of these commands is not to be measured with the next ones.
        await site.idle()
    return Level(
        open=len(uids),
        first=Spread.of(times[0]),
        again=Spread.of(times[1]),
        reference=Spread.of(between),
        server_mb=site.server_mb(),
        worker_mb=site.worker_mb(),
    )


async def restart(site: Site, uids: Sequence[str], reference: Site, others: Sequence[str]) -> Restart:
    """Kill the worker, which is started again at once, while commands come in; by turns at both sites."""
    served, beside, waits = [], [], []
    for _ in range(RESTARTS):
        answers = await _killed(site, uids)
        served.append(min(at for at, _ in answers))
        waits += [wait for _, wait in answers]
        beside.append(min(at for at, _ in await _killed(reference, others)))
    return Restart(served=Spread.of(served), reference=Spread.of(beside), waits=Spread.of(waits))


async def _killed(site: Site, uids: Sequence[str]) -> list[tuple[float, float]]:
    """Of each command: seconds after the kill until its answer, and seconds it waited."""
    killed = time.monotonic()
    site.kill_worker()

    async def ask(uid: str, after: float) -> tuple[float, float]:
        await asyncio.sleep(after)
        wait = await answered(site, uid)
        return time.monotonic() - killed, wait

    asked = random.sample(uids, min(ASKED, len(uids)))
    return await asyncio.gather(*(ask(uid, number * ASKED_EVERY) for number, uid in enumerate(asked)))


async def history(site: Site, uids: Sequence[str]) -> History:
    """What Temporal says of some histories."""
    found = [
        (await site.client.get_workflow_handle(workflow_id(uid)).describe()).raw_description
        for uid in random.sample(uids, min(HISTORIES, len(uids)))
    ]
    info = [each.workflow_execution_info for each in found]
    return History(
        events=round(mean(each.history_length for each in info), 1),
        bytes=round(mean(each.history_size_bytes for each in info)),
    )


async def drain(site: Site, options: WorkerOptions, uids: Sequence[str]) -> Drain:
    """Start applications while no worker runs, then one with these options, and watch the database.

    Raises:
        TimeoutError: the backlog is not worked off after `DRAIN_WITHIN`.
    """
    await site.dismiss()
    waiting = iter(uids)

    async def starter() -> None:
        for uid in waiting:
            await site.client.start_workflow(
                WORKFLOW_TYPE, payloads.join(uid), id=workflow_id(uid), task_queue=TASK_QUEUE
            )

    before, began = await site.recorded(), time.monotonic()
    await _crew(starter, STARTS_AT_ONCE)
    accepted = len(uids) / (time.monotonic() - began)
    times: list[tuple[float, int]] = []
    cpu: list[tuple[float, int]] = []
    employed = asyncio.create_task(site.employ(options))
    try:
        async with within(DRAIN_WITHIN, f"a backlog of {len(uids)} worked off with {options}"):
            while not times or times[-1][1] < len(uids):
                count = await site.recorded() - before
                times.append((time.monotonic(), count))
                cpu.append((site.worker_cpu(), count))
                await asyncio.sleep(READ_EVERY)
            await employed
    finally:
        await cancelled([employed])
    return Drain(
        options=options,
        backlog=len(uids),
        accepted_per_second=round(accepted, 1),
        first_tasks_per_second=rate(times, len(uids)),
        first_tasks_per_cpu_second=rate(cpu, len(uids)),
        worker_mb=site.worker_mb(),
        complaints=site.complaints(),
    )


async def cached(site: Site, uids: Sequence[str], steps: Sequence[int]) -> tuple[Cached, ...]:
    """Fill a fresh worker's memory by queries, run by run, and weigh it at these counts."""
    await site.employ(WorkerOptions(cache=len(uids) + QUERIES_AT_ONCE))
    found = [
        Cached(runs=0, worker_mb=site.worker_mb(), replays_per_cpu_second=None, hits_per_cpu_second=None)
    ]
    for low, high in zip([0, *steps], steps, strict=False):
        batch = uids[low:high]
        cold, warm = await _asked(site, batch), await _asked(site, batch)
        found.append(
            Cached(
                runs=high,
                worker_mb=site.worker_mb(),
                replays_per_cpu_second=round(len(batch) / cold, 1),
                hits_per_cpu_second=round(len(batch) / warm, 1),
            )
        )
    return tuple(found)


async def _asked(site: Site, uids: Sequence[str]) -> float:
    """Seconds of the worker's CPU that the status of all of these takes."""
    waiting = iter(uids)

    async def caller() -> None:
        for uid in waiting:
            await site.service.status(uid)

    began = site.worker_cpu()
    await _crew(caller, QUERIES_AT_ONCE)
    return site.worker_cpu() - began
