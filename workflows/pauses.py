"""How long e-mails rest whose recipients the mail server refuses for now."""

from datetime import timedelta
from typing import Final

SHORTEST: Final = timedelta(seconds=1)
LONGEST: Final = timedelta(minutes=30)
"""RFC 5321 §4.5.4.1: "the retry interval SHOULD be at least 30 minutes", with more tries at first."""


class Pauses:
    """Each twice as long as the one before it."""

    def __init__(self) -> None:
        self._next = SHORTEST

    def next(self) -> timedelta:
        """The next pause."""
        pause = self._next
        self._next = min(2 * pause, LONGEST)
        return pause

    def reset(self) -> None:
        """Begin anew: somebody else is refused, or nobody any more."""
        self._next = SHORTEST
