"""The steps on the command line: what is typed becomes the command meant, or a message that helps."""

import json
from datetime import UTC, date, datetime
from inspect import signature
from pathlib import Path
from typing import Any, Final

import pytest
import typer

from domain import coverage
from domain.commands import COMMAND_ADAPTER
from domain.contract import Command, ErrorType, Role, Stage
from domain.documents import ApplicationForm, DecisionSheet
from domain.lifecycle import STEPS
from domain.steps import Step
from starter.cli import codec as cli_codec
from starter.cli import deploy as cli_deploy
from starter.cli import doctor as cli_doctor
from starter.cli import ops as cli_ops
from starter.cli import setup as cli_setup
from starter.cli import steps as cli_steps
from starter.cli.names import TYPED, Typed
from starter.cli.options import options_of
from starter.client.commands import Commands
from starter.client.errors import OnboardingError
from tests.starter.cli_fakes import NOT_FOUND, UID, Cli, FakeService, issued, status
from tools import commands as generate

EXAMPLES = Path(__file__).parents[2] / "examples"
FORM = EXAMPLES / "application.json"
SHEET = EXAMPLES / "sheet.json"
SHARED_OPTIONS: Final = (
    "--as",
    "--actor-id",
    "--actor-name",
    "--command-id",
    "--if-sequence",
    "--json",
    "--help",
)


def typed_names(app: typer.Typer = cli_steps.app) -> list[str]:
    return [
        command.name or getattr(command.callback, "__name__", "").replace("_", "-")
        for command in app.registered_commands
    ]


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
    carried = set(step.command.model_fields) - set(Command.model_fields)
    assert carried <= signature(getattr(Commands, step.name)).parameters.keys()
    assert step.name.replace("_", "-") in typed_names(), "the console script has it by its contract's name"


def test_a_name_is_typed_for_one_command_only() -> None:
    others = [cli_ops.app, cli_setup.app, cli_doctor.app, cli_deploy.app, cli_codec.app]
    names = [*typed_names(), *(name for other in others for name in typed_names(other))]
    assert sorted(names) == sorted(set(names))
    assert {"up", "demo", "account"}.isdisjoint(names)


def test_what_is_typed_is_said_only_of_what_there_is() -> None:
    """And of every command each field has an option of its own."""
    fields = {step.name: step.command.model_fields for step in (*STEPS, *coverage.STEPS)}
    assert TYPED.keys() <= fields.keys()
    for name, typed in TYPED.items():
        assert typed.fields.keys() <= fields[name].keys(), name
    for step in STEPS:
        options = options_of(step, TYPED.get(step.name, Typed()).fields)
        typed_there = [*(each for option in options for each in option.spellings), *SHARED_OPTIONS]
        assert len(set(typed_there)) == len(typed_there), step.name


def test_the_client_is_written_from_the_commands() -> None:
    assert generate.CLIENT.read_text(encoding="utf-8") == generate.client(), "`make generate` writes it anew"


