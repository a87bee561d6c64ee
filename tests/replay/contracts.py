"""What each release writes into histories, as JSON schemas, and whether today's models still read it.

``contracts/RELEASE.json`` holds, as that release had it, the schema of every model that crosses a boundary,
the names of its activities with the models they take and give, and the tables of the process, by edition.
`make histories` writes the one of the release that is being made; older ones are never written again.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, get_type_hints

from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError
from pydantic.json_schema import models_json_schema
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent

from activities.access import AccessActivities
from activities.coverage import CoverageActivities
from activities.look_up import LookUpActivities
from activities.publishing import PublishingActivities
from activities.signatures.carrying import SignatureActivities
from activities.webhooks.delivering import WebhookActivities
from domain import coverage
from domain.contract import COVERAGE_TYPE, UPDATE_NAME, WORKFLOW_TYPE, OnboardingInput
from domain.coverage import CoverageAnswer
from domain.editions import FIRST
from domain.lifecycle import NEWEST, STEPS
from domain.signatures import SIGNATURE_TYPE, SWEEP_TYPE, CarriedSignature, Swept
from domain.status import Status
from tests.replay.corpus import Recorded
from tests.replay.tables import Tables, tables
from workflows import calls, signatures
from workflows.memory import Memory

CONTRACTS: Final = Path(__file__).parent / "contracts"
Schema = dict[str, Any]
Readers = Mapping[str, Any]
"""What reads a payload, by where it stands: a model, or ``None`` for nothing."""

_START: Final = "start input"
_MEMORY: Final = "memory"
_STATUS: Final = "status"
_CHANGE: Final = "answer to a change of coverage"
_RESULTS: Final[Mapping[str, tuple[str, type[BaseModel]]]] = {
    WORKFLOW_TYPE: (_STATUS, Status),
    COVERAGE_TYPE: (_CHANGE, CoverageAnswer),
    SIGNATURE_TYPE: ("how a signature was judged", CarriedSignature),
    SWEEP_TYPE: ("what a sweep did", Swept),
}
"""What a run ends with, by its workflow type; the others end with nothing."""
ACTIVITIES: Final[Mapping[str, Any]] = {
    calls.LOOK_UP: LookUpActivities.look_up,
    calls.OPEN_ACCESS: AccessActivities.open_access,
    calls.PUBLISH: PublishingActivities.publish,
    calls.DELIVER: PublishingActivities.deliver,
    calls.TAKE_UP: PublishingActivities.take_up,
    calls.RECALL: CoverageActivities.recall,
    calls.CLOSE_ACCESS: AccessActivities.close_access,
    calls.SEND_WEBHOOKS: WebhookActivities.send_webhooks,
    calls.TELL_OF_WEBHOOKS: WebhookActivities.tell_of_webhooks,
    signatures.CARRY_SIGNATURE: SignatureActivities.carry_signature,
    signatures.SWEEP_SIGNATURES: SignatureActivities.sweep_signatures,
}
"""What carries out each activity, by the name that stands in histories."""


def readers() -> dict[str, Any]:
    """Today's models: of the start input, of what runs hand on, of commands, answers and activities."""
    found: dict[str, Any] = {_START: OnboardingInput, _MEMORY: Memory, **dict(_RESULTS.values())}
    found |= {step.name: step.command for step in (*STEPS, *coverage.STEPS)}
    for name in ACTIVITIES:
        found[f"input of {name}"], found[f"result of {name}"] = _signature(name)
    return found


def _signature(activity: str) -> tuple[type[BaseModel], type[BaseModel]]:
    """What it takes and what it gives."""
    argument, result = get_type_hints(ACTIVITIES[activity]).values()
    return argument, result


def contract(models: Readers) -> Schema:
    """The schemas of these models and all they are made of, by name."""
    wanted = {model for model in models.values() if isinstance(model, type) and issubclass(model, BaseModel)}
    ordered = sorted(wanted, key=lambda model: model.__name__)
    _, document = models_json_schema([(model, "validation") for model in ordered])
    schemas: Schema = _bare(document["$defs"])
    return schemas


