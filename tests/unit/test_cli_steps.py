"""The steps on the command line: what is typed becomes the command meant, or a message that helps."""

import json
from datetime import UTC, date, datetime
from inspect import isclass, signature
from pathlib import Path
from typing import Any, Final

import pytest

from domain.commands import COMMAND_ADAPTER
from domain.contract import Command, ErrorType, Role, Stage
from domain.documents import ApplicationForm, DecisionSheet
from domain.lifecycle import STEPS
from domain.steps import Step
from starter import cli_steps
from starter.commands import Commands
from starter.errors import OnboardingError
from tests.unit.cli_fakes import NOT_FOUND, UID, Cli, FakeService, issued, status

EXAMPLES = Path(__file__).parents[2] / "examples"
FORM = EXAMPLES / "application.json"
SHEET = EXAMPLES / "sheet.json"
ENVELOPE: Final = {"kind", "command_id", "actor", "occurred_at"}


def example_sheet() -> DecisionSheet:
    return DecisionSheet.model_validate_json(SHEET.read_bytes())


def confirming(revision: int = 2) -> FakeService:
    return FakeService([status(Stage.CONFIRMING_TERMS, sheet=issued(example_sheet(), revision))])


def test_the_examples_are_valid_and_fit_each_other() -> None:
    form = ApplicationForm.model_validate_json(FORM.read_bytes(), extra="forbid")
    sheet = DecisionSheet.model_validate_json(SHEET.read_bytes(), extra="forbid")
    assert form.main_uid == UID
    assert sheet.basic.business_type is form.business_type
    assert sheet.basic.territories == form.territories


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_every_command_can_be_sent_by_the_client_and_the_console_script(step: Step) -> None:
    method = getattr(Commands, step.name, None)
    assert method, f"No method `{step.name}` in starter/commands.py: Python callers can't send it."
    carried = set(step.command.model_fields) - ENVELOPE
    assert carried <= signature(method).parameters.keys(), (
        f"{step.name} of starter/commands.py leaves some out"
    )

    # Who is imported there is used there: ruff sees to it.
    offered = [found for found in vars(cli_steps).values() if isclass(found) and issubclass(found, Command)]
    assert step.command in offered, (
        f"No step for {step.name} in starter/cli_steps.py: `onboarding` can't send it."
    )


@pytest.mark.parametrize(
    ("line", "kind", "role", "fields"),
    [
        (["confirm-company", UID], "confirm_company", "partner", {}),
        (
            ["withdraw", UID, "--reason", "new address"],
            "withdraw_application",
            "partner",
            {"reason": "new address"},
        ),
        (["withdraw", UID], "withdraw_application", "partner", {"reason": None}),
        (["ask", UID, "--question", "Who?"], "request_justification", "bd", {"question": "Who?"}),
        (["justify", UID, "--answer", "We."], "provide_justification", "partner", {"answer": "We."}),
        (["approve", UID, "--revision", "3"], "approve_application", "bd", {"form_revision": 3}),
        (
            ["reject", UID, "--code", "no-team", "--explanation", "Hire"],
            "reject_application",
            "bd",
            {"reason_code": "no-team", "explanation": "Hire"},
        ),
        (
            ["confirm", UID, "--revision", "2", "--hash", "ab"],
            "confirm_terms",
            "partner",
            {"sheet_revision": 2, "sheet_hash": "ab"},
        ),
        (
            ["modify", UID, "--text", "24 months", "--field", "a", "--field", "b", "--revision", "1"],
            "modify_terms",
            "partner",
            {"description": "24 months", "fields": ["a", "b"], "sheet_revision": 1},
        ),
        (["contact", UID], "record_contact", "bd", {"note": None}),
        (
            ["signing-path", UID, "--path", "offline_paper", "--order", "vendor_first"],
            "choose_signing_path",
            "bd",
            {"path": "offline_paper", "order": "vendor_first"},
        ),
        (["reopen", UID, "--reason", "wrong"], "reopen_terms", "bd", {"reason": "wrong"}),
        (
            ["reassign", UID, "--bd-name", "Wei", "--bd-email", "wei@vendor.example"],
            "reassign_bd",
            "bd_lead",
            {"bd": {"name": "Wei", "email": "wei@vendor.example"}},
        ),
        (["decline", UID], "decline", "partner", {"reason": None}),
        (["cancel", UID, "--reason", "twice"], "cancel_application", "bd", {"reason": "twice"}),
    ],
)
def test_a_line_becomes_a_command(line: list[str], kind: str, role: str, fields: dict[str, Any]) -> None:
    cli = Cli()
    result = cli.run(*line, "--command-id", "c-1", "--actor-id", "mei", "--actor-name", "Mei Lin")
    assert result.exit_code == 0, result.output
    sent = cli.sent().model_dump(mode="json", exclude={"occurred_at"})
    actor = {"role": role, "id": "mei", "name": "Mei Lin"}
    assert sent == {"kind": kind, "command_id": "c-1", "actor": actor, **fields}
    COMMAND_ADAPTER.validate_python(sent)


def test_a_form_is_read_from_a_file() -> None:
    cli = Cli()
    assert cli.run("submit", UID, "--form", str(FORM)).exit_code == 0
    assert cli.sent().model_dump()["application"]["legal_name"] == "Lin Cloud Ltd"


