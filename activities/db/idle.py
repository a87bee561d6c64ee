"""Connections that wait in the pool for work: one is asked whether it lives only where that is in doubt."""

import select
import time
from typing import Any, Final

from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError

BELIEVED_FOR: Final = 1.0
"""Seconds for which one that was at work is believed to live, unless the server has said something."""
_RETURNED: Final = "returned"


def ask_when_in_doubt(engine: Engine) -> None:
    """Make the pool of a PostgreSQL engine ask its connections before they are given out, as
    ``pool_pre_ping`` does, which costs a round trip each time.

    A server that ends a connection says so or closes it: there is something to be read though nothing was
    asked. One that has vanished shows only by being asked.
    """

    @event.listens_for(engine, "checkin")
    def returned(_connection: Any, record: Any) -> None:
        record.info[_RETURNED] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def given_out(connection: Any, record: Any, _proxy: Any) -> None:
        since = record.info.get(_RETURNED)
        # None: it has just been made.
        if since is None or (time.monotonic() - since < BELIEVED_FOR and _silent(record.driver_connection)):
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            if engine.dialect.is_disconnect(error, connection, None):
                # The others were most likely ended with it.
                raise InvalidatePoolError from error
            raise


def _silent(connection: Any) -> bool:
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)