def _bare(part: Any) -> Any:
    """Without what a reader of payloads does not go by; a property called ``title`` stays."""
    if isinstance(part, dict):
        said = {key: value for key, value in part.items() if not (key in _SAID and isinstance(value, str))}
        return {key: _bare(value) for key, value in said.items()}
    return [_bare(child) for child in part] if isinstance(part, list) else part


_SAID: Final = ("title", "description")


@dataclass(frozen=True)
class Release:
    """What a release may have left behind in histories."""

    models: Schema
    activities: dict[str, list[str]]
    editions: dict[str, Tables]

    @classmethod
    def now(cls) -> Self:
        """Of the code here."""
        return cls(
            models=contract(readers()),
            activities={name: [model.__name__ for model in _signature(name)] for name in ACTIVITIES},
            editions={str(edition): tables(edition) for edition in range(FIRST, NEWEST + 1)},
        )

    @classmethod
    def of(cls, path: Path) -> Self:
        """As its file holds it."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def written(self) -> str:
        """As its file holds it."""
        return json.dumps(vars(self), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def write(release: str) -> None:
    """Write down the contract of the release that is being made (see `record.folder_to_record`)."""
    CONTRACTS.mkdir(exist_ok=True)
    (CONTRACTS / f"{release}.json").write_text(Release.now().written(), encoding="utf-8")


def released() -> Iterator[tuple[str, Release]]:
    """The contract of every release that has one."""
    for path in sorted(CONTRACTS.glob("*.json")):
        yield path.stem, Release.of(path)


def narrowed(release: str, then: Schema, now: Schema) -> list[str]:
    """What ``release`` may have written that models of this contract don't read, or would lose."""
    found: list[str] = []
    for model, old in then.items():
        if model not in now:
            found.append(f"{model}: the model is gone; release {release} wrote it")
            continue
        new = now[model]
        had, has = old.get("properties", {}), new.get("properties", {})
        found += [
            f"{model}.{field}: the field is gone; release {release} wrote it"
            for field in had.keys() - has.keys()
        ]
        for field in set(new.get("required", ())) - set(old.get("required", ())):
            how = (
                "must be there now, and was optional in" if field in had else "has no default, and is not in"
            )
            found.append(f"{model}.{field}: the field {how} what release {release} wrote")
        for field in had.keys() & has.keys():
            found += [
                f"{model}.{field}: {problem}; release {release} wrote it"
                for problem in _refused(had[field], has[field])
            ]
        found += [f"{model}: {problem}; release {release} wrote it" for problem in _refused(old, new)]
    return sorted(found)


_UPPER_BOUNDS: Final = {"maximum", "exclusiveMaximum", "maxLength", "maxItems"}
_LOWER_BOUNDS: Final = {"minimum", "exclusiveMinimum", "minLength", "minItems"}
_SAME: Final = ("type", "format", "pattern", "$ref", "const")


def _refused(old: Schema, new: Schema) -> Iterator[str]:
    """What the old schema of a value allows and the new one does not, as far as schemas tell."""
    if "enum" in old or "enum" in new:
        gone = [value for value in _values(old) if value not in _values(new)]
        if gone or ("enum" in new and not _values(old)):
            yield f"{', '.join(map(json.dumps, gone)) or 'other values'} is no longer allowed"
        return
    choices, others = _choices(old), _choices(new)
    if len(choices) > 1 or len(others) > 1:
        for choice in choices:
            if all(list(_refused(choice, other)) for other in others):
                yield f"{json.dumps(choice)} is no longer allowed"
        return
    for key in _SAME:
        if key in new and new[key] != old.get(key):
            yield f"{key} {json.dumps(new[key])} is asked for"
    for key in new.keys() & _UPPER_BOUNDS:
        if new[key] < old.get(key, math.inf):
            yield f"{key} {new[key]} is asked for"
    for key in new.keys() & _LOWER_BOUNDS:
        if new[key] > old.get(key, -math.inf):
            yield f"{key} {new[key]} is asked for"
    for key in ("items", "additionalProperties"):
        if isinstance(old.get(key), dict) and isinstance(new.get(key), dict):
            yield from _refused(old[key], new[key])


