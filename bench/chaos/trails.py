"""An application's audit trail across resets: which of its events still count. Pure.

Numbers are never used twice, so what a reset has undone stays in the trail; its event ``reset`` says how far
back the application was turned.
"""

import json
from collections.abc import Sequence
from typing import Final

from bench.chaos.evidence import Audited

RESET: Final = "reset"


def back_to(reset: Audited) -> int:
    """The number of the event after which the application stands since this reset."""
    return int(json.loads(reset.details)["back_to"])


def standing(trail: Sequence[Audited]) -> list[Audited]:
    """The events of a trail, in order, that no later reset has undone."""
    kept: list[Audited] = []
    for audited in trail:
        if audited.command == RESET:
            kept = [event for event in kept if event.sequence <= back_to(audited)]
        kept.append(audited)
    return kept
