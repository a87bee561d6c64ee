"""Judge line and branch coverage apart, each by its floor: coverage.py only knows one figure for both."""

import argparse
import json
import sys
from pathlib import Path


def percent(covered: int, total: int) -> float:
    """The covered share in percent; nothing to cover counts as covered."""
    return 100.0 * covered / total if total else 100.0


def main() -> int:
    """Print both figures of a `coverage json` report; 1 when one is under its floor, else 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path, help="file written by `coverage json`")
    parser.add_argument("--line", type=float, required=True, help="lowest line coverage, percent")
    parser.add_argument("--branch", type=float, required=True, help="lowest branch coverage, percent")
    args = parser.parse_args()

    totals = json.loads(args.report.read_text())["totals"]
    line = percent(totals["covered_lines"], totals["num_statements"])
    branch = percent(totals["covered_branches"], totals["num_branches"])
    floors = f"lines {line:.2f} % (>= {args.line:g}), branches {branch:.2f} % (>= {args.branch:g})"
    print(f"domain/ and workflows/: {floors}")
    return 0 if line >= args.line and branch >= args.branch else 1


if __name__ == "__main__":
    sys.exit(main())
