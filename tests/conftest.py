"""Fixtures that more than one folder of tests uses."""

pytest_plugins = ["tests.temporal_env", "tests.databases"]
