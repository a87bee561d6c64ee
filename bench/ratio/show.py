"""The report as a table, and below it what must not have been."""

from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.ratio.figures import Answered, Compared, Measured, Report, Which

_MISSING: Final = "–"
_LINES: Final = 10
"""Lines of a worker's log that are shown."""


def show(report: Report, console: Console) -> None:
    """Print it. Ratios are of medians over rounds, in each of which the engines took turns."""
    if report.runs:
        console.print(_kills(report) if report.kill_every else _comparison(report))
    for failed in report.failed:
        console.print(Text(failed.why, style="red"), soft_wrap=True)
    for wrong in report.wrong:
        console.print(Text(wrong, style="red"), soft_wrap=True)
    lines = [line for run in report.runs if not run.kills for line in run.disturbances]
    for line in lines[:_LINES]:
        console.print(Text(line), soft_wrap=True)


def _comparison(report: Report) -> Table:
    table = Table("at once", title="The reference onboarding")
    for line in report.compared:
        table.add_column(f"{line.at_once:,}", justify="right")
    columns = [_figures(line) for line in report.compared]
    for name in columns[0]:
        table.add_row(
            name, *(column[name] for column in columns), style="bold" if name.startswith("ratio") else None
        )
    ratios = [line.to_limit for line in report.compared if line.to_limit is not None]
    worst = f"worst ratio to the limit: {min(ratios):.2f}" if ratios else "no ratio"
    table.caption = f"{_where(report)}\n{worst}"
    return table


def _figures(line: Compared) -> dict[str, str]:
    ours, limit = line.answered[Which.OURS], line.answered[Which.LIMIT]
    return {
        "onboardings": f"{line.count:,}",
        "completed a second: ours": _number(line.per_second[Which.OURS], ".2f"),
        "… limit": _number(line.per_second[Which.LIMIT], ".2f"),
        "… DBOS": _number(line.per_second[Which.DBOS], ".2f"),
        "ratio ours : limit": _number(line.to_limit, ".2f"),
        "ratio ours : DBOS": _number(line.to_dbos, ".2f"),
        "update answered, p50 ms: ours / limit": f"{_p50(ours)} / {_p50(limit)}",
        "… p99 ms": f"{_p99(ours)} / {_p99(limit)}",
        "history, events: ours / limit": _pair(line.events, line.limit_events, ".0f"),
        "… kB": _number(line.kilobytes, ".1f"),
        "CPU s each: worker / limit with its driver": _pair(line.cpu, line.limit_cpu, ".2f"),
        "… of the Temporal server": _pair(line.server_cpu, line.limit_server_cpu, ".2f"),
    }


def _kills(report: Report) -> Table:
    table = Table("at once", title=f"The worker killed (-9) whenever it had worked {report.kill_every:g} s")
    table.caption = _where(report)
    for run in report.runs:
        table.add_column(f"{run.at_once:,}", justify="right")
    columns = [_killed(run) for run in report.runs]
    for name in columns[0]:
        table.add_row(name, *(column[name] for column in columns))
    return table


def _killed(run: Measured) -> dict[str, str]:
    mails = run.mails
    return {
        "onboardings, all active in the end": f"{run.count:,}",
        "completed a second": f"{run.per_second:.2f}",
        "kills": f"{run.kills:,}",
        "commands sent again": f"{run.again:,}",
        "mails that had to arrive": _number(mails.wanted if mails else None, ",d"),
        "… missing": _number(mails.missing if mails else None, ",d"),
        "… that nothing is the reason of": _number(mails.unwanted if mails else None, ",d"),
        "… again under the same Message-ID": _number(mails.repeated if mails else None, ",d"),
    }


def _where(report: Report) -> str:
    rounds = "one round" if report.rounds == 1 else f"{report.rounds} rounds"
    return f"{report.cores} cores, load before {report.load_before:g}, {rounds}"


def _number(value: float | None, form: str) -> str:
    return _MISSING if value is None else f"{value:{form}}"


def _pair(ours: float | None, limit: float | None, form: str) -> str:
    return f"{_number(ours, form)} / {_number(limit, form)}"


def _p50(answered: Answered | None) -> str:
    return _number(answered.p50 if answered else None, ".0f")


def _p99(answered: Answered | None) -> str:
    return _number(answered.p99 if answered else None, ".0f")
