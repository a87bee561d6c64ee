"""Replays the corpus with today's code, several processes at a time: ``python -m tests.replay [HISTORY …]``.

Exit code 1 if any history breaks, decides otherwise or leaves its path. `test_replay` judges the same way.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import as_completed
from fnmatch import fnmatch
from typing import Final

from rich.console import Console
from rich.text import Text

from domain.contract import Stage
from starter.release.replaying import ReplayDiedError, processes_for, replaying
from starter.terminal.output import print_table, progress
from tests.replay.corpus import Recorded, recorded
from tests.replay.verdict import Wrong, judged

TOLD_IN_FULL: Final = 5
"""Of so many broken histories everything is told; one change often breaks dozens in the same way."""
NEVER_BEGAN: Final = "no stage"


def judge(console: Console, corpus: Sequence[Recorded]) -> dict[str, Wrong]:
    """What is wrong with which history, with a progress bar on the way.

    Raises:
        ReplayDiedError: a process died.
    """
    with (
        replaying(processes_for(len(corpus))) as pool,
        progress(console, "Replaying", len(corpus)) as advance,
    ):
        waiting = {pool.submit(judged, one.path): one.name for one in corpus}
        found = {}
        for done in as_completed(waiting):
            if wrong := done.result():
                found[waiting[done]] = wrong
            advance()
    return dict(sorted(found.items()))


def report(console: Console, corpus: Sequence[Recorded], found: dict[str, Wrong]) -> None:
    """By the stage histories end in, then what is wrong, then what to do."""
    ends = {one.name: _end(one) for one in corpus}
    all_of, broken_of = Counter(ends.values()), Counter(ends[name] for name in found)
    print_table(
        console,
        ("Stage", "Histories", "Broken"),
        [
            (
                Text(stage),
                Text(str(all_of[stage])),
                Text(str(broken_of[stage]), style="bold red" if broken_of[stage] else "green"),
            )
            for stage in (*Stage, NEVER_BEGAN)
            if all_of[stage]
        ],
    )
    for wrong in list(found.values())[:TOLD_IN_FULL]:
        _say(console, f"\n{wrong.told}")
    if more := list(found)[TOLD_IN_FULL:]:
        _say(console, f"\nAnd {len(more)} more: {', '.join(more)}")
        _say(console, f"In full: .venv/bin/python -m tests.replay {more[0]}")
    for remedy in dict.fromkeys(wrong.remedy for wrong in found.values()):
        _say(console, f"\n{remedy.value}")


def _end(one: Recorded) -> str:
    return next((ask.to_stage for ask in reversed(one.trail()) if ask.to_stage), NEVER_BEGAN)


def _say(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=True)


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.replay", description="Replay recorded histories.")
    parser.add_argument(
        "histories", nargs="*", metavar="RELEASE/NAME", help="only these (globs: '*/active*')"
    )
    wanted: list[str] = parser.parse_args().histories
    console = Console(highlight=False)
    corpus = [
        one for one in recorded() if not wanted or any(fnmatch(one.name, pattern) for pattern in wanted)
    ]
    if not corpus:
        _say(console, f"No such history: {', '.join(wanted)}. Names are like {recorded()[0].name}.")
        return 1
    began = time.monotonic()
    try:
        found = judge(console, corpus)
    except ReplayDiedError as error:
        _say(console, f"{error} Does the code here start (python worker.py)? Is there enough memory?")
        return 1
    report(console, corpus, found)
    took = f"{time.monotonic() - began:.1f} s"
    if found:
        _say(console, f"\n{len(found)} of {len(corpus)} histories break under this code ({took}).")
        return 1
    console.print(Text(f"All {len(corpus)} histories replay as recorded ({took}).", style="green"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
