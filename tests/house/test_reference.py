"""What the reference says, held against the code it describes."""

import ast
import hashlib
import importlib
import json
import re
from pathlib import Path
from typing import Any, Final, get_args

import pytest

from activities.smtp_replies import DOUBTED_FOR, GIVE_UP_AFTER
from domain.audiences import audience_of
from domain.contract import UPDATE_NAME, Command, ErrorType
from domain.documents import DecisionSheet, sheet_hash
from domain.intake import parse_command, parse_start
from domain.lifecycle import MOMENTS, STAGES
from domain.policy import Policy
from domain.status import Access
from settings import PREFIX, Settings
from starter.cli.runner import FAILED, USAGE
from tests.house.pages import ROOT, blocks, rows, text
from tools import blocks as written_parts
from tools import diagram, generate
from tools.reference import documents, markdown, process
from workflows.calls import UNTIL_IT_WORKS
from workflows.pauses import LONGEST
from workflows.search_attributes import ALL

WRITTEN: Final = generate.files()
SEND: Final = "docs/how-to/send-commands.md"


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_is_written_from_the_code_is_current(path: Path) -> None:
    assert path.exists(), "`make generate` writes it"
    assert path.read_text(encoding="utf-8") == WRITTEN[path], "`make generate` writes it anew"


def test_there_is_no_schema_of_what_is_gone() -> None:
    assert set(documents.FOLDER.glob("*")) == set(documents.schemas())


def test_every_command_stands_there_with_who_may_send_it_and_where() -> None:
    page = text("docs/reference/commands.md")
    table = rows(page)
    for step in process.steps():
        assert table[step.name][:2] == [diagram.who(step.by), diagram.places(step.where)], step.name
        carried = set(step.command.model_fields) - set(Command.model_fields)
        assert carried <= set(re.findall(r"`(\w+)`", table[step.name][2])), step.name
        _, _, described = page.partition(f"\n### `{step.name}`\n")
        described, _, _ = described.partition("\n### ")
        assert step.description.partition(".")[0].replace("\n", " ") in described
        for rule in step.account_rules:
            assert markdown.prose(rule.__doc__) in described
        assert "Must hold: \n" not in described, f"a rule of {step.name} has no docstring"
        refused = (each for told in step.tells_refusal.values() for each in told)
        for notice in (*step.notices, *refused):
            if isinstance(notice, type):
                assert f"`{notice.model_fields['template'].default}`" in described


def test_every_stage_and_every_moment_stands_there() -> None:
    table = rows(text("docs/reference/stages.md"))
    for stage, row in STAGES.items():
        status_text, waits_on, deadlines, _ = table[stage]
        assert (status_text, waits_on) == (row.status_text, row.waiting_on)
        assert bool(row.clocks) == bool(deadlines), stage
    assert {moment.name for moment in MOMENTS} <= table.keys()


def test_every_error_and_every_answer_of_the_gate_stands_there() -> None:
    errors = rows(text("docs/reference/errors.md"))
    for error in ErrorType:
        when, remedy = errors[error]
        assert when
        assert remedy
    answers = rows(text("docs/reference/contract.md"))
    for reason in get_args(Access.model_fields["reason"].annotation):
        assert reason in answers


def test_every_mail_stands_there_with_its_reader_and_when() -> None:
    mails = rows(text("docs/reference/e-mails.md"))
    templates = {path.stem for path in (ROOT / "activities/emails/templates/en").glob("[a-z]*.j2")}
    assert {name for name in mails if "_" in name} == templates
    for template in templates:
        reader, when, english, chinese = mails[template]
        assert reader == process.AUDIENCES[audience_of(template)], template
        assert when, f"the notice {template} needs a docstring: when it leaves"
        assert english != chinese


@pytest.mark.parametrize("page", ["reference/e-mails.md", "how-to/operate.md"])
def test_how_long_a_mail_that_is_refused_waits_stands_there(page: str) -> None:
    """Nothing blocks longer than is said."""
    said = " ".join(text(f"docs/{page}").split())
    assert UNTIL_IT_WORKS.maximum_interval
    for rest in (LONGEST, UNTIL_IT_WORKS.maximum_interval):
        assert f" {rest.total_seconds() / 60:g} minutes" in said
    assert f"after {DOUBTED_FOR.total_seconds() / 86400:g} day " in said
    assert f" {GIVE_UP_AFTER.total_seconds() / 86400:g} days in " in said


def test_every_setting_stands_there_with_its_default() -> None:
    table = rows(text("docs/reference/settings.md"))
    for name, field in Settings.model_fields.items():
        default, meaning = table[PREFIX + name.upper()]
        plain = getattr(field.default, "get_secret_value", lambda shown=field.default: shown)()
        assert default == ("none" if plain is None else f"`{plain}`"), name
        assert meaning
    assert {name for name in table if name.startswith(PREFIX)} == {
        PREFIX + name.upper() for name in Settings.model_fields
    }


@pytest.mark.parametrize(
    ("page", "name"),
    [
        *(("stages", name) for name in Policy.model_fields),
        *(("search-attributes", key.name) for key in ALL),
        ("contract", UPDATE_NAME),
        *(("contract", name) for name in Command.model_fields if name != "kind"),
    ],
)
def test_what_callers_and_ops_may_name_stands_there(page: str, name: str) -> None:
    assert f"`{name}`" in text(f"docs/reference/{page}.md")


def test_every_exit_code_of_ours_stands_there() -> None:
    page = text("docs/reference/console.md")
    for code in (FAILED, USAGE):
        assert f"\n| {code} | " in page


def test_a_page_without_the_markers_is_not_taken_for_current() -> None:
    with pytest.raises(ValueError, match="blocks"):
        written_parts.renewed("# Nothing here", {"lifecycle": "…"})


def test_what_nobody_has_described_is_named() -> None:
    with pytest.raises(ValueError, match=r"settings\.py: nothing_of_the_kind"):
        markdown.Described("settings.py", "Settings")["nothing_of_the_kind"]


def test_the_payloads_of_the_examples_parse() -> None:
    [commands] = [block for block in blocks(text(SEND), "sh") if "temporal workflow signal" in block]
    commands = commands.replace("\\\n", " ")
    sent = re.findall(
        r"workflow (?:signal|update execute) .*?--name (\w+).*?--input '(.*?)'", commands, re.DOTALL
    )
    assert len(sent) == 3
    for name, payload in sent:
        kind = None if name == UPDATE_NAME else name
        assert parse_command(kind, (json.loads(payload),)).command_id
    [start] = re.findall(r"workflow start .*?--input '(.*?)'", commands, re.DOTALL)
    assert parse_start((json.loads(start),)).company_master_uid == "6200000001"


@pytest.mark.parametrize("page", [SEND, "docs/reference/sheet-hash.md"])
def test_the_imports_of_the_examples_resolve(page: str) -> None:
    examples = blocks(text(page), "python")
    assert examples
    for block in examples:
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(str(node.module))
                assert all(hasattr(module, alias.name) for alias in node.names)


def test_the_hash_can_be_recomputed_with_the_standard_library_alone() -> None:
    content: Any = json.loads((ROOT / "examples/sheet.json").read_text(encoding="utf-8"))
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    assert digest in text("docs/reference/sheet-hash.md")
    assert digest == sheet_hash(DecisionSheet.model_validate_json(json.dumps(content)))
