"""Histories without personal data that still replay.

Everything a history holds is replaced unless it is known to be harmless: a name of code, or what
`starter.release.harmless` allows. So what a later release adds is replaced until somebody allows it.
What is computed from a replaced value (the hash of a decision sheet, the fingerprint of a command) is
computed anew, because the workflow computes it again when it replays.
"""

import copy
import json
import math
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import TaskQueueKind
from temporalio.api.history.v1 import HistoryEvent, MarkerRecordedEventAttributes
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.client import WorkflowHistory

from domain import intake
from domain.contract import UPDATE_NAME
from domain.documents import SHEET_FIELDS, ApplicationForm, DecisionSheet, canonical_hash, path_of, sheet_hash
from domain.refusal import RefusedError
from domain.status import Company
from starter.release.harmless import SMALL, Harmless
from starter.release.stand_ins import StandIns
from workflows.encryption import CAME_CLEAR
from workflows.search_attributes import DUE_AT, STAGE, WAITING_ON

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

_SYSTEM_ATTRIBUTE: Final = re.compile(r"Temporal\w+|BuildIds")
_FIELD_OF_ATTRIBUTE: Final = {STAGE.name: "stage", WAITING_ON.name: "waiting_on", DUE_AT.name: "due_at"}
_SHEET_FIELDS: Final = frozenset({"fields", "modification_fields"})
"""What names fields of the decision sheet, which only are accepted there."""
_ITEM: Final = re.compile(r"(?<=\[)[^\]]+(?=\])")
"""What an item of a list is called in the name of a field: what it is called in the sheet."""
_METADATA: Final = frozenset({"encoding", "messageType", "type", CAME_CLEAR})
_ENCODINGS: Final = frozenset(
    {b"json/plain", b"json/protobuf", b"binary/plain", b"binary/null", b"binary/protobuf"}
)

Model = TypeVar("Model", bound=BaseModel)


class Anonymiser:
    """Gives histories of any number of applications stand-ins, the same for the same value in all of them."""

    def __init__(self) -> None:
        self._harmless = Harmless()
        self._stand_ins = StandIns(reserved=self._harmless.words.union(self._harmless.fields))

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
                self._register_form(part.get("application"))
                self._register_company(part)
        for name, arguments in _messages(events):
            self._register_fingerprint(name, tuple(_decoded(payload) for payload in arguments))

    def _register_sheet(self, content: Any, known_hash: Any) -> None:
        original, stand_in = _parsed(DecisionSheet, content), _parsed(DecisionSheet, self._value(content))
        if original and stand_in:
            self._stand_ins.put_digest(sheet_hash(original), sheet_hash(stand_in))
            if isinstance(known_hash, str):
                self._stand_ins.put_digest(known_hash, sheet_hash(stand_in))

    def _register_form(self, content: Any) -> None:
        original, stand_in = _parsed(ApplicationForm, content), _parsed(ApplicationForm, self._value(content))
        if original and stand_in:
            hashes = [canonical_hash(form.model_dump(mode="json")) for form in (original, stand_in)]
            self._stand_ins.put_digest(*hashes)

    def _register_company(self, content: Any) -> None:
        original, stand_in = _parsed(Company, content), _parsed(Company, self._value(content))
        if original and stand_in:
            self._stand_ins.put_digest(original.digest, stand_in.digest)

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
                key = _FIELD_OF_ATTRIBUTE.get(name, name)
                self._replace_payload(entry, key)
            elif isinstance(entry, Message):
                self._replace_in(entry)
            if field == "fields":
                entries[self._stand_ins.text(name)].CopyFrom(entry)
                del entries[name]

    def _text(self, field: str, text: str) -> str:
        if field == "identity":
            return "anonymous"
        if field in {"signal_name", "name"} and (text in self._harmless.words or text == UPDATE_NAME):
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

    def _value(self, value: Any, key: str = "", beside: Collection[str] = ()) -> Any:
        match value:
            case str() if key in _SHEET_FIELDS and path_of(value) in SHEET_FIELDS:
                return _ITEM.sub(lambda item: self._stand_ins.text(item[0]), value)
            case str():
                return value if self._harmless.holds(key, value, beside) else self._stand_ins.text(value)
            case bool() | None:
                return value
            case int() if abs(value) >= SMALL:
                return self._stand_ins.number(value)
            case float() if math.isfinite(value) and abs(value) >= SMALL:
                return float(self._stand_ins.number(int(value)))
            case list():
                return [self._value(part, key) for part in value]
            case dict():
                names = {n: n if n in self._harmless.fields else self._stand_ins.text(n) for n in value}
                return {names[name]: self._value(part, name, value.keys()) for name, part in value.items()}
        return value


_UNDECODABLE: Final = object()


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


def _parsed(model: type[Model], content: Any) -> Model | None:
    """What this is, if it is such a thing."""
    if not isinstance(content, dict):
        return None
    try:
        return model.model_validate_json(_encoded(content))
    except ValidationError:
        return None


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        yield from _objects(child)


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _is_repeated(value: Any) -> bool:
    return not isinstance(value, str | bytes | Message)
