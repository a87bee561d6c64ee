"""Judge line and branch coverage apart, by floors for each package: coverage.py knows one figure for all."""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Self


def percent(covered: int, total: int) -> float:
    """The covered share in percent; nothing to cover counts as covered."""
    return 100.0 * covered / total if total else 100.0


@dataclass(frozen=True)
class Floor:
    """The lowest coverage of these packages or modules together, in percent of lines and of branches."""

    packages: tuple[str, ...]
    line: float
    branch: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``domain,workflows:100:95``.

        Raises ValueError for anything else.
        """
        packages, line, branch = text.split(":")
        return cls(tuple(packages.split(",")), float(line), float(branch))

    def judge(self, files: Mapping[str, Any]) -> tuple[bool, str]:
        """Whether the files of a report reach it, and both figures."""
        mine = [file["summary"] for path, file in files.items() if PurePath(path).parts[0] in self.packages]
        line = percent(_sum(mine, "covered_lines"), _sum(mine, "num_statements"))
        branch = percent(_sum(mine, "covered_branches"), _sum(mine, "num_branches"))
        figures = f"lines {line:.2f} % (>= {self.line:g}), branches {branch:.2f} % (>= {self.branch:g})"
        return line >= self.line and branch >= self.branch, f"{', '.join(self.packages)}: {figures}"


def _sum(summaries: Iterable[Mapping[str, int]], name: str) -> int:
    return sum(summary[name] for summary in summaries)


def main() -> int:
    """Print the figures of a `coverage json` report; 1 when one is under its floor, else 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path, help="file written by `coverage json`")
    parser.add_argument("floors", type=Floor.parse, nargs="+", help="PACKAGE,...:LINES:BRANCHES")
    args = parser.parse_args()

    files = json.loads(args.report.read_text(encoding="utf-8"))["files"]
    judged = [floor.judge(files) for floor in args.floors]
    for _, figures in judged:
        print(figures)
    return 0 if all(reached for reached, _ in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
