"""What is typed for a command's fields on the console: options, made from the fields of its model.

A text, number or choice is an option; a list, one that may be repeated; a small model (a person), an option
for each of its fields; any other model (a form, a sheet), a JSON file.
"""

import inspect
import shlex
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import typer
from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo

from domain.contract import Command, ErrorType
from domain.steps import Step
from starter.cli.json_input import JSON_ENCODING, NotJsonError, json_in
from starter.client.errors import OnboardingError

CURRENT: Final = "the current one"
FLAG: Final = "true"
"""What an example has for a yes: the option alone."""


@dataclass(frozen=True)
class Option:
    """``path``: where its value goes in the command's fields; ``spellings``: what may be typed, the one in
    examples first, the contract's name included; ``example``: what they have there."""

    path: tuple[str, ...]
    spellings: tuple[str, ...]
    parameter: inspect.Parameter
    read: Callable[[Any], object]
    example: str | None

    @property
    def in_example(self) -> str:
        """As it is typed in an example."""
        if self.example is None:
            return ""
        typed = self.spellings[0]
        if self.example == FLAG:
            return f" {typed}"
        value = shlex.quote(self.example)
        return f" {typed} {value}" if typed.startswith("-") else f" {value}"


def options_of(step: Step, typed: Mapping[str, str]) -> tuple[Option, ...]:
    """The options of a command, those that must be given first; ``typed`` has other spellings of fields."""
    own = {name: info for name, info in step.command.model_fields.items() if name not in Command.model_fields}
    options = [
        option
        for name, info in own.items()
        for option in _options(
            (name,), info, typed.get(name, f"--{_hyphens(name)}"), from_status=name in (step.current or {})
        )
    ]
    return tuple(sorted(options, key=lambda option: option.parameter.default.default is not ...))


def fields_from(options: Iterable[Option], values: Mapping[str, Any]) -> dict[str, Any]:
    """The command's fields as typed; what was left out is left out.

    Raises:
        OnboardingError: ``invalid``, a file that is not JSON.
    """
    fields: dict[str, Any] = {}
    for option in options:
        value = option.read(values[option.parameter.name])
        if value is not None:
            place = fields
            for parent in option.path[:-1]:
                place = place.setdefault(parent, {})
            place[option.path[-1]] = value
    return fields


def _options(path: tuple[str, ...], info: FieldInfo, typed: str, *, from_status: bool) -> Iterator[Option]:
    kind, described, example = _kind(info.annotation), _described(path, info), _example(info)
    required = info.is_required() and not from_status
    if not (inspect.isclass(kind) and issubclass(kind, BaseModel) and _small(kind)):
        yield _option(path, info, typed, described, example, required=required, from_status=from_status)
        return
    for name, part in kind.model_fields.items():
        yield _option(
            (*path, name),
            part,
            f"{typed}-{_hyphens(name)}",
            f"{described.removesuffix('.')}: {name.replace('_', ' ')}.",
            (example or {}).get(name),
            required=required and part.is_required(),
            from_status=from_status,
        )


def _option(
    path: tuple[str, ...],
    info: FieldInfo,
    typed: str,
    described: str,
    example: Any,
    *,
    required: bool,
    from_status: bool,
) -> Option:
    kind = _kind(info.annotation)
    settings: dict[str, Any] = {"help": described}
    shown, read = _shown(kind)
    if from_status:
        settings["show_default"] = CURRENT
    if kind is AwareDatetime and required:
        settings["show_default"], read, required = "now", _now_unless_given, False
    if shown is int:
        settings |= _limits(info)
    elif shown == list[str]:
        settings["help"] += " May be repeated."
        example = example and example[0]
    elif shown is typer.FileText:
        settings |= {"help": f"{described} A JSON file; - is stdin.", "encoding": JSON_ENCODING}
        example = f"examples/{path[-1]}.json"
    if example is None and required:
        example = _any(kind) or path[-1].upper()
    given = ... if required else None
    spellings: tuple[str, ...] = (typed,)
    if typed.startswith("-"):
        spellings = tuple(dict.fromkeys((typed, f"--{_hyphens('-'.join(path))}")))
        declared = [f"{each}/--no-{each.lstrip('-')}" if kind is bool else each for each in spellings]
        default = typer.Option(given, *declared, **settings)
    else:
        default = typer.Argument(given, metavar=typed, **settings)
    # Named apart from the parameters every command has.
    name = "_".join(("field", *path))
    keyword = inspect.Parameter.KEYWORD_ONLY
    annotation = shown if required else shown | None
    parameter = inspect.Parameter(name, keyword, default=default, annotation=annotation)
    return Option(path, spellings, parameter, read, None if example is None else str(example))


def _shown(kind: Any) -> tuple[Any, Callable[[Any], object]]:
    """The type typer is told, and how the field's value comes from what it reads."""
    if kind in (int, bool) or (inspect.isclass(kind) and issubclass(kind, Enum)):
        return kind, _as_typed
    if get_origin(kind) in (tuple, list) and _one_word(_kind(get_args(kind)[0])):
        return list[str], _tuple
    return (str, _as_typed) if _one_word(kind) else (typer.FileText, _json)


def _any(kind: Any) -> str | None:
    """Some value of the type, where there is one that is as good as any other."""
    if kind is bool:
        return FLAG
    if get_origin(kind) is Literal:
        return str(get_args(kind)[0])
    return str(next(iter(kind))) if inspect.isclass(kind) and issubclass(kind, Enum) else None


def _kind(annotation: Any) -> Any:
    """A type without what validates its values, and without ``None``."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(arguments[0])
    if origin in (Union, types.UnionType):
        others = [each for each in arguments if each is not type(None)]
        return _kind(others[0]) if len(others) == 1 else annotation
    return annotation


def _small(model: type[BaseModel]) -> bool:
    return all(_one_word(_kind(info.annotation)) for info in model.model_fields.values())


def _one_word(kind: Any) -> bool:
    """Whether a value of this type can be typed; the model reads and judges it."""
    if get_origin(kind) is Literal or kind is AwareDatetime:
        return True
    return inspect.isclass(kind) and get_origin(kind) is None and not issubclass(kind, BaseModel | Mapping)


def _described(path: tuple[str, ...], info: FieldInfo) -> str:
    return info.description or f"{' '.join(path).replace('_', ' ').capitalize()}."


def _example(info: FieldInfo) -> Any:
    return info.examples[0] if info.examples else None


def _limits(info: FieldInfo) -> dict[str, Any]:
    limits = {"ge": "min", "le": "max"}
    return {
        limits[name]: getattr(rule, name) for rule in info.metadata for name in limits if hasattr(rule, name)
    }


def _hyphens(name: str) -> str:
    return name.replace("_", "-")


def _as_typed(value: object) -> object:
    return value


def _tuple(value: list[str] | None) -> object:
    return tuple(value) if value else None


def _now_unless_given(value: str | None) -> object:
    return value or datetime.now(UTC)


def _json(file: typer.FileText | None) -> object:
    if file is None:
        return None
    try:
        return json_in(file)
    except NotJsonError as error:
        raise OnboardingError(
            ErrorType.INVALID,
            str(error),
            remedy="Nothing was sent: correct the file, then send it again.",
        ) from None
