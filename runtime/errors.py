"""What an error of a library says, in a few words, and errors that must not be passed over."""

import asyncio
import re
from typing import Final, NamedTuple

from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.service import RPCError, RPCStatusCode

from domain import values

START: Final = (
    "Start it (`onboarding up`, `docker compose up`), or set TEMPORAL_ADDRESS to the server you mean."
)
ALLOWED: Final = "Check TEMPORAL_API_KEY and TEMPORAL_TLS_*, and what this client may do in the namespace."
_CONNECTION_PROBLEMS: Final = (
    ("ConnectionRefused", "nothing listens there", START),
    (
        r"InvalidCertificate\((\w+)",
        r"its certificate does not verify (\1)",
        "Check TEMPORAL_TLS_SERVER_CA_CERT_PATH and TEMPORAL_TLS_SERVER_NAME.",
    ),
    (
        "InvalidMessage",
        "it does not speak TLS",
        "Unset TEMPORAL_TLS and TEMPORAL_API_KEY (which switches TLS on), or check TEMPORAL_ADDRESS.",
    ),
    ("Unauthenticated|PermissionDenied", "it does not let this client in", ALLOWED),
    ("dns error", "there is no such host", "Check TEMPORAL_ADDRESS."),
    ("[Tt]imeout", "it takes the call, but says nothing", "Is it a Temporal server? TEMPORAL_ADDRESS."),
    (
        "transport error|http2 error|connection closed",
        "it hangs up, or does not speak Temporal's protocol",
        "Is it a Temporal server? TEMPORAL_ADDRESS. Does it want TLS? TEMPORAL_TLS=true.",
    ),
)
"""What stands in the SDK's text, what to say of it, and what to do. The first that is found counts."""


class Said(NamedTuple):
    """What is wrong, in a few words, and what to do about it."""

    problem: str
    remedy: str


def keep_cancellation() -> None:
    """Call it first where an error of a Temporal call is about to be passed over.

    The SDK reports a cancelled call as an error of its own; who only handles that goes on for ever.

    Raises:
        asyncio.CancelledError: the running task was cancelled.
    """
    if (task := asyncio.current_task()) and task.cancelling():
        raise asyncio.CancelledError


def unconnected(error: Exception) -> Said:
    """Why a connection to Temporal could not be made; the SDK says it in the words of its libraries."""
    reason = first_line(error)
    for pattern, problem, remedy in _CONNECTION_PROBLEMS:
        if found := re.search(pattern, reason):
            return Said(found.expand(problem), remedy)
    return Said(reason, START)


def connection_problem(error: Exception) -> str:
    """Why a connection to Temporal could not be made, in a few words."""
    return unconnected(error).problem


def no_namespace(error: RPCError) -> bool:
    """Whether a call was refused because Temporal has no such namespace, not for want of what it asked."""
    return error.status is RPCStatusCode.NOT_FOUND and any(
        detail.Is(NamespaceNotFoundFailure.DESCRIPTOR) for detail in error.grpc_status.details
    )


def answered(error: RPCError, namespace: str) -> Said:
    """What a call means that Temporal refused, where the set-up is the cause; else its own words."""
    if no_namespace(error):
        return Said(
            f"Temporal has no namespace {namespace!r}.",
            "Set TEMPORAL_NAMESPACE to the one you mean, or let `onboarding setup` create it.",
        )
    if error.status is RPCStatusCode.INVALID_ARGUMENT and "search attribute" in error.message:
        return not_set_up(namespace, error.message)
    if error.status in (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED):
        return Said(f"Temporal does not allow it: {error.message}", ALLOWED)
    return Said(f"Temporal answered: {error.message}", "`onboarding doctor` looks at every part.")


def not_set_up(namespace: str, lacking: str) -> Said:
    """The namespace lacks search attributes, which it finds applications by."""
    return Said(
        f"Temporal's namespace {namespace!r} is not set up: {lacking}.",
        "`onboarding setup` registers the search attributes; so does a worker when it starts"
        " (`onboarding up`, `python worker.py`).",
    )


def first_line(error: BaseException) -> str:
    """What the error says, without what libraries add in more lines; of SQLAlchemy's, the driver's words."""
    return values.first_line(getattr(error, "orig", None) or error)
