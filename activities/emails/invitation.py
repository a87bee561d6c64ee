"""Calendar entries: the deadlines BD has to keep, and the start of the partner's contract (RFC 5545)."""

from datetime import timedelta
from enum import StrEnum
from typing import Self

from icalendar import Calendar, Event, vCalAddress
from pydantic import BaseModel, ConfigDict

from activities.emails.addressed import AddressedNotice
from activities.emails.times import last_day
from activities.emails.wording import WORDINGS
from domain.calendar_entries import CalendarEntry, CalendarEvent
from domain.invitations import entry_of
from domain.values import Day, Instant, without_misleading_marks


class Method(StrEnum):
    """What is to be done with an entry (RFC 5546 §3.2)."""

    PUBLISH = "PUBLISH"
    CANCEL = "CANCEL"


class Invitation(BaseModel):
    """An all-day entry. A later notice about the same ``event`` moves the entry instead of adding one, or
    withdraws it."""

    model_config = ConfigDict(frozen=True)

    event: CalendarEvent
    method: Method
    day: Day
    summary: str
    description: str
    revision: int
    at: Instant

    @classmethod
    def for_mail(cls, mail: AddressedNotice) -> tuple[Self, ...]:
        """The entries that go with a mail: first those it withdraws, then the one it is about."""
        entered = entry_of(mail.notice, mail.at)
        return (
            *(cls._of(entry, Method.CANCEL, mail) for entry in mail.notice.withdraws),
            *([cls._of(entered, Method.PUBLISH, mail)] if entered else []),
        )

    @classmethod
    def _of(cls, entry: CalendarEntry, method: Method, mail: AddressedNotice) -> Self:
        zone = entry.time_zone or mail.time_zone
        wording = WORDINGS.get(mail.locale, WORDINGS["en"])
        day = entry.day or last_day(entry.until, zone)
        company = without_misleading_marks(mail.company_name)
        return cls(
            event=entry.event,
            method=method,
            day=day,
            summary=wording.entry(entry.event, company),
            description=wording.dated(company, day, zone),
            # The number of the transition, which leads every key: it only grows.
            revision=mail.sequence,
            at=mail.at,
        )

    def calendar(self, uid: str, organizer: str) -> str:
        """The ``text/calendar`` body."""
        event = Event()
        event.add("uid", uid)
        event.add("sequence", self.revision)
        event.add("dtstamp", self.at)
        event.add("dtstart", self.day)
        event.add("dtend", self.day + timedelta(days=1))
        event.add("summary", self.summary)
        event.add("description", self.description)
        event.add("organizer", vCalAddress(f"mailto:{organizer}"))
        event.add("transp", "TRANSPARENT")
        if self.method is Method.CANCEL:
            event.add("status", "CANCELLED")
        calendar = Calendar()
        calendar.add("prodid", "-//reseller-onboarding//EN")
        calendar.add("version", "2.0")
        calendar.add("method", self.method)
        calendar.add_component(event)
        return bytes(calendar.to_ical()).decode()
