"""The process is pure: nothing in `domain/` reads a clock, a file, a network, or the tables of a library."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, get_type_hints

import pytest
from temporalio import activity

from activities.access import AccessActivities
from activities.coverage import CoverageActivities
from activities.look_up import LookUpActivities
from activities.publishing import PublishingActivities
from activities.signatures.carrying import SignatureActivities
from activities.webhooks.delivering import WebhookActivities
from domain import intake, view
from domain.commands import COMMAND_ADAPTER
from domain.contract import Command
from domain.coverage import Recall, Recalled
from domain.inquiry import AccessClosed, AccessOutcome, AccessRequest, Answers, Head, Inquiry
from domain.publication import Delivery, Publication, Receipt, TakeUp
from domain.signatures import CarriedSignature, CarrySignature, Sweep, Swept
from domain.state import Application
from domain.webhooks import Outcome, Outgoing
from tests import payloads
from tests.domain.applications import journey_to
from workflows import calls, signatures

ROOT: Final = Path(__file__).parents[2]
MODULES: Final = sorted((ROOT / "domain").glob("*.py"))
ALLOWED: Final = {
    *("collections", "dataclasses", "datetime", "decimal", "enum", "hashlib", "inspect", "itertools"),
    *("json", "re", "typing"),
    *("pydantic", "rfc8785"),
    "domain",
}
"""What the process may be made of: a new name here is a decision."""
TABLES: Final = (
    "temporalio",
    "sqlalchemy",
    "httpx",
    "jinja2",
    "pycountry",
    "holidays",
    "email_validator",
    "idna",
    "tzdata",
)
CLOCKS: Final = {"now", "utcnow", "today", "time", "monotonic", "sleep", "random", "uuid4", "open", "getenv"}
"""Calls by these names ask the machine, not the caller."""


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> set[str]:
    """The top-level packages a module imports."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        match node:
            case ast.Import(names=names):
                found |= {name.name.partition(".")[0] for name in names}
            case ast.ImportFrom(module=str(module)):
                found.add(module.partition(".")[0])
    return found


def asked(path: Path) -> Iterator[str]:
    """Calls that would ask the machine: the name, and the line."""
    for node in ast.walk(tree(path)):
        match node:
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) if name in CLOCKS:
                yield f"{name} in line {node.lineno}"


