"""The one timer of a run: it wakes the run no later than at its next deadline."""

import asyncio
from datetime import datetime

from temporalio import workflow


class Timer:
    """Fires at the instant it is set to, or before.

    Most steps lead to a later deadline, and a timer cancelled and another started are two events each time.
    So one that fires too early is left alone: the run looks for its next deadline then.
    """

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._at: datetime | None = None

    @property
    def fired(self) -> bool:
        """Whether it has fired since it was set."""
        return self._task is not None and self._task.done()

    def set(self, at: datetime | None) -> None:
        """Fire at this instant at the latest; ``None``: there is nothing to wake the run for."""
        if self._task and not self._task.done():
            if at is None or (self._at and self._at <= at):
                return
            self._task.cancel()
        self._at, self._task = at, None
        if at:
            self._task = asyncio.create_task(
                workflow.sleep(at - workflow.now(), summary="Next deadline, at the earliest")
            )
