"""What the README and the decision records say, held against the code they describe."""

import ast
import hashlib
import importlib
import json
import re
import tomllib
from pathlib import Path
from typing import Any, Final, get_args

import pytest

from domain.contract import UPDATE_NAME, Command, ErrorType
from domain.documents import DecisionSheet, sheet_hash
from domain.intake import parse_command, parse_start
from domain.lifecycle import STAGES, STEPS
from domain.notices import Audience, audience_of
from domain.policy import Policy
from domain.status import Access
from settings import PREFIX, Settings
from tools import diagram, layout
from workflows.search_attributes import ALL

ROOT: Final = Path(__file__).parents[2]
README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
AUDIENCES: Final = {Audience.PARTNER: "partner", Audience.BD: "BD", Audience.BD_LEAD: "BD lead"}


def rows(page: str) -> dict[str, list[str]]:
    """The table rows whose first cell is one word in code style, by that word; the first of a name counts."""
    found: dict[str, list[str]] = {}
    for line in page.splitlines():
        if match := re.match(r"\| `([^`]+)` \| (.*) \|$", line):
            found.setdefault(match[1], match[2].split(" | "))
    return found


def section(title: str) -> dict[str, list[str]]:
    """The rows of one section of the README."""
    _, _, text = README.partition(f"\n{title}\n")
    assert text, title
    return rows(re.split(r"\n##+ ", text)[0])


def blocks(language: str) -> list[str]:
    """The README's code blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_every_command_stands_there_with_who_may_send_it_and_where() -> None:
    contract = section("## Contract for services")
    for step in STEPS:
        assert step.name in contract, f"README.md, “Contract for services”, has no row for `{step.name}`"
        assert contract[step.name][:2] == [diagram.who(step.by), diagram.places(step.where)], step.name
        carried = set(step.command.model_fields) - set(Command.model_fields)
        named = set(re.findall(r"`(\w+)`", contract[step.name][2]))
        assert carried <= named, step.name


def test_every_stage_stands_there() -> None:
    periods = section("## The lifecycle")
    for stage, row in STAGES.items():
        if stage in periods:
            assert periods[stage][0] in (row.waiting_on, "whoever has to sign"), stage
        else:
            assert not row.clocks, f"README.md, “The lifecycle”, has no row for the periods of `{stage}`"


def test_every_error_and_every_answer_of_the_gate_stands_there() -> None:
    answers = section("### What comes back")
    for name in (*ErrorType, *get_args(Access.model_fields["reason"].annotation)):
        assert str(name) in answers


def test_every_mail_stands_there_with_its_reader() -> None:
    mails = section("## E-mails")
    templates = {path.stem for path in (ROOT / "activities/emails/templates/en").glob("[a-z]*.j2")}
    assert {name for name in mails if "_" in name} == templates
    for template in templates:
        assert mails[template][0] == AUDIENCES[audience_of(template)], template


def test_every_setting_stands_there_with_its_default() -> None:
    table = section("## Configuration")
    for name, field in Settings.model_fields.items():
        default, _ = table[PREFIX + name.upper()]
        plain = getattr(field.default, "get_secret_value", lambda shown=field.default: shown)()
        if plain is not None:
            assert default == f"`{plain}`", name
    assert {name for name in table if name.startswith(PREFIX)} == {
        PREFIX + name.upper() for name in Settings.model_fields
    }


@pytest.mark.parametrize("name", [*Policy.model_fields, *(key.name for key in ALL), UPDATE_NAME])
def test_what_callers_and_ops_may_name_stands_there(name: str) -> None:
    assert name in README


def test_the_layout_page_is_current() -> None:
    assert layout.PAGE.read_text(encoding="utf-8") == layout.page(), "`make layout` writes it anew"


def test_every_make_target_has_its_line() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {f"make {name}" for name in re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE)}
    assert {name for name in section("## Developing") if name.startswith("make ")} == targets


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?://)([^)]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_payloads_of_the_examples_parse() -> None:
    [commands] = [block for block in blocks("sh") if "temporal workflow signal" in block]
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


def test_the_imports_of_the_examples_resolve() -> None:
    for block in blocks("python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(str(node.module))
                assert all(hasattr(module, alias.name) for alias in node.names)


def test_the_hash_can_be_recomputed_with_the_standard_library_alone() -> None:
    content: Any = json.loads((ROOT / "examples/sheet.json").read_text(encoding="utf-8"))
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    assert digest in README
    assert digest == sheet_hash(DecisionSheet.model_validate_json(json.dumps(content)))


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    record = next((ROOT / "docs/decisions").glob("0011-*.md")).read_text(encoding="utf-8")
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    wanted += [
        *project["dependency-groups"]["build"],
        *project["dependency-groups"]["ui"],
        *project["project"]["optional-dependencies"]["embedded"],
    ]
    names = {re.split(r"[\[><=~;! ]", requirement)[0] for requirement in wanted}
    assert set(rows(record)) == names


@pytest.mark.parametrize("record", sorted((ROOT / "docs/decisions").glob("*.md")), ids=lambda path: path.stem)
def test_a_decision_record_says_what_why_and_what_follows(record: Path) -> None:
    text = record.read_text(encoding="utf-8")
    assert text.startswith(f"# {record.stem[:4]} ")
    positions = [text.find(f"**{part}.**") for part in ("Context", "Decision", "Why", "Consequences")]
    assert -1 not in positions
    assert positions == sorted(positions)
