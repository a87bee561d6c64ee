"""One application from JOIN NOW to access against a running `onboarding up`, by clients in their own worlds:
the installed package, a TypeScript client made from the description, and one for Go, which is compiled; and
the console, through the API."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.test_up import EXAMPLES, ONBOARDING, UID, Up
from tests.house.pages import ROOT

HERE: Final = Path(__file__).parent
DESCRIPTION: Final = ROOT / "docs/reference/openapi.json"
OGEN: Final = "github.com/ogen-go/ogen/cmd/ogen@v1.25.0"

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture
def up(tmp_path: Path) -> Up:
    return Up(tmp_path / "up")


def needs(program: str) -> str:
    """Where a program is; without it the test is left out."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"no {program} here: the client for it can't be made")
    return found


def done(*command: str | Path, cwd: Path, environment: dict[str, str] | None = None) -> str:
    """What a program prints; it must succeed."""
    result = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=500
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def story(up: Up) -> list[str]:
    """What a story is told: where the service is, the tokens of the personas, where the payloads are."""
    tokens = {name: up.done("token", name).strip() for name in ("mei", "wei", "vic")}
    return [up.api.removesuffix("/api/v1"), json.dumps(tokens), str(EXAMPLES)]


def test_the_installed_package_brings_nothing_of_the_service_and_goes_the_whole_way(
    up: Up, tmp_path: Path
) -> None:
    source, wheels, environment = tmp_path / "client", tmp_path / "wheels", tmp_path / "environment"
    shutil.copytree(ROOT / "client", source)
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    done(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, source, cwd=tmp_path)
    done(sys.executable, "-m", "venv", environment, cwd=tmp_path)
    pinned = re.findall(r"^([\w.-]+==[^ \\;]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    (tmp_path / "pinned.txt").write_text("\n".join(pinned))
    (wheel,) = wheels.glob("onboarding_client-*.whl")
    python = environment / "bin/python"
    done(python, "-m", "pip", "--quiet", "install", "--constraint", "pinned.txt", wheel, cwd=tmp_path)
    with up.running():
        told = done(python, "-P", HERE / "python/story.py", *story(up), cwd=tmp_path)
    assert told == "active\n"


def test_a_typescript_client_compiles_and_goes_the_whole_way(up: Up, tmp_path: Path) -> None:
    needs("node")
    npm = needs("npm")
    folder = tmp_path / "typescript"
    shutil.copytree(HERE / "typescript", folder)
    done(npm, "ci", "--no-audit", "--no-fund", cwd=folder)
    tools = folder / "node_modules/.bin"
    done(tools / "openapi-typescript", DESCRIPTION, "--output", "api.d.ts", cwd=folder)
    done(tools / "tsc", "--project", ".", cwd=folder)
    with up.running():
        assert done("node", "story.js", *story(up), cwd=folder) == "active\n"


def test_a_go_client_compiles(tmp_path: Path) -> None:
    go = needs("go")
    environment = {**os.environ, "GOFLAGS": "-mod=mod"}
    done(go, "mod", "init", "example.test/story", cwd=tmp_path)
    ogen = (go, "run", OGEN, "--target", "api", "--package", "api", "--clean", DESCRIPTION)
    done(*ogen, cwd=tmp_path, environment=environment)
    done(go, "mod", "tidy", cwd=tmp_path, environment=environment)
    done(go, "build", "./api/", cwd=tmp_path, environment=environment)


def everybodys(printed: str) -> object:
    """What is printed, without what the reader himself may do: the API knows who he is."""
    found = json.loads(printed)
    if isinstance(found, dict):
        found = {name: value for name, value in found.items() if not name.startswith("allowed_")}
    return found


def test_the_console_goes_through_the_api(up: Up) -> None:
    def run(who: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        # Neither Temporal nor a database is where this looks.
        environment = up.environment | {
            "TEMPORAL_ADDRESS": "127.0.0.1:1",
            "ONBOARDING_DATA": str(up.folder / "nothing"),
            "ONBOARDING_API_URL": up.api.removesuffix("/api/v1"),
            "ONBOARDING_API_TOKEN": tokens[who],
        }
        command = [str(ONBOARDING), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def printed(who: str, *arguments: str) -> str:
        result = run(who, *arguments)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    with up.running():
        tokens = {name: up.done("token", name).strip() for name in ("mei", "wei", "ops", "crm")}
        contact = ("--contact-name", "Mei Lin", "--contact-email", "mei@lincloud.example")
        assert "stage: drafting" in printed("mei", "join", UID, *contact)
        assert "running already" in printed("mei", "join", UID, *contact)
        printed("mei", "confirm-company", UID)
        printed("mei", "submit", UID, "--form", str(EXAMPLES / "application.json"))
        early = run("mei", "confirm", UID, "--revision", "1", "--hash", "0" * 64)
        direct = up.run("confirm", UID, "--revision", "1", "--hash", "0" * 64)
        assert (early.returncode, early.stderr) == (direct.returncode, direct.stderr)
        assert early.returncode == 1
        for told in ("status", "audit", "mails", "sheets", "access"):
            through, direct = run("ops", told, UID, "--json"), up.run(told, UID, "--json")
            assert through.returncode == direct.returncode, told
            assert everybodys(through.stdout) == everybodys(direct.stdout), told
        listed = json.loads(printed("ops", "list", "--json"))
        assert [(each["uid"], each["stage"]) for each in listed] == [(UID, "under_review")]
        acting = ("--as", "partner", "--actor-id", "mei", "--actor-name", "Mei Lin")
        asked = json.loads(printed("crm", "ask-bd", UID, "--question", "When?", *acting, "--json"))
        assert asked["questions"][0]["question"] == "When?"
        for command in (("account", "list"), ("webhook", "list"), ("reconcile",)):
            refused = run("ops", *command)
            assert refused.returncode == 1
            assert "does not go through the API to" in refused.stderr
            assert "ONBOARDING_API_URL" in refused.stderr
        tokens["joe"] = "nonsense"
        refused = run("joe", "status", UID)
        assert refused.returncode == 1
        assert "unauthenticated" in refused.stderr
