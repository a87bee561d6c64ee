"""What the console script shows: readable to a person, plain to a pipe, and nothing that harms a terminal."""

import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from activities.acpn_access import Grant
from domain.audit import Verdict
from domain.contract import ErrorType, Stage, WaitingOn
from domain.coverage import AddAssociatedUid, CoverageAnswer
from domain.status import Access, Status
from starter.cli.main import app
from starter.client.errors import OnboardingError
from starter.client.listed import Listed
from tests.starter.cli_fakes import AT, NOT_FOUND, UID, Cli, FakeArchive, FakeService, status, stored
from tests.starter.test_cli_steps import FORM

JOIN = [
    *("join", UID, "--contact-name", "Mei Lin", "--contact-email", "mei@lincloud.example"),
    *("--bd-name", "Wei", "--bd-email", "wei@vendor.example"),
    *("--lead-name", "Ada", "--lead-email", "ada@vendor.example"),
]


def active(**changes: Any) -> Status:
    access = {"granted": True, "reason": "granted", "message": "ACPN access granted."}
    return status(Stage.ACTIVE, waiting_on="none", outcome=Stage.ACTIVE, access=access, **changes)


MIDNIGHT = datetime(2026, 12, 2, 16, tzinfo=UTC)
"""In Shanghai: the end of Wednesday, 2 December."""


def all_commands() -> list[list[str]]:
    names = []
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]  # a group has them
        names += [[name, inner] for inner in getattr(command, "commands", {})] or [[name]]
    return names


@pytest.mark.parametrize("command", all_commands(), ids=" ".join)
def test_every_help_shows_a_real_example(command: list[str]) -> None:
    result = Cli().run(*command, "--help")
    assert result.exit_code == 0
    assert f"Example: onboarding {' '.join(command)}" in result.stdout


def test_status_for_a_pipe_is_one_fact_a_line() -> None:
    deadline = {"kind": "review", "due_at": MIDNIGHT, "time_zone": "Asia/Shanghai"}
    shown = status(due_at=MIDNIGHT, deadline=deadline, overdue=True, time_zone="Asia/Shanghai")
    lines = Cli(FakeService([shown])).run("status", UID).stdout.splitlines()
    due = "due: review, by the end of Wednesday, 2 December 2026"
    zone = "times in: Asia/Shanghai"
    assert {"stage: drafting", "waiting on: partner", zone, due, "overdue: yes"} <= set(lines)


@pytest.mark.parametrize(
    ("deadline", "told"),
    [
        ({"kind": "contact", "due_at": MIDNIGHT}, "contact, by the end of Wednesday, 2 December 2026"),
        ({"kind": "reminder", "due_at": MIDNIGHT}, "reminder, after the end of Wednesday, 2 December 2026"),
        ({"kind": "reminder", "due_at": AT}, "reminder, at Monday, 2 March 2026 17:30"),
        ({"kind": "access_check", "due_at": AT}, "access check, at Monday, 2 March 2026 17:30"),
        (
            {"kind": "start_date", "due_at": "2026-08-31T16:00:00Z", "time_zone": "Asia/Singapore"},
            "start date, at the start of Tuesday, 1 September 2026 (Asia/Singapore)",
        ),
        (
            {"kind": "start_date", "due_at": MIDNIGHT, "time_zone": "Asia/Shanghai"},
            "start date, at the start of Thursday, 3 December 2026",
        ),
        (
            {"kind": "review", "due_at": MIDNIGHT, "time_zone": "Mars/Base"},
            "review, at Wednesday, 2 December 2026 16:00 (UTC)",
        ),
    ],
)
def test_a_deadline_is_told_as_the_mails_tell_it(deadline: dict[str, Any], told: str) -> None:
    """In the zone of the application, which is named once; another one beside what is in it."""
    shown = status(deadline=deadline, time_zone="Asia/Shanghai")
    assert f"due: {told}\n" in Cli(FakeService([shown])).run("status", UID).stdout


def test_the_start_of_the_contract_is_told_in_its_own_zone() -> None:
    access = {"reason": "before_start_date", "start_date": "2026-09-01", "time_zone": "Asia/Tokyo"}
    shown = status(
        Stage.SIGNED, contract_start_at="2026-08-31T15:00:00Z", access=access, time_zone="Asia/Shanghai"
    )
    lines = Cli(FakeService([shown])).run("status", UID).stdout.splitlines()
    assert "contract start: at the start of Tuesday, 1 September 2026 (Asia/Tokyo)" in lines


def test_a_deadline_that_is_only_estimated_says_why() -> None:
    deadline = {"kind": "review", "due_at": AT, "time_zone": "UTC", "estimate": "no calendar 'XX' here"}
    lines = Cli(FakeService([status(due_at=AT, deadline=deadline)])).run("status", UID).stdout.splitlines()
    assert "estimate: no calendar 'XX' here" in lines