@pytest.mark.parametrize(
    ("line", "kind", "role", "fields"),
    [
        (["confirm-company", UID], "confirm_company", "partner", {"company_hash": None}),
        (
            ["confirm-company", UID, "--hash", "ab"],
            "confirm_company",
            "partner",
            {"company_hash": "ab"},
        ),
        (
            ["withdraw", UID, "--reason", "new address"],
            "withdraw_application",
            "partner",
            {"reason": "new address", "form_revision": 1},
        ),
        (
            ["withdraw", UID, "--revision", "3"],
            "withdraw_application",
            "partner",
            {"reason": None, "form_revision": 3},
        ),
        (
            ["ask", UID, "--question", "Who?"],
            "request_justification",
            "bd",
            {"question": "Who?", "form_revision": 1},
        ),
        (
            ["justify", UID, "--answer", "We."],
            "provide_justification",
            "partner",
            {"answer": "We.", "form_revision": 1},
        ),
        (["approve", UID, "--revision", "3"], "approve_application", "bd", {"form_revision": 3}),
        (
            ["reject", UID, "--code", "no-team", "--explanation", "Hire"],
            "reject_application",
            "bd",
            {"reason_code": "no-team", "explanation": "Hire", "form_revision": 1},
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
        (
            ["reopen", UID, "--reason", "wrong"],
            "reopen_terms",
            "bd",
            {"reason": "wrong", "sheet_revision": 1},
        ),
        (
            ["reassign", UID, "--bd-name", "Wei", "--bd-email", "wei@vendor.example"],
            "reassign_bd",
            "bd_lead",
            {"bd": {"name": "Wei", "email": "wei@vendor.example", "locale": None}},
        ),
        (
            ["correct-contact", UID, "--contact-email", "ann@acme.example"],
            "correct_contact",
            "bd",
            {"email": "ann@acme.example", "name": None},
        ),
        (["resend", UID, "12.sheet_to_confirm"], "resend_email", "bd", {"key": "12.sheet_to_confirm"}),
        (["decline", UID], "decline", "partner", {"reason": None}),
        (["cancel", UID, "--reason", "twice"], "cancel_application", "bd", {"reason": "twice"}),
    ],
)
def test_a_line_becomes_a_command(line: list[str], kind: str, role: str, fields: dict[str, Any]) -> None:
    cli = Cli()
    result = cli.run(*line, "--command-id", "c-1", "--actor-id", "mei", "--actor-name", "Mei Lin")
    assert result.exit_code == 0, result.output
    sent = cli.sent().model_dump(mode="json", exclude={"occurred_at", "if_sequence"})
    actor = {"role": role, "id": "mei", "name": "Mei Lin"}
    via = {"channel": "cli", "client": None}
    assert sent == {"kind": kind, "command_id": "c-1", "actor": actor, "via": via, **fields}
    COMMAND_ADAPTER.validate_python(sent)


@pytest.mark.parametrize(
    ("contract", "short"),
    [
        (["request-justification", UID, "--question", "Who?"], ["ask", UID, "--question", "Who?"]),
        (["cancel-application", UID, "--reason", "twice"], ["cancel", UID, "--reason", "twice"]),
        (["resend-email", UID, "1.x"], ["resend", UID, "1.x"]),
    ],
)
def test_the_contracts_name_does_the_same(contract: list[str], short: list[str]) -> None:
    sent = []
    for line in (contract, short):
        cli = Cli()
        assert cli.run(*line, "--command-id", "c-1").exit_code == 0
        sent.append(cli.sent())
    assert sent[0] == sent[1]


def test_a_command_can_be_for_the_state_one_has_seen() -> None:
    cli = Cli()
    assert cli.run("contact", UID, "--if-sequence", "7").exit_code == 0
    assert cli.sent().if_sequence == 7


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


def test_confirm_company_takes_the_company_as_it_is_shown() -> None:
    company = {"legal_name": "Lin Cloud Ltd", "registration_number": "91", "hash": "cd" * 32}
    cli = Cli(FakeService([status(company=company)]))
    assert cli.run("confirm-company", UID).exit_code == 0
    assert cli.sent().model_dump()["company_hash"] == "cd" * 32


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


def test_the_zone_of_the_start_date_is_the_agreed_one_unless_given() -> None:
    cli = Cli(FakeService([status(Stage.SIGNED, sheet=issued(example_sheet()))]))
    assert cli.run("amend-start-date", UID, "--date", "2027-02-01", "--reason", "licence").exit_code == 0
    assert cli.sent().model_dump()["time_zone"] == example_sheet().basic.time_zone


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


def test_the_status_that_is_printed_is_the_whole_one() -> None:
    change = {"field": "basic.term_months", "before": 12, "after": 24}
    sheet = issued(example_sheet(), 2, changes=[change])
    cli = Cli(FakeService([status(Stage.CONFIRMING_TERMS, sheet=sheet)]))
    result = cli.run("issue-sheet", UID, "--sheet", str(SHEET))
    assert "changed: basic.term_months: 12 → 24\n" in result.stdout


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


@pytest.mark.parametrize(
    ("content", "what"), [(b"{", "JSON"), (b"\xff\xfe", "UTF-8"), (b"", "JSON"), (b"[" * 100_000, "JSON")]
)
def test_a_file_that_is_not_json_is_named(tmp_path: Path, content: bytes, what: str) -> None:
    file = tmp_path / "form.json"
    file.write_bytes(content)
    result = Cli().run("submit", UID, "--form", str(file))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"invalid: {file} is not {what}")


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
    assert "joins first" in result.stderr
