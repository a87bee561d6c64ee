"""Events as both databases can hold them, and as the chain can hash what is read back."""

from typing import Any, Final

from domain.audit import AuditEvent

_LARGEST: Final = 2**53 - 1
"""Beyond it RFC 8785, by which the chain hashes, has no integers (nor has JavaScript)."""
_INFINITY: Final = float("inf")


def plain(text: str) -> str:
    """PostgreSQL takes no NUL and no lone surrogate; U+FFFD stands for them, on SQLite as well."""
    return "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in text)


def storable(event: AuditEvent) -> AuditEvent:
    """The event as it will be read back: what was refused is on record, too, whatever it carried."""
    return event.model_copy(
        update={
            "command": plain(event.command),
            "command_id": event.command_id and plain(event.command_id),
            "message": event.message and plain(event.message),
            "details": _json(event.details),
        }
    )


def _json(value: Any) -> Any:
    match value:
        case dict():
            return {plain(name): _json(part) for name, part in value.items()}
        case list() | tuple():
            return [_json(part) for part in value]
        case str():
            return plain(value)
        case float() if value != value or abs(value) == _INFINITY:
            return None
        case bool():
            return value
        case int() if abs(value) > _LARGEST:
            return str(value)
    return value
