"""What Schemathesis is told beside its settings: how long a read may wait, that keys are unique, and that no
name is looked up."""

from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import schemathesis
from schemathesis import HookContext

LONGEST_WAIT: Final = 1
NOBODY: Final = "http://127.0.0.1:9/hooks"
"""An address that may be saved (`ONBOARDING_WEBHOOK_ALLOW`), at which nobody answers."""
_KEY: Final = "Idempotency-Key"
_EXAMPLE: Final = "8e03978e-40d5-43dd-bc93-6894a57f9324"
_MOST: Final = 2_000


@schemathesis.hook
def before_call(context: HookContext, case: Any, kwargs: dict[str, Any]) -> None:
    """A valid ``wait`` of up to 30 seconds is cut to one; the key of the example, which all commands have, is
    made one of its own; an endpoint by name is one at an address."""
    wait = str((case.query or {}).get("wait", ""))
    if wait.isdecimal() and LONGEST_WAIT < int(wait) <= 30:
        case.query["wait"] = LONGEST_WAIT
    if (case.headers or {}).get(_KEY) == _EXAMPLE:
        case.headers[_KEY] = str(uuid4())
    if case.path.endswith("/webhooks") and isinstance(case.body, dict) and _named(case.body.get("url")):
        case.body["url"] = NOBODY


def _named(url: object) -> bool:
    try:
        return isinstance(url, str) and len(url) <= _MOST and bool(urlsplit(url).hostname)
    except ValueError:
        return False
