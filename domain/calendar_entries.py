"""What e-mails enter into their readers' calendars: BD's deadlines, and the start of the partner's contract.

An entry is known by application and event, so a later e-mail moves it; one that is off is withdrawn by the
next e-mail to its reader, if that leaves before its day is over.
"""

from enum import StrEnum

from domain.values import Contract, Day, Instant, TimeZone


class CalendarEvent(StrEnum):
    """What is entered; each once in an application."""

    REVIEW_DEADLINE = "review-deadline"
    CONTACT_DEADLINE = "contact-deadline"
    CONTRACT_START = "contract-start"


class CalendarEntry(Contract):
    """An all-day entry: of the day that ends at ``until`` or, where it is named, of ``day``.

    ``until``: from then on it is over. ``time_zone``: that of the day, ``None``: the policy's.
    """

    event: CalendarEvent
    until: Instant
    time_zone: TimeZone | None = None
    day: Day | None = None
