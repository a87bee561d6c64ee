"""From what came in to a command of the contract: the one place where messages are validated.

Temporal decodes arguments without our types (see `workflows/data_converter.py`), so anything at all may
arrive here: no argument, several, a payload nobody can decode. Each leads to a command or to a
`RefusedError`.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final, TypeVar

from pydantic import JsonValue, ValidationError

from domain.commands import COMMAND_ADAPTER
from domain.contract import (
    UPDATE_NAME,
    Command,
    ErrorType,
    OnboardingInput,
)
from domain.lifecycle import STEPS
from domain.refusal import RefusedError
from domain.values import NOTHING_TO_READ, PATTERNS

MAX_COMMAND_BYTES: Final = 64 * 1024
"""A command comes back in the status, its notices and its record, several at once. What Temporal can't take
in one piece (2 MiB a payload, 4 MiB a workflow task) it answers by terminating the run."""
MAX_KEPT_CHARACTERS: Final = 4_000
MAX_NAME_CHARACTERS: Final = 100
MAX_PROBLEMS: Final = 20
Model = TypeVar("Model", bound=Command)
_OBJECT: Final = "must be a JSON object"
_ARRAY: Final = "must be a JSON array"
_WHOLE_NUMBER: Final = "must be a whole number"
_TRUE_OR_FALSE: Final = "must be true or false"
_DATE: Final = "must be a date of the calendar, such as 2026-03-31"
_INSTANT: Final = "must be an ISO 8601 instant with its zone, such as 2026-03-31T09:00:00Z"
_WORDS: Final[Mapping[str, str]] = {
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "dict_type": _OBJECT,
    "tuple_type": _ARRAY,
    "list_type": _ARRAY,
    "too_long": "must have at most {max_length} of them",
    "string_type": "must be a JSON string",
    "string_unicode": "must be UTF-8",
    "string_too_short": NOTHING_TO_READ,
    "string_too_long": "must have at most {max_length} characters",
    "int_type": _WHOLE_NUMBER,
    "int_parsing": _WHOLE_NUMBER,
    "int_parsing_size": _WHOLE_NUMBER,
    "int_from_float": _WHOLE_NUMBER,
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "bool_type": _TRUE_OR_FALSE,
    "bool_parsing": _TRUE_OR_FALSE,
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": _DATE,
    "datetime_type": _INSTANT,
    "datetime_parsing": _INSTANT,
    "datetime_from_date_parsing": _INSTANT,
    "timezone_aware": "must name its zone, such as 2026-03-31T09:00:00Z",
}
"""What is wrong, by the kind the library names it with; in braces, what its context has."""
_KINDS: Final = frozenset(step.name for step in STEPS)


def parse_command(kind: str | None, arguments: tuple[Any, ...]) -> Command:
    """The command in a signal of the name ``kind``, or in an update (``None``: the tag tells).

    Raises `RefusedError` (``invalid``) with the paths of the fields that are wrong.
    """
    if kind is not None and kind not in _KINDS:
        raise _invalid(
            f"there is no command '{printable(kind)}'; the commands are {', '.join(sorted(_KINDS))}"
        )
    payload = _only_object(arguments)
    tag = payload.get("kind", kind)
    if kind is not None and tag != kind:
        raise _invalid(f"kind: must be '{kind}' as the signal's name, or absent")
    if not isinstance(tag, str) or tag not in _KINDS:
        # The union's own error would repeat what was sent.
        raise _invalid(f"kind: must be one of {', '.join(sorted(_KINDS))}")
    try:
        command = COMMAND_ADAPTER.validate_json(_json({**payload, "kind": tag}))
    except ValidationError as error:
        raise _invalid(field_errors(error)) from None
    if len(command.model_dump_json().encode()) > MAX_COMMAND_BYTES:
        raise _invalid(f"payload: must not be larger than {MAX_COMMAND_BYTES // 1024} KiB of JSON")
    return command


def parse_one_of(kinds: Mapping[str, type[Model]], arguments: tuple[Any, ...]) -> Model:
    """The command that ``kind`` names of these. Raises `RefusedError` (``invalid``) as `parse_command`."""
    payload = _only_object(arguments)
    tag = payload.get("kind")
    if not isinstance(tag, str) or tag not in kinds:
        raise _invalid(f"kind: must be one of {', '.join(sorted(kinds))}")
    try:
        return kinds[tag].model_validate_json(_json(payload))
    except ValidationError as error:
        raise _invalid(field_errors(error)) from None


def parse_start(arguments: tuple[Any, ...]) -> OnboardingInput:
    """The start input. Raises `RefusedError` (``invalid``) with the paths of the fields that are wrong."""
    try:
        return OnboardingInput.model_validate_json(_json(_only_object(arguments)))
    except ValidationError as error:
        raise _invalid(field_errors(error)) from None


def field_errors(error: ValidationError) -> str:
    """What is wrong, field by field, without repeating what was sent (it may be personal, or huge)."""
    return "; ".join(f"{field}: {said}" for field, said in field_problems(_problems(error)))


def field_problems(problems: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The path of each field that is wrong, with what is, of the first 20 problems a validation has found."""
    return [
        (_path(problem["loc"]), _said(problem["type"], problem["msg"], problem.get("ctx", {})))
        for problem in islice(problems, MAX_PROBLEMS)
    ]