def test_status_names_the_accounts_that_are_covered() -> None:
    access = {"granted": True, "reason": "granted", "message": "ACPN access granted."}
    shown = status(Stage.ACTIVE, access=access | {"covered_uids": [UID, "5123456790"]})
    lines = Cli(FakeService([shown])).run("status", UID).stdout.splitlines()
    assert f"covered: {UID}, 5123456790" in lines
    assert not [line for line in Cli().run("status", UID).stdout.splitlines() if "covered" in line]


def test_status_names_the_newest_event() -> None:
    assert "newest event: 12\n" in Cli(FakeService([status(sequence=12)])).run("status", UID).stdout


def test_status_for_a_person_names_stage_and_text() -> None:
    cli = Cli(terminal=True)
    assert cli.run("status", UID).exit_code == 0
    assert "Signing Process: Alibaba Cloud Reseller Partner" in cli.screen.getvalue()


def test_status_as_json_is_the_contract() -> None:
    result = Cli().run("status", UID, "--json")
    assert Status.model_validate_json(result.stdout, extra="forbid") == status()


def test_what_a_caller_sent_cannot_steer_the_terminal() -> None:
    refusal = {"at": AT, "command": "x\x1b[2J", "error": "invalid", "message": "[bold]\x07 y"}
    result = Cli(FakeService([status(last_refusals=[refusal])])).run("status", UID)
    assert "last refusal: x\ufffd[2J at Monday, 2 March 2026 09:30: invalid: [bold]\ufffd y" in result.stdout
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize("error", [ErrorType.NOT_FOUND, ErrorType.UNAVAILABLE])
def test_status_falls_back_to_what_is_stored(error: ErrorType) -> None:
    service = FakeService(refusal=OnboardingError(error, "gone"))
    result = Cli(service, FakeArchive(stored(active()))).run("status", UID)
    assert result.exit_code == 0
    assert "stage: active" in result.stdout
    assert "as stored at Monday, 2 March 2026 09:30 (UTC)" in result.stdout


def test_status_falls_back_when_temporal_is_down() -> None:
    result = Cli(archived=FakeArchive(stored(active())), reachable=False).run("status", UID)
    assert "stage: active" in result.stdout


def test_status_of_a_uid_that_never_joined() -> None:
    result = Cli(FakeService(refusal=NOT_FOUND)).run("status", UID)
    assert result.exit_code == 1
    assert result.stderr.startswith("not_found: ")


def listed() -> Listed:
    return Listed(
        uid=UID,
        stage=Stage.UNDER_REVIEW,
        waiting_on=WaitingOn.BD,
        due_at=MIDNIGHT,
        overdue=True,
        started_at=AT,
    )


def test_list_for_a_pipe_is_tab_separated() -> None:
    result = Cli(FakeService(applications=[listed()])).run("list")
    due, since = "end of Wed 2 Dec 2026 (Asia/Shanghai)", "2026-03-02 17:30:00+08:00"
    assert result.stdout == f"{UID}\tunder_review\tbd\t{due}\toverdue\t{since}\n"


@pytest.mark.parametrize(
    ("stage", "due_at", "told"),
    [
        (Stage.UNDER_REVIEW, MIDNIGHT, "Wed 2 Dec 2026 17:00"),
        (Stage.UNDER_REVIEW, "2026-12-02T23:00:00Z", "end of Wed 2 Dec 2026"),
        (Stage.SIGNED, "2026-12-02T23:00:00Z", "start of Thu 3 Dec 2026"),
        (Stage.ACTIVE, None, ""),
    ],
)
def test_list_is_in_the_zone_asked_for(stage: Stage, due_at: str | None, told: str) -> None:
    row = Listed.model_validate(listed().model_dump() | {"stage": stage, "due_at": due_at})
    line = Cli(FakeService(applications=[row])).run("list", "--zone", "Europe/Berlin").stdout.split("\t")
    assert line[3] == (told and f"{told} (Europe/Berlin)")
    assert line[5] == "2026-03-02 10:30:00+01:00\n"


def test_list_refuses_a_zone_nobody_knows() -> None:
    result = Cli().run("list", "--zone", "Mars/Base")
    assert result.exit_code == 2
    assert "Mars/Base" in result.stderr


@pytest.mark.parametrize("columns", [100, 80])
def test_list_breaks_no_word(columns: int) -> None:
    longest = Listed(
        uid="5123456789012345",
        stage=Stage.AWAITING_SIGNATURES,
        waiting_on=WaitingOn.PLATFORM,
        due_at=MIDNIGHT,
        overdue=True,
        started_at=AT,
    )
    cli = Cli(FakeService(applications=[longest]), terminal=True, columns=columns)
    cli.run("list")
    printed = cli.screen.getvalue()
    words = re.sub(r"\x1b\[[0-9;]*m", "", printed).split()
    cells = ("5123456789012345", "awaiting_signatures", "platform", "overdue", "2026-03-02", "17:30:00")
    for word in ("Times", "Asia/Shanghai", "Waiting", "Running", *cells, "Wed", "Dec", "2026"):
        assert word in words


