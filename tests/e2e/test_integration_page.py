"""The page on integrating over HTTP, run as written: by curl alone, against a real `onboarding up`."""

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.test_tutorial import ACTIVATION, FIRST_TERMINAL, ROOT, blocks, first_missing, in_terminal
from tests.e2e.test_up import Up

PAGE: Final = ROOT / "docs/how-to/integrate-over-http.md"
AFTER_THE_STORY: Final = "\n## What to rely on\n"
AT: Final = "http://127.0.0.1:8000"
CUT: Final = 28
"""What curl ends with where the time it was given is over, as with the stream at the end."""
_END_OF_BLOCK: Final = "~ end of block ~"


def test_the_story_is_by_curl_alone_and_has_every_step_of_the_way() -> None:
    story, rest, _ = PAGE.read_text(encoding="utf-8").partition(AFTER_THE_STORY)
    assert rest
    _, tokens, *others = blocks(story)
    programs = {re.split(r"[ =]", line)[0] for each in others for line in each.commands.splitlines()}
    assert {each for each in programs if each and not each.isupper()} == {"curl"}
    assert tokens.commands.startswith(ACTIVATION)
    sent = re.findall(r"\$COMMANDS/(\w+)", story)
    keys = re.findall(r"Idempotency-Key: ([\w-]+)", story)
    assert len(set(keys)) == len(keys) == len(sent)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.skipif(not shutil.which("curl"), reason="the page is about curl")
def test_the_story_runs_as_written(tmp_path: Path) -> None:
    up = Up(tmp_path / ".onboarding")
    up.folder.mkdir()
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    environment = up.environment | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "TERM": "xterm",
        "NO_COLOR": "1",
    }
    story, _, _ = PAGE.read_text(encoding="utf-8").partition(AFTER_THE_STORY)
    start, *others = blocks(story)
    assert start.commands.splitlines() == FIRST_TERMINAL
    # One terminal: what a block assigns is there in the next. The environment is the one that runs this test.
    commands = f"echo '{_END_OF_BLOCK}'\n".join(block.commands for block in others)
    commands = commands.replace(f"{ACTIVATION}\n", "").replace(AT, up.api.removesuffix("/api/v1"))
    with up.running() as (_, told):
        assert first_missing(start.shown, told) is None, told
        code, printed = in_terminal(commands, tmp_path, environment)
    assert code == CUT, printed
    outputs = printed.split(_END_OF_BLOCK)
    assert len(outputs) == len(others), printed
    for block, output in zip(others, outputs, strict=True):
        missing = first_missing(block.shown, output)
        assert missing is None, f"{block.commands}\nshown, not printed: {missing}\n{output}"
