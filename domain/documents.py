"""The two documents of an onboarding: the application form and the decision sheet."""

import hashlib
import re
from collections.abc import Iterator
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any, Final, Self, get_args, get_origin

import rfc8785
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from domain.values import (
    Amount,
    Code,
    Contract,
    Country,
    Currency,
    Day,
    Email,
    HeaderText,
    MediaType,
    Percentage,
    Sha256,
    Text,
    TimeZone,
    Uid,
    says_nothing,
)


class BusinessType(StrEnum):
    """What a partner's account does; Main and Associated UIDs share it (guide, FAQ Q5)."""

    RESELLER = "reseller"
    DISTRIBUTOR = "distributor"
    AGENCY = "agency"


class Contact(Contract):
    """Whom the vendor writes to: the form's "Contact E-mail" (guide §2.2, Step 2)."""

    name: HeaderText
    title: HeaderText | None = None
    email: Email
    phone: HeaderText | None = None


class Evidence(Contract):
    """A file that is kept elsewhere: where, its hash, and what it is. What names it is on record with these.

    ``sha256``: of its bytes, in hexadecimal. ``media_type``: RFC 6838, such as ``application/pdf``.
    """

    reference: HeaderText
    sha256: Sha256
    media_type: MediaType


MOST_EVIDENCE: Final = 20
"""How many files one form, answer or signature may name."""
FILES: Final = "Files that support it, kept elsewhere: `reference`, `sha256`, `media_type` of each."
EvidenceFiles = Annotated[tuple[Evidence, ...], Field(max_length=MOST_EVIDENCE)]


class ApplicationForm(Contract):
    """The basic information of an application (guide §2.2, Step 2; UIDs: FAQ Q3).

    ``website``: an address of http or https, as is judged where the form is submitted; stored forms may have
    another. ``evidence``: files that support the ``qualification``.
    """

    legal_name: HeaderText
    registration_number: HeaderText
    country: Country
    address: Text
    website: HeaderText | None = None
    contact: Contact
    business_type: BusinessType
    main_uid: Uid
    associated_uids: tuple[Uid, ...] = Field(default=(), max_length=100)
    territories: tuple[HeaderText, ...] = Field(default=(), max_length=300)
    qualification: Text
    evidence: EvidenceFiles = Field(default=(), exclude_if=says_nothing)

    @model_validator(mode="after")
    def _uids_named_once(self) -> Self:
        uids = self.covered_uids
        if len(set(uids)) != len(uids):
            raise ValueError("associated_uids must not repeat a UID or name the Main UID again")
        return self

    @property
    def covered_uids(self) -> tuple[str, ...]:
        """The accounts that get access: Main UID, then the Associated UIDs."""
        return (self.main_uid, *self.associated_uids)


class SheetPart(Contract):
    """A part of the decision sheet. Fields that are not set are left out of its JSON, so that a
    field added to this model later does not change the hash of a sheet agreed on today."""

    @model_serializer(mode="wrap")
    def _without_unset(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None}


class BasicTerms(SheetPart):
    """ "Basic information" of the decision sheet."""

    business_type: BusinessType
    partner_level: Code
    territories: tuple[HeaderText, ...] = Field(default=(), max_length=300)
    currency: Currency
    contract_start_date: Day
    time_zone: TimeZone
    term_months: int = Field(ge=1, le=1200)
    credit_line: Amount | None = None


class Commitment(SheetPart):
    """What the partner promises to sell, and pays compensation for if he does not (guide, FAQ Q2)."""

    amount: Amount
    period_months: int = Field(ge=1, le=1200)
    compensation: Text


class Band(SheetPart):
    """A commission rate for sales of ``from_amount`` up to, not including, ``to_amount``."""

    from_amount: Amount
    to_amount: Amount | None = None
    rate_percent: Percentage

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.to_amount is not None and self.to_amount <= self.from_amount:
            raise ValueError("to_amount must be greater than from_amount")
        return self


class CommissionPolicy(SheetPart):
    """ "Commission Policy Information" of the decision sheet."""

    code: Code
    name: HeaderText
    bands: tuple[Band, ...] = Field(default=(), max_length=100)

    @model_validator(mode="after")
    def _bands_do_not_overlap(self) -> Self:
        ordered = sorted(self.bands, key=lambda band: band.from_amount)
        for lower, upper in pairwise(ordered):
            if lower.to_amount is None or lower.to_amount > upper.from_amount:
                raise ValueError(f"bands overlap at {upper.from_amount}")
        return self


class Discount(SheetPart):
    """One line of "Discount information"; both days of validity are included."""

    product_code: Code
    percent: Percentage
    valid_from: Day | None = None
    valid_to: Day | None = None

    @model_validator(mode="after")
    def _not_reversed(self) -> Self:
        if self.valid_from and self.valid_to and self.valid_to < self.valid_from:
            raise ValueError("valid_to must not be before valid_from")
        return self


class DecisionSheet(SheetPart):
    """The business terms BD and the partner agree on (guide §2.3)."""

    basic: BasicTerms
    commitment: Commitment | None = None
    commission_policy: CommissionPolicy
    discounts: tuple[Discount, ...] = Field(default=(), max_length=500)

    @model_validator(mode="after")
    def _products_named_once(self) -> Self:
        codes = [discount.product_code for discount in self.discounts]
        repeated = sorted({code for code in codes if codes.count(code) > 1})
        if repeated:
            raise ValueError(f"discounts name a product twice: {', '.join(repeated)}")
        return self


def _paths(model: type[Contract]) -> Iterator[str]:
    """The paths of a model's fields: ``part``, ``part.field``, ``list``, ``list[…]``, ``list[…].field``."""
    for name, info in model.model_fields.items():
        yield name
        for kind in (info.annotation, *get_args(info.annotation)):
            if isinstance(kind, type) and issubclass(kind, Contract):
                each = f"{name}[…]" if get_origin(info.annotation) is tuple else name
                yield from ([each] if each != name else [])
                yield from (f"{each}.{path}" for path in _paths(kind))


SHEET_FIELDS: Final = tuple(_paths(DecisionSheet))
"""What a modification may name; for ``…`` stands the product, or the number of the band."""


def path_of(field: str) -> str:
    """The field of a sheet, whichever item of a list is meant: ``discounts[ecs].percent`` and any other."""
    return re.sub(r"\[[^\[\]]+\]", "[…]", field)


def sheet_hash(sheet: DecisionSheet) -> str:
    """The hash of the sheet as the status shows it."""
    return canonical_hash(sheet.model_dump(mode="json"))


def canonical_hash(content: Any) -> str:
    """SHA-256 (hex) over the RFC 8785 canonical JSON of this."""
    return hashlib.sha256(rfc8785.dumps(content)).hexdigest()
