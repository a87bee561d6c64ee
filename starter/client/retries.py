"""Which failures of a call pass, and how long to wait before the next try."""

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from temporalio.service import RPCStatusCode

PAUSE_BETWEEN_TRIES: Final = timedelta(milliseconds=200)
_LONGEST_PAUSE: Final = timedelta(seconds=2)
PASSING_OF_A_START: Final = frozenset(
    {RPCStatusCode.UNAVAILABLE, RPCStatusCode.ABORTED, RPCStatusCode.RESOURCE_EXHAUSTED}
)
PASSING: Final = PASSING_OF_A_START | {
    RPCStatusCode.CANCELLED,
    # A workflow task was to be done again, because something arrived while the run continued as new.
    RPCStatusCode.FAILED_PRECONDITION,
}
# The server's own failure of an update whose run continued as new, or ended, before answering it.
RUN_WENT_ON: Final = "AcceptedUpdateCompletedWorkflow"


def pauses() -> Iterator[float]:
    """Seconds between tries: doubling up to two, and never two callers in step.

    A run takes ten updates at a time; callers that all come back at once would keep it from finishing any.
    """
    pause = PAUSE_BETWEEN_TRIES.total_seconds()
    while True:
        yield pause * random.uniform(0.5, 1.5)  # noqa: S311 - spreads callers in time, guards nothing
        pause = min(2 * pause, _LONGEST_PAUSE.total_seconds())
