"""Times on the console, as the mails tell them, each page in one zone."""

from datetime import datetime

from activities.emails.times import day_that_ends, in_zone, known_zone
from domain.clocks import ClockKind
from domain.contract import Stage
from domain.status import Deadline, Status
from domain.values import day_text
from domain.view import AFTERWARDS

FALL_BACK = "UTC"
"""The zone of what was stored by a release that did not say which."""


def zone_of(status: Status) -> str:
    """The zone the times of an application are told in."""
    return known_zone(status.time_zone or FALL_BACK)[1]


def moment(value: datetime, zone: str) -> str:
    """A day and hour of a page whose zone is named once: ``Wednesday, 2 December 2026 17:30``."""
    local = in_zone(value, zone)
    return f"{day_text(local.date())} {local:%H:%M}"


def stamp(value: datetime, zone: str, *, alone: bool) -> str:
    """A time to the second for a table; ``alone``: where no heading names the zone, with its offset."""
    local = in_zone(value, zone).replace(microsecond=0)
    return (local if alone else local.replace(tzinfo=None)).isoformat(" ").replace("+00:00", "Z")


def due(deadline: Deadline, zone: str) -> str:
    """What is due, and until when."""
    return f"{deadline.kind.replace('_', ' ')}, {until(deadline, zone)}"


def until(deadline: Deadline, zone: str) -> str:
    """Until when, such as "by the end of Wednesday, 2 December 2026"; the zone is named where it is not the
    page's."""
    own = known_zone(deadline.time_zone or zone)[1]
    named = _named(own, zone)
    ends = day_that_ends(deadline.due_at, own)
    if deadline.kind is ClockKind.START_DATE:
        return _start(deadline.due_at, own, zone)
    if ends:
        return f"{'after' if deadline.kind in AFTERWARDS else 'by'} the end of {day_text(ends)}{named}"
    return f"at {moment(deadline.due_at, own)}{named}"


def contract_start(status: Status, zone: str) -> str | None:
    """When the contract starts: the start of its day in its own zone, which is named where it is not the
    page's."""
    if status.contract_start_at is None:
        return None
    sheet = status.sheet and status.sheet.content
    agreed = status.amendments[-1].time_zone if status.amendments else sheet and sheet.basic.time_zone
    own = known_zone(agreed or status.access.time_zone or zone)[1]
    return _start(status.contract_start_at, own, zone)


def _start(at: datetime, own: str, zone: str) -> str:
    return f"at the start of {day_text(in_zone(at, own).date())}{_named(own, zone)}"


def _named(own: str, zone: str) -> str:
    return "" if own == zone else f" ({own})"


def due_in_list(stage: Stage, due_at: datetime, zone: str) -> str:
    """When something is due, in few words: ``end of Wed 2 Dec 2026``."""
    local = in_zone(due_at, zone)
    ends = day_that_ends(due_at, zone)
    if stage is Stage.SIGNED and ends:
        return f"start of {local:%a} {local.day} {local:%b %Y}"
    if ends:
        return f"end of {ends:%a} {ends.day} {ends:%b %Y}"
    return f"{local:%a} {local.day} {local:%b %Y %H:%M}"
