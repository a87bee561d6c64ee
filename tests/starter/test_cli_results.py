"""What the console script says once a command was sent: what became of it, and what is possible now."""

import json
from dataclasses import dataclass

import pytest

from domain.contract import ErrorType, Stage
from domain.status import CommandResult, Status
from starter.client.errors import OnboardingError
from tests.starter.cli_fakes import AT, UID, Cli, FakeService, status


def answering(verdict: str) -> FakeService:
    shown = status(Stage.QUALIFIED, allowed_for={"partner": ["ask_bd"], "bd": ["issue_decision_sheet"]})
    answered = CommandResult.model_validate({"verdict": verdict, "stage": "qualified", "sequence": 3})
    return FakeService([shown], answered=answered)


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        ("accepted", "verdict: accepted\n"),
        ("no_op", "verdict: no_op: this was in place already, nothing has changed\n"),
    ],
)
def test_what_became_of_the_command_is_said(verdict: str, told: str) -> None:
    """A command whose effect is in place is no failure, but it says that nothing happened."""
    result = Cli(answering(verdict)).run("approve", UID)
    assert result.exit_code == 0
    assert told in result.stdout
    as_json = Cli(answering(verdict)).run("approve", UID, "--json")
    shown = json.loads(as_json.stdout)
    assert (shown["answered"]["verdict"], shown["stage"]) == (verdict, "qualified")
    assert "verdict" not in Cli(answering(verdict)).run("status", UID).stdout, "which asks for nothing"


def test_what_is_possible_now_is_what_the_sender_may_do() -> None:
    printed = Cli(answering("accepted")).run("approve", UID, "--as", "bd").stdout
    assert "possible now: bd: issue_decision_sheet\n" in printed
    assert "ask_bd" not in printed
    vendor = Cli(answering("accepted")).run("approve", UID, "--as", "vendor").stdout
    assert "stage: qualified\n" in vendor
    assert "possible now" not in vendor, "who can do nothing is left out"


def test_a_partner_reads_nothing_of_the_vendors_in_the_answer_to_his_own_command() -> None:
    said = {
        "last_refusals": [
            {
                "at": AT,
                "command": "approve_application",
                "error": "stale_revision",
                "message": "No.",
                "role": "bd",
            }
        ],
        "pending_emails": 3,
    }
    for role, reads in (("partner", False), ("bd", True)):
        line = ("correct-contact", UID, "--contact-email", "mei@lincloud.example", "--as", role)
        service = FakeService([status(Stage.QUALIFIED, **said)])
        shown = json.loads(Cli(service).run(*line, "--json").stdout)
        assert (bool(shown["last_refusals"]), shown["pending_emails"] == 3) == (reads, reads)


def test_the_status_shows_what_access_covers_and_what_has_changed_of_it() -> None:
    changes = [
        {
            "uid": "77",
            "added": True,
            "at": AT,
            "by": {"role": "partner", "id": "mei", "name": "Mei\u202e Lin"},
        },
        {"uid": "78", "added": False, "at": AT},
    ]
    access = {"granted": True, "reason": "granted", "covered_uids": [UID, "77"]}
    shown = status(Stage.ACTIVE, access=access, coverage_changes=changes, time_zone="Asia/Shanghai")
    lines = Cli(FakeService([shown])).run("status", UID).stdout.splitlines()
    assert f"covered: {UID}, 77" in lines
    assert [line for line in lines if line.startswith("coverage: ")] == [
        "coverage: UID 77 added at Monday, 2 March 2026 17:30 by partner: Mei\ufffd Lin",
        "coverage: UID 78 removed at Monday, 2 March 2026 17:30",
    ]
    before = Cli().run("status", UID).stdout
    assert "cover" not in before


def test_the_status_names_bd_and_the_lead() -> None:
    bd, lead = ({"name": name, "email": f"{name}@vendor.example".lower()} for name in ("Wei", "Ada"))
    lines = Cli(FakeService([status(bd=bd, bd_lead=lead)])).run("status", UID).stdout.splitlines()
    assert {"BD: Wei <wei@vendor.example>", "BD lead: Ada <ada@vendor.example>"} <= set(lines)


def test_names_keep_what_joins_their_letters() -> None:
    """Persian and emoji need the non-joiner and the joiner, which steer no terminal."""
    name = "\u0645\u06cc\u200c\u0631\u0648\u062f \U0001f469\u200d\U0001f4bb"
    bd = {"name": name + "\u200b\u202e", "email": "a@vendor.example"}
    for terminal in (False, True):
        cli = Cli(FakeService([status(bd=bd)]), terminal=terminal)
        result = cli.run("status", UID)
        told = cli.screen.getvalue() if terminal else result.stdout
        assert f"{name}\ufffd\ufffd <a@vendor.example>" in told


@dataclass
class GoneAfterwards(FakeService):
    """Takes a command, and can't be asked any more."""

    async def status(self, uid: str) -> Status:
        raise OnboardingError(ErrorType.UNAVAILABLE, "no worker")


def test_a_command_that_was_carried_out_is_no_failure_though_the_status_cannot_be_read() -> None:
    result = Cli(GoneAfterwards([status(Stage.AWAITING_SIGNATURES)])).run("contact", UID)
    assert (result.exit_code, "stage: awaiting_signatures\n" in result.stdout) == (0, True)
