"""Fixtures that more than one folder of tests uses."""

import signal

import hypothesis
import pytest

from tests.long import longest_first, mark_long

pytest_plugins = ["tests.temporal_env", "tests.databases"]

# A shell starts what it runs in the background with SIGINT ignored, and children inherit that: the programs
# under test would never see the Ctrl-C they are sent.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes tells of the machine, not of the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Before pytest itself leaves out what is marked."""
    mark_long(items)
    longest_first(items)
