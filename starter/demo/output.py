"""How the demo tells its story: in colour to a person, as plain lines to a pipe."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from domain.audit import AuditEvent
from domain.contract import Actor, WaitingOn
from domain.sheets import SheetChange
from domain.status import Status
from starter.demo.checks import Checks, Source
from starter.demo.documents import DESK_ZONE
from starter.local.mail_sink import KeptMail
from starter.terminal.output import shown
from starter.terminal.times import until

_MARGIN: Final = 30
# What the service does by itself, as a process owner says it.
_BY_ITSELF: Final = {
    "review_reminder": "reminds BD in the morning: the last working day of the review",
    "review_overdue": "marks the review deadline as missed",
    "review_escalation": "tells the BD lead, in the morning",
    "start_date": "reaches the contract start date: the contract takes effect",
    "access_check": "checks signatures, date and verification, and opens ACPN access",
}
_WAITS_ON: Final = {WaitingOn.BD: "BD", WaitingOn.BOTH: "partner and BD"}


def local(instant: datetime) -> str:
    """An instant at the desk, with its zone: ``Mon 2026-03-09 10:00+08:00``."""
    at = instant.astimezone(ZoneInfo(DESK_ZONE))
    return f"{at:%a} {at.isoformat(sep=' ', timespec='minutes')}"


class Narrator:
    """Prints the timeline as it happens."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str, style: str = "") -> None:
        """A line of its own."""
        self._console.print(Text(shown(text), style=style), soft_wrap=True)

    def chapter(self, title: str) -> None:
        """A part of the story begins."""
        self._console.print()
        if self._console.is_terminal:
            self._console.rule(Text(title, style="bold"), align="left")
        else:
            self.say(f"== {title} ==")

    def passes(self, text: str) -> None:
        """Time goes by."""
        self._row("", Text(f"… {shown(text)}", style="italic dim"))

    def happens(self, at: datetime, who: Actor, what: str) -> None:
        """Somebody does something."""
        name = shown(who.name or who.id)
        role = "" if who.role == "system" else f" ({who.role})"
        self._row(local(at), Text.assemble((name, "bold"), role, " ", shown(what)), "cyan")

    def by_itself(self, event: AuditEvent, who: Actor) -> None:
        """The service does something because it is time."""
        self.happens(event.at, who, _BY_ITSELF.get(event.command, event.command))

    def status(self, status: Status) -> None:
        """What the applicant reads now, and whom it waits on."""
        overdue = "  OVERDUE" if status.overdue else ""
        text = shown(status.status_text)
        self._row("", Text.assemble("→ ", (text, "bold green"), (overdue, "bold red")))
        if status.outcome is None:
            whom = _WAITS_ON.get(status.waiting_on, str(status.waiting_on))
            due = f", {until(status.deadline, DESK_ZONE)}" if status.deadline else ""
            self._row("", Text(f"  waits on {whom}{due}", style="dim"))

    def error_box(self, title: str, *lines: str) -> None:
        """The message box somebody gets instead of what he wanted."""
        text = Text("\n".join(shown(line) for line in lines if line))
        if self._console.is_terminal:
            box = Panel(text, title=Text(title), title_align="left", border_style="red", expand=False)
            grid = Table.grid()
            grid.add_column(width=_MARGIN)
            grid.add_column()
            grid.add_row("", box)
            self._console.print(grid)
            return
        self._row("", Text(f"! {title}"))
        for line in text.split("\n"):
            self._row("", Text.assemble("! ", line))

    def granted(self, text: str) -> None:
        """The door opens."""
        self._row("", Text(f"✓ {shown(text)}", style="bold green"))

    def note(self, text: str) -> None:
        """Something to know beside the status."""
        self._row("", Text(f"· {shown(text)}", style="yellow"))

    def mail(self, mail: KeptMail) -> None:
        """A mail has left."""
        recipients, subject = ", ".join(mail.recipients), str(mail.message["Subject"])
        self._row("", Text.assemble("✉ ", ("to ", "dim"), shown(recipients), (": ", "dim"), shown(subject)))

    def differences(self, revision: int, changes: Iterable[SheetChange]) -> None:
        """What a revision of the decision sheet changes."""
        for change in changes:
            self._row(
                "",
                Text(
                    shown(f"Δ sheet {revision}: {change.field}: {change.before} → {change.after}"),
                    style="magenta",
                ),
            )

    def checks(self, checks: Checks) -> None:
        """Every element of the story, who confirmed it, and whatever was wrong."""
        self.chapter("Checked")
        for element, findings in checks.elements.items():
            wrong = checks.wrong(element)
            asked = ", ".join(source for source in Source if source in {each.source for each in findings})
            mark = ("✗ FAILED ", "bold red") if wrong else ("✓ ", "green")
            self._console.print(Text.assemble(mark, shown(element), (f"  ({asked})", "dim")), soft_wrap=True)
            for finding in wrong:
                self.say(f"    {finding}", "red")

    def _row(self, left: str, right: Text, style: str = "") -> None:
        if not self._console.is_terminal:
            self._console.print(Text(f"{left:<{_MARGIN}}").append_text(right), soft_wrap=True)
            return
        grid = Table.grid()
        grid.add_column(width=_MARGIN)
        grid.add_column()
        grid.add_row(Text(left, style=style), right)
        self._console.print(grid)
