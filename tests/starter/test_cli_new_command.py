"""A command that is entered into the table and nowhere else: what client and console script make of it."""

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal

import pytest
import typer
from pydantic import Field
from typer.testing import CliRunner, Result

from domain.contract import Command, Person, Role, Stage
from domain.documents import Contact, DecisionSheet, Discount
from domain.status import Status
from domain.steps import BD, Step
from domain.values import Amount, Day, HeaderText, Instant, Text
from starter.cli import steps as cli_steps
from tests.starter.cli_fakes import UID, Cli, FakeService, status
from tools import commands as generate


class Urgency(StrEnum):
    LOW = "low"
    HIGH = "high"


class EscalateCase(Command):
    """BD: somebody above has to look at this [now].

    A second paragraph.
    """

    kind: Literal["escalate_case"] = "escalate_case"
    urgency: Urgency
    note: Text = Field(description="What happened.", examples=["A bank called"])
    level: int = Field(ge=1, le=3)
    on_day: Day
    amount: Amount | None = None
    public: bool = False
    topics: tuple[HeaderText, ...] = ()
    levels: tuple[int, ...] = ()
    expert: Person | None = None
    discounts: tuple[Discount, ...] = ()
    terms: DecisionSheet | None = None
    contact: Contact | None = None
    heard_at: Instant
    newest_event: int
    channel: Literal["phone", "mail"] = "mail"


STEP: Final = Step(
    EscalateCase,
    BD,
    (Stage.UNDER_REVIEW,),
    None,
    current={"newest_event": lambda shown: shown.sequence},
)
NEEDED: Final = ("--urgency", "high", "--note", "x", "--level", "2", "--on-day", "2027-02-01")


def run(cli: Cli, *arguments: str) -> Result:
    app = typer.Typer()
    app.command("other")(lambda: None)
    cli_steps.add(app, STEP)
    return CliRunner().invoke(app, list(arguments), obj=cli)


def sent(*arguments: str, shown: Status | None = None) -> dict[str, Any]:
    cli = Cli(FakeService([shown or status(sequence=7)]))
    result = run(cli, "escalate-case", UID, *NEEDED, *arguments)
    assert result.exit_code == 0, result.output
    return cli.sent().model_dump()


def test_only_what_must_be_given_is_given() -> None:
    fields = sent()
    assert fields["actor"]["role"] is Role.BD
    assert (fields["urgency"], fields["note"], fields["level"]) == (Urgency.HIGH, "x", 2)
    assert (fields["on_day"], fields["newest_event"]) == (date(2027, 2, 1), 7)
    assert fields["heard_at"].tzinfo is not None
    assert (fields["amount"], fields["public"], fields["topics"], fields["expert"]) == (None, False, (), None)


def test_every_kind_of_field_has_its_option(tmp_path: Path) -> None:
    discounts = tmp_path / "discounts.json"
    discounts.write_text(json.dumps([{"product_code": "ecs", "percent": "10"}]))
    fields = sent(
        *("--amount", "12.50", "--public", "--topics", "a", "--topics", "b", "--levels", "3"),
        *("--expert-name", "Wei", "--expert-email", "wei@vendor.example", "--discounts", str(discounts)),
        *("--contact-name", "Mei", "--contact-email", "mei@lin.example", "--channel", "phone"),
        *("--heard-at", "2026-03-01T10:00:00+08:00", "--newest-event", "3"),
    )
    assert (fields["amount"], fields["public"], fields["newest_event"]) == (Decimal("12.5"), True, 3)
    assert (fields["topics"], fields["levels"], fields["channel"]) == (("a", "b"), (3,), "phone")
    assert fields["expert"] == {"name": "Wei", "email": "wei@vendor.example", "locale": None}
    assert fields["contact"]["name"] == "Mei"
    assert fields["discounts"][0]["product_code"] == "ecs"
    assert fields["heard_at"].hour == 2


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--level", "4"), 2, "--level"),
        (("--urgency", "whenever"), 2, "--urgency"),
        (("--amount", "much"), 1, "amount: "),
        (("--on-day", "soon"), 1, "on_day: "),
        (("--expert-name", "Wei"), 1, "expert.email: "),
    ],
)
def test_what_is_wrong_is_named(arguments: tuple[str, ...], code: int, told: str) -> None:
    result = run(Cli(), "escalate-case", UID, *NEEDED, *arguments)
    assert (result.exit_code, told in result.stderr) == (code, True), result.output


def test_its_help_comes_from_the_model() -> None:
    told = " ".join(run(Cli(), "escalate-case", "--help").stdout.split())
    assert "BD: somebody above has to look at this [now]. A second paragraph." in told
    assert "What happened." in told
    example = (
        "Example: onboarding escalate-case 5123456789 --urgency low --note 'A bank called' --level LEVEL"
    )
    assert example in told


def test_the_client_has_a_method_for_it() -> None:
    written = generate.client([STEP])
    compile(written, "commands.py", "exec")
    assert "from tests.starter.test_cli_new_command import EscalateCase, Urgency\n" in written
    described = (
        '"""BD: somebody above has to look at this [now].\n\n        A second paragraph.\n        """\n'
    )
    assert described in written
    for parameter in (
        "urgency: Urgency",
        "on_day: date",
        "heard_at: datetime",
        "amount: Decimal | None = None",
        "public: bool = False",
        "topics: tuple[str, ...] = ()",
        "expert: Person | None = None",
        'channel: Literal["phone", "mail"] = "mail"',
    ):
        assert f"        {parameter},\n" in written
    needed, _, optional = written.partition("heard_at: datetime")
    assert "newest_event: int,\n" in optional
    assert "amount: " not in needed


def test_of_a_command_that_changes_by_edition_the_newest_row_counts() -> None:
    older, newer = replace(STEP, until=2), replace(STEP, since=2)
    written = generate.client([older, newer])
    assert written.count("async def escalate_case(") == 1
