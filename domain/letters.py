"""How a notice is written: what of the application it says, and what it does to its reader's calendar."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast

from domain import warnings
from domain.calendar_entries import CalendarEntry, CalendarEvent
from domain.clocks import Clock, ClockKind
from domain.contract import Stage
from domain.notices import AnyNotice, AssignedToBd, Audience, ContractStart, Notice
from domain.state import Application, newest_within

TOLD_BYTES: Final = 8 * 1024
"""What a notice about other e-mails may list."""


def _start(application: Application) -> ContractStart:
    clock = application.clock(ClockKind.START_DATE)
    return ContractStart.model_validate(
        {
            "day": application.start_date,
            "time_zone": application.start_zone,
            "at": clock and clock.due_at,
        }
    )


def _told(application: Application, kind: ClockKind) -> Clock | None:
    clock = application.clock(kind)
    return clock and clock.told


def _next_deadline(application: Application) -> Clock | None:
    running = [clock.told for clock in application.clocks if not clock.passed]
    return min(running, key=lambda clock: clock.due_at, default=None)


SOURCES: Final[Mapping[str, Callable[[Application], Any]]] = {
    "review": lambda application: _told(application, ClockKind.REVIEW),
    "contact": lambda application: _told(application, ClockKind.CONTACT),
    "expiry": lambda application: _told(application, ClockKind.EXPIRY),
    "deadline": _next_deadline,
    "stage": lambda application: application.stage,
    "reminders": lambda application: application.reminders,
    "estimates": lambda application: tuple(clock.told for clock in application.clocks if clock.estimated),
    "start": _start,
    "form_revision": lambda application: application.form_revision,
    "sheet_revision": lambda application: application.sheet and application.sheet.revision,
    "warnings": warnings.of,
    "justification": lambda application: application.justification,
    "modification": lambda application: application.modification,
    "signing": lambda application: application.signing,
    "amendment": lambda application: application.amendments[-1],
    "missing": lambda application: application.access_missing,
    "in_effect_since": lambda application: application.contract_start_at,
    "covered_uids": lambda application: application.form.covered_uids if application.form else (),
    "rejection": lambda application: application.rejection,
    "closing": lambda application: application.closing,
    "failed_emails": lambda application: newest_within(application.failed_emails, TOLD_BYTES),
}
"""What a notice may say about an application, by the name of its field."""


def compose(notice: type[Notice], application: Application) -> AnyNotice:
    """Write a notice about the application as it stands.

    A notice that asks for a fact the application does not have is a bug and raises ``ValidationError``.
    """
    own = {name: SOURCES[name](application) for name in notice.model_fields if name in SOURCES}
    return cast("AnyNotice", notice.model_validate(own))


def write(
    notices: Sequence[type[Notice]], application: Application, now: datetime
) -> tuple[Application, tuple[AnyNotice, ...]]:
    """Write these notices; and the application with what stands in its readers' calendars once they are
    read."""
    if not notices:
        return application, ()
    entries = {entry.event: entry for entry in application.calendar_entries if entry.until > now}
    written = []
    for notice in notices:
        if notice is AssignedToBd:
            # What stands in the calendar of the BD before is no business of this one.
            entries = {event: each for event, each in entries.items() if _READERS[event] is not Audience.BD}
        off = tuple(
            entry
            for event, entry in entries.items()
            if _READERS[event] is notice.audience and not _HOLDS[event](application)
        )
        entries = {event: entry for event, entry in entries.items() if entry not in off}
        mail = compose(notice, application).model_copy(update={"withdraws": off})
        if entry := entry_of(mail):
            entries[entry.event] = entry
        written.append(mail)
    return application.but(calendar_entries=tuple(entries.values())), tuple(written)


def entry_of(notice: AnyNotice) -> CalendarEntry | None:
    """What the notice enters into its reader's calendar, or moves there."""
    if notice.audience is Audience.PARTNER:
        start: ContractStart | None = getattr(notice, "start", None)
        if start is None:
            return None
        return CalendarEntry(
            event=CalendarEvent.CONTRACT_START, until=start.at, time_zone=start.time_zone, day=start.day
        )
    facts = (getattr(notice, name, None) for name in _DEADLINES_OF_BD)
    clock: Clock | None = next(filter(None, facts), None)
    event = _EVENTS.get(clock.kind) if clock and notice.audience is Audience.BD else None
    return (
        CalendarEntry(event=event, until=clock.due_at, time_zone=clock.time_zone) if clock and event else None
    )


_DEADLINES_OF_BD: Final = ("review", "contact", "deadline")
"""The facts of a notice to BD that say what he has to do by when."""
_EVENTS: Final = {
    ClockKind.REVIEW: CalendarEvent.REVIEW_DEADLINE,
    ClockKind.CONTACT: CalendarEvent.CONTACT_DEADLINE,
}
_READERS: Final = {
    CalendarEvent.REVIEW_DEADLINE: Audience.BD,
    CalendarEvent.CONTACT_DEADLINE: Audience.BD,
    CalendarEvent.CONTRACT_START: Audience.PARTNER,
}
_UNDER_CONTRACT: Final = frozenset({Stage.SIGNED, Stage.ACTIVATING, Stage.ACTIVE})
_HOLDS: Final[Mapping[CalendarEvent, Callable[[Application], bool]]] = {
    CalendarEvent.REVIEW_DEADLINE: lambda application: application.clock(ClockKind.REVIEW) is not None,
    CalendarEvent.CONTACT_DEADLINE: lambda application: application.clock(ClockKind.CONTACT) is not None,
    CalendarEvent.CONTRACT_START: lambda application: application.stage in _UNDER_CONTRACT,
}
"""When what was entered still is as it was."""
