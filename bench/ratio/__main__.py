"""`python -m bench.ratio`: the reference onboarding beside the limit and DBOS; exit code 1 if it failed."""

import asyncio
import os
import shutil
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from temporalio.runtime import Runtime, TelemetryConfig

from bench.ratio.figures import Report
from bench.ratio.run import Comparison
from bench.ratio.show import show
from runtime.process import until_signalled

_INTERRUPTED: Final = 130

app = typer.Typer(add_completion=False)


def _numbers(text: str) -> list[int]:
    try:
        numbers = [int(each) for each in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise typer.BadParameter("--at-once takes numbers from 1, separated by commas")
    return numbers


@app.command()
def main(
    at_once: Annotated[
        str, typer.Option(help="Onboardings at a time, one line of the table for each.")
    ] = "8,24,40,100",
    onboardings: Annotated[
        int,
        typer.Option(
            "-n", "--onboardings", min=1, help="Onboardings of a run; three times --at-once at least."
        ),
    ] = 60,
    rounds: Annotated[
        int, typer.Option(min=1, help="How often each engine has its turn; medians are compared.")
    ] = 2,
    kill_every: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0.5,
            help="Instead: this service alone, its worker killed (-9) so many seconds after it works.",
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option("--json", help="Everything measured, as JSON.")] = None,
    keep: Annotated[bool, typer.Option(help="Keep the folder with the logs.")] = False,
) -> None:
    """Complete the reference onboarding (nine messages, ten mails) on three engines in turns: this service, a
    workflow without logic (the limit), and DBOS; on one Temporal server and one PostgreSQL.

    The exit code is 1 if an engine failed, a mail is missing or came twice, or our own load led to a refusal,
    a warning, or an activity that was done again.
    """
    numbers = _numbers(at_once)
    # The SDK of this process need not say that a worker is away.
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=None)))
    at, load = datetime.now(UTC), round(os.getloadavg()[0], 1)
    progress = Console(stderr=True)
    comparison = Comparison(onboardings, rounds, kill_every, lambda line: progress.print(line, markup=False))
    folder = Path(tempfile.mkdtemp(prefix="ratio-"))
    try:
        asyncio.run(until_signalled(comparison.measure(folder, numbers)))
    finally:
        if keep:
            progress.print(f"Logs: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    report = Report(
        at=at,
        cores=os.cpu_count() or 1,
        load_before=load,
        rounds=rounds,
        kill_every=kill_every,
        runs=tuple(comparison.runs),
        failed=tuple(comparison.failed),
    )
    show(report, Console())
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    if not comparison.complete:
        progress.print("Interrupted; everything that was started has ended.")
    # The SDK's threads may still be at work, and a process ending under them aborts (sdk-python #300).
    time.sleep(0.1)
    raise typer.Exit(_INTERRUPTED if not comparison.complete else int(bool(report.wrong)))


if __name__ == "__main__":
    app()