def ids(path: Path) -> str:
    return path.name


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_a_module_of_the_process_imports_nothing_impure(path: Path) -> None:
    assert imported(path) <= ALLOWED


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_a_module_of_the_process_asks_the_machine_nothing(path: Path) -> None:
    assert list(asked(path)) == []


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_a_module_keeps_no_state(path: Path) -> None:
    """What stands in a module is a constant: two runs in one worker can't meet there."""
    for node in ast.walk(tree(path)):
        assert not isinstance(node, ast.Global | ast.Nonlocal), f"line {getattr(node, 'lineno', 0)}"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import temporalio.workflow", {"temporalio"}),
        ("from os import path", {"os"}),
        ("def f():\n    import pycountry", {"pycountry"}),
    ],
)
def test_an_impure_import_is_seen(source: str, found: set[str], tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(source, encoding="utf-8")
    assert imported(module) == found
    assert not imported(module) <= ALLOWED


def test_a_look_at_the_clock_is_seen(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text("at = datetime.now(UTC)\nid = uuid4()", encoding="utf-8")
    assert list(asked(module)) == ["now in line 1", "uuid4 in line 2"]


def test_nothing_it_imports_brings_the_outside_along() -> None:
    names = ", ".join(f"domain.{path.stem}" for path in MODULES if path.stem != "__init__")
    loaded = f"import sys, {names}; print(*sorted(m.partition('.')[0] for m in sys.modules))"
    process = subprocess.run(
        [sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    loaded_modules = set(process.stdout.split())
    assert "domain" in loaded_modules
    assert not loaded_modules & {*TABLES, "activities", "workflows", "runtime", "starter", "settings"}


def test_an_address_in_another_script_brings_no_table_into_a_run() -> None:
    """Imported in the sandbox `idna` is there once for each run: half a mebibyte more."""
    reads = (
        "import sys, workflows.onboarding; from domain import intake; from tests import payloads\n"
        "form = payloads.form('1001', contact=payloads.CONTACT | {'email': '陈美@bücher.example'})\n"
        "said = payloads.command('submit_application', application=form)\n"
        "joined = payloads.join('1001', contact_email='mei@bücher.example')\n"
        "assert intake.parse_command('submit_application', (said,)).application.contact.email\n"
        "assert intake.parse_start((joined,)).contact_email == 'mei@bücher.example'\n"
        "print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    )
    process = subprocess.run(
        [sys.executable, "-c", reads], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(process.stdout.split())
    assert "workflows" in loaded
    assert not loaded & set(TABLES) - {"temporalio"}


def test_with_every_table_gone_commands_and_the_application_still_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on replay under another release: what was accepted once is accepted."""

    def gone(*arguments: Any, **more: Any) -> Any:
        raise AssertionError("a table was asked")

    monkeypatch.setattr("pycountry.countries.get", gone)
    monkeypatch.setattr("pycountry.currencies.get", gone)
    monkeypatch.setattr("email_validator.validate_email", gone)
    journey = journey_to("started")
    for kind in payloads.ROLE_OF:
        said = journey.something_new(kind)
        command = intake.parse_command(kind, (payloads.command(kind, **said),))
        assert COMMAND_ADAPTER.validate_json(command.model_dump_json()) == command
    stored = journey.application.model_dump_json()
    for known, unknown in (("Asia/", "Mars/"), ('"USD"', '"XYZ"'), ('"SG"', '"XX"'), ('"CN"', '"XX"')):
        assert known in stored
        stored = stored.replace(known, unknown)
    read = Application.model_validate_json(stored)
    assert read.start_zone == "Mars/Singapore"
    assert view.describe(read, sequence=1).stage == "activating"


CALLED: Final[dict[str, tuple[Callable[..., Any], type, type]]] = {
    calls.LOOK_UP: (LookUpActivities.look_up, Inquiry, Answers),
    calls.OPEN_ACCESS: (AccessActivities.open_access, AccessRequest, AccessOutcome),
    calls.PUBLISH: (PublishingActivities.publish, Publication, Receipt),
    calls.DELIVER: (PublishingActivities.deliver, Delivery, Receipt),
    calls.TAKE_UP: (PublishingActivities.take_up, TakeUp, Head),
    calls.RECALL: (CoverageActivities.recall, Recall, Recalled),
    calls.CLOSE_ACCESS: (AccessActivities.close_access, AccessRequest, AccessClosed),
    calls.SEND_WEBHOOKS: (WebhookActivities.send_webhooks, Outgoing, Outcome),
    calls.TELL_OF_WEBHOOKS: (WebhookActivities.tell_of_webhooks, Outgoing, Outcome),
    signatures.CARRY_SIGNATURE: (SignatureActivities.carry_signature, CarrySignature, CarriedSignature),
    signatures.SWEEP_SIGNATURES: (SignatureActivities.sweep_signatures, Sweep, Swept),
}
"""What the workflow calls by name, and what answers to that name."""
GROUPS: Final = (
    *(LookUpActivities, AccessActivities, PublishingActivities, CoverageActivities),
    *(WebhookActivities, SignatureActivities),
)


def test_every_name_the_workflow_calls_is_an_activitys() -> None:
    assert CALLED.keys() == {*calls.NAMES, *signatures.NAMES}
    for name, (answers, argument, result) in CALLED.items():
        definition = activity._Definition.must_from_callable(answers)
        hints = get_type_hints(answers)
        assert definition.name == name
        assert hints.pop("return") is result
        assert list(hints.values()) == [argument]


def test_every_activity_is_called_by_the_workflow() -> None:
    defined = {
        definition.name
        for group in GROUPS
        for member in vars(group).values()
        if callable(member) and (definition := activity._Definition.from_callable(member))
    }
    assert defined == CALLED.keys()


def test_workflows_import_no_activity() -> None:
    for path in sorted((ROOT / "workflows").glob("*.py")):
        assert not imported(path) & {"activities", "starter", "runtime", "worker", "settings"}, path.name


def test_activities_know_the_process_but_not_the_workflow() -> None:
    for path in sorted((ROOT / "activities").rglob("*.py")):
        assert not imported(path) & {"workflows", "starter", "runtime", "worker", "settings"}, path.name


def test_every_command_is_frozen() -> None:
    for kind in payloads.ROLE_OF:
        command = journey_to("signed").command(kind, **journey_to("signed").something_new(kind))
        assert isinstance(command, Command)
        assert command.model_config["frozen"]
