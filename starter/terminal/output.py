"""How the console script shows things: with rich to a person, tab-separated or as plain lines to a pipe."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from pydantic_core import to_json
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from domain.audit import AuditEvent, Verdict
from domain.contract import Stage
from domain.state import OUTCOMES
from domain.status import Deadline, SheetChange, Status
from domain.values import instant_text
from starter.client.listed import Listed

if TYPE_CHECKING:
    from activities.db.applications import StoredSheet
    from activities.db.email_ledger import LedgerRow

_STYLES: Final = {Stage.ACTIVE: "bold green", Stage.REJECTED: "bold red"}
_MAIL_STYLES: Final = {"withdrawn": "dim"}
_VERDICTS: Final = {Verdict.ACCEPTED: "green", Verdict.NO_OP: "dim", Verdict.REFUSED: "red"}
_ESCAPED_IN_JSON: Final = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""What JSON may have as it is, and a terminal obeys: C1 controls, separators of lines, marks that reorder."""


def shown(value: object) -> str:
    """Text safe for a terminal: what a caller sent may hold escape sequences."""
    if isinstance(value, datetime):
        return instant_text(value.replace(microsecond=0)).replace("T", " ")
    text = "" if value is None else str(value)
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


def print_json(console: Console, value: BaseModel | Sequence[BaseModel]) -> None:
    """Compact JSON to a pipe, indented JSON to a person, with the contract's field names."""
    text = to_json(value, indent=2 if console.is_terminal else None).decode()
    console.print(Text(_ESCAPED_IN_JSON.sub(_escape, text)), soft_wrap=True)


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def print_status(console: Console, status: Status, note: str = "") -> None:
    """The status: what it waits for, on whom, until when, and what is possible now."""
    accounts = list(status_facts(status))
    if note:
        accounts.append(("note", note))
    if not console.is_terminal:
        for name, value in accounts:
            console.print(Text(f"{name}: {' / '.join(value.splitlines())}"), soft_wrap=True)
        return
    console.print(status_panel(status, accounts))


