"""Fixtures that more than one folder of tests uses."""

import signal

pytest_plugins = ["tests.temporal_env", "tests.databases"]

# A shell starts what it runs in the background with SIGINT ignored, and children inherit that: the programs
# under test would never see the Ctrl-C they are sent.
signal.signal(signal.SIGINT, signal.default_int_handler)
