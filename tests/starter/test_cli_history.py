"""What the console script shows of the past: the audit trail, the mails and the sheets."""

import json
from typing import Any

import pytest

from activities.db.applications import StoredSheet
from activities.db.email_ledger import LedgerRow
from domain.audit import AuditEvent, Verdict
from domain.contract import Actor, Role, Stage
from tests.starter.cli_fakes import AT, NOT_FOUND, UID, Cli, FakeArchive, FakeService, issued, status, stored
from tests.starter.test_cli_steps import example_sheet


def test_audit_shows_who_did_what() -> None:
    event = AuditEvent(
        sequence=1,
        at=AT,
        command="approve_application",
        verdict=Verdict.REFUSED,
        actor=Actor(role=Role.PARTNER, id="mei"),
        from_stage=Stage.UNDER_REVIEW,
        to_stage=Stage.UNDER_REVIEW,
        error="forbidden",
        message="only BD\nmay",
    )
    cli = Cli(archived=FakeArchive(stored(status()), events=(event,)))
    assert cli.run("audit", UID).stdout.split("\t") == [
        *("1", "2026-03-02 09:30:00Z", "partner: mei", "approve_application", "refused", "under_review"),
        "forbidden: only BD may\n",
    ]
    assert json.loads(cli.run("audit", UID, "--json").stdout)[0]["error"] == "forbidden"


def event(command: str, role: Role = Role.BD, **changes: Any) -> AuditEvent:
    told = {
        "sequence": 1,
        "at": AT,
        "command": command,
        "verdict": Verdict.ACCEPTED,
        "actor": Actor(role=role, id="x"),
        "from_stage": Stage.UNDER_REVIEW,
        "to_stage": Stage.UNDER_REVIEW,
    }
    return AuditEvent.model_validate(told | changes)


@pytest.mark.parametrize(
    ("command", "changes", "told"),
    [
        ("request_justification", {"details": {"question": "How many?"}}, "question: How many?"),
        ("provide_justification", {"details": {"answer": "Ten."}}, "answer: Ten."),
        (
            "reassign_bd",
            {"details": {"bd": {"name": "Wei Zhang", "email": "wei@vendor.example"}}},
            "bd: Wei Zhang <wei@vendor.example>",
        ),
        ("issue_decision_sheet", {"sheet_revision": 2}, "revision 2"),
        ("submit_application", {"form_revision": 3}, "revision 3"),
        (
            "modify_terms",
            {"details": {"sheet_revision": 2, "description": "ECS", "fields": ["a", "b"]}},
            "sheet revision: 2; description: ECS; fields: a, b",
        ),
        (
            "confirm_terms",
            {"details": {"sheet_revision": 2, "sheet_hash": "ab" * 32}},
            "sheet revision: 2",
        ),
        (
            "submit_application",
            {
                "verdict": "refused",
                "error": "uid_mismatch",
                "message": "No.",
                "details": {"application": {"legal_name": "X"}},
            },
            "uid_mismatch: No.",
        ),
    ],
)
def test_audit_as_text_says_what_was_said(command: str, changes: dict[str, Any], told: str) -> None:
    cli = Cli(archived=FakeArchive(stored(status()), events=(event(command, **changes),)))
    assert cli.run("audit", UID).stdout.split("\t")[-1] == f"{told}\n"


def test_every_page_of_an_application_is_in_its_zone() -> None:
    revision = StoredSheet(sheet=issued(example_sheet()), issued_at=AT)
    shown = stored(status(time_zone="Asia/Shanghai"))
    archive = FakeArchive(shown, (event("x"),), [ledger_row("sent")], (revision,))
    for page in ("audit", "mails", "sheets"):
        assert "2026-03-02 17:30:00+08:00\t" in Cli(archived=archive).run(page, UID).stdout
        cli = Cli(archived=archive, terminal=True)
        cli.run(page, UID)
        assert cli.screen.getvalue().count("Asia/Shanghai") == 1, "named once"
        assert "2026-03-02 17:30:00 " in cli.screen.getvalue()


