"""``python -m bench.open_applications``: many applications that wait, and what they cost."""

import asyncio
import os
import random
import shutil
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from temporalio.runtime import Runtime, TelemetryConfig

from bench.scale import measure
from bench.scale.figures import SDK, Level, Opening, Report, Stored, WorkerOptions, compared
from bench.scale.show import show
from bench.scale.site import Site, sites
from domain.contract import Stage
from runtime.errors import first_line

REFERENCE: Final = 100
LEVELS: Final = (REFERENCE, 1_000, 10_000)
MEASURING_SHARE: Final = 0.4
MOST_MEASURING: Final = 10 * 60
"""Of ``--minutes``, this share is kept for measuring, but no more than so many seconds."""
STAGES: Final = (Stage.DRAFTING, Stage.UNDER_REVIEW)
MOST_CACHED: Final = 2_000
TOO_SHORT: Final = "the time was not enough; give more by --minutes"
INTERRUPTED: Final = "interrupted"

app = typer.Typer(add_completion=False)


def _pollers(text: str) -> list[Any]:
    return [each if each == "auto" else int(each) for each in filter(None, text.split(","))]


@app.command()
def main(
    applications: Annotated[int, typer.Option("-n", "--applications", help="How many to open.")] = 10_000,
    minutes: Annotated[float, typer.Option(help="The most it may take.")] = 12,
    stage: Annotated[Stage, typer.Option(help=f"Where they wait: {' or '.join(STAGES)}.")] = Stage.DRAFTING,
    samples: Annotated[int, typer.Option(help="Commands measured at each level, of each sort.")] = 60,
    backlog: Annotated[int, typer.Option(help="Applications started for a worker to work off.")] = 200,
    pollers: Annotated[
        str, typer.Option(help="Pollers to compare with ours and the SDK's on it.")
    ] = "20,40,80",
    tasks: Annotated[str, typer.Option(help="Task slots to compare likewise.")] = "100",
    workers: Annotated[int, typer.Option(min=1, help="Workers to open with; one is measured.")] = 1,
    address: Annotated[
        str | None,
        typer.Option(
            help="host:port of a Temporal server to use, in a namespace of its own; else a dev server."
        ),
    ] = None,
    server_pid: Annotated[list[int] | None, typer.Option(help="Processes of that server, to weigh.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Open applications through the real intake, and measure commands, memory, restarts and backlogs."""
    if stage not in STAGES:
        raise typer.BadParameter(f"--stage must be {' or '.join(STAGES)}")
    options = WorkerOptions()
    try:
        sweep = [options, *(options.model_copy(update={"pollers": each}) for each in _pollers(pollers))]
        sweep += [options.model_copy(update={"tasks": int(each)}) for each in filter(None, tasks.split(","))]
    except ValueError:
        raise typer.BadParameter("--pollers and --tasks take numbers, separated by commas") from None
    # The SDK of this process need not say that a worker is away.
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=None)))
    console = Console(stderr=True)
    run = Run(applications, minutes * 60, stage, samples, options, workers, console)
    folder = Path(tempfile.mkdtemp(prefix="open-"))
    try:
        stopped = asyncio.run(run.within(folder, address, server_pid or [], sweep, backlog))
    except KeyboardInterrupt:
        stopped = INTERRUPTED
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    report = run.report(stopped)
    if as_json:
        print(report.model_dump_json(indent=1))
    else:
        show(report, Console())
    # The SDK's threads may still be at work, and a process ending under them aborts (sdk-python #300).
    time.sleep(0.1)
    raise typer.Exit(0 if report.complete else 1)


