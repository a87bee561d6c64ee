"""`onboarding demo` as a user has it: a process that tells and checks the story and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from email import message_from_bytes
from email.policy import SMTPUTF8
from pathlib import Path
from uuid import uuid4

import pytest

ONBOARDING = Path(sys.executable).with_name("onboarding")
MARK = "DEMO_TEST_MARK"

TOLD_IN_ORDER = (
    "clicks JOIN NOW",
    "! enterprise_not_verified",
    "https://account-console.alibabacloud.com/#/newIntlAuth",
    "confirms the company information",
    "to bo.chen@vendor.example.com: New application to review",
    "→ Application withdrawn",
    "submits it again",
    "reminds BD",
    "tells the BD lead",
    "OVERDUE",
    "to li.wei@vendor.example.com: Overdue",
    "→ Please justify your qualification",
    "→ Congratulations on passing the qualification",
    "→ Please confirm the following business terms",
    "→ Your modification is being processed",
    "Δ sheet 2: discounts[ecs].percent: 10 → 12",
    "! stale_revision",
    "→ Waiting for signing contract",
    "signal record_contact",
    "signed for the partner",
    "→ You have successfully signed the contract",
    "! Your contract starts on",
    "moves the contract start",
    "! Your contract starts on",
    "→ ACPN access granted",
    "✓ ACPN access granted.",
    "→ Application rejected",
    "clicks JOIN NOW again",
    "Reference onboarding by signals:",
    "✓ Join  (workflow, database, mails)",
    "elements are as they should be",
)

WRONG_AND_BROKEN_OFF = """
import sys
from pathlib import Path
import starter.demo.story as story
from starter.demo.run import run_demo

async def agree(self):
    raise story.BrokenOffError("the sheet is lost")

story.AMIRA_EMAIL = "somebody.else@falcon.example.com"
story.FirstApplicant.agree = agree
sys.exit(run_demo(keep=False, mails=Path("mails")))
"""

KEEP_WITHOUT_A_STORY = """
import sys
from pathlib import Path
from starter.demo.run import Demo, run_demo

async def tell(self, service, checks):
    pass

Demo._tell = tell
sys.exit(run_demo(keep=True, mails=Path("mails")))
"""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Folders of its own to work in and for temporary files, and settings that would fail if it used them."""
    here, temporary = tmp_path / "here", tmp_path / "temporary"
    here.mkdir()
    temporary.mkdir()
    monkeypatch.chdir(here)
    return os.environ | {
        MARK: str(uuid4()),
        "TMPDIR": str(temporary),
        "ONBOARDING_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nowhere",
        "ONBOARDING_SMTP_URL": "smtp://127.0.0.1:1",
        "ONBOARDING_EMAIL_FROM": "nobody",
        "ONBOARDING_ACCOUNTS_URL": "http://127.0.0.1:1/",
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
    }


def left_behind(environment: Mapping[str, str]) -> list[str]:
    """Temporary files, and (on Linux) processes that inherited the mark: Temporal has a group of its own."""
    left = [path.name for path in Path(environment["TMPDIR"]).iterdir()]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={environment[MARK]}".encode() in (process / "environ").read_bytes().split(b"\0"):
                left.append((process / "cmdline").read_text().replace("\0", " "))
        # Ended meanwhile, or of somebody else.
        except OSError:
            continue
    return left


def start(environment: Mapping[str, str], *command: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def read_until(process: "subprocess.Popen[str]", text: str) -> str:
    """What the process prints up to the line with this text."""
    assert process.stdout is not None
    told = ""
    for line in process.stdout:
        told += line
        if text in line:
            return told
    raise AssertionError(f"{text!r} is not in:\n{told}")


@pytest.mark.timeout(300)
def test_the_story_is_told_and_checked_and_leaves_nothing_behind(environment: dict[str, str]) -> None:
    result = subprocess.run(
        [str(ONBOARDING), "demo"], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    place = 0
    for text in TOLD_IN_ORDER:
        found = result.stdout.find(text, place)
        assert found >= 0, f"{text!r} is not told, or too early:\n{result.stdout}"
        place = found + len(text)
    assert "FAILED" not in result.stdout
    assert "\x1b" not in result.stdout
    assert left_behind(environment) == []
    mails = sorted(Path(".onboarding/demo-mails").iterdir())
    assert f"Every mail to be looked at: {len(mails)} files in .onboarding/demo-mails\n" in result.stdout
    # Those of the reference onboarding, which only shows what a run costs, are not told.
    assert 20 < result.stdout.count("✉ to ") < len(mails)
    first = message_from_bytes(mails[0].read_bytes(), policy=SMTPUTF8)
    assert mails[0].name == f"001-{first['X-Onboarding-Template']}.eml"
    assert f"✉ to {first['Delivered-To']}: {first['Subject']}\n" in result.stdout


@pytest.mark.timeout(300)
def test_what_is_wrong_is_named_and_fails(environment: dict[str, str]) -> None:
    command = [sys.executable, "-c", WRONG_AND_BROKEN_OFF]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "✓ Join  " in result.stdout
    assert "✗ FAILED Submitted  " in result.stdout
    assert "mails: mails: expected [('application_received', 'somebody.else@" in result.stdout
    assert "broken off: BrokenOffError: the sheet is lost" in result.stdout
    assert left_behind(environment) == []


@pytest.mark.parametrize(
    "told", ["Starting", "clicks JOIN NOW"], ids=["while it starts", "in the middle of the story"]
)
def test_ctrl_c_ends_everything(environment: dict[str, str], told: str) -> None:
    with start(environment, str(ONBOARDING), "demo") as process:
        read_until(process, told)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate()
    assert process.returncode == 130, rest
    assert "Traceback" not in rest
    assert left_behind(environment) == []


def test_keep_leaves_it_up_until_ctrl_c(environment: dict[str, str]) -> None:
    with start(environment, sys.executable, "-c", KEEP_WITHOUT_A_STORY) as process:
        told = read_until(process, "Ctrl-C ends everything")
        link = next(word for word in told.split() if word.startswith("http"))
        assert link.endswith("/workflows/reseller-onboarding-5010000000000001")
        with urllib.request.urlopen(link) as page:  # noqa: S310 - the link is one of http, on this machine
            assert page.status == 200
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate()
    assert process.returncode == 0, rest
    assert left_behind(environment) == []