class TestReaders:
    """What one role may read."""

    def test_a_partner_does_not_read_what_bd_was_refused(self) -> None:
        refusals = [
            {"at": AT, "command": "x", "error": "invalid", "message": "Said to BD", "role": "bd"},
        ]
        shown = status(
            last_refusals=refusals,
            allowed_commands=["submit_application", "cancel_application"],
            allowed_for={"partner": ["submit_application"], "bd": ["cancel_application"]},
        )
        service = FakeService([shown])
        partner = Cli(service).run("status", UID, "--as", "partner")
        assert "Said to BD" not in partner.stdout
        assert "possible now: partner: submit_application\n" in partner.stdout
        assert "cancel_application" not in partner.stdout
        as_json = json.loads(Cli(service).run("status", UID, "--as", "partner", "--json").stdout)
        assert (as_json["last_refusals"], as_json["allowed_commands"]) == ([], ["submit_application"])
        everything = Cli(service).run("status", UID).stdout
        assert "Said to BD" in everything
        assert "possible now: bd: cancel_application\n" in everything

    def test_nor_its_trail(self) -> None:
        events = (
            event("record_contact", details={"note": "Hard to reach"}),
            event("approve_application", verdict="refused", error="wrong_stage", message="Too late"),
        )
        archive = FakeArchive(stored(status()), events=events)
        shown = Cli(archived=archive).run("audit", UID, "--as", "partner").stdout
        assert "record_contact" in shown
        assert "Hard to reach" not in shown
        assert "Too late" not in shown
        assert "note: Hard to reach" in Cli(archived=archive).run("audit", UID).stdout

    def test_nor_its_mails(self) -> None:
        rows = [
            ledger_row("withdrawn", reason="Its run in Temporal was terminated"),
            ledger_row("failed", key="2.review_requested", template="review_requested", reason="550 no"),
        ]
        archive = FakeArchive(stored(status()), ledger=rows)
        shown = Cli(archived=archive).run("mails", UID, "--as", "partner").stdout
        assert "1.application_received" in shown
        assert "terminated" not in shown
        assert "review_requested" not in shown
        for role in ("bd", "ops"):
            everything = Cli(archived=archive).run("mails", UID, "--as", role).stdout
            assert "terminated" in everything
            assert "review_requested" in everything


def test_mails_show_what_became_of_each() -> None:
    row = ledger_row("failed", attempts=1, reason="550 no such user", failed_at=AT)
    cli = Cli(archived=FakeArchive(stored(status()), ledger=[row]))
    assert "failed\t1.application_received\tmei@lincloud.example" in cli.run("mails", UID).stdout
    assert json.loads(cli.run("mails", UID, "--json").stdout)[0]["reason"] == "550 no such user"


def ledger_row(state: str, **changes: Any) -> LedgerRow:
    return LedgerRow.model_validate(
        {
            "key": "1.application_received",
            "template": "application_received",
            "locale": "en",
            "recipient": "mei@lincloud.example",
            "subject": "Application received",
            "message_id": "<x@y>",
            "state": state,
            "attempts": 0,
            "reason": None,
            "queued_at": AT,
            "sent_at": None,
            "failed_at": None,
        }
        | changes
    )


def test_a_mail_of_what_was_undone_shows_as_withdrawn() -> None:
    cli = Cli(archived=FakeArchive(stored(status()), ledger=[ledger_row("withdrawn")]))
    assert "\twithdrawn\t1.application_received\t" in cli.run("mails", UID).stdout


def test_sheets_show_every_revision_and_which_are_void() -> None:
    change = {"field": "basic.term_months", "before": 12, "after": 24}
    revisions = (
        StoredSheet(sheet=issued(example_sheet()), issued_at=AT, void=True),
        StoredSheet(sheet=issued(example_sheet(), 2, changes=[change]), issued_at=AT),
    )
    cli = Cli(archived=FakeArchive(stored(status()), revisions=revisions))
    digest, instant = issued(example_sheet()).hash, "2026-03-02 09:30:00Z"
    assert cli.run("sheets", UID).stdout.splitlines() == [
        f"1\t{instant}\t{digest}\tvoid\t",
        f"2\t{instant}\t{digest}\t\tbasic.term_months: 12 → 24",
    ]
    [first, second] = json.loads(cli.run("sheets", UID, "--json").stdout)
    assert (first["void"], second["sheet"]["content"]["basic"]["partner_level"]) == (True, "L2")


def test_audit_of_a_uid_that_never_joined() -> None:
    assert Cli(FakeService(refusal=NOT_FOUND)).run("audit", UID).exit_code == 1
