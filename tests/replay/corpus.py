"""The recorded histories, and what the code of today does with them.

A release's folder holds for every run ``NAME.json`` (the history, one event a line, as
``temporal workflow show -o json`` has it) and ``NAME.trail.jsonl``: what the code asked for in that run,
decision by decision. Temporal's replay compares kinds of commands only; the trail also shows a code that
asks for the same commands but decides otherwise.
"""

import json
import tomllib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.converter import PayloadCodec
from temporalio.worker import (
    ContinueAsNewInput,
    Interceptor,
    Replayer,
    StartActivityInput,
    StartChildWorkflowInput,
    StartLocalActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from workflows.audit import AuditEvent, Verdict
from workflows.clocks import ClockKind
from workflows.delivery import OutstandingDelivery
from workflows.desk import Memory
from workflows.emails import EmailBatch
from workflows.messages import ErrorType, Stage
from workflows.onboarding import ResellerOnboarding
from workflows.plugin import OnboardingPlugin
from workflows.records import Transition

HISTORIES: Final = Path(__file__).parent / "histories"
_TRAIL: Final = ".trail.jsonl"
_CLOSED: Final = frozenset(
    f"EVENT_TYPE_WORKFLOW_EXECUTION_{how}" for how in ("COMPLETED", "FAILED", "CONTINUED_AS_NEW")
)


class Ask(BaseModel):
    """One thing a run asked Temporal for: ``ask`` is the activity's or workflow's name.

    The fields after it are those of the audit event a ``settle`` stores (only then), the clocks it sets,
    and the templates of the letters that are sent or handed on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ask: str
    command: str | None = None
    verdict: Verdict | None = None
    error: ErrorType | None = None
    from_stage: Stage | None = None
    to_stage: Stage | None = None
    clocks: tuple[ClockKind, ...] = ()
    letters: tuple[str, ...] = ()

    def line(self) -> str:
        """The ask as a line of a trail."""
        return self.model_dump_json(exclude_defaults=True)


Trail = tuple[Ask, ...]


@dataclass(frozen=True)
class Recorded:
    """A history of the corpus."""

    path: Path

    @property
    def name(self) -> str:
        """``release/journey``."""
        return f"{self.path.parent.name}/{self.path.stem}"

    @property
    def trail_path(self) -> Path:
        """Where the trail stands."""
        return self.path.with_suffix(_TRAIL)

    def history(self) -> WorkflowHistory:
        """The history."""
        return parse(self.path.read_text(encoding="utf-8"))

    def trail(self) -> Trail:
        """What the code asked for when the history was recorded."""
        lines = self.trail_path.read_text(encoding="utf-8").splitlines()
        return tuple(Ask.model_validate_json(line) for line in lines)

    @property
    def closed(self) -> bool:
        """Whether the run had ended."""
        events = json.loads(self.path.read_text(encoding="utf-8"))["events"]
        return events[-1]["eventType"] in _CLOSED


def parse(document: str) -> WorkflowHistory:
    """A history from its JSON, with the workflow's own ID: child workflows are named by it."""
    events = WorkflowHistory.from_json("", document).events
    return WorkflowHistory(events[0].workflow_execution_started_event_attributes.workflow_id, events)


def release() -> str:
    """The version in ``pyproject.toml``: the release that is being made."""
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    return str(tomllib.loads(text)["project"]["version"])


def written(trail: Trail) -> str:
    """A trail as its file holds it."""
    return "".join(f"{ask.line()}\n" for ask in trail)


def recorded(releases: str = "*") -> tuple[Recorded, ...]:
    """All histories of the releases (a glob), by name."""
    return tuple(Recorded(path) for path in sorted(HISTORIES.glob(f"{releases}/*.json")))


@dataclass(frozen=True)
class Replayed:
    """How a replay went: ``failure`` is ``None`` when today's code could have written the history."""

    trail: Trail
    failure: Exception | None


async def replay(
    history: WorkflowHistory,
    workflows: Sequence[type] = (ResellerOnboarding, OutstandingDelivery),
    *,
    codec: PayloadCodec | None = None,
) -> Replayed:
    """Replay a history as the worker would: with its workflows, its data converter and its sandbox."""
    observer = _Observer()
    with ThreadPoolExecutor(1) as executor:
        replayer = Replayer(
            workflows=workflows,
            plugins=[OnboardingPlugin(codec)],
            interceptors=[observer],
            workflow_task_executor=executor,
        )
        result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
    return Replayed(tuple(observer.asked), result.replay_failure)


class _Observer(Interceptor):
    """Writes down, in the order asked for, what a run asks Temporal for."""

    def __init__(self) -> None:
        self.asked: list[Ask] = []
        self._newest = 0

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor]:
        """A class that knows this observer: Temporal makes its instances, inside the sandbox."""
        observer = self

        class Inbound(WorkflowInboundInterceptor):
            def init(self, outbound: WorkflowOutboundInterceptor) -> None:
                super().init(_Outbound(outbound, observer))

        return Inbound

    def notice(self, name: str, arguments: Iterable[Any]) -> None:
        """Write one ask down, in the terms of the process where it has any."""
        argument = next(iter(arguments), None)
        match argument:
            case Transition():
                events = [event for event in argument.record.events if event.sequence > self._newest]
                clocks = tuple(request.kind for request in argument.requests)
                self.asked.extend(_settled(name, event, clocks) for event in events)
                self._newest = argument.record.sequence
            case EmailBatch(letters=letters) | Memory(outbox=letters):
                self.asked.append(Ask(ask=name, letters=tuple(letter.template for letter in letters)))
            case _:
                self.asked.append(Ask(ask=name))


def _settled(name: str, event: AuditEvent, clocks: tuple[ClockKind, ...]) -> Ask:
    return Ask(
        ask=name,
        command=event.command,
        verdict=event.verdict,
        error=ErrorType(event.error) if event.error else None,
        from_stage=event.from_stage,
        to_stage=event.to_stage,
        clocks=clocks,
    )


class _Outbound(WorkflowOutboundInterceptor):
    def __init__(self, following: WorkflowOutboundInterceptor, observer: _Observer) -> None:
        super().__init__(following)
        self._observer = observer

    def start_local_activity(self, input: StartLocalActivityInput) -> workflow.ActivityHandle[Any]:
        self._observer.notice(input.activity, input.args)
        return super().start_local_activity(input)

    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:
        self._observer.notice(input.activity, input.args)
        return super().start_activity(input)

    async def start_child_workflow(
        self, input: StartChildWorkflowInput
    ) -> workflow.ChildWorkflowHandle[Any, Any]:
        self._observer.notice(input.workflow, input.args)
        return await super().start_child_workflow(input)

    def continue_as_new(self, input: ContinueAsNewInput) -> Any:
        self._observer.notice("continue_as_new", ())
        return super().continue_as_new(input)
