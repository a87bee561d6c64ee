"""No message, however broken, is lost or wedges a workflow: converter, handlers and plugin together.

The workflow here is a small one, made the way `workflows.onboarding` is.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    import re
    from pathlib import Path

    import pytest
    from pydantic import BaseModel, ValidationError
    from temporalio.api.common.v1 import Payload
    from temporalio.api.sdk.v1 import WorkflowMetadata
    from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
    from temporalio.common import RawValue
    from temporalio.exceptions import ApplicationError
    from temporalio.testing import WorkflowEnvironment
    from temporalio.worker import Replayer, Worker

    import workflows
    from tests.temporal_env import unique
    from workflows.data_converter import DATA_CONVERTER
    from workflows.plugin import PURE_MODULES, OnboardingPlugin

# Outside the block: whether it is passed through is the plugin's doing.
from domain.policy import Policy

SIGNALS = {
    "approve_application": "BD approves the application.",
    "withdraw_application": "The partner takes the application back.",
}

CONVERTER = DATA_CONVERTER.payload_converter

BROKEN_JSON = Payload(metadata={"encoding": b"json/plain"}, data=b'{"command_id": ')
UNKNOWN_ENCODING = Payload(metadata={"encoding": b"binary/morse"}, data=b"...")
UNDECODABLE = [
    pytest.param(BROKEN_JSON, id="broken JSON"),
    pytest.param(UNKNOWN_ENCODING, id="unknown encoding"),
    pytest.param(Payload(metadata={"encoding": b"\xff\xfe"}, data=b"1"), id="encoding that is no text"),
    pytest.param(Payload(data=b"1"), id="no encoding"),
    pytest.param(Payload(metadata={"encoding": b"binary/null"}, data=b"1"), id="null with data"),
    pytest.param(Payload(metadata={"encoding": b"json/plain"}, data=b"\xff"), id="JSON that is not UTF-8"),
    pytest.param(Payload(metadata={"encoding": b"json/plain"}, data=b'"\\ud800"'), id="lone surrogate"),
    pytest.param(Payload(metadata={"encoding": b"json/plain"}, data=b"[" * 100_000), id="deep JSON"),
    pytest.param(Payload(metadata={"encoding": b"json/plain"}, data=b"9" * 5_000), id="endless number"),
    pytest.param(Payload(metadata={"encoding": b"json/protobuf"}, data=b"{}"), id="protobuf of no type"),
    pytest.param(
        Payload(metadata={"encoding": b"binary/protobuf", "messageType": b"no.Such"}, data=b"\xff"),
        id="protobuf of unknown type",
    ),
]

WRONG_ARGUMENTS: list[list[Any]] = [
    [],
    [RawValue(BROKEN_JSON)],
    [RawValue(UNKNOWN_ENCODING)],
    [{"command_id": "1"}, {"command_id": "2"}],
    [1, "two", None, [4.0], RawValue(BROKEN_JSON)],
]


class Receiver(Protocol):
    def receive(self, command: str, args: Sequence[Any]) -> None: ...


ReceiverClass = TypeVar("ReceiverClass", bound=type[Receiver])


def receives_signals(commands: Mapping[str, str]) -> Callable[[ReceiverClass], ReceiverClass]:
    """Class decorator, below `workflow.defn`: a signal for each command, shown with its description."""

    def decorate(cls: ReceiverClass) -> ReceiverClass:
        for command, description in commands.items():
            setattr(cls, command, signal_handler(command, description))
        return cls

    return decorate


def signal_handler(command: str, description: str) -> Callable[..., None]:
    @workflow.signal(name=command, description=description)
    def handle(self: Receiver, *args: Any) -> None:
        self.receive(command, args)

    return handle


def shown(args: Sequence[Any]) -> list[Any]:
    return [arg.payload.data.decode() if isinstance(arg, RawValue) else arg for arg in args]


@workflow.defn
@receives_signals(SIGNALS)
class Inbox:
    """Keeps what it is sent; ends with it when ``withdraw_application`` comes with the argument "end"."""

    @workflow.init
    def __init__(self, *args: Any) -> None:
        self._started_with = shown(args)
        self._waiting: list[tuple[str, list[Any]]] = []
        self._received: list[tuple[str, list[Any]]] = []

    @workflow.run
    async def run(self, *args: Any) -> list[Any]:
        while ("withdraw_application", ["end"]) not in self._received:
            await workflow.wait_condition(lambda: bool(self._waiting))
            self._received.append(self._waiting.pop(0))
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._status()

    def receive(self, command: str, args: Sequence[Any]) -> None:
        self._waiting.append((command, shown(args)))

    @workflow.signal(dynamic=True, description="Any other name: refused, on record.")
    def unknown_signal(self, name: str, args: Sequence[RawValue]) -> None:
        self.receive(name, args)

    @workflow.update(description="Any command, answered.")
    async def submit_command(self, *args: Any) -> list[Any]:
        self.receive("submit_command", args)
        # The inbox is first in, first out: when all before it and it are done, this one is.
        await workflow.wait_condition(lambda: not self._waiting)
        if len(args) != 1 or isinstance(args[0], RawValue):
            raise ApplicationError("one argument, a command", type="invalid")
        return self._status()

    @workflow.query(description="All that was received.")
    def get_status(self, *args: Any) -> list[Any]:
        return self._status()

    @workflow.query(description="Which of the module's objects this run sees.")
    def identities(self) -> dict[str, int]:
        return {"workflow": id(Inbox), "model": id(Policy)}

    def _status(self) -> list[Any]:
        return [self._started_with, *self._received]


@asynccontextmanager
async def running_inbox(
    env: WorkflowEnvironment, *start_args: Any
) -> AsyncIterator[WorkflowHandle[Any, list[Any]]]:
    """A started `Inbox`; afterwards it is ended and replayed, as CI will do it."""
    queue = unique("inbox")
    async with Worker(env.client, task_queue=queue, workflows=[Inbox]):
        with env.with_time_skipping_disabled():
            handle: WorkflowHandle[Any, list[Any]] = await env.client.start_workflow(
                "Inbox", args=start_args, id=queue, task_queue=queue
            )
        yield handle
        await handle.signal("withdraw_application", "end")
        await handle.result()
    replayer = Replayer(workflows=[Inbox], plugins=[OnboardingPlugin()])
    await replayer.replay_workflow(await handle.fetch_history())


class Command(BaseModel):
    command_id: str


@pytest.mark.parametrize("payload", UNDECODABLE)
def test_without_a_type_hint_the_undecodable_comes_back_raw(payload: Payload) -> None:
    good = CONVERTER.to_payload({"command_id": "1"})
    assert CONVERTER.from_payloads([payload, good]) == [RawValue(payload), {"command_id": "1"}]


def test_a_raw_value_is_sent_as_it_came() -> None:
    assert CONVERTER.to_payload(RawValue(UNKNOWN_ENCODING)) == UNKNOWN_ENCODING


def test_with_a_type_hint_it_is_the_pydantic_converter() -> None:
    payload = CONVERTER.to_payload(Command(command_id="1"))
    assert CONVERTER.from_payload(payload, Command) == Command(command_id="1")
    assert CONVERTER.from_payload(UNKNOWN_ENCODING, RawValue) == RawValue(UNKNOWN_ENCODING)
    with pytest.raises(ValidationError):
        CONVERTER.from_payload(CONVERTER.to_payload({}), Command)
    with pytest.raises(KeyError, match="binary/morse"):
        CONVERTER.from_payload(UNKNOWN_ENCODING, Command)


@pytest.mark.parametrize("args", WRONG_ARGUMENTS)
async def test_start_input_of_any_shape_survives(env: WorkflowEnvironment, args: list[Any]) -> None:
    async with running_inbox(env, *args) as handle:
        assert await handle.query("get_status") == [shown(args)]


@pytest.mark.parametrize("name", ["approve_application", "no_such_command"])
async def test_signals_of_any_shape_and_name_are_received(env: WorkflowEnvironment, name: str) -> None:
    async with running_inbox(env) as handle:
        for args in WRONG_ARGUMENTS:
            await handle.signal(name, args=args)
        _, *received = await handle.query("get_status")
    assert [command for command, _ in received] == [name] * len(WRONG_ARGUMENTS)
    if name in SIGNALS:
        assert [args for _, args in received] == [shown(args) for args in WRONG_ARGUMENTS]


@pytest.mark.parametrize("args", WRONG_ARGUMENTS)
async def test_updates_of_any_shape_are_refused_on_record(env: WorkflowEnvironment, args: list[Any]) -> None:
    async with running_inbox(env) as handle:
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update("submit_command", args=args)
        assert isinstance(refused.value.cause, ApplicationError)
        assert refused.value.cause.type == "invalid"
        assert await handle.query("get_status") == [[], ["submit_command", shown(args)]]


async def test_an_update_waits_for_its_turn_and_is_answered(env: WorkflowEnvironment) -> None:
    async with running_inbox(env) as handle:
        await handle.signal("approve_application", {"command_id": "1"})
        answer = await handle.execute_update("submit_command", {"command_id": "2"})
    assert [command for command, _ in answer[1:]] == ["approve_application", "submit_command"]


@pytest.mark.parametrize("args", WRONG_ARGUMENTS)
async def test_queries_of_any_shape_are_answered(env: WorkflowEnvironment, args: list[Any]) -> None:
    async with running_inbox(env) as handle:
        assert await handle.query("get_status", args=args) == [[]]


async def test_the_handlers_are_listed_with_their_descriptions(env: WorkflowEnvironment) -> None:
    async with running_inbox(env) as handle:
        metadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    listed = {
        signal.name: signal.description for signal in metadata.definition.signal_definitions if signal.name
    }
    assert listed == SIGNALS
    assert [update.name for update in metadata.definition.update_definitions] == ["submit_command"]


async def test_the_workflow_is_sandboxed_and_pure_modules_pass_through(env: WorkflowEnvironment) -> None:
    """The sandbox imports a module anew for each run, unless it is passed through."""
    async with running_inbox(env) as handle:
        seen = await handle.query("identities")
    assert seen["workflow"] != id(Inbox)
    assert seen["model"] == id(Policy)


def test_every_module_without_temporal_passes_through() -> None:
    """Each is listed by hand, as letting one out of the sandbox is a decision; none may be forgotten."""
    folder = Path(workflows.__file__).parent
    pure = {
        f"workflows.{module.stem}"
        for module in folder.glob("*.py")
        if module.stem != "__init__" and not imports_temporal(module)
    }
    assert set(PURE_MODULES) == pure


def imports_temporal(module: Path) -> bool:
    return (
        re.search(r"^\s*(from|import) temporalio\b", module.read_text(encoding="utf-8"), re.MULTILINE)
        is not None
    )
