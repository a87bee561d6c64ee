"""Where the console script begins: before what takes time to load, around all that could leave a trace."""

import os
import signal
import sys
from contextlib import suppress
from types import FrameType


def main() -> None:
    """Run the console script.

    Ctrl-C while it loads ends it without a trace, as nothing has begun; so does one more where the first has
    been heard.
    """
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heard:
        signal.signal(signal.SIGINT, _end)
    from starter.cli.main import main as run

    try:
        if heard:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        run()
    except KeyboardInterrupt:
        _end(signal.SIGINT, None)


def _end(number: int, frame: FrameType | None) -> None:
    # No more than a try: one more Ctrl-C may come here, too.
    with suppress(BaseException):
        sys.stdout.flush()
    # A shell's exit code of a program that a signal has ended.
    os._exit(128 + number)
