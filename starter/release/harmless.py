"""What may stay in a history without personal data: the values that code or the contract's models give.

The name of a field alone allows nothing, for anybody can write anything under it: the value has to be one
the field can hold, and no longer than such values are.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from activities.tables import problems
from domain import coverage
from domain.commands import AnyCommand
from domain.contract import OnboardingInput
from domain.coverage import AnyCoverageCommand, CoverageAnswer, Recall, Recalled
from domain.inquiry import (
    AccessClosed,
    AccessOutcome,
    AccessRequest,
    Answers,
    Head,
    Inquiry,
    Table,
    TableEntry,
)
from domain.lifecycle import STEPS
from domain.publication import Delivery, Publication, Receipt, TakeUp
from domain.signatures import CarriedSignature, CarrySignature, Sweep, Swept
from domain.status import Status
from domain.values import Amount, Percentage
from domain.webhooks import Outcome, Outgoing
from workflows.memory import Memory

_MODELS: Final[TypeAdapter[Any]] = TypeAdapter(
    AnyCommand | OnboardingInput | Memory | Inquiry | Answers | Publication | Delivery | Receipt | TakeUp
    | Head | Status | AccessClosed | AccessRequest | AccessOutcome | AnyCoverageCommand | CoverageAnswer
    | Recall | Recalled | Outgoing | Outcome | CarrySignature | CarriedSignature | Sweep | Swept
)  # fmt: skip
"""Whatever our payloads hold."""

SMALL: Final = 1_000_000
"""Counts, revisions and months are smaller; greater numbers may be a UID or a telephone number."""
_SMALL_DIGITS: Final = len(str(SMALL)) - 1

# Not whether there is such a day: a text that is none must not become one.
_DATE_OR_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_DURATION: Final = re.compile(
    r"-?P(?:[0-9]{1,6}D)?(?:T(?:[0-9]{1,6}H)?(?:[0-9]{1,6}M)?(?:[0-9]{1,6}(?:\.[0-9]{1,6})?S)?)?"
)
_NUMBER: Final = f"[0-9]{{1,{_SMALL_DIGITS}}}"
_PATTERNS: Final = {"date": _DATE_OR_TIME, "date-time": _DATE_OR_TIME, "duration": _DURATION}
_LETTER_KEY: Final = re.compile(rf"{_NUMBER}\.([a-z_]+)")
_CALENDAR: Final = re.compile(
    r"([A-Z]{2}(?:-[A-Z0-9]{1,10})?)(?: \(holidays [0-9]{1,2}(?:\.[0-9]{1,3}){1,2}\))?"
)
_AMOUNT: Final[TypeAdapter[Decimal]] = TypeAdapter(Amount)
_PERCENTAGE: Final[TypeAdapter[Decimal]] = TypeAdapter(Percentage)
_DECIMALS: Final[Mapping[str, tuple[TypeAdapter[Decimal], str]]] = {
    "amount": (_AMOUNT, "period_months"),
    "credit_line": (_AMOUNT, "partner_level"),
    "from_amount": (_AMOUNT, "rate_percent"),
    "to_amount": (_AMOUNT, "rate_percent"),
    "rate_percent": (_PERCENTAGE, "from_amount"),
    "percent": (_PERCENTAGE, "product_code"),
}
"""The decimals of a decision sheet, and what always stands beside each: there it may have any length.

Stand-ins would change which of two bands is the higher, and with it whether a sheet is valid.
"""
_TABLES: Final[Mapping[str, Table]] = {
    "country": Table.COUNTRY,
    "currency": Table.CURRENCY,
    "time_zone": Table.TIME_ZONE,
}
"""Fields whose values are in a table: of the right shape anybody's initials are, too."""


class Harmless:
    """Knows the fields of the contract's models and what they can hold without being personal."""

    def __init__(self) -> None:
        self._listed: dict[str, frozenset[str]] = {}
        self._patterns: dict[str, frozenset[re.Pattern[str]]] = {}
        schema = _MODELS.json_schema()
        definitions: dict[str, Any] = schema["$defs"]
        for definition in definitions.values():
            for name, part in definition.get("properties", {}).items():
                values = frozenset(_listed_values(part, definitions))
                self._listed[name] = self._listed.get(name, frozenset()) | values
                patterns = frozenset(_patterns(part))
                self._patterns[name] = self._patterns.get(name, frozenset()) | patterns
        self.words = frozenset[str]().union(*self._listed.values()) | {
            step.name for step in (*STEPS, *coverage.STEPS)
        }
        """Every value the models list and the names of all commands."""

    @property
    def fields(self) -> Collection[str]:
        """The names of all fields."""
        return self._listed.keys()

    def holds(self, key: str, text: str, beside: Collection[str]) -> bool:
        """Whether ``text`` may stay as the value of the field ``key``, with the fields ``beside`` it."""
        if text in self._listed.get(key, ()):
            return True
        if any(pattern.fullmatch(text) for pattern in self._patterns.get(key, ())):
            return True
        match key:
            case "allowed_commands" | "command" | "error" | "template":
                return text in self.words
            case "key" | "resend" | "resent_emails":
                notice = _LETTER_KEY.fullmatch(text)
                return notice is not None and notice[1] in self._listed["template"]
            case "calendar":
                calendar = _CALENDAR.fullmatch(text)
                return calendar is not None and _is_in(Table.CALENDAR, calendar[1])
            case "country" | "currency" | "time_zone":
                return _is_in(_TABLES[key], text)
        if key in _DECIMALS:
            kind, companion = _DECIMALS[key]
            return _is_small(text) or (companion in beside and _is_valid(kind, text))
        return False


def _listed_values(part: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[str]:
    """The values the models list for a field (enums, literals), if any."""
    if "$ref" in part:
        part = definitions[part["$ref"].rsplit("/", 1)[1]]
    yield from (value for value in (*part.get("enum", ()), part.get("const")) if isinstance(value, str))
    for alternative in part.get("anyOf", ()):
        yield from _listed_values(alternative, definitions)


def _patterns(part: Mapping[str, Any]) -> Iterator[re.Pattern[str]]:
    """What dates and times look like, if the field or the items of the field are such."""
    if (pattern := _PATTERNS.get(part.get("format", ""))) is not None:
        yield pattern
    if "items" in part:
        yield from _patterns(part["items"])
    for alternative in part.get("anyOf", ()):
        yield from _patterns(alternative)


def _is_small(text: str) -> bool:
    """Whether it is a decimal of either sign with few digits, not counting zeros at its ends."""
    try:
        number = _AMOUNT.validate_python(text.strip().removeprefix("-"))
    except ValidationError:
        return False
    return len(number.normalize().as_tuple().digits) <= _SMALL_DIGITS


def _is_in(table: Table, text: str) -> bool:
    return not problems([TableEntry(field="", table=table, value=text)])


def _is_valid(kind: TypeAdapter[Any], text: str) -> bool:
    try:
        kind.validate_python(text)
    except ValidationError:
        return False
    return True
