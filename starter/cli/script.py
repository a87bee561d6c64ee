"""Where the console script begins: before what takes time to load."""

import os
import signal
from types import FrameType


def main() -> None:
    """Run the console script; Ctrl-C while it loads ends it without a trace, as nothing has begun."""
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heard:
        signal.signal(signal.SIGINT, _end)
    from starter.cli.main import main as run

    if heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


def _end(number: int, frame: FrameType | None) -> None:
    # A shell's exit code of a program that a signal has ended.
    os._exit(128 + number)
