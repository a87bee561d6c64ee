"""Today's models read what every release wrote, and say which model, field and release when they don't."""

from enum import StrEnum
from typing import Any, Final

import pytest
from pydantic import BaseModel, Field, create_model

from domain.anytime import ReassignBd
from domain.contract import Actor, Command, Person, Role
from domain.values import Text
from tests.replay import contracts
from tests.replay.contracts import Release, Schema, contract, narrowed, readers, unread
from tests.replay.corpus import HISTORIES, Recorded, recorded, release
from tests.replay.tables import Tables, changed
from workflows import calls, signatures

REMEDY: Final = (
    "Give a new field a default, keep a field and a value that were written once, and only ever widen a type."
    " What is right for new messages only is a rule, not a type."
)
REMEDY_OF_EDITIONS: Final = (
    "Applications of that edition keep its rows: let what is new hold since the next edition, and what goes,"
    " until then (`In(…, since=…, until=…)`, docs/how-to/changing-the-process.md)."
)
GARBAGE: Final = frozenset(
    {
        "associated_uid_too_early.change-2",
        "bad_signals",
        "bad_updates",
        "start_broken_json",
        "start_invalid",
        "start_text",
        "start_two_arguments",
        "start_unknown_encoding",
    }
)
"""Histories of what nothing can read; that it is refused as it was then, `test_replay` sees."""
LOCAL_INPUTS: Final = {"input of look_up"}
"""What a local activity is asked is in no history; `RELEASES` has the schema."""
READABLE: Final = [one for one in recorded() if one.path.stem not in GARBAGE]
RELEASES: Final = dict(contracts.released())


@pytest.mark.parametrize("one", READABLE, ids=lambda one: one.name)
def test_every_payload_is_read_and_nothing_of_it_lost(one: Recorded) -> None:
    found = unread(one, readers())

    if found:
        pytest.fail("\n".join([*found, REMEDY]), pytrace=False)


def test_the_corpus_has_payloads_of_every_kind() -> None:
    met = {payload.what for one in READABLE for payload in contracts.payloads(one)}

    unmet = set(readers()) - met - LOCAL_INPUTS
    assert not unmet, f"No history with {', '.join(sorted(unmet))}. Add a journey, then `make histories`."
    assert not LOCAL_INPUTS & met


def test_every_activity_a_run_asks_for_has_its_models_in_the_contract() -> None:
    assert contracts.ACTIVITIES.keys() == {*calls.NAMES, *signatures.NAMES}


def test_no_model_asks_for_a_null() -> None:
    """Histories leave it out: what is not set needs a default, or the payload is never read."""
    asked_for = [
        f"{name}.{field}"
        for name, model in contract(readers()).items()
        for field in model.get("required", ())
        if {"type": "null"} in model["properties"][field].get("anyOf", ())
    ]

    assert not asked_for, f"Give these the default None: {', '.join(asked_for)}"


@pytest.mark.parametrize("written_by", RELEASES)
def test_no_model_has_become_narrower(written_by: str) -> None:
    found = narrowed(written_by, RELEASES[written_by].models, contract(readers()))

    if found:
        pytest.fail("\n".join([*found, REMEDY]), pytrace=False)


@pytest.mark.parametrize("written_by", RELEASES)
def test_every_activity_has_its_name_still(written_by: str) -> None:
    """One that an older worker has asked for is carried out by today's."""
    gone = RELEASES[written_by].activities.keys() - Release.now().activities.keys()

    assert not gone, f"Release {written_by} asked for {', '.join(sorted(gone))}: keep these activities."


@pytest.mark.parametrize("written_by", RELEASES)
def test_no_edition_has_changed_since_it_was_released(written_by: str) -> None:
    """Also where no history goes."""
    then, now = RELEASES[written_by].editions, Release.now().editions
    found = [
        f"Edition {edition}, {row}; release {written_by} has it otherwise"
        for edition in then
        for row in changed(then[edition], now.get(edition, {}))
    ]

    if found:
        pytest.fail("\n".join([*found, REMEDY_OF_EDITIONS]), pytrace=False)


def test_this_release_has_its_contract() -> None:
    assert RELEASES.get(release()) == Release.now(), (
        f"The contract has changed since tests/replay/contracts/{release()}.json: `make histories` writes it"
        " anew; read the diff. If that version is out, raise it in pyproject.toml first."
    )


def test_every_release_with_histories_has_its_contract() -> None:
    assert {path.name for path in HISTORIES.iterdir()} == set(RELEASES)


class _Reassigned(Command):
    """As `ReassignBd` was: a model to plant changes in."""

    bd: Person
    note: Text | None = None
    urgent: bool = False


