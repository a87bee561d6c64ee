"""Cancelling from a thread: the database's work is done in some."""

import asyncio
import threading
from collections.abc import Callable


def in_the_loop(do: Callable[[], object]) -> Callable[[], None]:
    """What does it in the event loop there is now, from whatever other thread, and waits until it is done."""
    loop = asyncio.get_running_loop()

    def from_thread() -> None:
        done = threading.Event()

        def do_and_tell() -> None:
            do()
            done.set()

        loop.call_soon_threadsafe(do_and_tell)
        done.wait()

    return from_thread
