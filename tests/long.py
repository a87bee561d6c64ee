"""Tests that take long: `make test-long` runs them, `make test` some of each kind.

Of `FOLDERS`, whose tests start servers and processes, `make test` runs of each file the first test and then
one of so many, and all that is marked ``short``. Elsewhere what takes long is marked ``long``, or is
`some_of` the values a test has.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import pytest

LONG: Final = pytest.mark.long
SHORT: Final = pytest.mark.short
FOLDERS: Final[Mapping[str, int]] = {"tests/service": 6, "tests/e2e": 6}


def some_of(values: Iterable[object], *, every: int) -> list[object]:
    """The values as parameters: one of ``every`` for `make test`, the others marked as long."""
    return [
        value if number % every == 0 else pytest.param(value, marks=LONG)
        for number, value in enumerate(values)
    ]


def mark_long(items: Iterable[pytest.Item]) -> None:
    """Mark what `make test` leaves out of `FOLDERS`."""
    seen = Counter[str]()
    for item in items:
        file, _, _ = item.nodeid.partition("::")
        every = FOLDERS.get(file.rpartition("/")[0])
        if every is None or item.get_closest_marker("short") or item.get_closest_marker("long"):
            continue
        if seen[file] % every:
            item.add_marker(LONG)
        seen[file] += 1
