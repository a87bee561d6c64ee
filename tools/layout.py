"""``python -m tools.layout``: write docs/layout.md anew from the first lines of the modules."""

import ast
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
PAGE: Final = ROOT / "docs/layout.md"
FOLDERS: Final = ("domain", "workflows", "activities", "runtime", "starter", "bench")
TITLE: Final = """# Layout: one line for each module

Written by `make layout` from the modules' own first lines. `__init__.py` files are empty.

| module | what is in it |
|---|---|
"""


def page() -> str:
    """The page as it should be."""
    modules = [
        path
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path.name != "__init__.py" and "versions" not in path.parts
    ]
    lines = (_line(path) for path in (*modules, ROOT / "settings.py", ROOT / "worker.py"))
    return TITLE + "".join(lines)


def _line(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    first = docstring.split("\n\n")[0].replace("\n", " ").replace("``", "`").replace("|", "\\|")
    return f"| `{path.relative_to(ROOT).as_posix()}` | {first} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
