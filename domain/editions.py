"""Editions of the process: an application keeps the rules it began with.

The edition is recorded in the application's history by its first workflow task and carried along; it is
never read from code on replay. A row, rule, notice or period of the tables holds for every edition unless
it is wrapped::

    rules=(signature_is_in_order, In(signer_is_named_in_full, since=2))

A new edition exists as soon as something holds since it (`lifecycle.NEWEST`). ``In(…, until=2)`` keeps for
the older editions what newer ones no longer have. ``binding`` names an instant from which on a rule holds
for running applications of every edition, too; it must lie after the deploy, or a replay would judge the
past by it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar

T = TypeVar("T", covariant=True)

FIRST: Final = 1
"""The edition of release 0.2.0: the process as the guide has it."""


class UnknownEditionError(Exception):
    """This code is older than the application: it fails the workflow task, and a newer worker takes the run
    over."""


@dataclass(frozen=True)
class In(Generic[T]):
    """Something that holds ``since`` an edition, ``until`` (not including) another; or from ``binding`` on
    for all."""

    what: T
    since: int = FIRST
    until: int | None = None
    binding: datetime | None = None

    def holds(self, edition: int, now: datetime | None = None) -> bool:
        """Whether it holds for applications of this edition, at this moment of theirs."""
        if self.binding is not None and now is not None and now >= self.binding:
            return True
        return self.since <= edition and (self.until is None or edition < self.until)


def of_edition(items: Iterable[T | In[T]], edition: int, now: datetime | None = None) -> Iterator[T]:
    """What of these holds for the edition, in their order."""
    for item in items:
        if not isinstance(item, In):
            yield item
        elif item.holds(edition, now):
            yield item.what


def in_force(by_edition: Mapping[int, T], edition: int) -> T:
    """The value of the newest edition that is not newer than this one."""
    return by_edition[max(known for known in by_edition if known <= edition)]


def mentioned(items: Iterable[object]) -> Iterator[int]:
    """The editions these rows, rules or notices speak of."""
    for item in items:
        if isinstance(item, In):
            yield item.since
            if item.until is not None:
                yield item.until
