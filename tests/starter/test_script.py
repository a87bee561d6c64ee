"""Ctrl-C before the console script has begun, or as it is about to end: no trace, and exit code 130."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
SCRIPT: Final = """
import os, signal, sys, types

def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)

def run():
    print("told", end="")
    {running}

class Loading:
    def find_spec(self, name, path=None, target=None):
        if name == "starter.cli.main":
            {loading}
            sys.modules[name] = types.SimpleNamespace(main=run)
            import importlib.machinery
            return importlib.machinery.ModuleSpec(name, self)
    def create_module(self, spec):
        return sys.modules[spec.name]
    def exec_module(self, module):
        pass

sys.meta_path.insert(0, Loading())
from starter.cli.script import main
main()
"""
TWICE: Final = """
    try:
        ctrl_c()
    finally:
        ctrl_c()
"""


@pytest.mark.parametrize(
    ("loading", "running", "told"),
    [("ctrl_c()", "pass", ""), ("pass", "ctrl_c()", "told"), ("pass", TWICE, "told")],
    ids=["loading", "running", "twice"],
)
def test_ctrl_c_leaves_no_trace(loading: str, running: str, told: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(loading=loading, running=running)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (128 + signal.SIGINT, told, "")
