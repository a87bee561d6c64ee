"""``python -m bench.front_door``: what the front door promises, on the real parts; exit code 1 if broken."""

import asyncio
import json
import os
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from bench.front_door import latency, reads, schema, signed, streams, webhooks
from bench.front_door.figures import Figure
from bench.front_door.programs import Site, running
from runtime.process import until_signalled

FIRST_UID: Final = 5_123_456_789
UIDS: Final = tuple(str(FIRST_UID + number) for number in range(60))
Part = Callable[[Site], Awaitable[list[Figure]]]
LONG: Final[dict[str, Part]] = {
    "schema": lambda site: schema.measure(site, examples=8, least=20_000),
    "reads": lambda site: reads.measure(site, applications=10_000, rounds=7, seconds=2),
    "latency": lambda site: latency.measure(site, commands=100),
    "streams": lambda site: streams.measure(site, streams=1_000, seconds=30),
    "webhooks": lambda site: webhooks.measure(site, events=1_000, applications=40, within=1_500),
    "signatures": lambda site: signed.measure(site, contracts=40, within=300),
}
SHORT: Final[dict[str, Part]] = {
    "schema": lambda site: schema.measure(
        site, examples=2, least=100, personas=("mei", "ops"), phases="examples,fuzzing,stateful"
    ),
    "streams": lambda site: streams.measure(site, streams=100, seconds=3),
    "webhooks": lambda site: webhooks.measure(site, events=40, applications=4, within=120),
    "signatures": lambda site: signed.measure(site, contracts=2, within=60),
}
"""What can't be judged on a busy machine, and what takes its time, only the long runs have. They share their
programs, and each has its share of the UIDs."""

app = typer.Typer(add_completion=False)


@app.command()
def main(
    parts: Annotated[
        str | None, typer.Option(help=f"Only these, separated by commas: {', '.join(LONG)}.")
    ] = None,
    short: Annotated[bool, typer.Option(help="A short form of some, for every change.")] = False,
    output: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
    keep: Annotated[bool, typer.Option(help="Keep the folder with the logs.")] = False,
) -> None:
    """Run each part on programs of its own, and compare what was found with what is promised."""
    known = SHORT if short else LONG
    named = parts.split(",") if parts else list(known)
    if unknown := set(named) - set(known):
        raise typer.BadParameter(f"there is no part {', '.join(sorted(unknown))}", param_hint="--parts")
    console, at, load = Console(stderr=True), datetime.now(UTC), os.getloadavg()[0]
    found: list[Figure] = []
    failed: list[str] = []
    groups = [named] if short else [[name] for name in named]
    for group in groups:
        name = "-".join(group)
        folder = Path(tempfile.mkdtemp(prefix=f"front-door-{name}-"))
        began = time.monotonic()
        try:
            asyncio.run(until_signalled(_measured([known[part] for part in group], folder, found)))
            if not {each.part for each in found} >= set(group):
                failed.append(name)
                console.print(f"{name}: interrupted", markup=False)
        except Exception as error:
            failed.append(name)
            console.print(f"{name}: {type(error).__name__}: {error}", markup=False)
        finally:
            if keep:
                console.print(f"Logs: {folder}", markup=False)
            else:
                shutil.rmtree(folder, ignore_errors=True)
        console.print(f"{name}: {time.monotonic() - began:.0f} s", markup=False)
    _show(found)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        report = {
            "at": at.isoformat(),
            "cores": os.cpu_count(),
            "load_before": round(load, 1),
            "failed": failed,
            "figures": [{**each.model_dump(exclude_none=True), "kept": each.kept} for each in found],
        }
        output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    raise typer.Exit(int(bool(failed) or not all(each.kept for each in found)))


async def _measured(parts: Sequence[Part], folder: Path, found: list[Figure]) -> None:
    share = len(UIDS) // len(parts)
    async with running(folder, UIDS) as site:
        for number, part in enumerate(parts):
            site.uids = UIDS[number * share : (number + 1) * share]
            found += await part(site)


def _show(found: list[Figure]) -> None:
    table = Table("part", "what", "figure", "promised", "", box=None)
    for each in found:
        value = f"{each.value:g} {each.unit}".strip()
        table.add_row(each.part, each.name, value, each.promise, "" if each.kept else "BROKEN")
    Console().print(table)


if __name__ == "__main__":
    app()
