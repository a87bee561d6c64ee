"""Whether prepared statements stay where they were made: behind a pooler in transaction mode they do not.

psycopg prepares on the server what it has sent five times, under names that count up in each connection.
Where a pooler gives a transaction whichever connection to the server is free, one client meets the statements
of another: the server refuses them, or runs another than was meant.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Final

from activities.db.threads import waits_for

PARAMETER: Final = "prepare_threshold"
NEVER: Final = "none"
_ROUNDS: Final = 3

MIXED_UP: Final = "a pooler in transaction mode is in between, which mixes prepared statements up"
REMEDY: Final = (
    f"Add {PARAMETER}={NEVER} to the parameters after the ? of ONBOARDING_DATABASE_URL, or let the pooler"
    " follow prepared statements (PgBouncer from 1.21: max_prepared_statements)."
)


def keeps_prepared_statements(arguments: Mapping[str, Any]) -> bool:
    """Whether two connections, in turn, each get the answer to the statement they have prepared.

    ``arguments``: those of `psycopg.Connection.connect`. It blocks. A busy pooler may pass by chance.

    Raises:
        psycopg.Error: a connection can't be made, or is lost.
    """
    # SQLite starts faster without libpq.
    from psycopg import Connection
    from psycopg.errors import DuplicatePreparedStatement, InvalidSqlStatementName, ProtocolViolation

    at_once = {**arguments, PARAMETER: 0, "autocommit": True}
    with ExitStack() as stack:
        connections = [stack.enter_context(Connection.connect(**at_once)) for _ in range(2)]
        for _ in range(_ROUNDS):
            for number, connection in enumerate(connections):
                waits_for(connection)
                try:
                    # One text for each, so that each prepares its own, all under the same name.
                    answer = connection.execute(f"SELECT {number:d}").fetchone()
                except (DuplicatePreparedStatement, InvalidSqlStatementName):
                    return False
                # Of another number of parameters; a pooler also ends a client that waited too long so.
                except ProtocolViolation:
                    if connection.closed:
                        raise
                    return False
                if answer != (number,):
                    return False
    return True
