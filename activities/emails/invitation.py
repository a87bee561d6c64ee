"""Calendar entries: the deadlines BD has to keep, and the start of the partner's contract (RFC 5545)."""

from datetime import date, timedelta
from typing import Final, Self

from icalendar import Calendar, Event, vCalAddress
from pydantic import BaseModel, ConfigDict

from activities.emails.addressed import AddressedNotice
from activities.emails.filters import last_day
from domain.clocks import Clock, ClockKind
from domain.notices import AnyNotice, ContractSigned, ContractStartMoved, StartDateAmended
from domain.values import Day, Instant

_BD_DEADLINES: Final = {ClockKind.REVIEW: "review-deadline", ClockKind.CONTACT: "contact-deadline"}


class Invitation(BaseModel):
    """An all-day entry. A later notice about the same ``event`` moves the entry instead of adding one."""

    model_config = ConfigDict(frozen=True)

    event: str
    day: Day
    summary: str
    description: str
    revision: int
    at: Instant

    @classmethod
    def for_mail(cls, mail: AddressedNotice, *, subject: str) -> Self | None:
        """The entry that goes with a mail, if one does."""
        notice = mail.notice
        if isinstance(notice, ContractSigned | StartDateAmended | ContractStartMoved):
            event, day, zone = "contract-start", notice.start.day, notice.start.time_zone
        else:
            clock = _deadline(notice)
            if clock is None or clock.kind not in _BD_DEADLINES:
                return None
            zone = clock.time_zone or mail.time_zone
            event, day = _BD_DEADLINES[clock.kind], last_day(clock, zone)
        return cls(
            event=event,
            day=day,
            summary=subject,
            description=f"{mail.company_name}: {day.isoformat()} ({zone})",
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
        event.add("dtend", _next(self.day))
        event.add("summary", self.summary)
        event.add("description", self.description)
        event.add("organizer", vCalAddress(f"mailto:{organizer}"))
        event.add("transp", "TRANSPARENT")
        calendar = Calendar()
        calendar.add("prodid", "-//reseller-onboarding//EN")
        calendar.add("version", "2.0")
        calendar.add("method", "PUBLISH")
        calendar.add_component(event)
        return bytes(calendar.to_ical()).decode()


def _next(day: date) -> date:
    return day + timedelta(days=1)


def _deadline(notice: AnyNotice) -> Clock | None:
    """What BD has to do by when; partners are told of it, but it is not theirs to keep."""
    match notice.template:
        case "review_requested" | "review_reminder" | "justification_answered":
            return notice.review
        case "terms_confirmed_to_bd":
            return notice.contact
        case "assigned_to_bd":
            return notice.deadline
    return None
