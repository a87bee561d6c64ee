"""Histories without personal data that still replay.

Everything a history holds is replaced unless it is known to be harmless: a value the contract's models list,
a date, an amount, a code's own name. So what a later release adds is replaced until somebody allows it here.
What is computed from a replaced value (the hash of a decision sheet, the fingerprint of a command) is
computed anew, because the workflow computes it again when it replays.
"""

import copy
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import TaskQueueKind
from temporalio.api.history.v1 import HistoryEvent, MarkerRecordedEventAttributes
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.client import WorkflowHistory

from starter.stand_ins import StandIns
from workflows import intake
from workflows.desk import Memory
from workflows.documents import DecisionSheet, sheet_hash
from workflows.emails import EmailBatch, EmailReceipt
from workflows.encryption import CAME_CLEAR
from workflows.facts import AccessOutcome, AccessRequest, AccountFacts, AccountQuery
from workflows.lifecycle import STEPS
from workflows.messages import UPDATE_NAME, AnyCommand, OnboardingInput
from workflows.records import Settled, Transition
from workflows.rules import RefusedError
from workflows.search_attributes import STAGE, WAITING_ON
from workflows.status import Status
from workflows.values import Country, Currency, TimeZone

_MODELS: Final[TypeAdapter[Any]] = TypeAdapter(
    AnyCommand | OnboardingInput | Memory | Transition | Settled | EmailBatch | EmailReceipt
    | Status | AccountQuery | AccountFacts | AccessRequest | AccessOutcome
)  # fmt: skip
"""Whatever our payloads hold."""

_NAMES_OF_CODE: Final = frozenset(
    {
        "temporal.api.common.v1.ActivityType.name",
        "temporal.api.common.v1.WorkflowType.name",
        "temporal.api.common.v1.WorkerVersionStamp.build_id",
        "temporal.api.deployment.v1.WorkerDeploymentVersion.build_id",
        "temporal.api.deployment.v1.WorkerDeploymentVersion.deployment_name",
        "temporal.api.failure.v1.ActivityFailureInfo.activity_id",
        "temporal.api.failure.v1.ApplicationFailureInfo.type",
        "temporal.api.failure.v1.Failure.source",
        "temporal.api.history.v1.ActivityTaskScheduledEventAttributes.activity_id",
        "temporal.api.history.v1.MarkerRecordedEventAttributes.marker_name",
        "temporal.api.history.v1.TimerCanceledEventAttributes.timer_id",
        "temporal.api.history.v1.TimerFiredEventAttributes.timer_id",
        "temporal.api.history.v1.TimerStartedEventAttributes.timer_id",
        "temporal.api.history.v1.WorkflowTaskCompletedEventAttributes.worker_deployment_name",
        "temporal.api.history.v1.WorkflowTaskCompletedEventAttributes.worker_deployment_version",
        "temporal.api.common.v1.RetryPolicy.non_retryable_error_types",
        "temporal.api.sdk.v1.WorkflowTaskCompletedMetadata.sdk_name",
        "temporal.api.sdk.v1.WorkflowTaskCompletedMetadata.sdk_version",
        "temporal.api.taskqueue.v1.TaskQueue.name",
        "temporal.api.taskqueue.v1.TaskQueue.normal_name",
    }
)
"""Fields of a history that code, not people, gives their values; every other text is replaced."""

_DATE_OR_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?|-?P(?=.)[\dDHMSTWY.]*"
)
_LETTER_KEY: Final = re.compile(r"\d+\.([a-z_]+)")
_CALENDAR: Final = re.compile(r"[A-Z]{2}(?:-[A-Z0-9]{1,3})?(?: \(holidays [\d.]+\))?")
_SYSTEM_ATTRIBUTE: Final = re.compile(r"Temporal\w+|BuildIds")
_METADATA: Final = frozenset({"encoding", "messageType", "type", CAME_CLEAR})
_ENCODINGS: Final = frozenset(
    {b"json/plain", b"json/protobuf", b"binary/plain", b"binary/null", b"binary/protobuf"}
)
_SMALL: Final = 1_000_000
"""Counts, revisions and months are smaller; greater numbers may be a UID or a telephone number."""


