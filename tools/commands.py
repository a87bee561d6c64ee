"""The client's methods, starter/client/commands.py, written from the commands."""

import json
import types
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import Enum
from inspect import cleandoc
from pathlib import Path
from textwrap import indent
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import AwareDatetime
from pydantic.fields import FieldInfo

from domain.contract import Actor, Command
from domain.lifecycle import STEPS, newest_rows
from domain.status import Status
from domain.steps import Step
from starter.client.sender import Sender

CLIENT: Final = Path(__file__).parent.parent / "starter/client/commands.py"
LINE: Final = 110
OUR_PACKAGES: Final = frozenset({"domain", "starter"})
# The command a method sends, and who sends it, are not for the envelope.
_NOT_OPTIONAL: Final = frozenset({"kind", "actor"})
_HEAD: Final = '''\
"""One typed method for every command, written by `make generate` from the commands' models."""

'''
_CLASSES: Final = '''

class Envelope(TypedDict, total=False):
    """What every command may carry beside its own fields (`domain.contract.Command`)."""

{envelope}


class Commands(Sender):
    """Every method sends its command to one applicant's running application and returns the status it led to,
    without documents (`Status.without_documents`).

    ``command_id`` is the caller's unique ID of this command, a new one by default: to send a command again
    after a lost answer, send it with the same ID. All raise `OnboardingError`; ``invalid`` for wrong fields.
    """

{methods}
'''


def client(steps: Iterable[Step] = STEPS) -> str:
    """The module as it should be."""
    commands = [step.command for step in newest_rows(steps)]
    written = _Written()
    optional = {name: info for name, info in Command.model_fields.items() if name not in _NOT_OPTIONAL}
    envelope = "\n".join(
        f"    {name}: {_or_none(written.annotation(info.annotation))}" for name, info in optional.items()
    )
    methods = "\n\n".join(_method(command, written) for command in commands)
    needed: list[type] = [Actor, Sender, Status, *commands]
    for each in needed:
        written.name(each)
    written.imported("typing", "TypedDict")
    written.imported("typing", "Unpack")
    return _HEAD + written.imports() + _CLASSES.format(envelope=envelope, methods=methods)


class _Written:
    """How types are written, and what has to be imported for it."""

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {}

    def imported(self, module: str, name: str) -> str:
        self._names.setdefault(module, set()).add(name)
        return name

    def name(self, kind: type) -> str:
        if kind is AwareDatetime:
            kind = datetime
        if kind.__module__ == "builtins":
            return kind.__name__
        return self.imported(kind.__module__, kind.__name__)

    def annotation(self, annotation: Any) -> str:
        """A type as a caller reads it: without what validates its values."""
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            return self.annotation(arguments[0])
        if origin is Literal:
            return f"{self.imported('typing', 'Literal')}[{', '.join(map(_quoted, arguments))}]"
        if origin in (Union, types.UnionType):
            return " | ".join(self.annotation(each) for each in arguments)
        if origin is not None and origin.__module__ == "builtins":
            inner = ", ".join("..." if each is ... else self.annotation(each) for each in arguments)
            return f"{origin.__name__}[{inner}]"
        if annotation in (None, type(None)):
            return "None"
        if isinstance(annotation, type):
            return self.name(annotation)
        raise TypeError(f"a caller can't be told this type: {annotation!r}; teach tools/commands.py")

    def default(self, info: FieldInfo) -> str:
        value = info.get_default(call_default_factory=True)
        if isinstance(value, Enum):
            return f"{self.name(type(value))}.{value.name}"
        if value is None or isinstance(value, str | int) or value == ():
            return _quoted(value)
        raise TypeError(f"a caller can't be told this default: {value!r}; teach tools/commands.py")

    def imports(self) -> str:
        ours = {module for module in self._names if module.partition(".")[0] in OUR_PACKAGES}
        groups = (sorted(self._names.keys() - ours), sorted(ours))
        return "\n".join(
            "".join(_import(module, self._names[module]) for module in group) for group in groups
        )


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _import(module: str, names: set[str]) -> str:
    line = f"from {module} import {', '.join(sorted(names))}"
    if len(line) > LINE:
        line = f"from {module} import (\n" + "".join(f"    {name},\n" for name in sorted(names)) + ")"
    return f"{line}\n"


def _method(command: type[Command], written: _Written) -> str:
    own = {name: info for name, info in command.model_fields.items() if name not in Command.model_fields}
    ordered = sorted(own, key=lambda name: (not own[name].is_required(), name in command.conditions))
    parameters = [f"{name}: {_parameter(own[name], written)}" for name in ordered]
    signature = _call(
        f"    async def {command.model_fields['kind'].default}(",
        ["self", "uid: str", "actor: Actor", *parameters, "**envelope: Unpack[Envelope]"],
        ") -> Status:",
        margin=4,
    )
    sent = _call(
        "        return await self._command(",
        ["uid", command.__name__, "actor", "envelope", *(f"{name}={name}" for name in ordered)],
        ")",
        margin=8,
    )
    described = indent(cleandoc(command.__doc__ or ""), " " * 8).lstrip()
    end = "\n        " if "\n" in described else ""
    return f'{signature}\n        """{described}{end}"""\n{sent}'


def _parameter(info: FieldInfo, written: _Written) -> str:
    kind = written.annotation(info.annotation)
    return kind if info.is_required() else f"{kind} = {written.default(info)}"


def _or_none(kind: str) -> str:
    return kind if kind.endswith("| None") else f"{kind} | None"


def _call(begin: str, arguments: Sequence[str], end: str, *, margin: int) -> str:
    """A call or signature as `ruff format` lays it out."""
    line = f"{begin}{', '.join(arguments)}{end}"
    if len(line) <= LINE:
        return line
    inner = " " * (margin + 4) + ", ".join(arguments)
    if len(inner) > LINE:
        # After **keywords a comma is allowed, too.
        inner = "\n".join(f"{' ' * (margin + 4)}{argument}," for argument in arguments)
    return f"{begin}\n{inner}\n{' ' * margin}{end}"