class Run:
    """One run; what it has found so far is in `report`, whenever it ends."""

    def __init__(
        self,
        applications: int,
        seconds: float,
        stage: Stage,
        samples: int,
        options: WorkerOptions,
        workers: int,
        console: Console,
    ) -> None:
        self._applications = applications
        self._seconds = seconds
        self._stage = stage
        self._samples = samples
        self._options = options
        self._workers = workers
        self._console = console
        self._at, self._began = datetime.now(UTC), time.monotonic()
        self._load = round(os.getloadavg()[0], 1)
        self._server = "dev server"
        self._open: list[str] = []
        self._others: list[str] = []
        self._levels: list[Level] = []
        self._found: dict[str, Any] = {}

    async def within(
        self,
        folder: Path,
        address: str | None,
        server_pids: list[int],
        sweep: list[WorkerOptions],
        backlog: int,
    ) -> str | None:
        """Measure everything, or until something goes wrong or the time is up; then, what it was."""
        if address is not None:
            self._server = address
        limit = asyncio.timeout(self._seconds)
        try:
            async with limit, sites(folder, address, server_pids) as (site, reference):
                await self._fill(site, reference)
                await self._examine(site, reference)
                await self._cache(site)
                await self._drain(site, sweep, backlog)
        # Whatever it is, it must not take what was measured before with it.
        except Exception as error:
            return TOO_SHORT if limit.expired() else _said(error)
        return None

    def report(self, stopped: str | None) -> Report:
        """All that was found."""
        return Report(
            at=self._at,
            stopped=stopped,
            server=self._server,
            stage=self._stage,
            options=self._options,
            cores=os.cpu_count() or 1,
            load_before=self._load,
            seconds=round(time.monotonic() - self._began, 1),
            levels=tuple(self._levels),
            **self._found,
        )

    async def _fill(self, site: Site, reference: Site) -> None:
        others = [str(6_900_000_000 + number) for number in range(REFERENCE)]
        uids = [str(6_200_000_000 + number) for number in range(self._applications)]
        for where, accounts in ((reference, others), (site, uids)):
            await where.employ(self._options)
            await where.enter_accounts(accounts)
        by_client = await self._open_reference(reference, others)
        empty = site.server_bytes(), await site.database_bytes()
        until = self._began + self._seconds - min(self._seconds * MEASURING_SHARE, MOST_MEASURING)
        took = 0.0
        with self._progress() as progress:
            bar = progress.add_task("Applications", total=len(uids))

            def opened(batch: list[str]) -> None:
                self._open += batch
                progress.advance(bar, len(batch))

            for goal in sorted({*(each for each in LEVELS if each < len(uids)), len(uids)}):
                batch = uids[len(self._open) : goal]
                async with site.helpers(self._options, self._workers - 1):
                    began = time.monotonic()
                    await measure.open_many(site, batch, self._stage, until=until, opened=opened)
                    took += time.monotonic() - began
                self._found["opening"] = Opening(
                    wanted=len(uids),
                    opened=len(self._open),
                    workers=self._workers,
                    seconds=round(took, 1),
                    by_client_per_second=by_client,
                )
                await site.idle()
                if "history" not in self._found:
                    self._found["history"] = await measure.history(site, self._open)
                found = await measure.level(site, self._open, reference, self._others, self._samples)
                self._levels.append(found)
                if time.monotonic() > until:
                    break
        count, file, database = len(self._open), site.server_bytes(), await site.database_bytes()
        self._found["stored"] = Stored(
            temporal=None if file is None or empty[0] is None else round((file - empty[0]) / count),
            database=round((database - empty[1]) / count),
        )

    async def _open_reference(self, reference: Site, uids: list[str]) -> float:
        began = time.monotonic()
        await measure.open_many(
            reference,
            uids,
            self._stage,
            until=float("inf"),
            opened=self._others.extend,
            intake=measure.open_by_client,
        )
        return round(len(uids) / (time.monotonic() - began), 1)

    async def _examine(self, site: Site, reference: Site) -> None:
        self._found["restart"] = await measure.restart(site, self._open, reference, self._others)
        # From here on there is nothing to compare with it, and it would only take time from the rest.
        await reference.dismiss()

    async def _cache(self, site: Site) -> None:
        most = min(len(self._open), MOST_CACHED)
        steps = sorted({*(each for each in (200, 500, 1_000) if each < most), most})
        with self._console.status("The worker's memory"):
            uids = random.sample(self._open, most)
            self._found["cached"] = await measure.cached(site, uids, steps)

    async def _drain(self, site: Site, sweep: list[WorkerOptions], backlog: int) -> None:
        drains = []
        order = [SDK, *(each for options in sweep for each in (options, SDK))]
        with self._progress() as progress:
            for number, options in enumerate(progress.track(order, description="Backlogs")):
                uids = [str(7_000_000_000 + number * backlog + each) for each in range(backlog)]
                drains.append(await measure.drain(site, options, uids))
                self._found["drains"] = compared(drains)

    def _progress(self) -> Progress:
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
        )


def _said(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {first_line(error)}"


if __name__ == "__main__":
    app()
