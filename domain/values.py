"""The scalar types of the contract: what a UID, an amount, an instant or a header text may be.

Every type refuses what would be lost or misread later: a JSON number for money (it arrives as a float), an
instant without a zone, a text that would break out of an e-mail header.

They check shapes only. Whether there is such a country, currency, zone or mail domain is in tables that
change with their libraries: that is asked once, in an activity, and recorded (`inquiry.py`), or a lock
update would refuse on replay what was accepted.
"""

import re
from collections.abc import Mapping
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)


class Contract(BaseModel):
    """Base of every model that crosses a boundary: frozen, and tolerant of fields it does not know.

    The edges (CLI, API) validate with ``extra="forbid"`` instead.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")


def says_nothing(value: object) -> bool:
    """For ``exclude_if``: a field of our own records is left out of JSON while it is empty, false or zero.

    Only where that is the default and will stay it: histories are read by later releases.
    """
    return not value


def without_control_characters(text: str) -> str:
    """Refuse control characters other than line breaks and tabs (they break logs, mails and terminals)."""
    if text.isascii() and text.isprintable():
        return text
    if any((ord(c) < 32 and c not in "\n\r\t") or 0x7F <= ord(c) <= 0x9F for c in text):
        raise ValueError("must not contain control characters")
    if any(0xD800 <= ord(c) <= 0xDFFF for c in text):
        raise ValueError("must be valid Unicode (no lone surrogates)")
    return text


def safe_in_header(text: str) -> str:
    """Refuse what an e-mail header could be split or re-decoded by (RFC 5322 §2.2, RFC 2047 §2).

    ``=?`` starts an encoded word: once decoded it can carry a line break and so a header of its own.
    """
    without_control_characters(text)
    if any(c in "\n\r\t\u2028\u2029" for c in text):
        raise ValueError("must be a single line")
    if "=?" in text:
        raise ValueError("must not contain '=?'")
    return text


_INVISIBLE: Final = dict.fromkeys(
    code
    for first, last in (
        *((0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5)),
        *((0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164)),
        *((0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xE0000, 0xE0FFF)),
    )
    for code in range(first, last + 1)
)
"""What is not seen in a text (Unicode: Default_Ignorable_Code_Point): zero-width characters, marks of
direction, variation selectors. Written out, as the tables of a Python release are its own."""


_MISLEADING: Final = dict.fromkeys(
    [*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200B, 0x2060, 0xFEFF],
)
"""Embeddings, overrides and isolates (UAX #9), with which a text can rearrange what stands around it, and
spaces of no width. No script needs them to be read; right-to-left ones do without."""
_MISLEADS: Final = re.compile(f"[{''.join(map(chr, _MISLEADING))}]")


def without_misleading_marks(text: str) -> str:
    """The text without unseen marks by which it, or what stands around it, is taken for something else."""
    # Looking is fifteen times as fast as translating, and hardly any text has one.
    return text if text.isascii() or not _MISLEADS.search(text) else text.translate(_MISLEADING)


NOTHING_TO_READ: Final = "must have something to read"


def without_invisible_characters(text: str) -> str:
    """The text as its reader sees it. Some scripts and emoji need such characters, so they are kept where a
    text is kept; two texts that differ only in them read the same."""
    return text.translate(_INVISIBLE)


def readable(text: str) -> str:
    """Refuse a text in which there is nothing to be seen."""
    if not without_invisible_characters(text).strip():
        raise ValueError(NOTHING_TO_READ)
    return text


def _decimal_from_string(value: Any) -> Any:
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str):
        raise ValueError('must be a decimal in a JSON string, such as "12.50" (a JSON number loses digits)')
    try:
        # Python would also read "1_000" and the digits of other scripts.
        return Decimal(value.strip() if value.isascii() and "_" not in value else "not a number")
    except InvalidOperation:
        raise ValueError('must be a decimal number in a string, such as "12.50"') from None


def _sane_decimal(value: Decimal) -> Decimal:
    exponent = value.as_tuple().exponent
    if value.adjusted() > 17 or (isinstance(exponent, int) and exponent < -10):
        raise ValueError("must have at most 18 digits before and 10 after the point")
    return value


def normalised_decimal(value: Decimal) -> str:
    """The one way a decimal is written: no exponent, no trailing zeros, ``0`` for every zero."""
    if value == 0:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _percentage(value: Decimal) -> Decimal:
    if not 0 <= value <= 100:
        raise ValueError("must be between 0 and 100")
    return value


def _not_negative(value: Decimal) -> Decimal:
    if value < 0:
        raise ValueError("must not be negative")
    return value


def _in_utc(value: datetime) -> datetime:
    # Nearer to an end of the calendar there are time zones that can't show it.
    if not MINYEAR < value.year < MAXYEAR:
        raise ValueError(f"must be an instant of the years {MINYEAR + 1} to {MAXYEAR - 1}")
    return value.astimezone(UTC)


_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def day_text(value: date) -> str:
    """A date as people read it in English: ``Wednesday, 2 December 2026``."""
    return f"{_WEEKDAYS[value.weekday()]}, {value.day} {_MONTHS[value.month - 1]} {value.year}"


def first_line(said: object) -> str:
    """What is said first, without what libraries add in more lines."""
    return next(iter(str(said).strip().splitlines()), "no reason is given")


def instant_text(value: datetime) -> str:
    """An instant as the contract writes it: ISO 8601 in UTC with ``Z``."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _is_unix_time(value: Any) -> bool:
    # pydantic reads a string of digits as seconds since 1970; ISO 8601 has a "-" after the year.
    return isinstance(value, str) and value.strip()[4:5] != "-"


def _plain_date(value: Any) -> Any:
    if (
        isinstance(value, (datetime, int, float))
        or (isinstance(value, str) and len(value) != 10)
        or _is_unix_time(value)
    ):
        raise ValueError("must be a date, such as 2026-03-31")
    return value


def _within_timers(value: date) -> date:
    # A date at either end of the calendar has no midnight in UTC, and Temporal's timers reach 292 years.
    if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        raise ValueError(f"must be a date of the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return value


def _not_a_number(value: Any) -> Any:
    if isinstance(value, (int, float)) or _is_unix_time(value):
        raise ValueError("must be an ISO 8601 instant with its zone, such as 2026-03-31T09:00:00Z")
    return value


_FIRST_YEAR: Final = 1900
_LAST_YEAR: Final = 2200
_DECIMAL: Final = (
    BeforeValidator(_decimal_from_string),
    AfterValidator(_sane_decimal),
    PlainSerializer(normalised_decimal, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["12.50"]}),
)

_UID: Final = r"^[0-9]{1,32}$"
_CODE: Final = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$"
_EMAIL: Final = r"^[^@\s<>(),;:\\\"\[\]]+@[^@\s<>(),;:\\\"\[\]]+$"
_COUNTRY: Final = r"^[A-Z]{2}$"
_CURRENCY: Final = r"^[A-Z]{3}$"
_TIME_ZONE: Final = r"^[A-Za-z][A-Za-z0-9_+/-]{0,63}$"
_SHA256: Final = r"^[0-9a-fA-F]{64}$"
_MEDIA_TYPE: Final = r"^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$"
PATTERNS: Final[Mapping[str, str]] = {
    _UID: "must be 1 to 32 digits",
    _CODE: "must be 1 to 64 letters, digits or any of . _ / - and begin with a letter or digit",
    _EMAIL: "must be an e-mail address, such as mei@lincloud.example",
    _COUNTRY: "must be a country's two letters (ISO 3166-1), such as CN",
    _CURRENCY: "must be a currency's three letters (ISO 4217), such as USD",
    _TIME_ZONE: "must be an IANA time zone, such as Asia/Shanghai",
    _SHA256: "must be a SHA-256 as 64 hexadecimal digits",
    _MEDIA_TYPE: "must be a media type, such as application/pdf",
}
"""What a text that does not match a pattern is told."""

Uid = Annotated[str, StringConstraints(pattern=_UID)]
"""An account of the vendor's cloud: a digit string."""
Digest = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=128), AfterValidator(without_control_characters)
]
"""A hash as a caller names it; whether it is the right one is a matter of revisions, not of form."""
Sha256 = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, pattern=_SHA256)]
"""A SHA-256 in hexadecimal (FIPS 180-4)."""
MediaType = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, pattern=_MEDIA_TYPE)]
"""What a file is, such as ``application/pdf`` (RFC 6838 §4.2), without parameters."""
Code = Annotated[str, StringConstraints(pattern=_CODE)]
"""A configured code (partner level, commission policy, product): configuration, not an enum."""
HeaderText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(safe_in_header),
    AfterValidator(readable),
]
"""One line of text that may end up in an e-mail header (names, titles)."""
Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=4000),
    AfterValidator(without_control_characters),
    AfterValidator(readable),
]
"""Free text of up to 4,000 characters, line breaks allowed."""
Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=254, pattern=_EMAIL),
    AfterValidator(safe_in_header),
]
"""The shape of an e-mail address (RFC 5321); a non-ASCII local part is possible (RFC 6531)."""
CommandId = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(safe_in_header)]
"""The caller's unique ID of one command; the Temporal update ID is the same."""
Country = Annotated[str, StringConstraints(pattern=_COUNTRY)]
"""The shape of ISO 3166-1 alpha-2."""
Currency = Annotated[str, StringConstraints(pattern=_CURRENCY)]
"""The shape of ISO 4217."""
TimeZone = Annotated[str, StringConstraints(pattern=_TIME_ZONE)]
"""The shape of the name of an IANA time zone."""
Day = Annotated[date, BeforeValidator(_plain_date), AfterValidator(_within_timers)]
"""A calendar date, ISO 8601, of the years 1900 to 2200."""
CountedDay = Annotated[date, BeforeValidator(_plain_date)]
"""A date that was counted, of any year: it may be later than those that can be given."""
Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_not_a_number),
    AfterValidator(_in_utc),
    PlainSerializer(instant_text, return_type=str, when_used="json"),
    # The serializer's is a text of any kind.
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A point in time; read in any zone, kept and written in UTC with ``Z``."""
Amount = Annotated[Decimal, *_DECIMAL, AfterValidator(_not_negative)]
"""Money, not negative; a decimal in a JSON string."""
Percentage = Annotated[Decimal, *_DECIMAL, AfterValidator(_percentage)]
"""A percentage between 0 and 100; a decimal in a JSON string."""
