"""The reference of the house: one line for each module, its own first one."""

import ast
from collections import defaultdict
from pathlib import Path
from typing import Final

from tools.reference.markdown import ROOT, prose, table

FOLDERS: Final = ("domain", "workflows", "activities", "runtime", "starter", "tools", "bench")


def modules() -> str:
    """Every module but ``__init__.py``, which is empty, and the database's migrations: a table for each
    folder."""
    found = [
        path
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "__init__.py" and "versions" not in path.parts
    ]
    by_folder = defaultdict[str, list[Path]](list)
    for path in (ROOT / "settings.py", ROOT / "worker.py", *found):
        by_folder[path.parent.relative_to(ROOT).as_posix()].append(path)
    return "\n\n".join(
        f"## {'The root' if folder == '.' else f'`{folder}/`'}\n\n{_table(paths)}"
        for folder, paths in sorted(by_folder.items(), key=lambda item: _place(item[0]))
    )


def _place(folder: str) -> tuple[int, str]:
    top = folder.partition("/")[0]
    return FOLDERS.index(top) if top in FOLDERS else len(FOLDERS), folder


def _table(paths: list[Path]) -> str:
    return table(
        ("module", "what is in it"), ([f"`{path.name}`", _first_line(path)] for path in sorted(paths))
    )


def _first_line(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return prose(docstring.split("\n\n")[0])