def status_panel(status: Status, accounts: Iterable[tuple[str, str]]) -> Panel:
    """The status as a person likes to read it."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in accounts:
        grid.add_row(Text(name), Text(value, style=_fact_style(name, value)))
    title = Text(f"UID {status.company_master_uid} – {shown(status.status_text)}")
    return Panel(grid, title=title, title_align="left", border_style=_STYLES.get(status.stage, "cyan"))


def _fact_style(name: str, value: str) -> str:
    if name == "overdue" or name.startswith("failed"):
        return "bold red"
    if name == "estimate":
        return "yellow"
    return "bold" if name in {"stage", "waiting on"} else ""


def status_facts(status: Status) -> Iterator[tuple[str, str]]:
    """Name and value of everything that is known, in reading order."""
    deadline = status.deadline
    known: dict[str, object] = {
        "uid": status.company_master_uid,
        "stage": status.stage,
        "status": status.status_text,
        "waiting on": status.waiting_on if status.stage not in OUTCOMES else None,
        "due": deadline and _due(deadline),
        "counted": deadline and ", ".join(map(str, deadline.days_counted)),
        "estimate": deadline and deadline.estimate,
        "overdue": "yes" if status.overdue else None,
        "company": status.company and f"{status.company.legal_name} ({_confirmed(status)})",
        "form revision": status.form_revision or None,
        "question": status.justification and status.justification.question,
        "answer": status.justification and status.justification.answer,
        "sheet": status.sheet and f"revision {status.sheet.revision}, hash {status.sheet.hash}",
        "modification": status.modification,
        "confirmed": status.confirmed_revision and f"revision {status.confirmed_revision}",
        "signing": _signing(status),
        "contract start": status.contract_start_at,
        "access": status.access.message,
        "rejection": status.rejection and f"{status.rejection.reason_code}: {status.rejection.explanation}",
        "ended by": status.closing
        and (f"{status.closing.by}: {status.closing.reason}" if status.closing.reason else status.closing.by),
        "BD": status.bd and f"{status.bd.name} <{status.bd.email}>",
        "mails waiting": status.pending_emails or None,
        "newest event": status.sequence or None,
    }
    yield from ((name, shown(value)) for name, value in known.items() if value)
    if status.sheet:
        yield from (("changed", _change(change)) for change in status.sheet.changes)
    yield from (("warning", shown(warning)) for warning in status.warnings)
    for question in status.questions:
        yield f"question {question.number}", shown(question.question)
        yield f"answer {question.number}", shown(question.answer or "not answered yet")
    yield from (("evidence", shown(file)) for file in _evidence(status))
    for failed in status.failed_emails:
        yield "failed mail", shown(f"{failed.key} to {failed.to}: {failed.reason}")
    for refusal in status.last_refusals[-1:]:
        when = f"{refusal.command} at {shown(refusal.at)}"
        yield "last refusal", shown(f"{when}: {refusal.error}: {refusal.message}")
    if status.allowed_commands:
        yield "possible now", ", ".join(status.allowed_commands)


def _evidence(status: Status) -> Iterator[str]:
    """The files that are named: for what, where they are, what they are, and their hash."""
    signing = status.signing
    named = {
        "form": status.application and status.application.evidence,
        "justification": status.justification and status.justification.evidence,
        "signature of the partner": signing.partner and signing.partner.evidence,
        "signature of the vendor": signing.vendor and signing.vendor.evidence,
    }
    for what, files in named.items():
        for file in files or ():
            yield f"{what}: {file.reference} ({file.media_type}, SHA-256 {file.sha256})"


def _confirmed(status: Status) -> str:
    return "confirmed" if status.company_confirmed else "not confirmed yet"


def _due(deadline: Deadline) -> str:
    """What is due, and until when in the zone whose days were counted."""
    zone = deadline.time_zone or "UTC"
    local = deadline.due_at.astimezone(ZoneInfo(zone))
    return f"{deadline.kind.replace('_', ' ')}, until {local:%a %Y-%m-%d %H:%M} ({zone})"


def _change(change: SheetChange) -> str:
    return shown(f"{change.field}: {_part(change.before)} → {_part(change.after)}")


def _part(value: object) -> str:
    return "–" if value is None else str(value)


def _signing(status: Status) -> str | None:
    signing = status.signing
    if not status.confirmed_revision:
        return None
    signed = [
        f"{party} signed ({signature.signer_name})" if signature else f"{party} has not signed"
        for party, signature in (("partner", signing.partner), ("vendor", signing.vendor))
    ]
    return f"{signing.path}, order {signing.order}: {', '.join(signed)}"


def print_list(console: Console, applications: Sequence[Listed]) -> None:
    """Applications, one a line."""
    print_table(
        console,
        ("UID", "Stage", "Waiting on", "Due", "Overdue", "Running since"),
        [
            (
                Text(shown(each.uid)),
                Text(each.stage, style=_STYLES.get(each.stage, "")),
                Text(each.waiting_on),
                Text(shown(each.due_at)),
                Text("overdue" if each.overdue else "", style="bold red"),
                Text(shown(each.started_at)),
            )
            for each in applications
        ],
    )


def print_audit(console: Console, events: Sequence[AuditEvent]) -> None:
    """The audit trail, one event a line."""
    print_table(
        console,
        ("#", "At", "Who", "Command", "Verdict", "Stage", "Message"),
        [
            (
                Text(str(event.sequence)),
                Text(shown(event.at)),
                Text(
                    shown(f"{event.actor.role}: {event.actor.name or event.actor.id}" if event.actor else "")
                ),
                Text(shown(event.command)),
                Text(event.verdict, style=_VERDICTS[event.verdict]),
                Text(_move(event)),
                Text(shown(f"{event.error}: {event.message}" if event.error else event.message)),
            )
            for event in events
        ],
    )


def _move(event: AuditEvent) -> str:
    return event.to_stage if event.from_stage is event.to_stage else f"{event.from_stage} → {event.to_stage}"


def print_mails(console: Console, mails: "Sequence[LedgerRow]") -> None:
    """The e-mail ledger, one mail a line."""
    print_table(
        console,
        ("Queued", "State", "Key", "To", "Subject", "Reason"),
        [
            (
                Text(shown(mail.queued_at)),
                Text(mail.state, style="red" if mail.reason else _MAIL_STYLES.get(mail.state, "")),
                Text(mail.key),
                Text(shown(mail.recipient)),
                Text(shown(mail.subject)),
                Text(shown(mail.reason)),
            )
            for mail in mails
        ],
    )


def print_sheets(console: Console, sheets: "Sequence[StoredSheet]") -> None:
    """The revisions of the decision sheet, one a line; a void one was undone by Temporal's Reset."""
    print_table(
        console,
        ("Revision", "Issued", "Hash", "", "Changed"),
        [
            (
                Text(str(stored.sheet.revision)),
                Text(shown(stored.issued_at)),
                Text(stored.sheet.hash),
                Text("void" if stored.void else "", style="yellow"),
                Text("; ".join(map(_change, stored.sheet.changes))),
            )
            for stored in sheets
        ],
    )


def print_table(console: Console, heading: Sequence[str], rows: Sequence[Sequence[Text]]) -> None:
    """A table to a person; to a pipe one row a line, its cells apart by tabs."""
    if not console.is_terminal:
        # Not by rich, which turns tabs into spaces.
        for row in rows:
            print("\t".join(" ".join(cell.plain.split()) for cell in row), file=console.file, flush=True)
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in heading:
        table.add_column(name, overflow="fold")  # a key or a hash with an ellipsis can't be copied
    for row in rows:
        table.add_row(*row)
    console.print(table if rows else Text("none", style="dim"))


@contextmanager
def progress(console: Console, what: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar on a terminal, moved on by each call of what it yields; to a pipe, nothing."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


def print_broken(console: Console, which: str, event: str | None, problem: str) -> None:
    """A history that does not replay: which one, the event it has next, and what the code did instead."""
    lines = {"broken": which, "history": event and f"event {event}", "this code": problem}
    for name, value in lines.items():
        if value:
            console.print(Text(f"{name}: {shown(value)}"), soft_wrap=True)
