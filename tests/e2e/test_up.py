"""`onboarding up` as a user has it: a process of its own, driven by the console script and by `temporal`."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from alembic import command

from activities.db.engine import Database
from domain.contract import workflow_id
from runtime.processes import free_port
from starter.local.dev_server import temporal_executable
from starter.local.mail_sink import kept_mails
from tests.activities.schemas import alembic

EXAMPLES = Path(__file__).parents[2] / "examples"
FORM = json.loads((EXAMPLES / "application.json").read_text())
UID = FORM["main_uid"]
ONBOARDING = Path(sys.executable).with_name("onboarding")
FORM_UIDS = (UID, *FORM["associated_uids"])
VERIFIED = {
    **{name: FORM[name] for name in ("legal_name", "registration_number", "country")},
    "verified": True,
}
ENTERPRISE = ["--enterprise", FORM["legal_name"], "--registration", FORM["registration_number"]]


@dataclass
class Up:
    """One data folder, its ports, and how to talk to what runs there."""

    folder: Path
    port: int = field(default_factory=free_port)
    ui_port: int = field(default_factory=free_port)
    serve_port: int = field(default_factory=free_port)

    @property
    def api(self) -> str:
        """Where the HTTP API is."""
        return f"{self.pages}/api/v1"

    @property
    def pages(self) -> str:
        """Where people sign in."""
        return f"http://127.0.0.1:{self.serve_port}"

    @property
    def environment(self) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ONBOARDING_", "TEMPORAL_"))
        }
        return inherited | {
            "TEMPORAL_ADDRESS": f"127.0.0.1:{self.port}",
            "ONBOARDING_DATA": str(self.folder),
            "ONBOARDING_SERVE_ADDRESS": f"127.0.0.1:{self.serve_port}",
            "HOME": str(self.folder),
        }

    def command(self) -> list[str]:
        return [
            *(str(ONBOARDING), "up", "--data", str(self.folder)),
            *("--port", str(self.port), "--ui-port", str(self.ui_port)),
        ]

    @contextmanager
    def running(self) -> Iterator[tuple["subprocess.Popen[str]", str]]:
        """The process, once it has told where everything is; killed at the end if it has not ended."""
        with subprocess.Popen(
            self.command(),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                assert process.stdout is not None
                told = ""
                for line in process.stdout:
                    told += line
                    if line.startswith("Next:"):
                        break
                assert "Next:" in told, told
                yield process, told
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """The console script, as another terminal runs it."""
        return subprocess.run(
            [str(ONBOARDING), *arguments], env=self.environment, capture_output=True, text=True, check=False
        )

    def done(self, *arguments: str) -> str:
        """What the console script prints; it must succeed."""
        result = self.run(*arguments)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def signal(self, name: str, **payload: object) -> None:
        """A raw signal, with Temporal's own tool."""
        command = [
            *(str(temporal_executable()), "workflow", "signal", "--workflow-id", workflow_id(UID)),
            *("--name", name, "--input", json.dumps(payload)),
        ]
        subprocess.run(command, env=self.environment, check=True, capture_output=True)

    def listens(self) -> bool:
        """Whether anything answers on the port."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def up(tmp_path: Path) -> Up:
    return Up(tmp_path)


@pytest.mark.timeout(180)
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends Temporal when `up` is killed")
def test_the_process_goes_on_after_everything_was_killed(up: Up) -> None:
    with up.running() as (process, told):
        assert f"127.0.0.1:{up.port}" in told
        assert f"http://127.0.0.1:{up.ui_port}" in told
        assert str(up.folder / "mails") in told
        assert up.api in told
        assert f"{up.pages}/sign-in" in told
        assert "\nIs all well? ONBOARDING_SMTP_URL=smtp://127.0.0.1:" in told
        accounts = up.folder / "accounts.jsonl"
        accounts.write_text(
            "".join(json.dumps({"uid": uid, "enterprise": VERIFIED}) + "\n" for uid in FORM_UIDS)
        )
        up.done("account", "import", str(accounts))
        people = ["--bd-name", "Wei", "--bd-email", "wei@vendor.example"]
        people += ["--lead-name", "Ada", "--lead-email", "ada@vendor.example"]
        contact = ["--contact-name", "Mei Lin", "--contact-email", "mei@lincloud.example"]
        assert "stage: drafting" in up.done("join", UID, *contact, *people)
        up.signal("confirm_company", command_id="s-1", actor={"role": "partner", "id": "crm"})
        up.done("submit", UID, "--form", str(EXAMPLES / "application.json"))
        up.signal("approve_application", command_id="s-2", actor={"role": "bd", "id": "crm"}, form_revision=1)
        os.killpg(process.pid, signal.SIGKILL)
    while up.listens():
        time.sleep(0.05)

    with up.running() as (process, _):
        issued = up.done("issue-sheet", UID, "--sheet", str(EXAMPLES / "sheet.json"))
        assert "stage: confirming_terms" in issued
        up.done("confirm", UID)
        refused = up.run("access", UID)
        assert (refused.returncode, refused.stderr) == (1, "")
        assert "not signed" in refused.stdout
        up.done("sign", UID, "--party", "partner", "--signer", "Mei Lin")
        up.done("sign", UID, "--party", "vendor", "--signer", "Ada")
        assert "stage: active" in up.done("watch", UID, "--interval", "0.1")
        assert up.run("access", UID).returncode == 0
        assert up.run("access", FORM["associated_uids"][0]).returncode == 0
        told = up.done("audit", UID, "--json")
        audit = [event["command"] for event in json.loads(told)]
        assert audit[:4] == ["join", "confirm_company", "submit_application", "approve_application"]
        assert "s-2" in told
        sent = [mail["state"] for mail in json.loads(up.done("mails", UID, "--json"))]
        assert set(sent) == {"sent"}
        assert UID in up.done("list", "--stage", "active")
        token = up.done("token", "mei").strip()
        read = httpx.get(f"{up.api}/applications/{UID}", headers={"Authorization": f"Bearer {token}"})
        assert (read.status_code, read.json()["stage"]) == (200, "active")
        assert "mei, wei, ada, vic, ops, crm" in up.run("token", "joe").stderr
        with httpx.Client(base_url=up.pages, follow_redirects=True) as browser:
            chosen = browser.post(browser.get("/sign-in/start").url, data={"persona": "mei"})
            assert (chosen.url.path, "Mei Lin" in chosen.text) == ("/me", True)
        again = up.run("join", UID, *contact, *people)
        assert (again.returncode, again.stderr.partition(":")[0]) == (1, "already_partner")
        second = subprocess.run(
            [*up.command(), "--port", str(free_port())],
            env=up.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert second.returncode == 1
        assert re.search(r"runs already with the data folder", second.stderr)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
    assert not up.listens()
    subjects = [str(mail.message["Subject"]) for mail in kept_mails(up.folder / "mails")]
    assert len([subject for subject in subjects if "ACPN access" in subject]) == 1
    assert len(subjects) == len(sent)
    unreachable = up.run("confirm-company", UID)
    assert unreachable.returncode == 1
    assert "onboarding up" in unreachable.stderr
    # The database still knows.
    assert "stage: active" in up.done("status", UID)


def test_the_database_of_an_older_release_is_taken_over(up: Up) -> None:
    """Nobody else can be at work in the folder, so that a step others would not survive is taken, too."""
    database = Database(f"sqlite:///{up.folder / 'onboarding.db'}")
    database.in_one_transaction(lambda connection: command.upgrade(alembic(connection), "0001"))
    assert "`onboarding setup --contract`" in up.run("account", "set", UID, *ENTERPRISE).stderr
    with up.running() as (process, _):
        up.done("account", "set", UID, *ENTERPRISE)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
    assert "took break step 0002" in (up.folder / "logs" / "worker.log").read_text(encoding="utf-8")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_while_it_starts(up: Up, number: signal.Signals) -> None:
    with subprocess.Popen(
        up.command(), env=up.environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Starting")
        process.send_signal(number)
        process.wait()
    assert not up.listens()


def test_a_taken_port_is_told(up: Up) -> None:
    with socket.create_server(("127.0.0.1", up.port)):
        result = subprocess.run(up.command(), env=up.environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert f"port {up.port}" in result.stderr
    assert "--port" in result.stderr
    assert "Traceback" not in result.stderr
