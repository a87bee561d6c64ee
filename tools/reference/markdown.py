"""How the reference is written: tables, and docstrings as prose."""

import ast
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
REQUIRED: Final = {True: "required", False: "optional"}


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, one row a line."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def prose(docstring: str | None) -> str:
    """A docstring as a paragraph: on one line, code in single backticks."""
    return " ".join((docstring or "").split()).replace("``", "`")


def code(words: Iterable[object]) -> str:
    """Words in code style, with commas between them."""
    return ", ".join(f"`{word}`" for word in words)


class Described:
    """The strings that stand below the attributes of a class, or of a module, by attribute."""

    def __init__(self, module: str, name: str | None = None) -> None:
        self._module = module
        body: Sequence[ast.stmt] = ast.parse((ROOT / module).read_text(encoding="utf-8")).body
        if name is not None:
            body = next(each.body for each in body if isinstance(each, ast.ClassDef) and each.name == name)
        self._said = dict(_described(body))

    def __getitem__(self, attribute: str) -> str:
        """What stands there.

        Raises:
            ValueError: nothing does.
        """
        if attribute not in self._said:
            raise ValueError(f"{self._module}: {attribute} has no string below it that says what it means")
        return self._said[attribute]


def _described(body: Sequence[ast.stmt]) -> Iterator[tuple[str, str]]:
    for statement, following in pairwise(body):
        match statement, following:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(said))),
            ):
                yield name, prose(said)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
