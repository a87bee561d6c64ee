"""The one timer of a run: it wakes the run no later than at its next deadline."""

import asyncio
from datetime import datetime

from temporalio import workflow


class Timer:
    """Rings at an instant it was wound for, or before.

    Most steps lead to a later deadline, and a timer cancelled and another started are two events each time.
    So one that rings too early is left alone: the run looks for its next deadline then.
    """

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._at: datetime | None = None

    @property
    def rung(self) -> bool:
        """Whether it has rung since it was wound."""
        return self._task is not None and self._task.done()

    def wind(self, at: datetime | None) -> None:
        """Ring at this instant at the latest; ``None``: there is nothing to wake the run for."""
        if self._task and not self._task.done():
            if at is None or (self._at and self._at <= at):
                return
            self._task.cancel()
        self._at, self._task = at, None
        if at:
            self._task = asyncio.create_task(
                workflow.sleep(at - workflow.now(), summary="Next deadline, at the earliest")
            )
