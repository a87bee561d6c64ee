"""What is wrong with a replay of the corpus: how the code parted from the history, where, and what to do."""

import asyncio
import json
from dataclasses import dataclass
from enum import Enum
from itertools import islice, takewhile, zip_longest
from pathlib import Path
from typing import Any, Final

from google.protobuf.json_format import MessageToDict

from starter.release.replaying import Met, met
from tests.replay.corpus import HISTORIES, Recorded, Replayed, Trail, replay

SHOWN: Final = 4
"""Lines of each side that are shown from where the two part, if they part for so long."""
_LONG: Final = 200
_BULKY: Final = (
    "input",
    "result",
    "details",
    "header",
    "taskQueue",
    "outcome",
    "acceptedRequest",
    "identity",
)
"""What of an event can't be read in a terminal, or tells nothing."""


class Remedy(Enum):
    """What to do, by what is wrong."""

    BREAKS = """\
A run that has got this far would stand still under this code. If a rule, notice, period or row is meant to
change, let the new one hold since the next edition, the old one until then (`In(…, since=…)` in domain/). A
change of the machinery is a patch: name it in workflows/patches.py and ask for it in workflows/ at the place
told above (`if workflow.patched(patches.NAME.id):` the new way, else the way this history went). Both stand
in docs/how-to/changing-the-process.md. Then record a journey of the new way: `make histories`. A history of a
release is never recorded again to make this pass."""
    DECIDES_OTHERWISE = """\
The history replays, but today's code decides otherwise on the way: after a deploy, running applications
remember a past they never had. If only new applications shall go the new way, let it hold since the next
edition (`In(…, since=…)` in domain/, docs/how-to/changing-the-process.md). If it is right for all,
accept it, and read the diff: `.venv/bin/python -m tests.replay.record --trails`"""
    OFF_ITS_PATH = """\
The history replays, but no longer goes the way it was recorded for. What stages a running application went
through can't change: let the new way hold since the next edition (`since=…` in domain/,
docs/how-to/changing-the-process.md). `--trails` does not accept this one."""


@dataclass(frozen=True)
class Wrong:
    """A history today's code can't have written: ``told`` says which, where and how."""

    told: str
    remedy: Remedy

    def __str__(self) -> str:
        return f"{self.told}\n\n{self.remedy.value}"


def judged(path: Path) -> Wrong | None:
    """Replay the history in this file; made to be called in a process of its own."""
    one = Recorded(path)
    return verdict(one, asyncio.run(replay(one.history())))


def verdict(one: Recorded, replayed: Replayed) -> Wrong | None:
    """What is wrong with a replay; ``None`` when all is well."""
    file = one.path.relative_to(HISTORIES.parent)
    recorded = one.trail()
    if replayed.failure is not None:
        found = met(str(replayed.failure), one.history().events)
        lines = [
            f"History {one.name} does not replay ({file}).",
            f"  {found.problem}",
            *_event(found),
            *(_parting(recorded, replayed.trail, cut=True) or _newest(replayed.trail)),
        ]
        return Wrong("\n".join(lines), Remedy.BREAKS)
    if replayed.stages() != one.stages():
        lines = [
            f"History {one.name} has left its path ({file}).",
            f"  Recorded: {' → '.join(one.stages())}",
            f"  Now:      {' → '.join(replayed.stages())}",
            *_parting(recorded, replayed.trail),
        ]
        return Wrong("\n".join(lines), Remedy.OFF_ITS_PATH)
    if replayed.trail == recorded:
        return None
    lines = [f"History {one.name} is not the story it was ({file}).", *_parting(recorded, replayed.trail)]
    return Wrong("\n".join(lines), Remedy.DECIDES_OTHERWISE)


def _event(found: Met) -> list[str]:
    if found.event is None:
        return []
    kind = found.event.WhichOneof("attributes")
    said: dict[str, Any] = MessageToDict(getattr(found.event, str(kind)))
    telling = {key: value for key, value in said.items() if key not in _BULKY}
    return [f"  Recorded, event {found.event_name}: {_short(json.dumps(telling, separators=(',', ':')))}"]


def _parting(recorded: Trail, now: Trail, *, cut: bool = False) -> list[str]:
    """Where the code begins to ask for something else; that a trail was ``cut`` short is no parting."""
    same = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(recorded, now, strict=False))))
    if same == len(recorded) == len(now) or (cut and same == len(now)):
        return []
    pairs = takewhile(lambda pair: pair[0] != pair[1], zip_longest(recorded[same:], now[same:]))
    then, instead = zip(*islice(pairs, SHOWN), strict=True)
    return [
        f'  Until {_place(now[:same])} the code goes with it. Then ("-" recorded, "+" now):',
        *(f"  - {_short(ask.line())}" for ask in then if ask),
        *(f"  + {_short(ask.line())}" for ask in instead if ask),
    ]


def _place(trail: Trail) -> str:
    """The newest command or moment, in the words of the process."""
    last = next((ask for ask in reversed(trail) if ask.command), None)
    if last is None:
        return "its start"
    return f"'{last.command}' ({last.verdict}, in stage {last.to_stage})"


def _newest(trail: Trail) -> list[str]:
    asked = [f"    {_short(ask.line())}" for ask in trail[-SHOWN:]] or ["    nothing"]
    return [f"  After {_place(trail)}, the code's newest commands:", *asked]


def _short(line: str) -> str:
    return line if len(line) <= _LONG else f"{line[:_LONG]}…"
