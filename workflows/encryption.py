"""What an encrypted payload looks like, and how a run refuses a message it may not or can't read.

Which keys a worker has, and whether it insists on encryption, changes over the months a run lives; what the
run made of a message must not. So a refusal for that reason is recorded in the history, and a replay goes by
the record, whatever it could read today (docs/decisions/0013).
"""

from typing import Any, Final

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from domain.contract import ErrorType
from domain.refusal import RefusedError
from workflows import patches

ENCODING: Final = b"binary/encrypted-aes-256-gcm"
"""Metadata ``encoding`` of an encrypted payload; not the one of Temporal's samples, which others use too."""
KEY_ID: Final = "encryption-key-id"
"""Metadata: the key that opens the payload."""
CAME_CLEAR: Final = "came-clear"
"""Metadata a codec that insists on encryption adds to a payload that was not encrypted."""
REFUSAL: Final = (
    "payload: not encrypted, which is required here, or encrypted with a key that was not known here;"
    " send it encrypted"
)


class KeyMissingError(Exception):
    """A message this run has taken can't be read any more.

    It fails the workflow task, which Temporal tries again: the run goes on when the key is back.
    """


class Reader:
    """Reads the messages of a run, in their order."""

    def __init__(self) -> None:
        self._messages = 0

    def read(self, arguments: tuple[Any, ...], *, own: bool = False) -> tuple[Any, ...]:
        """The arguments of the next message.

        ``own``: they come from the run before, so that they may be clear.

        Raises:
            RefusedError: ``invalid``, one is clear or can't be decrypted.
            KeyMissingError: one could be read before and can't now.
        """
        number = self._messages
        self._messages += 1
        refused = not own and any(_may_not_be_read(argument) for argument in arguments)
        # Away from a replay `patched` writes the record, and so must not be asked for nothing; in a replay it
        # tells whether there is one.
        if not own and (refused or workflow.unsafe.is_replaying()):
            refused = workflow.patched(f"{patches.UNREADABLE.id}-{number}")
        if refused:
            raise RefusedError(ErrorType.INVALID, REFUSAL)
        return tuple(_opened(argument) for argument in arguments)


def _may_not_be_read(argument: Any) -> bool:
    return isinstance(argument, RawValue) and (
        _is_encrypted(argument.payload) or _came_clear(argument.payload)
    )


def _opened(argument: Any) -> Any:
    if not isinstance(argument, RawValue):
        return argument
    if _is_encrypted(argument.payload):
        key_id = argument.payload.metadata[KEY_ID].decode("utf-8", "replace")
        raise KeyMissingError(
            f"a payload can't be decrypted: key {key_id!r} is not in ONBOARDING_ENCRYPTION_KEYS"
        )
    if _came_clear(argument.payload):
        clear = Payload()
        clear.CopyFrom(argument.payload)
        del clear.metadata[CAME_CLEAR]
        return workflow.payload_converter().from_payloads([clear])[0]
    return argument


def _is_encrypted(payload: Payload) -> bool:
    return payload.metadata.get("encoding") == ENCODING


def _came_clear(payload: Payload) -> bool:
    return CAME_CLEAR in payload.metadata
