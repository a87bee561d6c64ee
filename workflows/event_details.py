"""What an event of the audit trail keeps of the command, or of the message, that it is about."""

from typing import Any, Final

from pydantic import JsonValue

from domain import intake
from domain.audit import CAME_AGAIN
from domain.contract import Command
from domain.documents import canonical_hash

REFUSED_DETAILS_BYTES: Final = 8 * 1024
STORED_BESIDE: Final = ("application", "sheet")
"""The documents a command may carry, which have tables of their own."""


def of_command(command: Command, *, refused: bool) -> dict[str, JsonValue]:
    """Its fields beyond the envelope. Where it was carried out, hashes stand for its documents; where it was
    refused, all is kept that fits in `REFUSED_DETAILS_BYTES`."""
    envelope = {"kind", "command_id", "actor", "occurred_at", "via"}
    if refused:
        details = command.model_dump(mode="json", exclude=envelope, exclude_none=True)
        if len(str(details).encode()) > REFUSED_DETAILS_BYTES:
            return {"not_kept": f"more than {REFUSED_DETAILS_BYTES // 1024} KiB"}
        return details
    details = command.model_dump(mode="json", exclude=envelope | {*STORED_BESIDE}, exclude_none=True)
    # What is stored beside the trail is bound to it by its hash.
    stored = {name: getattr(command, name) for name in STORED_BESIDE if name in type(command).model_fields}
    hashes = {f"{name}_hash": canonical_hash(each.model_dump(mode="json")) for name, each in stored.items()}
    return details | hashes


def of_message(arguments: tuple[Any, ...]) -> dict[str, JsonValue]:
    """The arguments of a message that did not become a command."""
    return intake.kept_payload(arguments) if arguments else {}


def came_again(command: Command | None, arguments: tuple[Any, ...]) -> dict[str, JsonValue]:
    """What is kept of a refused command, or message, that came again by Temporal's Reset."""
    kept = of_command(command, refused=True) if command else of_message(arguments)
    return {**kept, CAME_AGAIN: True}