def _problems(error: ValidationError) -> Iterable[Mapping[str, Any]]:
    return error.errors(include_url=False, include_input=False)


def kept_payload(arguments: tuple[Any, ...]) -> dict[str, JsonValue]:
    """As much of a message that did not parse as the audit trail can hold, in plain ASCII."""
    shown = [_undecoded(argument) for argument in arguments]
    return {"arguments": json.dumps(shown, ensure_ascii=True, default=repr)[:MAX_KEPT_CHARACTERS]}


def claimed_name(name: str | None, arguments: tuple[Any, ...]) -> str:
    """What a broken message seems to be: the signal's name, or an update's tag."""
    payload = arguments[0] if len(arguments) == 1 else None
    tag = payload.get("kind") if isinstance(payload, Mapping) else None
    return printable(name or (tag if isinstance(tag, str) else UPDATE_NAME))


def claimed_id(arguments: tuple[Any, ...]) -> str | None:
    """The command ID a broken message seems to have."""
    payload = arguments[0] if len(arguments) == 1 else None
    claimed = payload.get("command_id") if isinstance(payload, Mapping) else None
    return printable(claimed) if isinstance(claimed, str) else None


def fingerprint(command: Command) -> str:
    """Tells a repeated command from another one under the same ID; when and how it was sent does not count,
    nor what its sender had read.

    Unset fields do not count either, so that a field added to a model later changes no old fingerprint.
    """
    meant = command.model_dump(
        mode="json", exclude={"occurred_at", "via", *command.conditions}, exclude_defaults=True
    )
    canonical = json.dumps({**meant, "kind": command.kind}, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def printable(name: str) -> str:
    """A name from outside, safe to show in a terminal, a log or a page."""
    return name[:MAX_NAME_CHARACTERS].encode("unicode_escape").decode("ascii")


def _said(kind: str, said: str, context: Mapping[str, Any]) -> str:
    """What is wrong with a field, in words where the library speaks of its classes or shows a pattern."""
    if kind in _WORDS:
        return _WORDS[kind].format_map(context)
    return PATTERNS.get(context.get("pattern", ""), said.removeprefix("Value error, "))


def _only_object(arguments: tuple[Any, ...]) -> dict[str, Any]:
    if len(arguments) != 1:
        raise _invalid(f"expected one argument, a JSON object, but got {len(arguments)}")
    if not isinstance(arguments[0], dict):
        raise _invalid("expected one JSON object; what came could not be decoded as one")
    return arguments[0]


def _json(payload: dict[str, Any]) -> bytes:
    """JSON again, since the models read dates and instants as JSON writes them.

    Lone surrogates can't be written as UTF-8; they become escapes that pydantic refuses.
    """
    return json.dumps(payload, ensure_ascii=True).encode("ascii")


def _undecoded(argument: Any) -> Any:
    data = getattr(getattr(argument, "payload", None), "data", None)
    return data[:MAX_KEPT_CHARACTERS].decode("utf-8", "replace") if isinstance(data, bytes) else argument


def _path(location: tuple[int | str, ...]) -> str:
    # The tag of the union is not a field of the caller's.
    parts = location[1:] if location and location[0] in _KINDS else location
    return ".".join(str(part) for part in parts) or "payload"


def _invalid(message: str) -> RefusedError:
    return RefusedError(ErrorType.INVALID, message)