class _RoleNow(StrEnum):
    PARTNER = "partner"
    BD = "bd"


THEN: Final[Schema] = contract({"x": _Reassigned})


def planted(**fields: Any) -> Schema:
    """The contract after `_Reassigned` has got these fields."""
    return contract({"x": create_model("_Reassigned", __base__=_Reassigned, **fields)})


def without(schema: Schema, *fields: str) -> Schema:
    """The contract after it has lost these."""
    model = schema["_Reassigned"]
    kept = {name: field for name, field in model["properties"].items() if name not in fields}
    return schema | {"_Reassigned": model | {"properties": kept}}


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (
            planted(urgency=(int, ...)),
            "_Reassigned.urgency: the field has no default, and is not in what release 0.2.0 wrote",
        ),
        (
            planted(note=(str, ...)),
            "_Reassigned.note: the field must be there now, and was optional in what release 0.2.0 wrote",
        ),
        (without(THEN, "note"), "_Reassigned.note: the field is gone; release 0.2.0 wrote it"),
        (
            THEN | {"Role": THEN["Role"] | {"enum": ["partner", "bd", "bd_lead", "vendor", "ops"]}},
            'Role: "esign", "system" is no longer allowed; release 0.2.0 wrote it',
        ),
        (planted(note=(str, "")), '_Reassigned.note: {"type": "null"} is no longer allowed'),
        (planted(urgent=(int, 0)), '_Reassigned.urgent: type "integer" is asked for'),
        (planted(command_id=(str, Field(max_length=9))), "_Reassigned.command_id: maxLength 9 is asked for"),
        ({name: model for name, model in THEN.items() if name != "Person"}, "Person: the model is gone"),
    ],
    ids=["required", "no-longer-optional", "removed", "enum", "null", "type", "bound", "model"],
)
def test_a_narrower_model_is_told_with_field_and_release(now: Schema, told: str) -> None:
    found = "\n".join(narrowed("0.2.0", THEN, now))

    assert told in found


@pytest.mark.parametrize(
    "now",
    [
        planted(urgency=(int, 0)),
        planted(note=(str | int | None, None)),
        THEN | {"Role": THEN["Role"] | {"enum": [*Role, "auditor"]}},
        planted(command_id=(str, ...)),
    ],
    ids=["optional", "type", "enum", "bound"],
)
def test_a_wider_model_is_none(now: Schema) -> None:
    assert narrowed("0.2.0", THEN, now) == []


PROCESS: Final[Tables] = {
    "steps": {"decline": {"by": ["partner"], "where": ["qualified"], "rules": 1}},
    "moments": {"expiry in drafting": {"to": "expired"}},
}


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (
            PROCESS | {"steps": {"decline": {"by": ["partner"], "where": ["qualified"], "rules": 2}}},
            "steps: decline was {'rules': 1}, is now {'rules': 2}",
        ),
        (PROCESS | {"steps": {}}, "steps: decline has gone"),
        (
            PROCESS | {"moments": {**PROCESS["moments"], "reminder in drafting": {}}},
            "moments: reminder in drafting is new",
        ),
    ],
    ids=["rule", "step", "moment"],
)
def test_a_row_that_is_not_what_it_was_is_told(now: Tables, told: str) -> None:
    assert changed(PROCESS, now) == [told]


def test_a_step_more_changes_no_row() -> None:
    assert changed(PROCESS, PROCESS | {"steps": {**PROCESS["steps"], "escalate": {}}}) == []


def _with_new_field() -> type[BaseModel]:
    return create_model("ReassignBd", __base__=ReassignBd, urgency=(int, ...))


def _without_a_field() -> type[BaseModel]:
    return create_model("ReassignBd", __base__=Command, kind=(str, "reassign_bd"))


def _with_a_narrower_enum() -> type[BaseModel]:
    actor = create_model("Actor", __base__=Actor, role=(_RoleNow, ...))
    return create_model("ReassignBd", __base__=ReassignBd, actor=(actor, ...))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (_with_new_field(), "ReassignBd.urgency: Field required"),
        (_without_a_field(), "ReassignBd.bd: Extra inputs are not permitted"),
        (_with_a_narrower_enum(), "ReassignBd.actor.role: Input should be 'partner' or 'bd'"),
    ],
    ids=["required", "removed", "enum"],
)
def test_an_unread_payload_is_told_with_field_and_release(changed: type[BaseModel], told: str) -> None:
    one = next(one for one in recorded() if one.path.stem == "reassign")

    [found] = unread(one, readers() | {"reassign_bd": changed})

    assert found.startswith(told)
    assert f"({one.name} event " in found
    assert found.endswith(f"release {one.path.parent.name} wrote it)")
