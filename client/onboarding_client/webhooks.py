"""What the service delivers to an endpoint: verified before it is read (Standard Webhooks).

Needs the extra: ``pip install 'onboarding-client[webhooks]'``.
"""

from collections.abc import Mapping

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from onboarding_client.models import WebhookBody

__all__ = ["WebhookBody", "WebhookVerificationError", "verified"]


def verified(body: bytes, headers: Mapping[str, str], secret: str) -> WebhookBody:
    """What was delivered; ``body`` as it came, byte by byte, ``secret`` as it was shown once (``whsec_…``).

    The header ``webhook-id`` is the same on every attempt: who keeps it tells a repeated delivery.

    Raises:
        WebhookVerificationError: it is not from the service, or older than five minutes: answer 401.
    """
    named = {name.lower(): value for name, value in headers.items()}
    try:
        # The library's comparison takes ASCII only.
        named["webhook-signature"].encode("ascii")
        Webhook(secret).verify(body.decode(), named)
    except (KeyError, UnicodeError):
        raise WebhookVerificationError("No matching signature found") from None
    return WebhookBody.model_validate_json(body)
