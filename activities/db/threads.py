"""Work that blocks, in threads of its own: no event loop waits for a statement.

A unit of work is one hop to a thread and back, whatever it asks. Going through SQLAlchemy's asyncio layer
costs as much again for each statement (docs/decisions/0036).
"""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Final, TypeVar

from sqlalchemy import Engine, event

from activities.patience import queue_up

ANSWER_WITHIN: Final = 2.0
"""Seconds a server has for giving up what it is asked to; then the connection is ended."""
T = TypeVar("T")


class _Unit:
    """A unit of work.

    Attributes:
        connection: the driver's, from when it is waited for until it is given back.
        spoilt: whether its connection is not to be used again, as something may be on its way through it.
    """

    def __init__(self) -> None:
        self.lock: Final = threading.Lock()
        self.connection: Any = None
        self.spoilt = False


class _Here(threading.local):
    """What this thread is at."""

    unit: _Unit | None = None


_HERE: Final = _Here()


class Threads:
    """The threads of one database. Several event loops may use them."""

    def __init__(self, size: int, patience: float | None) -> None:
        """``size``: how many at most; who comes then waits in a queue of ours (`activities.patience`).

        ``patience``: seconds which work has left once nobody waits for it, before the server is asked to give
        it up; ``None``: for as long as it takes.
        """
        self._executor: Final = ThreadPoolExecutor(size, thread_name_prefix="database")
        self._patience: Final = patience
        self._under_way: Final = dict[Future[Any], _Unit]()

    async def to_the_end(self, work: Callable[[], T]) -> T:
        """Do the work, which is finished or fails though the caller is cancelled: he learns of it afterwards.

        What was not begun by then never is.
        """
        future = self._begun(work)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if future.cancel():
                raise
            self._cut_off(future, self._patience)
            ended = asyncio.wrap_future(future)
            while not ended.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait({ended})
            # Whoever was cancelled asks for no result; asyncio would report an error nobody has looked at.
            ended.exception()
            raise

    async def while_wanted(self, work: Callable[[], T]) -> T:
        """Do the work, which nobody needs once the caller is cancelled: he does not wait for its end."""
        future = self._begun(work)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if not future.cancel():
                if unit := self._under_way.get(future):
                    unit.spoilt = True
                self._cut_off(future, None if self._patience is None else 0)
            raise

    def close(self) -> None:
        """End the threads, once what somebody waits for has ended; from now on it has its patience left.

        Blocks. What nobody waits for ends by itself.
        """
        self._executor.shutdown(wait=False)
        under_way = tuple(self._under_way.items())
        wanted = [future for future, unit in under_way if not unit.spoilt]
        for future in wanted:
            self._cut_off(future, self._patience)
        wait(wanted)
        if len(wanted) == len(under_way):
            self._executor.shutdown()

    def _begun(self, work: Callable[[], T]) -> Future[T]:
        unit, leave_queue = _Unit(), queue_up()

        def run() -> T:
            leave_queue()
            _HERE.unit = unit
            try:
                return work()
            finally:
                _HERE.unit = None

        future = self._executor.submit(run)
        self._under_way[future] = unit

        def ended(future: Future[T]) -> None:
            del self._under_way[future]
            if future.cancelled():
                leave_queue()

        future.add_done_callback(ended)
        return future

    def _cut_off(self, future: Future[Any], patience: float | None) -> None:
        unit = self._under_way.get(future)
        if unit is not None and patience is not None:
            # It outlives the event loop if it must, and nobody waits for it.
            threading.Thread(target=_end, args=(future, unit, patience), daemon=True).start()


def watch(engine: Engine) -> None:
    """Make known which connection of the engine each thread waits for."""

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, _record: object, arguments: Any, options: Any) -> Any:
        connection = dialect.connect(*arguments, **options)
        waits_for(connection)
        return connection

    @event.listens_for(engine, "checkout")
    def given_out(connection: Any, _record: object, _proxy: object) -> None:
        waits_for(connection)

    @event.listens_for(engine, "checkin")
    def returned(_connection: Any, record: Any) -> None:
        waits_for(None)
        if _HERE.unit is not None and _HERE.unit.spoilt:
            record.invalidate()


def waits_for(connection: Any) -> None:
    """Make known which connection of the driver this thread waits for from now on."""
    unit = _HERE.unit
    if unit is not None:
        with unit.lock:
            unit.connection = connection


def _end(future: Future[Any], unit: _Unit, patience: float) -> None:
    """After so long ask the server to give up; where it does not answer, end the connection."""
    if _ended(future, patience):
        return
    _with_connection(unit, _ask_to_give_up)
    while not _ended(future, ANSWER_WITHIN):
        _with_connection(unit, _hang_up)


def _ended(future: Future[Any], seconds: float) -> bool:
    return bool(wait([future], seconds).done)


def _with_connection(unit: _Unit, do: Callable[[Any], None]) -> None:
    # Held, so that meanwhile nobody else gets the connection.
    with unit.lock:
        if unit.connection is not None:
            unit.spoilt = True
            # The server may be gone, or the thread be ending the connection.
            with contextlib.suppress(Exception):
                do(unit.connection)


def _ask_to_give_up(connection: Any) -> None:
    connection.cancel_safe(timeout=ANSWER_WITHIN)


def _hang_up(connection: Any) -> None:
    """Whoever reads from it is told that there is nothing to come."""
    with socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)
