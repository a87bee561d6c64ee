"""What is in the tables of libraries: countries, currencies, time zones, calendars, e-mail addresses.

They differ from release to release and from machine to machine, so the process asks here once and records
the answer.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final
from zoneinfo import ZoneInfo

import email_validator
import pycountry

from activities.working_days import check_region
from domain.inquiry import Problem, Table, TableEntry

_NO_ZONE: Final = "must be an IANA time zone, such as Asia/Shanghai"
_OF_THE_MACHINE: Final = frozenset({"localtime", "posixrules", "Factory"})
"""Files beside the zones: what is in them is another thing on each machine, or no zone at all."""


def _country(value: str) -> None:
    if pycountry.countries.get(alpha_2=value) is None:
        raise ValueError("must be a country by ISO 3166-1 alpha-2, such as CN")


def _currency(value: str) -> None:
    if pycountry.currencies.get(alpha_3=value) is None:
        raise ValueError("must be a currency by ISO 4217, such as USD")


def _time_zone(value: str) -> None:
    if value in _OF_THE_MACHINE or value.startswith(("posix/", "right/")):
        raise ValueError(_NO_ZONE)
    try:
        ZoneInfo(value)
    # A key that names a directory of the database ("America") is an OSError; an unknown one is a KeyError.
    except (KeyError, ValueError, OSError):
        raise ValueError(_NO_ZONE) from None


def _email(value: str) -> None:
    try:
        email_validator.validate_email(value, check_deliverability=False, test_environment=True)
    except email_validator.EmailNotValidError as error:
        raise ValueError(f"must be an e-mail address: {error}") from None


_CHECKS: Final[Mapping[Table, Callable[[str], None]]] = {
    Table.COUNTRY: _country,
    Table.CURRENCY: _currency,
    Table.TIME_ZONE: _time_zone,
    Table.EMAIL: _email,
    Table.CALENDAR: check_region,
}


def problems(entries: Iterable[TableEntry]) -> tuple[Problem, ...]:
    """The entries no table has, each with what would be right."""
    found = []
    for entry in entries:
        try:
            _CHECKS[entry.table](entry.value)
        except ValueError as error:
            found.append(Problem(field=entry.field, message=str(error)))
    return tuple(found)


def same_name(one: str, other: str) -> bool:
    """Whether two names of a company are the same to a reader: case and white space do not count."""
    return _folded(one) == _folded(other)


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())
