"""The pages as a whole: links that lead somewhere, a site that needs no network, what must stand where."""

import re
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import pytest

from tests.house.pages import DOCS, PAGES, ROOT, anchors, links, prose, rows, text

README_BYTES: Final = 10_000
"""Who has never seen the project reads this much."""
SOURCES: Final = ("*.py", "*.md", "*.j2", "*.yml", "*.yaml", "Makefile", "Dockerfile")
# Not spelled out here, or this file would be found.
_NOT_HERE: Final = re.compile(r"\bdesign(?:'s list|,? (?:§|section))", re.IGNORECASE)


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_readme_is_short_and_names_the_two_commands() -> None:
    readme = text("README.md")
    assert len(readme.encode()) <= README_BYTES
    assert {"make demo", "make test"} <= rows(readme).keys()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page.read_text(encoding="utf-8")):
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), link
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_begins_with_what_it_is_for(page: Path) -> None:
    title, _, rest = page.read_text(encoding="utf-8").partition("\n\n")
    assert re.fullmatch(r"# .+", title)
    assert re.match(r"[*A-Z“]", rest), rest[:80]


def test_every_page_is_found_from_the_index() -> None:
    index = text("docs/index.md")
    for page in DOCS.rglob("*.md"):
        name = page.relative_to(DOCS).with_suffix("").as_posix()
        assert name == "index" or name.startswith("decisions/") or f"\n{name}\n" in index, name


def test_every_make_target_has_its_line() -> None:
    targets = dict(re.findall(r"^([a-z-]+):.*## (.*)$", text("Makefile"), re.MULTILINE))
    listed = {name: cells[0] for name, cells in rows(text("CONTRIBUTING.md")).items()}
    assert listed == {f"make {name}": said for name, said in targets.items()}


def test_the_changelog_has_this_release() -> None:
    project = tomllib.loads(text("pyproject.toml"))["project"]
    assert f"\n## [{project['version']}]" in text("CHANGELOG.md")


def test_nothing_refers_to_a_text_that_is_not_here() -> None:
    """The glossary says where the guide is; there is no other text to refer to."""
    found = [
        f"{named(path)}:{number}"
        for pattern in SOURCES
        for path in ROOT.rglob(pattern)
        if not {".venv", "build", ".git"} & set(path.relative_to(ROOT).parts)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if path != Path(__file__) and _NOT_HERE.search(line)
    ]
    assert not found


class Fetched(HTMLParser):
    """What a browser fetches for a page by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "img", "iframe", "source") and (source := given.get("src")):
            self.sources.add(source)
        if tag == "link" and (source := given.get("href")):
            self.sources.add(source)


def test_the_site_builds_without_a_warning_and_needs_no_network(tmp_path: Path) -> None:
    command = re.findall(r"\$\(BIN\)/sphinx-build (.*) docs build/site", text("Makefile"))
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", *command[0].split(), str(DOCS), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    pages = sorted(tmp_path.rglob("*.html"))
    assert len(pages) > len(list(DOCS.rglob("*.md")))
    for page in pages:
        reader = Fetched()
        reader.feed(page.read_text(encoding="utf-8"))
        assert not [source for source in reader.sources if re.match(r"(https?:)?//", source)], page.name
    for sheet in tmp_path.rglob("*.css"):
        assert not re.search(r"(url\(|@import )[\"']?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads(text("pyproject.toml"))
    record = next((DOCS / "decisions").glob("0011-*.md")).read_text(encoding="utf-8")
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    wanted += [
        *project["dependency-groups"]["build"],
        *project["dependency-groups"]["ui"],
        *project["dependency-groups"]["bench"],
        *project["project"]["optional-dependencies"]["embedded"],
    ]
    names = {re.split(r"[\[><=~;! ]", requirement)[0] for requirement in wanted}
    assert set(rows(record)) == names


@pytest.mark.parametrize("record", sorted((DOCS / "decisions").glob("*.md")), ids=lambda path: path.stem)
def test_a_decision_record_says_what_why_and_what_follows(record: Path) -> None:
    said = prose(record.read_text(encoding="utf-8"))
    assert said.startswith(f"# {record.stem[:4]} ")
    positions = [said.find(f"**{part}.**") for part in ("Context", "Decision", "Why", "Consequences")]
    assert -1 not in positions
    assert positions == sorted(positions)
