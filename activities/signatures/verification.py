"""Whether a delivery comes from the provider it names: judged by its raw bytes, before any of it is read."""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from standardwebhooks import Webhook, WebhookVerificationError

from domain.signatures import Provider

RawHeaders = Sequence[tuple[bytes, bytes]]
"""As ASGI has them: names in lower case."""
Verifier = Callable[[RawHeaders, bytes], bool]
"""Whether headers and body are the provider's own. It raises nothing, whatever comes."""
Clock = Callable[[], float]
TOLERANCE: Final = 300
"""Seconds a signed time may lie in the past, or the future."""
_DOCUSIGN: Final = re.compile(rb"x-docusign-signature-[1-9][0-9]{0,2}")
_SECONDS: Final = re.compile(rb"[0-9]{1,12}")


def verifier(provider: Provider, secret: str, clock: Clock = time.time) -> Verifier:
    """What judges the deliveries of this provider.

    Raises ValueError for a secret the provider's scheme can't use.
    """
    return _SCHEMES[provider](secret, clock)


def _standard(secret: str, _clock: Clock) -> Verifier:
    """Standard Webhooks: ``webhook-id``, ``webhook-timestamp`` and ``webhook-signature``."""
    try:
        webhook = Webhook(secret)
    # An empty key has an error of its own, which is no ValueError.
    except Exception as error:
        raise ValueError("must be whsec_ and a key in base64, as Standard Webhooks has it") from error

    def genuine(headers: RawHeaders, body: bytes) -> bool:
        named = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        try:
            webhook.verify(body, named, json_parse=False)
        # What is not UTF-8, base64 or a pair of version and signature.
        except (WebhookVerificationError, ValueError):
            return False
        return True

    return genuine


def _documenso(secret: str, _clock: Clock) -> Verifier:
    """The secret itself comes in ``X-Documenso-Secret``; nothing is signed."""
    expected = secret.encode()

    def genuine(headers: RawHeaders, _body: bytes) -> bool:
        return any(hmac.compare_digest(shown, expected) for shown in _values(headers, b"x-documenso-secret"))

    return genuine


def _docuseal(secret: str, clock: Clock) -> Verifier:
    """``X-Docuseal-Signature: TIME.HEX`` over ``TIME.BODY``; the key is the secret as it is, ``whsec_`` and
    all."""
    key = secret.encode()

    def genuine(headers: RawHeaders, body: bytes) -> bool:
        for shown in _values(headers, b"x-docuseal-signature"):
            at, _, signature = shown.partition(b".")
            if not _SECONDS.fullmatch(at) or abs(clock() - int(at)) > TOLERANCE:
                continue
            expected = hmac.new(key, at + b"." + body, hashlib.sha256).hexdigest()
            if hmac.compare_digest(signature, expected.encode()):
                return True
        return False

    return genuine


def _docusign(secret: str, _clock: Clock) -> Verifier:
    """``X-DocuSign-Signature-1`` and further, one for each of the account's active keys: base64 of the body's
    HMAC-SHA256."""
    key = secret.encode()

    def genuine(headers: RawHeaders, body: bytes) -> bool:
        expected = base64.b64encode(hmac.digest(key, body, "sha256"))
        shown = [value for name, value in headers if _DOCUSIGN.fullmatch(name)]
        return any(hmac.compare_digest(each, expected) for each in shown)

    return genuine


def _values(headers: RawHeaders, name: bytes) -> list[bytes]:
    return [value for each, value in headers if each == name]


_SCHEMES: Final[Mapping[Provider, Callable[[str, Clock], Verifier]]] = {
    Provider.STANDARD: _standard,
    Provider.DOCUMENSO: _documenso,
    Provider.DOCUSEAL: _docuseal,
    Provider.DOCUSIGN: _docusign,
}