def test_a_sheet_is_read_from_standard_input() -> None:
    cli = Cli()
    assert cli.run("issue-sheet", UID, "--sheet", "-", stdin=SHEET.read_text()).exit_code == 0
    assert cli.sent().model_dump(mode="json")["sheet"]["basic"]["partner_level"] == "L2"


def test_confirm_takes_the_sheet_as_it_stands() -> None:
    cli = Cli(confirming(revision=2))
    assert cli.run("confirm", UID).exit_code == 0
    sent = cli.sent().model_dump()
    assert (sent["sheet_revision"], sent["sheet_hash"]) == (2, issued(example_sheet()).hash)


def test_modify_takes_the_revision_as_it_stands() -> None:
    cli = Cli(confirming(revision=3))
    assert cli.run("modify", UID, "--text", "x").exit_code == 0
    assert cli.sent().model_dump()["sheet_revision"] == 3


def test_without_a_sheet_the_workflow_is_asked_and_says_what_is_possible() -> None:
    cli = Cli()
    assert cli.run("confirm", UID).exit_code == 0
    assert cli.sent().model_dump()["sheet_revision"] == 1


def test_approve_takes_the_form_as_it_stands() -> None:
    cli = Cli(FakeService([status(Stage.UNDER_REVIEW, form_revision=4)]))
    assert cli.run("approve", UID).exit_code == 0
    assert cli.sent().model_dump()["form_revision"] == 4


@pytest.mark.parametrize("party", ["partner", "vendor"])
def test_who_signs_acts_himself(party: str) -> None:
    cli = Cli(confirming())
    assert cli.run("sign", UID, "--party", party, "--signer", "Mei Lin").exit_code == 0
    assert cli.sent().actor.role == Role(party)
    assert cli.sent().model_dump()["signed_at"].tzinfo is not None


def test_the_e_signature_service_signs_for_a_party() -> None:
    cli = Cli(confirming())
    line = ["sign", UID, "--party", "vendor", "--signer", "A", "--as", "esign", "--document", "D-1"]
    assert cli.run(*line, "--signed-at", "2026-03-01T10:00:00+08:00").exit_code == 0
    sent = cli.sent().model_dump()
    assert sent["actor"]["role"] == "esign"
    assert sent["signed_at"] == datetime(2026, 3, 1, 2, tzinfo=UTC)
    assert sent["document_ref"] == "D-1"


def test_the_start_date_is_a_date_and_a_zone() -> None:
    cli = Cli()
    line = ["amend-start-date", UID, "--date", "2027-02-01", "--zone", "Asia/Riyadh", "--reason", "licence"]
    assert cli.run(*line).exit_code == 0
    sent = cli.sent().model_dump()
    assert (sent["start_date"], sent["time_zone"]) == (date(2027, 2, 1), "Asia/Riyadh")


def test_every_command_has_an_id_of_its_own_unless_given() -> None:
    cli = Cli()
    cli.run("contact", UID)
    cli.run("contact", UID)
    assert len({command.command_id for _, command in cli.running.sent}) == 2


def test_the_new_status_is_printed() -> None:
    cli = Cli(
        FakeService([status(Stage.UNDER_REVIEW, waiting_on="bd", allowed_commands=["approve_application"])])
    )
    result = cli.run("submit", UID, "--form", str(FORM))
    assert "stage: under_review\n" in result.stdout
    assert "possible now: approve_application\n" in result.stdout


def test_a_refusal_is_told_with_its_remedy_and_without_a_trace() -> None:
    link = "https://verify.example.com/"
    refusal = OnboardingError(ErrorType.ENTERPRISE_NOT_VERIFIED, "Not verified", verify_url=link)
    result = Cli(FakeService(refusal=refusal)).run("confirm-company", UID)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("enterprise_not_verified: Not verified\n")
    assert link in result.stderr
    assert "Traceback" not in result.stderr


def test_wrong_fields_are_named_by_their_path(tmp_path: Path) -> None:
    form = json.loads(FORM.read_text())
    form["contact"]["email"] = "nobody"
    form["contact"]["fax"] = "1"
    file = tmp_path / "form.json"
    file.write_text(json.dumps(form))
    cli = Cli()
    result = cli.run("submit", UID, "--form", str(file))
    assert result.exit_code == 1
    assert "application.contact.email: " in result.stderr
    assert "application.contact.fax: Extra inputs are not permitted" in result.stderr
    assert cli.running.sent == []


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b""])
def test_a_file_that_is_not_json_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "form.json"
    file.write_bytes(content)
    result = Cli().run("submit", UID, "--form", str(file))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"invalid: {file} is not JSON")


@pytest.mark.parametrize(
    "line",
    [
        ["submit", UID],
        ["submit", UID, "--form", "no/such/file.json"],
        ["signing-path", UID, "--path", "by_pigeon"],
        ["approve", UID, "--revision", "0"],
        ["approve"],
        ["no-such-command"],
    ],
)
def test_usage_errors_exit_with_2(line: list[str]) -> None:
    assert Cli().run(*line).exit_code == 2


def test_an_unreachable_server_is_told_with_what_to_do() -> None:
    result = Cli(reachable=False).run("confirm-company", UID)
    assert result.exit_code == 1
    assert "localhost:7233" in result.stderr
    assert "TEMPORAL_ADDRESS" in result.stderr
    assert "onboarding up" in result.stderr


def test_a_uid_that_never_joined() -> None:
    result = Cli(FakeService(refusal=NOT_FOUND)).run("approve", UID)
    assert result.exit_code == 1
    assert "join first" in result.stderr
