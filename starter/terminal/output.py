"""How the console script shows things: with rich to a person, tab-separated or as plain lines to a pipe."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, JsonValue
from pydantic_core import to_json
from rich.cells import cell_len
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from domain.audit import AuditEvent, Verdict
from domain.contract import Person, Role, Stage
from domain.sheets import SheetChange
from domain.state import OUTCOMES
from domain.status import CoverageChanged, Status
from domain.values import instant_text
from starter.client.listed import Listed
from starter.terminal.times import contract_start, due, due_in_list, moment, stamp, zone_of

if TYPE_CHECKING:
    from activities.db.applications import StoredSheet
    from activities.db.email_ledger import LedgerRow

_STYLES: Final = {Stage.ACTIVE: "bold green", Stage.REJECTED: "bold red"}
_MAIL_STYLES: Final = {"withdrawn": "dim"}
_DOCUMENTS: Final = {"submit_application": "application", "issue_decision_sheet": "sheet"}
"""Commands that bring a document, and the field it comes in."""
_VERDICTS_IN_WORDS: Final = {
    Verdict.ACCEPTED: "accepted",
    Verdict.NO_OP: "no_op: this was in place already, nothing has changed",
    Verdict.REFUSED: "refused",
}
_VERDICTS: Final = {Verdict.ACCEPTED: "green", Verdict.NO_OP: "dim", Verdict.REFUSED: "red"}
_ESCAPED_IN_JSON: Final = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""What JSON may have as it is, and a terminal obeys: C1 controls, separators of lines, marks that reorder."""

_HARMLESS: Final = "\n\u200c\u200d"
"""Not printable, yet needed: line breaks; non-joiner and joiner, by Persian, Indic scripts and emoji."""


def shown(value: object) -> str:
    """Text safe for a terminal: what a caller sent may hold escape sequences."""
    if isinstance(value, datetime):
        return instant_text(value.replace(microsecond=0)).replace("T", " ")
    text = "" if value is None else str(value)
    return "".join(c if c.isprintable() or c in _HARMLESS else "\ufffd" for c in text)


def row_of(*cells: object) -> list[Text]:
    """A row of a table, each cell safe for a terminal."""
    return [Text(shown(cell)) for cell in cells]


def print_json(console: Console, value: BaseModel | Sequence[BaseModel]) -> None:
    """Compact JSON to a pipe, indented JSON to a person, with the contract's field names."""
    text = to_json(value, indent=2 if console.is_terminal else None).decode()
    console.print(Text(_ESCAPED_IN_JSON.sub(_escape, text)), soft_wrap=True)


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def print_status(console: Console, status: Status, note: str = "", role: Role | None = None) -> None:
    """The status: what it waits for, on whom, until when, and what is possible now: for this role, or for
    each."""
    accounts = list(status_facts(status, role))
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


def status_facts(status: Status, role: Role | None = None) -> Iterator[tuple[str, str]]:
    """Name and value of everything that is known, in reading order; times in the zone of the application."""
    deadline, zone = status.deadline, zone_of(status)
    known: dict[str, object] = {
        "uid": status.company_master_uid,
        "stage": status.stage,
        "status": status.status_text,
        "waiting on": status.waiting_on if status.stage not in OUTCOMES else None,
        "times in": zone,
        "due": deadline and due(deadline, zone),
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
        "external ID": status.external_id,
        "contract start": contract_start(status, zone),
        "access": status.access.message,
        "covered": ", ".join(status.access.covered_uids),
        "rejection": status.rejection and f"{status.rejection.reason_code}: {status.rejection.explanation}",
        "ended by": status.closing
        and (f"{status.closing.by}: {status.closing.reason}" if status.closing.reason else status.closing.by),
        "BD": _person(status.bd),
        "BD lead": _person(status.bd_lead),
        "mails waiting": status.pending_emails or None,
        "newest event": status.sequence or None,
    }
    yield from ((name, shown(value)) for name, value in known.items() if value)
    if status.sheet:
        yield from (("changed", _change(change)) for change in status.sheet.changes)
    yield from (("coverage", _coverage_change(change, zone)) for change in status.coverage_changes)
    yield from (("warning", shown(warning)) for warning in status.warnings)
    for question in status.questions:
        yield f"question {question.number}", shown(question.question)
        yield f"answer {question.number}", shown(question.answer or "not answered yet")
    yield from (("evidence", shown(file)) for file in _evidence(status))
    for failed in status.failed_emails:
        yield "failed mail", shown(f"{failed.key} to {failed.to}: {failed.reason}")
    for refusal in status.last_refusals[-1:]:
        when = f"{refusal.command} at {moment(refusal.at, zone)}"
        yield "last refusal", shown(f"{when}: {refusal.error}: {refusal.message}")
    yield from (("possible now", possible) for possible in _possible(status, role))
    if status.answered:
        yield "verdict", _VERDICTS_IN_WORDS[status.answered.verdict]


def _possible(status: Status, role: Role | None) -> Iterator[str]:
    """What may be sent now: by this role or, without one, by each."""
    if not status.allowed_for:
        if status.allowed_commands:
            yield ", ".join(status.allowed_commands)
        return
    if role is not None:
        if role in status.allowed_for:
            yield f"{role}: {', '.join(status.allowed_for[role])}"
        return
    yield from (f"{each}: {', '.join(names)}" for each, names in status.allowed_for.items())


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


