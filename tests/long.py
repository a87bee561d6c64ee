"""Tests that take long: `make test-long` runs them, `make test` some of each kind.

Of `FOLDERS`, whose tests start servers and processes, `make test` runs of each file the first test and then
one of so many, and all that is marked ``short``. What runs on both databases runs on one of them, the next on
the other. Elsewhere what takes long is marked ``long``, or is `some_of` the values a test has.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

import pytest

LONG: Final = pytest.mark.long
SHORT: Final = pytest.mark.short
FOLDERS: Final[Mapping[str, int]] = {"tests/service": 10, "tests/e2e": 10}
ENGINES: Final = ("sqlite", "postgresql")


def some_of(values: Iterable[object], *, every: int) -> list[object]:
    """The values as parameters: one of ``every`` for `make test`, the others marked as long."""
    return [
        value if number % every == 0 else pytest.param(value, marks=LONG)
        for number, value in enumerate(values)
    ]


def mark_long(items: Iterable[pytest.Item]) -> None:
    """Mark what `make test` leaves out of `FOLDERS`, and of what runs on both databases."""
    items = [
        item for item in items if not (item.get_closest_marker("short") or item.get_closest_marker("long"))
    ]
    on_the_other = _on_the_other_database(items)
    seen = Counter[str]()
    for item in items:
        file, _, _ = item.nodeid.partition("::")
        if item.nodeid in on_the_other or seen[file] % FOLDERS.get(file.rpartition("/")[0], 1):
            item.add_marker(LONG)
        seen[file] += 1


def longest_first(items: list[pytest.Item]) -> None:
    """Put those of `FOLDERS` first, so that no worker is left with a long one when the others are done."""
    items.sort(key=lambda item: item.nodeid.partition("::")[0].rpartition("/")[0] not in FOLDERS)


def _on_the_other_database(items: Iterable[pytest.Item]) -> set[str]:
    engines = defaultdict[str, dict[str, str]](dict)
    for item in items:
        assert isinstance(item, pytest.Function)
        parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
        for engine in (value for value in parameters if value in ENGINES):
            engines[item.nodeid.replace(engine, "")][engine] = item.nodeid
    both = [tests for tests in engines.values() if len(tests) == len(ENGINES)]
    return {tests[ENGINES[number % len(ENGINES)]] for number, tests in enumerate(both)}
