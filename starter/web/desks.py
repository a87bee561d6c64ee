"""Desks: who serves the companies of which countries, and who of those who call works at which.

A desk's person is found by the ``sub`` of his tokens where the file gives it, else by his e-mail address,
which the issuer has to have verified.
"""

import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, ValidationError

from domain.contract import Person
from domain.inquiry import Table, TableEntry
from domain.intake import field_errors
from domain.policy import Calendar, Hour, Policy
from domain.values import Contract, Country, HeaderText, TimeZone
from starter.web.callers import Caller

_FIRST: Final = Policy()


class DeskPerson(Person):
    """Somebody of a desk; ``sub``: by which his tokens name him, whatever e-mail address they have."""

    sub: HeaderText | None = None

    @property
    def person(self) -> Person:
        """As an application keeps him."""
        return Person(name=self.name, email=self.email, locale=self.locale)

    def is_(self, caller: Caller) -> bool:
        """Whether it is he who calls."""
        if self.sub is not None:
            return self.sub == caller.subject
        return caller.email is not None and caller.email.lower() == self.email.lower()


class Desk(Contract):
    """Who serves the companies of these countries, by which calendar, in which time zone; without
    ``countries``: all that no other desk serves.

    ``mail_hour``: when reminders leave (`domain.policy.Policy`).
    """

    name: HeaderText
    countries: Annotated[tuple[Country, ...], Field(min_length=1)] | None = None
    calendar: Calendar
    time_zone: TimeZone
    mail_hour: Hour = _FIRST.mail_hour
    lead: DeskPerson
    bds: Annotated[tuple[DeskPerson, ...], Field(min_length=1)]

    @property
    def people(self) -> tuple[DeskPerson, ...]:
        """The BDs and their lead."""
        return (*self.bds, self.lead)

    def policy(self, named: Policy | None = None) -> Policy:
        """The policy of the applications it serves; what is ``named`` explicitly goes before."""
        own = {"calendar": self.calendar, "time_zone": self.time_zone, "mail_hour": self.mail_hour}
        return Policy.model_validate(own | (named.model_dump(exclude_unset=True) if named else {}))


class DesksError(Exception):
    """The file can't be used; the message says what is wrong in it."""


class Desks:
    """All desks there are; without any, who serves a company has to be named."""

    def __init__(self, desks: Iterable[Desk] = ()) -> None:
        self._desks: Final = tuple(desks)
        self._of_country: Final = {country: desk for desk in self._desks for country in desk.countries or ()}
        self._rest: Final = next((desk for desk in self._desks if desk.countries is None), None)

    @property
    def by_country(self) -> bool:
        """Whether it depends on a company's country which of them serves it."""
        return bool(self._of_country)

    def of(self, country: str | None) -> Desk | None:
        """The desk that serves companies of this country; ``None``: there is none."""
        return self._of_country.get(country or "", self._rest)

    def placed(self, caller: Caller) -> Caller:
        """The caller with the desks he works at. An address that is that of another's ``sub`` is not his."""
        people = [person for desk in self._desks for person in desk.people]
        taken = {person.email.lower() for person in people if person.sub and not person.is_(caller)}
        email = None if caller.email is not None and caller.email.lower() in taken else caller.email
        return replace(
            caller,
            email=email,
            also_at=frozenset(person.email.lower() for person in people if person.sub == caller.subject),
            desks=_names(desk for desk in self._desks if any(each.is_(caller) for each in desk.people)),
            leads=_names(desk for desk in self._desks if desk.lead.is_(caller)),
        )


NO_DESKS: Final = Desks()


def _names(desks: Iterable[Desk]) -> frozenset[str]:
    return frozenset(desk.name for desk in desks)


class _File(Contract):
    desk: Annotated[tuple[Desk, ...], Field(min_length=1)]


def read_desks(file: Path) -> Desks:
    """Those of a file (``[[desk]]`` in TOML).

    Raises:
        DesksError: it can't be read, or says something wrong; all of that is named.
    """
    try:
        found = _File.model_validate(tomllib.loads(file.read_text("utf-8")), extra="forbid").desk
    except (OSError, ValueError) as error:
        reason = field_errors(error) if isinstance(error, ValidationError) else str(error)
        raise DesksError(f"ONBOARDING_DESKS: {file}: {reason}") from None
    problems = (*_twice(found), *_unknown(found))
    if problems:
        raise DesksError(f"ONBOARDING_DESKS: {file}: {'; '.join(problems)}")
    return Desks(found)


def _twice(desks: Sequence[Desk]) -> Iterator[str]:
    """What only one may have."""
    yield from (f"the name {name!r} is there twice" for name in _repeated(desk.name for desk in desks))
    countries = _repeated(country for desk in desks for country in desk.countries or ())
    yield from (f"the country {country} is there twice" for country in countries)
    rest = [desk.name for desk in desks if desk.countries is None]
    if len(rest) > 1:
        yield f"only one desk may be without countries, not {', '.join(map(repr, rest))}"
    for desk in desks:
        for email in _repeated(person.email.lower() for person in desk.bds):
            yield f"desk {desk.name!r}: the BD {email} is there twice"
    people = {(person.email.lower(), person.sub) for desk in desks for person in desk.people}
    for email in _repeated(email for email, _ in people):
        yield f"{email} must have the same sub wherever it is"


def _repeated(values: Iterable[str]) -> list[str]:
    return [value for value, count in Counter(values).items() if count > 1]


def _unknown(desks: Sequence[Desk]) -> Iterator[str]:
    """What no table has."""
    # Whoever names no file starts faster without the tables.
    from activities.tables import problems

    yield from (f"{found.field}: {found.message}" for found in problems(_entries(desks)))


def _entries(desks: Sequence[Desk]) -> Iterator[TableEntry]:
    for number, desk in enumerate(desks):
        at = f"desk.{number}"
        for place, country in enumerate(desk.countries or ()):
            yield TableEntry(field=f"{at}.countries.{place}", table=Table.COUNTRY, value=country)
        yield TableEntry(field=f"{at}.calendar", table=Table.CALENDAR, value=desk.calendar)
        yield TableEntry(field=f"{at}.time_zone", table=Table.TIME_ZONE, value=desk.time_zone)
        yield TableEntry(field=f"{at}.lead.email", table=Table.EMAIL, value=desk.lead.email)
        for place, person in enumerate(desk.bds):
            yield TableEntry(field=f"{at}.bds.{place}.email", table=Table.EMAIL, value=person.email)
