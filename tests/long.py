"""Tests that take long: `make test-long` runs them, `make test` some of each kind."""

from collections.abc import Iterable
from typing import Final

import pytest

LONG: Final = pytest.mark.long


def some_of(values: Iterable[object], *, every: int) -> list[object]:
    """The values as parameters: one of ``every`` for `make test`, the others marked as long."""
    return [
        value if number % every == 0 else pytest.param(value, marks=LONG)
        for number, value in enumerate(values)
    ]
