"""What notices do to the calendars of their readers: what they enter there, move, and withdraw."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from domain.calendar_entries import CalendarEntry, CalendarEvent
from domain.clocks import Clock, ClockKind
from domain.contract import Stage
from domain.facts import compose
from domain.notice import Audience, ContractStart, Notice
from domain.notices import AnyNotice
from domain.state import Application


def compose_all(
    notices: Sequence[type[Notice]], application: Application, now: datetime
) -> tuple[Application, tuple[AnyNotice, ...]]:
    """Write these notices; and the application with what stands in its readers' calendars once they are
    read."""
    if not notices:
        return application, ()
    entries = {entry.event: entry for entry in application.calendar_entries if entry.until > now}
    written = []
    for notice in notices:
        mail = compose(notice, application)
        about = _entry_about(mail)
        moved_back = about.event if about and _is_over(about, now) else None
        off = tuple(
            entry
            for event, entry in entries.items()
            if _READERS[event] is mail.audience
            and (mail.farewell or event is moved_back or not _HOLDS[event](application))
        )
        entries = {event: entry for event, entry in entries.items() if entry not in off}
        if about and not moved_back:
            entries[about.event] = about
        written.append(mail.model_copy(update={"withdraws": off}))
    return application.but(calendar_entries=tuple(entries.values())), tuple(written)


def entry_of(notice: AnyNotice, at: datetime) -> CalendarEntry | None:
    """What the notice of this time enters into its reader's calendar, or moves there: no day that is over."""
    entry = _entry_about(notice)
    return None if entry is None or _is_over(entry, at) else entry


def _is_over(entry: CalendarEntry, now: datetime) -> bool:
    """Whether its day is over; what is named by its day begins with it."""
    ends = entry.until + timedelta(days=1) if entry.day else entry.until
    return ends <= now


def _entry_about(notice: AnyNotice) -> CalendarEntry | None:
    """The entry the notice is about, whenever that is."""
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
