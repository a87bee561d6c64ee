"""`onboarding codec-server` as a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ONBOARDING: Final = Path(sys.executable).with_name("onboarding")
_BEGINS: Final = "Codec endpoint: "


def environment(**variables: str) -> dict[str, str]:
    """This process's, without the developer's settings, and with these."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("ONBOARDING_", "TEMPORAL_"))
    }
    return inherited | variables


@contextmanager
def codec_server(*options: str, **variables: str) -> Iterator[str]:
    """Its endpoint; at the end it is told to stop, and has to end well."""
    with subprocess.Popen(
        [str(ONBOARDING), "codec-server", "--port", "0", *options],
        env=environment(**variables),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline().strip()
            assert said.startswith(_BEGINS), said
            yield said.removeprefix(_BEGINS)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == 0
        finally:
            process.kill()


def refused(*options: str, **variables: str) -> str:
    """What it says when it does not even start; its exit code must be that of wrong usage."""
    ended = subprocess.run(
        [str(ONBOARDING), "codec-server", "--port", "0", *options],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2, ended
    assert not ended.stdout
    return ended.stderr
