"""The tutorial, run as written: its commands against a real `onboarding up`, its outputs held loosely.

Loosely: a line that is shown must come, in that order; instants, dates, ports and frames may differ, and an
ellipsis stands for anything. What is shown after a block of commands may come from any of them.
"""

import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.e2e.test_up import Up

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs/tutorial.md"
ACTIVATION: Final = ". .venv/bin/activate"
FIRST_TERMINAL: Final = ["make setup", ACTIVATION, "onboarding up"]
REFUSED: Final = "wrong_stage:"
"""What a block shows whose command is meant to be refused."""
_BLOCK: Final = re.compile(r"^```(sh|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_VARIES: Final = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) |\d{4}-\d\d-\d\d( \d\d:\d\d(:\d\d)?Z?)?"
    r"|[A-Z][a-z]+day, \d{1,2} [A-Z][a-z]+ \d{4}( \d\d:\d\d)?|(?<=127\.0\.0\.1:)\d+"
)
_FRAME: Final = re.compile(r"\x1b\[[0-9;]*m|[│╭╮╰╯─]")


class Block(NamedTuple):
    """Commands, and what the page shows of what they print."""

    commands: str
    shown: str


def blocks(page: str) -> list[Block]:
    """The page's commands in their order."""
    found: list[Block] = []
    for kind, text in _BLOCK.findall(page):
        if kind == "sh":
            found.append(Block(text, ""))
        else:
            assert not found[-1].shown, f"two outputs after {found[-1].commands}"
            found[-1] = found[-1]._replace(shown=text)
    return found


def plain(text: str) -> str:
    """What is compared of an output: its words, without frames and what varies from day to day."""
    return " ".join(_VARIES.sub("*", _FRAME.sub(" ", text)).split())


def first_missing(shown: str, printed: str) -> str | None:
    """The first line, or part of a line, that is shown and was not printed, in order."""
    rest = plain(printed)
    for line in shown.splitlines():
        for part in filter(None, map(plain, line.split("…"))):
            _, found, rest = rest.partition(part)
            if not found:
                return line
    return None


def in_terminal(commands: str, folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """The exit code and what a person sees: to a pipe the console script prints something else."""
    screen, far_end = os.openpty()
    with subprocess.Popen(
        ["/bin/bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=far_end,
        stderr=far_end,
    ) as process:
        os.close(far_end)
        printed = b""
        # Linux tells the end of it by an error.
        with suppress(OSError):
            while chunk := os.read(screen, 65_536):
                printed += chunk
        os.close(screen)
    return process.returncode, printed.decode()


def test_an_output_is_held_in_its_order_and_loosely() -> None:
    printed = "│ stage  drafting │\n│ due  until Sun 2027-02-28 00:00 (Asia/Shanghai) │\n"
    assert first_missing("…\nstage drafting\ndue until Fri 2026-01-01 00:00 (Asia/…", printed) is None
    assert first_missing("due until Fri 2026-01-01 00:00\nstage drafting\n", printed) == "stage drafting"
    assert first_missing("stage signed", printed) == "stage signed"
    told = "due  expiry, by the end of Saturday, 27 February 2027"
    assert first_missing("by the end of Monday, 1 March 2027", told) is None


@pytest.mark.timeout(300)
def test_the_tutorial_runs_as_written(tmp_path: Path) -> None:
    up = Up(tmp_path / ".onboarding")
    up.folder.mkdir()
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    environment = up.environment | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "TERM": "xterm",
        "NO_COLOR": "1",
        "COLUMNS": "96",
    }
    start, *others = blocks(PAGE.read_text(encoding="utf-8"))
    assert start.commands.splitlines() == FIRST_TERMINAL
    assert others
    with up.running() as (_, told):
        assert first_missing(start.shown, told.replace(str(up.folder), up.folder.name)) is None, told
        for block in others:
            # The environment is the one that runs this test.
            commands = block.commands.replace(f"{ACTIVATION}\n", "")
            code, printed = in_terminal(commands, tmp_path, environment)
            assert code == int(block.shown.startswith(REFUSED)), commands + printed
            missing = first_missing(block.shown, printed.replace(str(up.folder), up.folder.name))
            assert missing is None, f"{commands}\nshown, not printed: {missing}\n{printed}"
