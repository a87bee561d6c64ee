"""The reference of the house: one line for each module, its own first one."""

import ast
from pathlib import Path
from typing import Final

from tools.reference.markdown import ROOT, prose, table

FOLDERS: Final = ("domain", "workflows", "activities", "runtime", "starter", "tools", "bench")


def modules() -> str:
    """Every module but ``__init__.py``, which is empty, and the database's migrations."""
    found = [
        path
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path.name != "__init__.py" and "versions" not in path.parts
    ]
    named = (*found, ROOT / "settings.py", ROOT / "worker.py")
    return table(
        ("module", "what is in it"),
        ([f"`{path.relative_to(ROOT).as_posix()}`", _first_line(path)] for path in named),
    )


def _first_line(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return prose(docstring.split("\n\n")[0])
