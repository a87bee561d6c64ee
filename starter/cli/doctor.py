"""`onboarding doctor`: what works, what does not, and what to do about it."""

from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.table import Table
from rich.text import Text

from domain.policy import Policy
from starter.cli.deploy import DEPLOY
from starter.cli.runner import FAILED, perform
from starter.cli.session import Session
from starter.terminal.output import print_json, print_table, shown

if TYPE_CHECKING:
    from starter.doctor.report import Finding, Report

_STYLES: Final = {"ok": "green", "warning": "yellow", "failed": "bold red", "skipped": "dim"}
_DESK: Final = Policy()

app: Final = typer.Typer()


@app.command(rich_help_panel=DEPLOY, epilog="Example: onboarding doctor --json")
def doctor(
    ctx: typer.Context,
    calendar: Annotated[
        str, typer.Option(metavar="REGION", help="Whose working days BD has, such as CN or US-CA.")
    ] = _DESK.calendar,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check every part the service needs, and say what to do; exit code 1 if one fails. Changes nothing."""

    async def action(session: Session) -> None:
        # Only this command needs all of them; the others start faster without.
        from starter.doctor.examination import run_doctor

        report = await run_doctor(calendar=calendar, time_zone=_DESK.time_zone)
        if as_json:
            print_json(session.console, report)
        else:
            _print(session, report)
        if not report.ok:
            raise typer.Exit(FAILED)

    perform(ctx, action)


def _print(session: Session, report: "Report") -> None:
    if not session.console.is_terminal:
        rows = [
            [Text(shown(cell)) for cell in (each.part, each.state, each.detail, each.remedy)]
            for each in report.findings
        ]
        print_table(session.console, (), rows)
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for _ in range(3):
        table.add_column(overflow="fold")
    for each in report.findings:
        table.add_row(Text(each.part.replace("_", " ")), _state(each), _found(each))
    session.console.print(table)


def _state(finding: "Finding") -> Text:
    return Text(finding.state, style=_STYLES[finding.state])


def _found(finding: "Finding") -> Text:
    remedy = f"\n→ {shown(finding.remedy)}" if finding.remedy else ""
    return Text.assemble(shown(finding.detail), (remedy, "bold"))
