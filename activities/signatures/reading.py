"""What a provider's delivery, or its answer when asked, says of signatures.

Of what it sends only a few fields are read; the rest may be whatever its releases make of it. A document that
does not carry an external ID of ours is none of ours.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from domain.contract import Party
from domain.intake import field_errors
from domain.signatures import Provider, ReceivedSignature, Terms, plain
from domain.values import Contract, HeaderText, Instant

_LONGEST_NAME: Final = 200
_PARTY_IN_NAME: Final = re.compile(r"(?P<name>.*?)\s*\(\s*(?P<party>partner|vendor)\s*\)\s*", re.I | re.S)


@dataclass(frozen=True)
class Delivery:
    """What is in a delivery. ``event`` is the same however often it is sent; without ``signatures``,
    ``nothing`` says why."""

    event: str
    signatures: tuple[ReceivedSignature, ...] = ()
    nothing: str | None = None


class UnreadableError(ValueError):
    """The delivery is not what its provider's contract has. Says which field is wrong and how, never what is
    in it."""


def read(provider: Provider, body: bytes, webhook_id: str = "") -> Delivery:
    """What a verified delivery says; ``webhook_id``: what Standard Webhooks tells deliveries apart by.

    Raises:
        UnreadableError: it is no JSON, or lacks a field that is needed.
    """
    try:
        return _READERS[provider](body, webhook_id)
    except ValidationError as error:
        raise UnreadableError(field_errors(error)) from None


class _Said(BaseModel):
    """A part of what a provider sends; its IDs may be numbers or texts."""

    model_config = ConfigDict(
        extra="ignore", coerce_numbers_to_str=True, alias_generator=to_camel, populate_by_name=True
    )

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: said for name, said in value.items() if said is not None}


# Standard Webhooks


class _Signed(Contract):
    external_id: str
    party: Party
    signer_name: HeaderText
    signed_at: Instant
    document_ref: HeaderText | None = None


class _DocumentSigned(Contract):
    type: Literal["document.signed"]
    timestamp: Instant
    data: _Signed


class _Typed(BaseModel):
    type: str


def _standard(body: bytes, webhook_id: str) -> Delivery:
    event = plain(webhook_id)
    if _Typed.model_validate_json(body).type != "document.signed":
        return Delivery(event, nothing="another event than document.signed")
    said = _DocumentSigned.model_validate_json(body).data
    terms = Terms.named(said.external_id)
    if terms is None:
        raise UnreadableError(
            "data.external_id: must be {application_id}:{sheet_revision}:{sheet_hash}, as the status shows it"
        )
    return Delivery(
        event,
        (
            ReceivedSignature(
                provider=Provider.STANDARD,
                document=said.document_ref or "",
                signer=said.party,
                terms=terms,
                party=said.party,
                signer_name=said.signer_name,
                signed_at=said.signed_at,
                document_ref=said.document_ref,
            ),
        ),
    )


# Documenso


class DocumensoRecipient(_Said):
    """Who is to sign. Its role says what he does with the document, not for whom."""

    id: str
    name: str = ""
    email: str = ""
    role: str = "SIGNER"
    signing_status: str = ""
    signed_at: str | None = None


class DocumensoDocument(_Said):
    """A document as deliveries have it, and as the API lists it (where ``id`` is the envelope's)."""

    id: str
    envelope_id: str | None = None
    external_id: str | None = None
    status: str = ""
    recipients: tuple[DocumensoRecipient, ...] = Field(
        default=(), validation_alias=AliasChoices("recipients", "Recipient")
    )

    def signatures(self) -> tuple[ReceivedSignature, ...]:
        """Those that were given, on terms of ours."""
        if self.status in {"REJECTED", "CANCELLED"}:
            return ()
        document = self.envelope_id or self.id
        signed = (one for one in self.recipients if one.role == "SIGNER" and one.signing_status == "SIGNED")
        found = []
        for one in signed:
            named = _PARTY_IN_NAME.fullmatch(one.name)
            name, role = (named["name"], named["party"]) if named else (one.name, "")
            found.append(
                _received(
                    *(Provider.DOCUMENSO, document, one.id, self.external_id, role),
                    names=(name, one.email),
                    signed_at=one.signed_at,
                )
            )
        return _those(found)


class _DocumensoEvent(_Said):
    event: str
    payload: DocumensoDocument


def _documenso(body: bytes, _webhook_id: str) -> Delivery:
    said = _DocumensoEvent.model_validate_json(body)
    document = said.payload
    states = [(one.id, one.signing_status, one.signed_at) for one in document.recipients]
    event = _stable(said.event, document.envelope_id or document.id, document.status, *states)
    return _delivery(event, document.signatures(), document.external_id)


# DocuSeal


class DocusealSubmitter(_Said):
    """Who is to sign, with the role the template gives him."""

    model_config = ConfigDict(alias_generator=None)

    id: str
    submission_id: str | None = None
    name: str | None = None
    email: str | None = None
    role: str | None = None
    external_id: str | None = None
    completed_at: str | None = None

    def signature(self, submission_id: str | None = None) -> ReceivedSignature | None:
        """The one he has given, if he has, on terms of ours."""
        document = self.submission_id or submission_id
        if self.completed_at is None or document is None:
            return None
        return _received(
            *(Provider.DOCUSEAL, document, self.id, self.external_id, self.role or ""),
            names=(self.name or "", self.email or ""),
            signed_at=self.completed_at,
        )


class _DocusealSubmission(_Said):
    model_config = ConfigDict(alias_generator=None)

    status: str = ""


class _DocusealData(DocusealSubmitter):
    status: str = ""
    submission: _DocusealSubmission | None = None
    submitters: tuple[DocusealSubmitter, ...] | None = None


class _DocusealEvent(_Said):
    model_config = ConfigDict(alias_generator=None)

    event_type: str
    data: _DocusealData


def _docuseal(body: bytes, _webhook_id: str) -> Delivery:
    said = _DocusealEvent.model_validate_json(body)
    data, whole = said.data, said.data.submitters is not None
    parts: Sequence[DocusealSubmitter] = data.submitters or () if whole else (data,)
    event = _stable(said.event_type, data.id, data.status, *((one.id, one.completed_at) for one in parts))
    external_id = next((one.external_id for one in parts if one.external_id), None)
    declined = "declined" in {data.status, data.submission.status if data.submission else ""}
    if declined or said.event_type not in {"form.completed", "submission.completed"}:
        return _delivery(event, (), external_id)
    found = (one.signature(data.id if whole else None) for one in parts)
    return _delivery(event, _those(found), external_id)


# DocuSign


class DocusignSigner(_Said):
    """Who is to sign, with the role the sender gave him."""

    recipient_id: str = ""
    recipient_id_guid: str | None = None
    name: str = ""
    email: str = ""
    role_name: str = ""
    status: str = ""
    signed_date_time: str | None = None


class _DocusignRecipients(_Said):
    signers: tuple[DocusignSigner, ...] = ()


class _DocusignField(_Said):
    name: str = ""
    value: str = ""


class _DocusignFields(_Said):
    text_custom_fields: tuple[_DocusignField, ...] = ()


class DocusignEnvelope(_Said):
    """An envelope as deliveries have it (``envelopeSummary``), and as the API lists it."""

    envelope_id: str = ""
    status: str = ""
    custom_fields: _DocusignFields | None = None
    recipients: _DocusignRecipients | None = None

    @property
    def signers(self) -> tuple[DocusignSigner, ...]:
        """Those who are to sign."""
        return self.recipients.signers if self.recipients else ()

    @property
    def external_id(self) -> str | None:
        """Of three text custom fields: one holds 100 characters, and the external ID is longer."""
        fields = self.custom_fields.text_custom_fields if self.custom_fields else ()
        values = {each.name: each.value.strip() for each in fields}
        parts = [values.get(name, "") for name in Terms.model_fields]
        return ":".join(parts) if all(parts) else None

    def signatures(self) -> tuple[ReceivedSignature, ...]:
        """Those that were given, on terms of ours."""
        if self.status.lower() in {"voided", "declined", "deleted"}:
            return ()
        return _those(
            _received(
                *(Provider.DOCUSIGN, self.envelope_id, one.recipient_id_guid or one.recipient_id),
                *(self.external_id, one.role_name),
                names=(one.name, one.email),
                signed_at=one.signed_date_time,
            )
            for one in self.signers
            if one.status.lower() in {"completed", "signed"}
        )


class _DocusignData(_Said):
    envelope_id: str
    envelope_summary: DocusignEnvelope


class _DocusignEvent(_Said):
    """JSON SIM. The older aggregate message tells how the envelope stood when it was sent, not when it
    happened; it has no ``event``, and is not read."""

    event: str
    data: _DocusignData


def _docusign(body: bytes, _webhook_id: str) -> Delivery:
    said = _DocusignEvent.model_validate_json(body)
    envelope = said.data.envelope_summary.model_copy(update={"envelope_id": said.data.envelope_id})
    states = [(one.recipient_id, one.status, one.signed_date_time) for one in envelope.signers]
    event = _stable(said.event, envelope.envelope_id, envelope.status, *states)
    return _delivery(event, envelope.signatures(), envelope.external_id)


# All of them


def _stable(*fields: Any) -> str:
    """A hash of what does not change from one attempt to the next."""
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()


def _delivery(event: str, found: tuple[ReceivedSignature, ...], external_id: str | None) -> Delivery:
    if found:
        return Delivery(event, found)
    ours = external_id is not None and Terms.named(external_id) is not None
    return Delivery(event, nothing="no signature of partner or vendor" if ours else "not a document of ours")


def _received(
    provider: Provider,
    document: str,
    signer: str,
    external_id: str | None,
    role: str,
    *,
    names: Iterable[str],
    signed_at: str | None,
) -> ReceivedSignature | None:
    """The signature; ``None`` where it is on no terms of ours, or for neither party."""
    terms = Terms.named(external_id or "")
    if terms is None or role.strip().casefold() not in set(Party):
        return None
    said = {
        "provider": provider,
        "document": document,
        "signer": signer,
        "terms": terms,
        "party": role.strip().casefold(),
        "signed_at": signed_at,
        "document_ref": f"{provider}:{plain(document)}",
    }
    for name in (*names, f"Signatory of the {role.strip().casefold()}"):
        try:
            return ReceivedSignature.model_validate(said | {"signer_name": name.strip()[:_LONGEST_NAME]})
        except ValidationError as error:
            if any(each["loc"] != ("signer_name",) for each in error.errors()):
                return None
    return None


def _those(found: Iterable[ReceivedSignature | None]) -> tuple[ReceivedSignature, ...]:
    return tuple(each for each in found if each is not None)


_READERS: Final[Mapping[Provider, Callable[[bytes, str], Delivery]]] = {
    Provider.STANDARD: _standard,
    Provider.DOCUMENSO: _documenso,
    Provider.DOCUSEAL: _docuseal,
    Provider.DOCUSIGN: _docusign,
}