def test_list_for_a_person_has_a_heading() -> None:
    cli = Cli(FakeService(applications=[listed()]), terminal=True)
    cli.run("list")
    assert "Waiting on" in cli.screen.getvalue()


def test_list_passes_its_filters_on() -> None:
    cli = Cli()
    assert cli.run("list", "--stage", "signed", "--waiting-on", "platform", "--overdue").exit_code == 0
    assert cli.running.asked == {"stage": Stage.SIGNED, "waiting_on": WaitingOn.PLATFORM, "overdue": True}


def test_a_list_obeys_no_escape_of_a_foreign_workflow_id() -> None:
    foreign = listed().model_copy(update={"uid": "1\x1b[2J\x9b31m\u202e"})
    result = Cli(FakeService(applications=[foreign])).run("list")
    assert "1\ufffd[2J\ufffd31m\ufffd" in result.stdout


def test_json_holds_nothing_a_terminal_obeys_and_reads_the_same() -> None:
    name = "O\x1b\x7f\x9bBrien\u2028\u202e\u2066 陈\U0001f600"
    company = {"legal_name": name, "registration_number": "9"}
    result = Cli(FakeService([status(company=company)])).run("status", UID, "--json")
    assert json.loads(result.stdout)["company"]["legal_name"] == name
    assert "".join(c for c in result.stdout if not c.isprintable()) == "\n"
    assert "陈" in result.stdout


def test_list_as_json() -> None:
    result = Cli(FakeService(applications=[listed()])).run("list", "--json")
    assert json.loads(result.stdout)[0]["uid"] == UID


def test_watch_tells_each_change_until_the_end() -> None:
    service = FakeService([status(), status(), status(Stage.SIGNED), active()])
    lines = Cli(service).run("watch", UID, "--interval", "0").stdout.splitlines()
    assert [line for line in lines if line.startswith("stage: ")] == [
        "stage: drafting",
        "stage: signed",
        "stage: active",
    ]


def test_watch_is_live_on_a_terminal() -> None:
    cli = Cli(FakeService([status(), active()]), terminal=True)
    assert cli.run("watch", UID, "--interval", "0").exit_code == 0
    assert "active" in cli.screen.getvalue()


def test_the_gate_lets_a_granted_account_in() -> None:
    grant = Grant(uid="77", application_id="run-1", company_master_uid=UID, granted_at=AT)
    result = Cli(archived=FakeArchive(granted=grant)).run("access", "77")
    assert result.exit_code == 0
    assert "granted" in result.stdout


def test_the_gate_says_why_not_and_when() -> None:
    access = {"reason": "before_start_date", "message": "Your contract starts later", "available_at": AT}
    result = Cli(FakeService([status(Stage.SIGNED, access=access)])).run("access", UID)
    assert result.exit_code == 1
    assert result.stdout == "Your contract starts later\navailable at: Monday, 2 March 2026 09:30 (UTC)\n"


def test_when_is_not_told_of_what_is_being_opened() -> None:
    """The contract is in effect: its start is past."""
    access = {"reason": "being_opened", "message": "Access is being opened", "available_at": AT}
    result = Cli(FakeService([status(Stage.ACTIVATING, access=access)])).run("access", UID)
    assert (result.exit_code, result.stdout) == (1, "Access is being opened\n")


