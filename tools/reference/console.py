"""The reference of the console script, from the script itself."""

from collections.abc import Iterator
from enum import Enum
from typing import Any

import typer.main
from rich.text import Text

from starter.cli.main import app
from tools.reference.markdown import table


def console() -> str:
    """Every command that help shows, by its panel, in the order of help."""
    panels: dict[str, list[str]] = {}
    for command in _commands(typer.main.get_command(app)):
        panels.setdefault(command.rich_help_panel, []).extend(_described(command, "onboarding"))
    parts = [part for panel, described in panels.items() for part in (f"## {panel}", *described)]
    return "\n\n".join(parts)


def _commands(group: Any) -> list[Any]:
    return [command for command in group.commands.values() if not command.hidden]


def _described(command: Any, before: str) -> Iterator[str]:
    name = f"{before} {command.name}"
    if hasattr(command, "commands"):
        for each in _commands(command):
            yield from _described(each, name)
        return
    arguments = [parameter for parameter in command.params if not parameter.opts[0].startswith("-")]
    words = [name, *(str(each.metavar or each.name.upper()) for each in arguments), "[OPTIONS]"]
    yield f"### `{' '.join(words)}`"
    yield _plain(command.help)
    rows = [_parameter(parameter) for parameter in command.params if not parameter.hidden]
    if rows:
        yield table(("option", "meaning", "default"), rows)
    if command.epilog:
        yield f"```sh\n{_plain(command.epilog).removeprefix('Example: ')}\n```"


def _parameter(parameter: Any) -> list[str]:
    typed = [*parameter.opts, *parameter.secondary_opts]
    if not typed[0].startswith("-"):
        typed = [str(parameter.metavar or parameter.name.upper())]
    described = [_plain(parameter.help)]
    kind = parameter.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        described.append(f"One of {', '.join(f'`{each.value}`' for each in kind)}.")
    return [", ".join(f"`{each}`" for each in typed), " ".join(described), _default(parameter)]


def _default(parameter: Any) -> str:
    if parameter.required:
        return "must be given"
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    if isinstance(parameter.default, bool) or parameter.default in (None, [], ()):
        return ""
    return f"`{parameter.default}`"


def _plain(marked_up: str | None) -> str:
    return " ".join(Text.from_markup(marked_up or "").plain.split())
