"""``python -m bench.chaos``: one run, and exit code 1 if a promise was broken."""

import asyncio
import gzip
import shutil
import signal
import tempfile
import time
from collections.abc import Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from temporalio.runtime import Runtime, TelemetryConfig

from activities.db.accounts import SqlAccountDirectory
from activities.db.engine import Database
from bench.chaos import collect, histories
from bench.chaos.driver import drive
from bench.chaos.evidence import Evidence, FaultSeen, Sending
from bench.chaos.faults import Saboteur
from bench.chaos.oracle import judge
from bench.chaos.oracle_mails import judge_mails
from bench.chaos.oracle_records import judge_records
from bench.chaos.plan import MEANING, ORDINARY, FaultKind, Plan, Script, plan
from bench.chaos.report import Report, report, show
from bench.chaos.services import running
from domain.inquiry import Account
from settings import TemporalSettings
from starter.client.onboarding_client import connect
from tests import payloads

FAULT_SHARE: Final = 0.6
"""Share of the time in which things go wrong; the rest is for finishing what waits."""
PATIENCE: Final = 3.0
"""A run ends when all is done, and at the latest after so many times ``--minutes``."""

app = typer.Typer(add_completion=False)


def _chosen(faults: str) -> frozenset[FaultKind]:
    """``all,-outage``: all but one; ``all,reset``: operators' resets, too; ``worker,lost``: those two."""
    groups = {"all": set(ORDINARY), "none": set[FaultKind]()}
    chosen: set[FaultKind] = set()
    for name in filter(None, map(str.strip, faults.split(","))):
        try:
            named = groups[name] if name in groups else {FaultKind(name.removeprefix("-"))}
        except ValueError:
            raise typer.BadParameter(
                f"there is no fault {name!r}; there are: all, none, {', '.join(FaultKind)}"
            ) from None
        chosen = chosen - named if name.startswith("-") else chosen | named
    return frozenset(chosen)


@app.command(epilog="Faults: " + "; ".join(f"{kind}: {text}" for kind, text in MEANING.items()))
def main(
    minutes: Annotated[
        float, typer.Option(help="How long, 60 % of it with faults; three times that at most.")
    ] = 3,
    applicants: Annotated[int, typer.Option(help="How many applicants.")] = 60,
    concurrency: Annotated[int, typer.Option(help="How many at a time.")] = 30,
    seed: Annotated[int, typer.Option(help="The same seed gives the same plan.")] = 1,
    faults: Annotated[
        str,
        typer.Option(help="Names separated by commas, 'all' (but reset) or 'none'; -NAME leaves one out."),
    ] = "all",
    workers: Annotated[int, typer.Option(help="Worker processes.")] = 2,
    output: Annotated[Path, typer.Option(help="The report as JSON.")] = Path("build/chaos.json"),
    keep: Annotated[
        bool,
        typer.Option(help="Keep the folder with logs and evidence, as is done where a promise was broken."),
    ] = False,
) -> None:
    """Push applicants through the process while everything breaks, then look for what was lost or doubled."""
    console = Console()
    planned = plan(
        seed, applicants, seconds=minutes * 60 * FAULT_SHARE, workers=workers, faults=_chosen(faults)
    )
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    result: Report | None = None
    try:
        result = asyncio.run(
            _interruptible(_run(folder, planned, minutes * 60 * PATIENCE, concurrency, console))
        )
    except asyncio.CancelledError:
        console.print("Interrupted; everything that was started has ended.")
        raise typer.Exit(130) from None
    finally:
        # What broke a promise can't be made to happen again.
        if keep or (result is not None and not result.kept):
            console.print(f"Logs and evidence: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    show(result, console)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(result.model_dump_json(indent=1) + "\n", encoding="utf-8")
    console.print(f"Report: {output}")
    # The SDK's threads may still be at work, and a process ending under them aborts (sdk-python #300).
    time.sleep(0.1)
    raise typer.Exit(0 if result.kept else 1)


async def _interruptible(run: Coroutine[Any, Any, Report]) -> Report:
    """End in order on Ctrl-C and when told to stop: the run is cancelled, not the loop."""
    task = asyncio.create_task(run)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    return await task


async def _run(folder: Path, planned: Plan, limit: float, concurrency: int, console: Console) -> Report:
    sendings: list[Sending] = []
    resets: list[FaultSeen] = []
    # That the server is away is what we are here for: the SDK need not say so.
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=None)))
    at = datetime.now(UTC)
    async with running(folder, planned) as services:
        client = await connect(
            TemporalSettings(
                services.temporal.address,
                services.temporal.namespace,
                {"target_host": services.temporal.address, "namespace": services.temporal.namespace},
            )
        )
        database = Database(services.database_url)
        await _enter_accounts(database, planned.scripts)
        sampler, saboteur = collect.Sampler(database), Saboteur(services, planned)
        sampling = asyncio.create_task(sampler.run())
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
        ) as progress:
            bar = progress.add_task("Applicants", total=len(planned.scripts), note="")

            def ended(script: Script, how: str) -> None:
                progress.advance(bar)
                if how != "active":
                    progress.console.print(f"{script.uid}: {how}")

            async with saboteur.at_work():
                with suppress(TimeoutError):
                    async with asyncio.timeout(limit):
                        await drive(
                            client,
                            planned.scripts,
                            concurrency=concurrency,
                            tell=sendings.append,
                            reset=resets.append,
                            ended=ended,
                        )
                        progress.update(bar, note="waiting for what is left")
                        await saboteur.heal()
                        while not await collect.all_done(client, database):  # noqa: ASYNC110 - nothing tells when
                            await asyncio.sleep(0.5)
            took = time.time() - services.start
            progress.update(bar, note="comparing the records")
            sampling.cancel()
            exits = [code for worker in services.workers for code in worker.exits]
            uids = tuple(script.uid for script in planned.scripts)
            evidence = Evidence(
                sendings=tuple(sendings),
                runs=await histories.runs(client, uids),
                samples=tuple(sampler.samples),
                readings=tuple(sampler.readings),
                mails=collect.mails(services.mail_log),
                faults=(*saboteur.seen(), *resets),
                **await collect.stored(database, uids),
            )
        await database.dispose()
    _keep(folder, evidence)
    mail_violations, doubles = judge_mails(planned.scripts, evidence)
    return report(
        planned,
        evidence,
        (*judge(planned.scripts, evidence), *judge_records(planned.scripts, evidence), *mail_violations),
        doubles,
        at=at,
        concurrency=concurrency,
        seconds=took,
        worker_exits=exits,
    )


def _keep(folder: Path, evidence: Evidence) -> None:
    with gzip.open(folder / "evidence.json.gz", "wt", encoding="utf-8") as file:
        file.write(evidence.model_dump_json())


async def _enter_accounts(database: Database, scripts: tuple[Script, ...]) -> None:
    directory = SqlAccountDirectory(database)
    enterprise = {
        "legal_name": payloads.ENTERPRISE,
        "registration_number": payloads.REGISTRATION,
        "country": "SG",
        "verified": True,
    }
    for script in scripts:
        await directory.put(Account.model_validate({"uid": script.uid, "enterprise": enterprise}))


if __name__ == "__main__":
    app()