def test_the_gate_keeps_out_a_master_uid_that_is_not_covered() -> None:
    form = json.loads(FORM.read_text()) | {"main_uid": "77", "associated_uids": []}
    result = Cli(FakeService([active(application=form)])).run("access", UID, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["granted"] is False


def test_the_gate_goes_by_what_is_covered_now() -> None:
    form = json.loads(FORM.read_text())
    access = {"granted": True, "reason": "granted", "message": "", "covered_uids": ["77"]}
    found = active(application=form, sequence=20).model_copy(
        update={"access": Access.model_validate(access), "sequence": 21}
    )
    archive = FakeArchive(application=stored(found).model_copy(update={"sequence": 21}))
    result = Cli(FakeService([active(application=form, sequence=20)]), archive).run("access", UID)
    assert result.exit_code == 1
    assert "Access was granted to UID 77" in result.stdout


def test_the_status_of_an_active_application_is_the_newer_one() -> None:
    ran, since = active(sequence=20), active(sequence=21)
    for kept, shown in ((since, 21), (active(sequence=19), 20), (status(Stage.SIGNED, sequence=30), 20)):
        archive = FakeArchive(application=stored(kept).model_copy(update={"sequence": kept.sequence}))
        result = Cli(FakeService([ran]), archive).run("status", UID, "--json")
        assert json.loads(result.stdout)["sequence"] == shown


@pytest.mark.parametrize("role", [None, "bd"])
def test_an_associated_uid_is_added_and_removed(role: str | None) -> None:
    cli = Cli()
    said = ["--as", role] if role else []
    result = cli.run("coverage", "add", UID, "77", *said, "--command-id", "c-1", "--actor-id", "x")
    assert result.stdout == "UID 77 has access now. Covered: 1, 2.\n"
    command = cli.sent()
    assert isinstance(command, AddAssociatedUid)
    assert (command.company_master_uid, command.associated_uid) == (UID, "77")
    assert (command.command_id, command.actor.role, command.actor.id) == ("c-1", role or "partner", "x")
    assert command.via is not None
    assert command.via.channel == "cli"
    cli = Cli(FakeService(answer=CoverageAnswer(verdict=Verdict.NO_OP, sequence=21, covered_uids=("1",))))
    result = cli.run("coverage", "remove", UID, "77", *said)
    assert result.stdout == "UID 77 has no access already: nothing was done. Covered: 1.\n"
    result = cli.run("coverage", "remove", UID, "77", "--json")
    assert json.loads(result.stdout)["verdict"] == "no_op"


def test_an_associated_uid_that_is_none_is_told_before_it_is_sent() -> None:
    cli = Cli()
    result = cli.run("coverage", "add", UID, "x77")
    assert result.exit_code == 1
    assert result.stderr.startswith("invalid: associated_uid: ")
    assert cli.running.sent == []
    cli = Cli(FakeService(refusal=OnboardingError(ErrorType.UID_MISMATCH, "covered")))
    result = cli.run("coverage", "add", UID, "77")
    assert result.exit_code == 1
    assert result.stderr.startswith("uid_mismatch: covered")


def test_join_starts_an_application() -> None:
    cli = Cli()
    result = cli.run(*JOIN, "--locale", "zh")
    assert result.exit_code == 0, result.output
    [joining] = cli.running.joins
    assert (joining.company_master_uid, joining.locale, joining.bd_lead.name) == (UID, "zh", "Ada")
    assert "note" not in result.stdout


def test_joining_again_enters_the_running_one() -> None:
    result = Cli(FakeService(started=False)).run(*JOIN)
    assert "running already" in result.stdout


def test_wrong_join_fields_are_named() -> None:
    result = Cli().run(*JOIN, "--locale", "de", "--contact-email", "x")
    assert result.exit_code == 1
    assert "locale: " in result.stderr
    assert "contact_email: " in result.stderr


def test_wrong_settings_exit_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONBOARDING_SMTP_URL", "nonsense")
    result = Cli().run("up")
    assert result.exit_code == 2
    assert "ONBOARDING_SMTP_URL" in result.stderr


@pytest.mark.parametrize("folder", [f"{os.devnull}/x", "x" * 300])
def test_a_folder_that_cannot_be_made_is_named(folder: str) -> None:
    result = Cli().run("histories", "export", "--anonymise", folder)
    assert result.exit_code == 2
    assert f"{folder} can't be made: " in result.stderr
    assert "--anonymise" in result.stderr


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, "ONBOARDING_OIDC_ISSUER: must be set"),
        ({"ONBOARDING_OIDC_ISSUER": "http://login.example"}, "ONBOARDING_OIDC_ISSUER: must be the issuer's"),
        ({"ONBOARDING_SERVE_ADDRESS": "8000"}, "ONBOARDING_SERVE_ADDRESS: must be address:port"),
        ({"ONBOARDING_PERSONAS": "/nothing/there.toml"}, "ONBOARDING_PERSONAS: names no file"),
    ],
)
def test_the_api_is_not_served_without_an_issuer(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], told: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = Cli().run("serve")
    assert result.exit_code == 2
    assert told in result.stderr


def test_desks_are_read_before_anything_is_connected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "desks.toml"
    file.write_text("[[desk]]\nname = 7\n")
    monkeypatch.setenv("ONBOARDING_OIDC_ISSUER", "https://login.example")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    monkeypatch.setenv("ONBOARDING_DESKS", str(file))
    result = Cli().run("serve")
    assert result.exit_code == 2
    assert f"ONBOARDING_DESKS: {file}: desk.0.name: must be a JSON string" in result.stderr


def test_a_token_comes_from_onboarding_up_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONBOARDING_SERVE_ADDRESS", "127.0.0.1:1")
    result = Cli().run("token", "mei")
    assert result.exit_code == 1
    assert "No issuer answers at http://127.0.0.1:1/idp" in result.stderr
    assert "`onboarding up` runs one" in result.stderr