class Anonymiser:
    """Gives histories of any number of applications stand-ins, the same for the same value in all of them."""

    def __init__(self) -> None:
        self._listed = _listed_values()
        self._words = frozenset[str]().union(*self._listed.values()) | {step.name for step in STEPS}
        self._stand_ins = StandIns(reserved=self._words | self._listed.keys())

    def history(self, history: WorkflowHistory) -> WorkflowHistory:
        """A copy with every personal value replaced."""
        events = [copy.deepcopy(event) for event in history.events]
        self._register_digests(events)
        for event in events:
            self._replace_in(event)
        return WorkflowHistory(self._stand_ins.text(history.workflow_id), events)

    # What is computed from replaced values

    def _register_digests(self, events: Sequence[HistoryEvent]) -> None:
        """The sheets first: commands name their hashes, and fingerprints are taken of commands."""
        for payload in payloads(events):
            for part in _objects(_decoded(payload)):
                self._register_sheet(part.get("sheet"), part.get("sheet_hash"))
                self._register_sheet(part.get("content"), part.get("hash"))
        for name, arguments in _messages(events):
            self._register_fingerprint(name, tuple(_decoded(payload) for payload in arguments))

    def _register_sheet(self, content: Any, known_hash: Any) -> None:
        original, stand_in = _sheet(content), _sheet(self._value(content))
        if original and stand_in:
            self._stand_ins.put_digest(sheet_hash(original), sheet_hash(stand_in))
            if isinstance(known_hash, str):
                self._stand_ins.put_digest(known_hash, sheet_hash(stand_in))

    def _register_fingerprint(self, name: str | None, arguments: tuple[Any, ...]) -> None:
        try:
            original = intake.parse_command(name, arguments)
            stand_in = intake.parse_command(name, tuple(self._value(argument) for argument in arguments))
        except RefusedError:
            return
        self._stand_ins.put_digest(intake.fingerprint(original), intake.fingerprint(stand_in))

    # Temporal's own part of a history

    def _replace_in(self, message: Message) -> None:
        if isinstance(message, Payload):
            self._replace_payload(message)
            return
        if isinstance(message, MarkerRecordedEventAttributes) and message.marker_name == "core_patch":
            return
        if isinstance(message, TaskQueue) and message.kind == TaskQueueKind.TASK_QUEUE_KIND_STICKY:
            message.name = "sticky"
        for field, value in message.ListFields():
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                if _is_map(field):
                    self._replace_map(field.name, value)
                else:
                    for part in value if _is_repeated(value) else [value]:
                        self._replace_in(part)
            elif field.type == FieldDescriptor.TYPE_STRING and field.full_name not in _NAMES_OF_CODE:
                if _is_repeated(value):
                    value[:] = [self._text(field.name, text) for text in value]
                else:
                    setattr(message, field.name, self._text(field.name, value))
            elif field.type == FieldDescriptor.TYPE_BYTES:
                setattr(message, field.name, self._bytes(value))

    def _replace_map(self, field: str, entries: Any) -> None:
        for name in list(entries):
            entry = entries[name]
            if field == "indexed_fields" and _SYSTEM_ATTRIBUTE.fullmatch(name):
                continue
            if field == "details" and name == "data":
                # The core's own: number, times and type of a local activity.
                continue
            if isinstance(entry, Payload):
                key = {STAGE.name: "stage", WAITING_ON.name: "waiting_on"}.get(name, name)
                self._replace_payload(entry, key)
            elif isinstance(entry, Message):
                self._replace_in(entry)
            if field == "fields":
                entries[self._stand_ins.text(name)].CopyFrom(entry)
                del entries[name]

    def _text(self, field: str, text: str) -> str:
        if field == "identity":
            return "anonymous"
        if field in {"signal_name", "name"} and (text in self._words or text == UPDATE_NAME):
            return text
        # The ID of an update's message is made of the update's.
        identifier, slash, rest = text.partition("/") if field.endswith("message_id") else (text, "", "")
        return self._stand_ins.text(identifier) + slash + rest

    # Payloads

    def _replace_payload(self, payload: Payload, key: str = "") -> None:
        value = _decoded(payload)
        if value is _UNDECODABLE:
            payload.data = self._bytes(payload.data)
        else:
            payload.data = _encoded(self._value(value, key))
        for name in list(payload.metadata):
            if name not in _METADATA:
                del payload.metadata[name]
            elif payload.metadata[name] not in _ENCODINGS and name == "encoding":
                payload.metadata[name] = self._bytes(payload.metadata[name])

    def _bytes(self, data: bytes) -> bytes:
        """As long, and as undecodable."""
        text = "".join(chr(byte) if byte < 0x80 else "\x80" for byte in data)
        return self._stand_ins.text(text).encode("latin-1", "replace") if text else data

    def _value(self, value: Any, key: str = "") -> Any:
        match value:
            case str():
                return value if self._is_harmless(key, value) else self._stand_ins.text(value)
            case bool() | None:
                return value
            case int() if abs(value) >= _SMALL:
                return self._stand_ins.number(value)
            case float() if math.isfinite(value) and abs(value) >= _SMALL:
                return float(self._stand_ins.number(int(value)))
            case list():
                return [self._value(part, key) for part in value]
            case dict():
                return {
                    name if name in self._listed else self._stand_ins.text(name): self._value(part, name)
                    for name, part in value.items()
                }
        return value

    def _is_harmless(self, key: str, text: str) -> bool:
        if text in self._listed.get(key, ()) or _DATE_OR_TIME.fullmatch(text):
            return True
        match key:
            case "allowed_commands" | "command" | "error" | "template":
                return text in self._words
            case "key" | "resent_emails":
                letter = _LETTER_KEY.fullmatch(text)
                return letter is not None and letter[1] in self._words
            case "amount" | "from_amount" | "to_amount" | "credit_line" | "percent" | "rate_percent":
                return _is_decimal(text)
            case "calendar":
                return _CALENDAR.fullmatch(text) is not None
            case "country" | "currency" | "time_zone":
                return _is_valid(_KINDS[key], text)
        return False


