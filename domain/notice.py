"""What a notice is: to whom it goes, and what may be in it."""

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from domain.calendar_entries import CalendarEntry
from domain.contract import Person
from domain.values import Contract, Day, Instant, TimeZone, says_nothing


class Audience(StrEnum):
    """Whose mailbox a notice is for; each audience has one thread per application."""

    PARTNER = "partner"
    BD = "bd"
    BD_LEAD = "bd_lead"


class ContractStart(Contract):
    """When the contract takes effect: the date, the zone it begins in, and that instant."""

    day: Day
    time_zone: TimeZone
    at: Instant


class Notice(Contract):
    """An e-mail to the partner, unless a subclass says otherwise.

    ``withdraws``: what its reader has in the calendar, and is off. ``farewell``: it is to somebody who is
    no longer of its audience.
    """

    audience: ClassVar[Audience] = Audience.PARTNER
    farewell: ClassVar[bool] = False

    template: str
    withdraws: tuple[CalendarEntry, ...] = Field(default=(), exclude_if=says_nothing)

    @property
    def addressee(self) -> Person | None:
        """Whom it is for, where it names him: whoever is of its audience by the time it leaves."""
        return None


class ToBd(Notice):
    """A notice to the BD who looks after the application."""

    audience: ClassVar[Audience] = Audience.BD


class ToBdLead(Notice):
    """A notice to the BD lead."""

    audience: ClassVar[Audience] = Audience.BD_LEAD


def key_of(sequence: int, notice: Notice) -> str:
    """The key of a notice in its application (ledger, Message-ID): the event it tells of, and the
    template."""
    return f"{sequence}.{notice.template}"
