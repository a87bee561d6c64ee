"""What an error of a library says, in a few words, and errors that must not be passed over."""

import asyncio


def keep_cancellation() -> None:
    """Call it first where an error of a Temporal call is about to be passed over.

    The SDK reports a cancelled call as an error of its own; who only handles that goes on for ever.

    Raises:
        asyncio.CancelledError: the running task was cancelled.
    """
    if (task := asyncio.current_task()) and task.cancelling():
        raise asyncio.CancelledError


def connection_problem(error: Exception) -> str:
    """Why a connection to Temporal could not be made, in a few words where the SDK needs many."""
    reason = first_line(error)
    return "nothing listens there" if "ConnectionRefused" in reason else reason


def first_line(error: BaseException) -> str:
    """What the error says, without what libraries add in more lines; of SQLAlchemy's, the driver's words."""
    said = str(getattr(error, "orig", None) or error)
    return next(iter(said.strip().splitlines()), "no reason is given")