def _choices(schema: Schema) -> list[Schema]:
    choices: list[Schema] = schema.get("anyOf") or schema.get("oneOf") or [schema]
    return choices


def _values(schema: Schema) -> list[JsonValue]:
    if "const" in schema:
        return [schema["const"]]
    return list(schema.get("enum", ()))


@dataclass(frozen=True)
class Found:
    """A payload of a history: ``what`` says by which of the `readers` it is read."""

    event: int
    what: str
    payload: Payload


def payloads(one: Recorded) -> Iterator[Found]:
    """Every payload of ours in a history, except headers, summaries and search attributes.

    A local activity leaves its result only: what `look_up` was asked is in no history.
    """
    activities: dict[int, str] = {}
    workflow_type = ""
    for event in one.history().events:
        kind = event.WhichOneof("attributes")
        attributes = getattr(event, str(kind))
        if kind == "workflow_execution_started_event_attributes":
            workflow_type = attributes.workflow_type.name
        if kind == "activity_task_scheduled_event_attributes":
            activities[event.event_id] = attributes.activity_type.name
        for what, payload in _of(event, workflow_type, activities):
            yield Found(event.event_id, what, payload)


def _of(
    event: HistoryEvent, workflow_type: str, activities: Mapping[int, str]
) -> Iterable[tuple[str, Payload]]:
    attributes = getattr(event, str(event.WhichOneof("attributes")))
    match event.WhichOneof("attributes"):
        case (
            "workflow_execution_started_event_attributes"
            | "workflow_execution_continued_as_new_event_attributes"
        ):
            if workflow_type == COVERAGE_TYPE:
                return [(json.loads(payload.data)["kind"], payload) for payload in attributes.input.payloads]
            order = (_START, _MEMORY) if workflow_type == WORKFLOW_TYPE else (_MEMORY,)
            return zip(order, attributes.input.payloads, strict=False)
        case "start_child_workflow_execution_initiated_event_attributes":
            return [(_MEMORY, payload) for payload in attributes.input.payloads]
        case "workflow_execution_signaled_event_attributes":
            return [(attributes.signal_name, payload) for payload in attributes.input.payloads]
        case "workflow_execution_update_accepted_event_attributes":
            arguments = attributes.accepted_request.input.args.payloads
            return [(UPDATE_NAME, payload) for payload in arguments]
        case "workflow_execution_update_completed_event_attributes":
            return [(_STATUS, payload) for payload in attributes.outcome.success.payloads]
        case "workflow_execution_completed_event_attributes" if workflow_type in _RESULTS:
            what, _ = _RESULTS[workflow_type]
            return [(what, payload) for payload in attributes.result.payloads]
        case "activity_task_scheduled_event_attributes":
            name = attributes.activity_type.name
            return [(f"input of {name}", payload) for payload in attributes.input.payloads]
        case "activity_task_completed_event_attributes":
            name = activities[attributes.scheduled_event_id]
            return [(f"result of {name}", payload) for payload in attributes.result.payloads]
        case "marker_recorded_event_attributes" if "result" in attributes.details:
            name = json.loads(attributes.details["data"].payloads[0].data)["activity_type"]
            return [(f"result of {name}", payload) for payload in attributes.details["result"].payloads]
        case _:
            return ()


def unread(one: Recorded, models: Readers) -> list[str]:
    """What of a history these models don't read, or would lose: model, field, reason, and who wrote it."""
    found: list[str] = []
    for payload in payloads(one):
        data, what = payload.payload.data, payload.what
        where = f"{one.name} event {payload.event}: release {one.path.parent.name} wrote it"
        if what == UPDATE_NAME:
            what = json.loads(data)["kind"]
        model = models.get(what, KeyError)
        if model is KeyError:
            found.append(f"{what}: nothing reads it ({where})")
        elif data:
            try:
                TypeAdapter(model).validate_json(data, extra="forbid")
            except ValidationError as error:
                found += [
                    f"{model.__name__}.{'.'.join(map(str, problem['loc']))}: {problem['msg']} ({where})"
                    for problem in error.errors(include_url=False)
                ]
    return found
