"""The report of a run as tables."""

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from bench.scale.figures import Level, Report, Spread


def show(report: Report, console: Console) -> None:
    """Print them. Ratios are against what was measured in the same minute on the same machine."""
    parts: list[Table] = [_summary(report)]
    if report.levels:
        parts.append(_levels(report.levels))
    if report.drains:
        parts.append(_drains(report))
    if report.cached:
        parts.append(_cached(report))
    console.print(Group(*parts))
    if report.stopped is not None:
        console.print(Text(f"Not everything was measured: {report.stopped}", style="red"), soft_wrap=True)


def _summary(report: Report) -> Table:
    table = Table(
        title=f"Open applications, {report.server}, {report.cores} cores, load before {report.load_before:g}",
        show_header=False,
    )
    table.add_row("Worker", f"{report.options}, cache of {report.options.cache}")
    if opening := report.opening:
        table.add_row(f"Opened, waiting in {report.stage}", f"{opening.opened:,} of {opening.wanted:,}")
        hands = "one worker" if opening.workers == 1 else f"{opening.workers} workers"
        table.add_row(f"Opened a second, by signals, {hands}", f"{opening.per_second:g}")
        table.add_row("… by the typed client", f"{opening.by_client_per_second:g}")
    if restart := report.restart:
        table.add_row("Worker killed, serves again after, ms", _spread(restart.served))
        table.add_row("… ratio to 100 open", f"{restart.ratio:g} ({_spread(restart.reference)})")
        table.add_row("… commands of those seconds waited, ms", _spread(restart.waits))
    if history := report.history:
        table.add_row("History of one", f"{history.events:g} events, {history.bytes:,.0f} bytes")
    if stored := report.stored:
        server = "not seen" if stored.temporal is None else f"{stored.temporal:,.0f} bytes"
        table.add_row("One on disk: Temporal, database", f"{server}, {stored.database:,.0f} bytes")
    table.add_row("Took", f"{report.seconds:.0f} s")
    return table


def _levels(levels: tuple[Level, ...]) -> Table:
    table = Table("open", title="A command, milliseconds: median / p95; ratio of medians to 100 open")
    for name in ("any run", "ratio", "same run again", "ratio", "100 open", "server MB", "worker MB"):
        table.add_column(name, justify="right")
    for level in levels:
        table.add_row(
            f"{level.open:,}",
            _spread(level.first),
            f"{level.first_ratio:g}",
            _spread(level.again),
            f"{level.again_ratio:g}",
            _spread(level.reference),
            "–" if level.server_mb is None else f"{level.server_mb:g}",
            f"{level.worker_mb:g}",
        )
    return table


def _drains(report: Report) -> Table:
    table = Table("worker", title="A backlog worked off; ratio to the SDK's defaults")
    for name in (
        "ratio",
        "first tasks/s",
        "SDK's",
        "by CPU second",
        "starts taken/s",
        "worker MB",
        "warnings",
    ):
        table.add_column(name, justify="right")
    for each in report.drains:
        table.add_row(
            str(each.drain.options),
            f"{each.ratio:g}",
            f"{each.drain.first_tasks_per_second:g}",
            f"{each.baseline:g}",
            f"{each.drain.first_tasks_per_cpu_second:g}",
            f"{each.drain.accepted_per_second:g}",
            f"{each.drain.worker_mb:g}",
            str(each.drain.complaints),
        )
    return table


def _cached(report: Report) -> Table:
    table = Table("runs in memory", title="The worker's memory; reading runs that are not, and are, in it")
    for name in ("worker MB", "replays/CPU s", "hits/CPU s"):
        table.add_column(name, justify="right")
    for each in report.cached:
        rates = (each.replays_per_cpu_second, each.hits_per_cpu_second)
        table.add_row(
            f"{each.runs:,}", f"{each.worker_mb:g}", *("–" if each is None else f"{each:g}" for each in rates)
        )
    return table


def _spread(spread: Spread) -> str:
    return f"{spread.median:g} / {spread.p95:g}"
