"""What is in the tables of libraries: countries, currencies, time zones, calendars, e-mail addresses.

They differ from release to release and from machine to machine, so the process asks here once and records
the answer.
"""

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from typing import Final

import email_validator
import pycountry

from activities.working_days import check_region
from domain.inquiry import Problem, Table, TableEntry
from domain.status import Company
from domain.values import without_invisible_characters

_ZONES: Final = frozenset((files("tzdata") / "zones").read_text().split()) - {"Factory"}
"""The zones the process knows: those of the package `tzdata`, pinned with the other libraries. A machine has
others beside them (``localtime``, ``posix/…``), which are another thing on each, or no zone at all."""
_LONGEST_LOCAL_PART: Final = 64
"""Octets before the @ (RFC 5321 §4.5.3.1.1)."""
_ALIKE: Final = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201b\u02bc\u2032`\u00b4", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
    }
)
"""Apostrophes, quotation marks and hyphens, which a keyboard has one of and a typesetter several."""


def _country(value: str) -> None:
    if pycountry.countries.get(alpha_2=value) is None:
        raise ValueError("must be a country by ISO 3166-1 alpha-2, such as CN")


def _currency(value: str) -> None:
    if pycountry.currencies.get(alpha_3=value) is None:
        raise ValueError("must be a currency by ISO 4217, such as USD")


def _time_zone(value: str) -> None:
    if value not in _ZONES:
        raise ValueError("must be an IANA time zone, such as Asia/Shanghai")


def _email(value: str) -> None:
    try:
        email_validator.validate_email(value, check_deliverability=False, test_environment=True)
    except email_validator.EmailNotValidError as error:
        raise ValueError(f"must be an e-mail address: {error}") from None
    if len(value.rpartition("@")[0].encode()) > _LONGEST_LOCAL_PART:
        raise ValueError(
            f"must be an e-mail address: before the @ there are more than {_LONGEST_LOCAL_PART} bytes"
        )


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
    """Whether two names of a company are the same to a reader, however they were typed: case, white space,
    full or half width, composed or not, kind of apostrophe and what can't be seen do not count."""
    return _as_read(one) == _as_read(other)


def same_enterprise(one: Company | None, other: Company | None) -> bool:
    """Whether two accounts are verified for the same enterprise, its name compared as people read it."""
    if one is None or other is None:
        return one is other
    return same_name(one.legal_name, other.legal_name) and one == other.model_copy(
        update={"legal_name": one.legal_name}
    )


def _as_read(name: str) -> str:
    """Caseless matching of Unicode (§3.13, D146), and more."""
    seen = without_invisible_characters(name.translate(_ALIKE))
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).casefold())
    return " ".join(folded.split())
