"""The pages of the documentation, and how tests read them."""

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
PAGES: Final = (*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md")))
_ROW: Final = re.compile(r"\| \[?`([^`]+)`(?:\]\([^)]*\))? \| (.*) \|$")
_FENCED: Final = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_LINK: Final = re.compile(r"\]\((?!https?://)([^)\s]+)\)")


def text(page: str | Path) -> str:
    """A page, named from the root of the project."""
    return (ROOT / page).read_text(encoding="utf-8")


def rows(page: str) -> dict[str, list[str]]:
    """The table rows whose first cell is one word in code style, by that word; the first of a name counts."""
    found: dict[str, list[str]] = {}
    for line in page.splitlines():
        if match := _ROW.match(line):
            found.setdefault(match[1], match[2].split(" | "))
    return found


def blocks(page: str, language: str) -> list[str]:
    """The page's code blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def prose(page: str) -> str:
    """The page without its code blocks."""
    return _FENCED.sub("", page)


def links(page: str) -> list[str]:
    """Where the page's links to files of this project lead."""
    return _LINK.findall(prose(page))


def anchors(page: str) -> set[str]:
    """The headings of a page, as links name them (GitHub's way, which the site shares)."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