def _person(person: Person | None) -> str | None:
    return f"{person.name} <{person.email}>" if person else None


def _coverage_change(change: CoverageChanged, zone: str) -> str:
    done = "added" if change.added else "removed"
    by = f" by {change.by.role}: {change.by.name or change.by.id}" if change.by else ""
    return shown(f"UID {change.uid} {done} at {moment(change.at, zone)}{by}")


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


def print_list(console: Console, applications: Sequence[Listed], zone: str) -> None:
    """Applications, one a line, their times in one zone."""
    _name_zone(console, zone)
    alone = not console.is_terminal
    named = f" ({zone})" if alone else ""
    print_table(
        console,
        ("UID", "Stage", "Waiting on", "Due", "Overdue", "Running since"),
        [
            (
                Text(shown(each.uid)),
                Text(each.stage, style=_STYLES.get(each.stage, "")),
                Text(each.waiting_on),
                Text(due_in_list(each.stage, each.due_at, zone) + named if each.due_at else ""),
                Text("overdue" if each.overdue else "", style="bold red"),
                Text(stamp(each.started_at, zone, alone=alone)),
            )
            for each in applications
        ],
    )


def _name_zone(console: Console, zone: str) -> None:
    """To a person once; to a pipe each time has it."""
    if console.is_terminal:
        console.print(Text(f"Times in {zone}", style="dim"))


def print_audit(console: Console, events: Sequence[AuditEvent], zone: str) -> None:
    """The audit trail, one event a line, its times in one zone."""
    _name_zone(console, zone)
    print_table(
        console,
        ("#", "At", "Who", "Command", "Verdict", "Stage", "Message"),
        [
            (
                Text(str(event.sequence)),
                Text(stamp(event.at, zone, alone=not console.is_terminal)),
                Text(
                    shown(f"{event.actor.role}: {event.actor.name or event.actor.id}" if event.actor else "")
                ),
                Text(shown(event.command)),
                Text(event.verdict, style=_VERDICTS[event.verdict]),
                Text(_move(event)),
                Text(shown("; ".join(_told(event)))),
            )
            for event in events
        ],
    )


def _told(event: AuditEvent) -> Iterator[str]:
    """What came of it, and what was said: asked, answered, assigned …"""
    if event.message:
        yield f"{event.error}: {event.message}" if event.error else event.message
    if event.command in _DOCUMENTS and event.verdict is Verdict.ACCEPTED:
        revision = event.form_revision or event.sheet_revision
        yield f"revision {revision}"
    for name, value in event.details.items():
        # Form and sheet are read elsewhere; a hash says nothing that the revision doesn't.
        if name not in _DOCUMENTS.values() and not name.endswith("hash"):
            yield f"{name.replace('_', ' ')}: {_in_words(value)}"


def _in_words(value: JsonValue) -> str:
    if isinstance(value, dict):
        email = f" <{value['email']}>" if "email" in value else ""
        return ", ".join(_in_words(part) for name, part in value.items() if name != "email") + email
    if isinstance(value, list):
        return ", ".join(map(_in_words, value))
    return _part(value)


def _move(event: AuditEvent) -> str:
    return event.to_stage if event.from_stage is event.to_stage else f"{event.from_stage} → {event.to_stage}"


def print_mails(console: Console, mails: "Sequence[LedgerRow]", zone: str) -> None:
    """The e-mail ledger, one mail a line, its times in one zone."""
    _name_zone(console, zone)
    print_table(
        console,
        ("Queued", "State", "Key", "To", "Subject", "Reason"),
        [
            (
                Text(stamp(mail.queued_at, zone, alone=not console.is_terminal)),
                Text(mail.state, style="red" if mail.reason else _MAIL_STYLES.get(mail.state, "")),
                Text(mail.key),
                Text(shown(mail.recipient)),
                Text(shown(mail.subject)),
                Text(shown(mail.reason)),
            )
            for mail in mails
        ],
    )


def print_sheets(console: Console, sheets: "Sequence[StoredSheet]", zone: str) -> None:
    """The revisions of the decision sheet, one a line; a void one was undone by Temporal's Reset."""
    _name_zone(console, zone)
    print_table(
        console,
        ("Revision", "Issued", "Hash", "", "Changed"),
        [
            (
                Text(str(stored.sheet.revision)),
                Text(stamp(stored.issued_at, zone, alone=not console.is_terminal)),
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
    if not rows:
        console.print(Text("none", style="dim"))
        return
    # Rich breaks words though other columns have room, unless told which columns to leave alone. An ellipsis
    # would be shorter, but a key that has one can't be copied.
    columns = [[name, *(row[at].plain for row in rows)] for at, name in enumerate(heading)]
    longest = [max(map(cell_len, " ".join(texts).split()), default=0) for texts in columns]
    fits = sum(longest) + len(columns) <= console.width
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 1, 0, 0))
    for name, texts, widest in zip(heading, columns, longest, strict=True):
        one_word = not any(len(text.split()) > 1 for text in texts)
        table.add_column(name, overflow="fold", no_wrap=fits and one_word, min_width=widest if fits else None)
    for row in rows:
        table.add_row(*row)
    console.print(table)


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