_KINDS: Final[Mapping[str, TypeAdapter[Any]]] = {
    "country": TypeAdapter(Country),
    "currency": TypeAdapter(Currency),
    "time_zone": TypeAdapter(TimeZone),
}
_UNDECODABLE: Final = object()


def _listed_values() -> dict[str, frozenset[str]]:
    """For every field name of our models the values the models list for it (enums, literals), if any."""
    schema = _MODELS.json_schema()
    definitions: dict[str, Any] = schema["$defs"]

    def values(part: Mapping[str, Any]) -> Iterator[str]:
        if "$ref" in part:
            part = definitions[part["$ref"].rsplit("/", 1)[1]]
        yield from (value for value in (*part.get("enum", ()), part.get("const")) if isinstance(value, str))
        for alternative in part.get("anyOf", ()):
            yield from values(alternative)

    listed: dict[str, frozenset[str]] = {}
    for definition in definitions.values():
        for name, part in definition.get("properties", {}).items():
            listed[name] = listed.get(name, frozenset()) | frozenset(values(part))
    return listed


def payloads(events: Iterable[Message]) -> Iterator[Payload]:
    """Every payload in these parts of a history."""
    for message in events:
        if isinstance(message, Payload):
            yield message
            continue
        for field, value in message.ListFields():
            if field.type != FieldDescriptor.TYPE_MESSAGE:
                continue
            if _is_map(field):
                yield from payloads(part for part in value.values() if isinstance(part, Message))
            else:
                yield from payloads(value if _is_repeated(value) else [value])


def _messages(events: Iterable[HistoryEvent]) -> Iterator[tuple[str | None, Sequence[Payload]]]:
    """The signals, with their names, and the updates."""
    for event in events:
        if event.HasField("workflow_execution_signaled_event_attributes"):
            signal = event.workflow_execution_signaled_event_attributes
            yield signal.signal_name, signal.input.payloads
        if event.HasField("workflow_execution_update_accepted_event_attributes"):
            update = event.workflow_execution_update_accepted_event_attributes
            yield None, update.accepted_request.input.args.payloads


def _decoded(payload: Payload) -> Any:
    """The value, as the workflow's converter reads it without a type."""
    if payload.metadata.get("encoding") != b"json/plain":
        return _UNDECODABLE
    try:
        return from_json(payload.data)
    except ValueError:
        return _UNDECODABLE


def _encoded(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        yield from _objects(child)


def _sheet(content: Any) -> DecisionSheet | None:
    if not isinstance(content, dict):
        return None
    try:
        return DecisionSheet.model_validate_json(_encoded(content))
    except ValidationError:
        return None


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _is_repeated(value: Any) -> bool:
    return not isinstance(value, str | bytes | Message)


def _is_decimal(text: str) -> bool:
    try:
        return Decimal(text.strip()).is_finite()
    except InvalidOperation:
        return False


def _is_valid(kind: TypeAdapter[Any], text: str) -> bool:
    try:
        kind.validate_python(text)
    except ValidationError:
        return False
    return True
