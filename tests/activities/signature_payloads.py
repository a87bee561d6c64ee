"""Deliveries as each provider sends them: the shape of its own documentation or code, with values of ours."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from standardwebhooks import Webhook

from domain.contract import Party
from domain.signatures import Provider, Terms

SECRETS: Final[Mapping[Provider, str]] = {
    Provider.STANDARD: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    Provider.DOCUMENSO: "a shared secret of documenso".replace(" ", "-"),
    Provider.DOCUSEAL: "whsec_dGhpcyBpcyBub3QgYmFzZTY0IHRvIERvY3VTZWFs",
    Provider.DOCUSIGN: "vK9gQ2bZ1fK3mYc0tJd8aQe5rLx7Wn4P",
}
TERMS: Final = Terms(
    application_id="01a223b4-6b20-7141-bbdc-6719a26768d9", sheet_revision=2, sheet_hash="ab" * 32
)
SIGNED_AT: Final = "2026-03-31T09:00:00.000Z"
NAMES: Final = {Party.PARTNER: "Mei Lin", Party.VENDOR: "Vic Voss"}
Signed = Mapping[Party, str]
"""When each party has signed; one that is not there has not."""
BOTH: Final[Signed] = {Party.PARTNER: SIGNED_AT, Party.VENDOR: "2026-03-31T10:30:00.000Z"}
_NUMBERS: Final = {Party.PARTNER: 51, Party.VENDOR: 52}


def standard(terms: Terms, party: Party, signed_at: str = SIGNED_AT, /, **changes: Any) -> dict[str, Any]:
    """By Standard Webhooks, as this project defines the body."""
    return {
        "type": "document.signed",
        "timestamp": signed_at,
        "data": {
            "external_id": terms.external_id,
            "party": party,
            "signer_name": NAMES[party],
            "signed_at": signed_at,
            "document_ref": "DOC-17",
            **changes,
        },
    }


def documenso_recipient(party: Party, signed: Signed) -> dict[str, Any]:
    """A recipient as Documenso has it."""
    return {
        "id": _NUMBERS[party],
        "envelopeId": "envelope_abcdefhiklmnorst",
        "documentId": 10,
        "templateId": None,
        "email": f"{party}@example.com",
        "name": f"{NAMES[party]} ({party})",
        "token": "vbT8hi3jKQmrFP_LN1WcS",
        "documentDeletedAt": None,
        "expiresAt": None,
        "signedAt": signed.get(party),
        "authOptions": None,
        "signingOrder": 1,
        "rejectionReason": None,
        "role": "SIGNER",
        "readStatus": "OPENED",
        "signingStatus": "SIGNED" if party in signed else "NOT_SIGNED",
        "sendStatus": "SENT",
    }


def documenso(
    terms: Terms, signed: Signed, *, event: str = "DOCUMENT_SIGNED", attempt: int = 1, **changes: Any
) -> dict[str, Any]:
    """``createdAt`` of the delivery differs from one attempt to the next."""
    recipients = [documenso_recipient(party, signed) for party in Party]
    return {
        "event": event,
        "payload": {
            "id": 10,
            "envelopeId": "envelope_abcdefhiklmnorst",
            "externalId": terms.external_id,
            "userId": 1,
            "authOptions": None,
            "formValues": None,
            "visibility": "EVERYONE",
            "title": "contract.pdf",
            "status": "COMPLETED" if len(signed) == len(Party) else "PENDING",
            "createdAt": "2026-03-30T11:44:43.341Z",
            "updatedAt": "2026-03-31T11:52:05.708Z",
            "completedAt": None,
            "deletedAt": None,
            "teamId": 7,
            "templateId": None,
            "source": "DOCUMENT",
            "documentMeta": {"id": "doc_meta_123", "signingOrder": "PARALLEL", "redirectUrl": None},
            "recipients": recipients,
            "Recipient": recipients,
            **changes,
        },
        "createdAt": f"2026-03-31T11:52:{attempt:02}.277Z",
        "webhookEndpoint": "https://onboarding.example.com/webhooks/signatures/documenso",
    }


def docuseal_submitter(terms: Terms, party: Party, signed: Signed, **changes: Any) -> dict[str, Any]:
    """A submitter as DocuSeal has it."""
    return {
        "id": _NUMBERS[party],
        "submission_id": 17,
        "email": f"{party}@example.com",
        "phone": None,
        "name": NAMES[party],
        "ua": "Mozilla/5.0",
        "ip": "192.0.2.7",
        "sent_at": "2026-03-30T11:44:43.341Z",
        "opened_at": "2026-03-31T08:44:43.341Z",
        "completed_at": signed.get(party),
        "declined_at": None,
        "created_at": "2026-03-30T11:44:43.341Z",
        "updated_at": "2026-03-31T11:52:05.708Z",
        "external_id": terms.external_id,
        "metadata": {},
        "status": "completed" if party in signed else "opened",
        "role": party.capitalize(),
        "preferences": {},
        "values": [
            {"field": "Signature", "value": "https://docuseal.example.com/blobs/proxy/x/signature.png"}
        ],
        "documents": [{"name": "contract", "url": "https://docuseal.example.com/blobs/proxy/x/contract.pdf"}],
        **changes,
    }


def docuseal(
    terms: Terms,
    party: Party,
    signed: Signed,
    *,
    event: str = "form.completed",
    attempt: int = 1,
    **changes: Any,
) -> dict[str, Any]:
    """``form.…``: one party. ``timestamp`` is that of the attempt."""
    submission = {"id": 17, "status": "completed" if len(signed) == len(Party) else "pending"}
    return {
        "event_type": event,
        "timestamp": f"2026-03-31T11:52:{attempt:02}.277Z",
        "data": docuseal_submitter(terms, party, signed)
        | {"submission": submission, "template": {"id": 3, "name": "Contract"}, "decline_reason": None}
        | changes,
    }


def docuseal_submission(terms: Terms, signed: Signed) -> dict[str, Any]:
    """``submission.completed``: all parties."""
    return {
        "event_type": "submission.completed",
        "timestamp": "2026-03-31T11:53:00.277Z",
        "data": {
            "id": 17,
            "name": None,
            "slug": "VyL4szTwYoSvXq",
            "source": "api",
            "submitters_order": "preserved",
            "status": "completed",
            "completed_at": max(signed.values()),
            "submitters": [docuseal_submitter(terms, party, signed) for party in Party],
            "template": {"id": 3, "name": "Contract"},
        },
    }


def docusign_envelope(terms: Terms, signed: Signed, **changes: Any) -> dict[str, Any]:
    """An envelope as DocuSign has it, with custom fields and recipients."""
    return {
        "envelopeId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
        "status": "completed" if len(signed) == len(Party) else "sent",
        "emailSubject": "Please sign the contract",
        "envelopeLocation": "current_site",
        "customFields": {
            "textCustomFields": [
                {
                    "fieldId": f"10{number}",
                    "name": name,
                    "show": "false",
                    "required": "false",
                    "value": str(value),
                }
                for number, (name, value) in enumerate(terms.model_dump().items())
            ],
            "listCustomFields": [],
        },
        "recipients": {
            "signers": [
                {
                    "recipientId": str(number),
                    "recipientIdGuid": f"5f0d4c1a-0000-4000-8000-0000000000{number:02}",
                    "userId": f"6a0d4c1a-0000-4000-8000-0000000000{number:02}",
                    "routingOrder": str(number),
                    "name": NAMES[party],
                    "email": f"{party}@example.com",
                    "roleName": party.capitalize(),
                    "status": "completed" if party in signed else "sent",
                    "completedCount": "1",
                    **({"signedDateTime": signed[party]} if party in signed else {}),
                }
                for number, party in enumerate(Party, start=1)
            ],
            "agents": [],
            "carbonCopies": [],
            "recipientCount": "2",
        },
        **changes,
    }


def docusign(
    terms: Terms, signed: Signed, *, event: str = "recipient-completed", attempt: int = 0, **changes: Any
) -> dict[str, Any]:
    """JSON SIM, with recipients and custom fields included."""
    envelope = docusign_envelope(terms, signed, **changes)
    return {
        "event": event,
        "apiVersion": "v2.1",
        "uri": f"/restapi/v2.1/accounts/0aa0/envelopes/{envelope['envelopeId']}",
        "retryCount": attempt,
        "configurationId": 10447655,
        "generatedDateTime": f"2026-03-31T11:52:{attempt:02}.2770000Z",
        "data": {
            "accountId": "0aa0",
            "userId": "6a0d4c1a-0000-4000-8000-000000000001",
            "envelopeId": envelope["envelopeId"],
            "envelopeSummary": {name: value for name, value in envelope.items() if name != "envelopeId"},
        },
    }


def deliveries(provider: Provider, terms: Terms, signed: Signed, attempt: int = 1) -> list[bytes]:
    """All that a provider sends while both parties sign, the partner first, each in this attempt."""
    partner = {Party.PARTNER: signed[Party.PARTNER]}
    sent: list[dict[str, Any]]
    match provider:
        case Provider.STANDARD:
            sent = [standard(terms, party, signed[party]) for party in Party]
        case Provider.DOCUMENSO:
            sent = [
                documenso(terms, partner, event="DOCUMENT_RECIPIENT_COMPLETED", attempt=attempt),
                documenso(terms, partner, attempt=attempt),
                documenso(terms, signed, attempt=attempt),
                documenso(terms, signed, event="DOCUMENT_COMPLETED", attempt=attempt),
            ]
        case Provider.DOCUSEAL:
            sent = [
                docuseal(terms, Party.PARTNER, partner, attempt=attempt),
                docuseal(terms, Party.VENDOR, signed, attempt=attempt),
                docuseal_submission(terms, signed),
            ]
        case Provider.DOCUSIGN:
            sent = [
                docusign(terms, partner, attempt=attempt),
                docusign(terms, signed, attempt=attempt),
                docusign(terms, signed, event="envelope-completed", attempt=attempt),
            ]
    return [json.dumps(each).encode() for each in sent]


def signed_headers(
    provider: Provider, body: bytes, secret: str | None = None, *, at: float | None = None, event: str = ""
) -> dict[str, str]:
    """What the provider sends along; ``event``: the ID of Standard Webhooks, else one for each body."""
    secret = secret or SECRETS[provider]
    now = datetime.now(UTC) if at is None else datetime.fromtimestamp(at, UTC)
    seconds = int(now.timestamp())
    match provider:
        case Provider.STANDARD:
            name = event or f"msg_{hashlib.sha256(body).hexdigest()[:24]}"
            signature = Webhook(secret).sign(name, now, body.decode())
            return {
                "webhook-id": name,
                "webhook-timestamp": str(seconds),
                "webhook-signature": f"v1,{base64.b64encode(b'another key').decode()} {signature}",
            }
        case Provider.DOCUMENSO:
            return {"X-Documenso-Secret": secret}
        case Provider.DOCUSEAL:
            signed = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
            return {"X-Docuseal-Signature": f"{seconds}.{signed}"}
        case Provider.DOCUSIGN:
            digest = base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()
            return {"X-DocuSign-Signature-1": "AAAA", "X-DocuSign-Signature-2": digest}


def raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """As ASGI has them."""
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
