"""How long an outside service may take. What counts is its own time: not what a question waits for in a queue
of ours, nor what this process takes to hear the answer."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from functools import partial
from typing import Any, Final, Generic, TypeVar

_SLICES: Final = 32
_LONGEST_SLICE: Final = 0.1
MOST_QUEUED: Final = timedelta(seconds=3)
"""How long a question may wait in queues of ours: one that moves no faster waits for what hangs outside."""
T = TypeVar("T")


class _Queued:
    """In how many queues of ours parts of a question wait."""

    def __init__(self) -> None:
        self.count = 0
        self._lock: Final = threading.Lock()

    def add(self, number: int) -> None:
        """From whatever thread."""
        with self._lock:
            self.count += number


_QUEUED: Final[ContextVar[_Queued | None]] = ContextVar("queued", default=None)


def queue_up() -> Callable[[], None]:
    """From now on what is asked waits for something of ours, such as a free thread: that does not count.

    What is returned leaves the queue; any thread may call it, once.
    """
    queued = _QUEUED.get()
    if queued is None:
        return _leave_nothing
    queued.add(1)
    return partial(queued.add, -1)


def _leave_nothing() -> None:
    """Nobody counts."""


@contextmanager
def in_our_queue() -> Iterator[None]:
    """As `queue_up`, until the block is left."""
    leave = queue_up()
    try:
        yield
    finally:
        leave()


class Asked(Generic[T]):
    """A question under way, in a task of its own."""

    def __init__(self, question: Coroutine[Any, Any, T]) -> None:
        self._queued = _Queued()
        token = _QUEUED.set(self._queued)
        # It takes its context with it.
        self.task: asyncio.Task[T] = asyncio.create_task(question)
        _QUEUED.reset(token)

    async def wait(self, limit: timedelta) -> bool:
        """Wait until it is answered, or the limit is reached; whether it is answered.

        The limit passes in slices. One that ends late, as the event loop was busy, counts as if it had ended
        in time, and one spent in a queue of ours not at all, up to `MOST_QUEUED`.
        """
        left, free = limit.total_seconds(), MOST_QUEUED.total_seconds()
        longest = min(left / _SLICES, _LONGEST_SLICE)
        while left > 0 and not self.task.done():
            queued = self._queued.count
            await asyncio.wait({self.task}, timeout=longest)
            if queued and self._queued.count and free > 0:
                free -= longest
            else:
                left -= longest
        return self.task.done()

    async def ended(self, limit: timedelta) -> bool:
        """As `wait`; then nothing of it is under way any more, however this ends."""
        try:
            return await self.wait(limit)
        finally:
            self.task.cancel()
            await asyncio.wait({self.task})
