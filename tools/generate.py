"""``python -m tools.generate``: write anew what comes from the code: methods, reference, the picture."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tools import blocks, client_package, commands, diagram
from tools.reference import api, console, documents, layout, process, words
from tools.reference.markdown import ROOT

PAGES: Final[Mapping[str, Mapping[str, Callable[[], str]]]] = {
    "README.md": {"lifecycle": diagram.fenced},
    "docs/reference/commands.md": {
        "commands-at-a-glance": process.commands_table,
        "commands": process.commands,
        "coverage": process.coverage_commands,
    },
    "docs/reference/stages.md": {
        "stages": process.stages,
        "moments": process.moments,
        "policy": process.policy,
    },
    "docs/reference/errors.md": {"errors": words.errors},
    "docs/reference/http-api.md": {"routes": api.routes, "problems": api.errors},
    "docs/reference/e-mails.md": {"e-mails": process.emails},
    "docs/reference/documents.md": {"documents": documents.fields},
    "docs/reference/settings.md": {"settings": words.settings},
    "docs/reference/console.md": {"console": console.console},
    "docs/reference/search-attributes.md": {"search-attributes": words.search_attributes_table},
    "docs/reference/layout.md": {"modules": layout.modules},
}
"""What is written into which page, by the name of the block."""


def files() -> dict[Path, str]:
    """Every file with something written in it, as it should be.

    Raises:
        ValueError: a page has other blocks than `PAGES` says.
    """
    written = {commands.CLIENT: commands.client(), **documents.schemas(), **api.files()}
    for name, parts in PAGES.items():
        page = (ROOT / name).read_text(encoding="utf-8")
        written[ROOT / name] = blocks.renewed(page, {block: part() for block, part in parts.items()})
    return written


if __name__ == "__main__":
    # The package takes seconds, so it has a test of its own.
    for path, text in {**files(), **client_package.files(api.document())}.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
