"""What the demo makes sure of while it plays: each step against the workflow, the database and the mails."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Source(StrEnum):
    """Who was asked whether it is so."""

    WORKFLOW = "workflow"
    DATABASE = "database"
    MAILS = "mails"


@dataclass(frozen=True)
class Finding:
    """What one source said about one element of the story."""

    source: Source
    what: str
    expected: Any
    found: Any

    @property
    def right(self) -> bool:
        """Whether it is as it should be."""
        return bool(self.expected == self.found)

    def __str__(self) -> str:
        return f"{self.source}: {self.what}: expected {self.expected!r}, found {self.found!r}"


class Checks:
    """The elements of the story in their order, and what was found about each."""

    def __init__(self) -> None:
        self._findings: Final[dict[str, list[Finding]]] = {}

    def equal(self, element: str, source: Source, what: str, expected: object, found: object) -> None:
        """Note whether a source says what it should about an element of the story."""
        self._findings.setdefault(element, []).append(Finding(source, what, expected, found))

    @property
    def elements(self) -> dict[str, tuple[Finding, ...]]:
        """Every element checked, in order."""
        return {element: tuple(findings) for element, findings in self._findings.items()}

    def wrong(self, element: str) -> tuple[Finding, ...]:
        """What was not as it should be about an element."""
        return tuple(finding for finding in self._findings.get(element, ()) if not finding.right)

    @property
    def failed(self) -> tuple[str, ...]:
        """The elements about which something was wrong."""
        return tuple(element for element in self._findings if self.wrong(element))
