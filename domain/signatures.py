"""Signatures that providers of electronic signatures report: what binds a document to an application and its
terms, and what is known of a signature on it (guide §2.4)."""

import hashlib
import re
from enum import StrEnum
from typing import Final, Self

from domain.audit import Verdict
from domain.contract import ErrorType, Party
from domain.sheets import IssuedSheet
from domain.values import Contract, HeaderText, Instant

_TERMS: Final = re.compile(
    r"(?P<application_id>[^:\s]{1,200}):(?P<sheet_revision>[1-9][0-9]{0,5}):(?P<sheet_hash>[0-9a-fA-F]{64})"
)
_LONGEST: Final = 40
"""Characters of a provider's own ID of a document, or a signer, that a command ID spells out."""


SIGNATURE_TYPE: Final = "SignatureReceived"
SWEEP_TYPE: Final = "SignatureSweep"
SWEEP_ID: Final = "reseller-onboarding-signature-sweep"


def signature_id(command_id: str) -> str:
    """The one workflow ID under which a signature is carried to its application."""
    return f"reseller-onboarding-signature-{command_id}"


class Provider(StrEnum):
    """Whose deliveries are understood. ``standard``: a provider, or a service of one's own, that follows
    Standard Webhooks."""

    STANDARD = "standard"
    DOCUMENSO = "documenso"
    DOCUSEAL = "docuseal"
    DOCUSIGN = "docusign"


class Terms(Contract):
    """What a document is signed for: an application, and one revision of its decision sheet."""

    application_id: str
    sheet_revision: int
    sheet_hash: str

    @property
    def external_id(self) -> str:
        """What the document carries at the provider: ``{application_id}:{sheet_revision}:{sheet_hash}``."""
        return f"{self.application_id}:{self.sheet_revision}:{self.sheet_hash}"

    @classmethod
    def named(cls, external_id: str) -> Self | None:
        """The terms an external ID names; ``None``: it is none of ours."""
        found = _TERMS.fullmatch(external_id.strip())
        return cls.model_validate(found.groupdict()) if found else None

    @classmethod
    def on(cls, application_id: str, sheet: IssuedSheet) -> Self:
        """Those of this sheet of an application."""
        return cls(application_id=application_id, sheet_revision=sheet.revision, sheet_hash=sheet.hash)


class ReceivedSignature(Contract):
    """A signature as its provider reports it, in a delivery or when asked.

    ``document`` and ``signer``: the provider's own IDs.
    """

    provider: Provider
    document: str
    signer: str
    terms: Terms
    party: Party
    signer_name: HeaderText
    signed_at: Instant
    document_ref: HeaderText | None = None

    @property
    def command_id(self) -> str:
        """The same however often, and in whatever way, it is reported; another one for other terms."""
        return ":".join(
            (self.provider, plain(self.document), plain(self.signer), _hash(self.terms.external_id))
        )


def plain(identifier: str) -> str:
    """A provider's ID where it can stand in one of ours as it is; else its hash."""
    if len(identifier) <= _LONGEST and re.fullmatch(r"[A-Za-z0-9_.~-]+", identifier):
        return identifier
    return _hash(identifier)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


class RefusedSignature(Contract):
    """A signature that was given at a provider, and is none here: ``error`` and ``message`` say why."""

    party: Party
    signer_name: HeaderText
    signed_at: Instant
    document_ref: HeaderText | None = None
    sheet_revision: int
    error: ErrorType
    message: str


class CarrySignature(Contract):
    """Carry this signature to its application."""

    command_id: str


class CarriedSignature(Contract):
    """What became of a signature: ``error`` says why it was refused."""

    verdict: Verdict
    error: ErrorType | None = None


class Sweep(Contract):
    """Take up what was stored and not carried out, and ask the providers."""


class Swept(Contract):
    """What a sweep did: how many signatures it took up again, how many it found signed at a provider and not
    here, and which providers did not answer."""

    taken_up: int = 0
    found: int = 0
    unanswered: tuple[Provider, ...] = ()
