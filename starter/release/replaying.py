"""What every check by replay needs: processes to replay in, and words for a history that breaks."""

import json
import logging
import multiprocessing
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner

from domain.editions import UnknownEditionError
from workflows.search_attributes import STAGE

WORTH_A_PROCESS: Final = 20
"""A process takes as long to start as it does to replay so many runs."""
_OF_0_1_0: Final = frozenset({"settle", "look_up_accounts", "store", "send_emails"})
"""Activities that release 0.1.0 alone has asked for, each application at least one of them."""
_MESSAGE: Final = re.compile(r'message: "((?:[^"\\]|\\.)*)"')
_NONDETERMINISM: Final = re.compile(r"^.*?Nondeterminism error: ", re.DOTALL)
_FRAME: Final = re.compile(r'File \\"[^"]*?(\w+/\w+\.py)\\", line (\d+), in (\w+)')
_EVENT: Final = re.compile(r"HistoryEvent\(id: (\d+)")


class Remedy(StrEnum):
    """What to do, by why a run breaks."""

    CODE = (
        "If the change is meant, let it hold since the next edition, so that applications that have begun"
        " keep the old way (`In(…, since=…)` in domain/); a change of the machinery is a patch: name it in"
        " workflows/patches.py and ask for it where the code differs. If it is not meant, take it back."
        " docs/how-to/changing-the-process.md shows how."
    )
    EDITION = (
        "A newer release began these applications: deploy that one, or a later one. Where this code gets"
        " work, they stand still until such a worker is back; nothing of them is lost."
    )
    END_FIRST = (
        "Applications of release 0.1.0 have to be ended first: 0.2.0 keeps another kind of history and can't"
        " go on with theirs. While workers of 0.1.0 run, let them come to their end, or cancel them (Cancel"
        " in the Web UI, `temporal workflow cancel`); then look again."
    )


class ReplayDiedError(Exception):
    """A process that replayed has died: this says nothing about any history."""


@dataclass(frozen=True)
class Met:
    """What the code did instead of what the history has next, that event if there is one, and what to do."""

    problem: str
    event: HistoryEvent | None = None
    remedy: Remedy = Remedy.CODE

    @property
    def event_name(self) -> str | None:
        """Number and kind of the event."""
        if self.event is None:
            return None
        kind = EventType.Name(self.event.event_type).removeprefix("EVENT_TYPE_").lower()
        return f"{self.event.event_id} {kind}"


def met(failure: str, events: Sequence[HistoryEvent]) -> Met:
    """What a failed replay of these events says, without what only the SDK's own developers read."""
    if begun_by_0_1_0(events):
        return Met("release 0.1.0 began it", remedy=Remedy.END_FIRST)
    said = _MESSAGE.search(failure)
    problem = _NONDETERMINISM.sub("", said[1].replace(r"\"", '"') if said else failure)
    if UnknownEditionError.__name__ in failure:
        return Met(problem, remedy=Remedy.EDITION)
    if raised := [
        frame for frame in _FRAME.findall(failure) if frame[0].startswith(("workflows/", "domain/"))
    ]:
        file, line, function = raised[-1]
        problem += f" ({file}, line {line}, in {function})"
    number = _EVENT.search(failure)
    return Met(problem, next((e for e in events if number and e.event_id == int(number[1])), None))


def begun_by_0_1_0(events: Iterable[HistoryEvent]) -> bool:
    """Whether release 0.1.0 wrote these events."""
    return any(not _OF_0_1_0.isdisjoint(_activities(event)) for event in events)


def _activities(event: HistoryEvent) -> Iterator[str]:
    yield event.activity_task_scheduled_event_attributes.activity_type.name
    for payload in event.marker_recorded_event_attributes.details["data"].payloads:
        yield str(json.loads(payload.data).get("activity_type"))


def stages_shown(events: Iterable[HistoryEvent]) -> tuple[str, ...]:
    """The stages a run showed, one after the other, as its history has them."""
    fields = (
        event.upsert_workflow_search_attributes_event_attributes.search_attributes.indexed_fields
        for event in events
    )
    return tuple(str(json.loads(each[STAGE.name].data)) for each in fields if STAGE.name in each)


def processes_for(runs: int) -> int:
    """How many processes are worth their start for so many runs."""
    return min(os.cpu_count() or 1, 1 + runs // WORTH_A_PROCESS)


@contextmanager
def replaying(processes: int) -> Iterator[Executor]:
    """Processes to replay in.

    Raises:
        ReplayDiedError: one of them died, of a lack of memory perhaps.
    """
    # Spawned: a fork would copy the threads of Temporal's core in the middle of whatever they do.
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(processes, mp_context=context, initializer=_quiet) as pool:
            yield pool
    except BrokenProcessPool as error:
        raise ReplayDiedError("A process that replayed died; what it said stands above.") from error


def _quiet() -> None:
    """What the SDK logs of a failed replay is in its result, and would tear the progress bar apart."""
    logging.disable(logging.CRITICAL)
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=None)))


class WatchedRunner(WorkflowRunner):
    """Runs workflows as ``runner`` does, and gives ``notice`` every command they answer with.

    An interceptor sees neither timers, search attributes, patches nor how a run and its updates end.
    """

    def __init__(self, runner: WorkflowRunner, notice: Callable[[WorkflowCommand], None]) -> None:
        self._runner = runner
        self._notice = notice

    def prepare_workflow(self, defn: workflow._Definition) -> None:
        self._runner.prepare_workflow(defn)

    def set_worker_level_failure_exception_types(self, types: Sequence[type[BaseException]]) -> None:
        self._runner.set_worker_level_failure_exception_types(types)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        instance = self._runner.create_instance(det)
        activate = instance.activate

        def watched(activation: WorkflowActivation) -> WorkflowActivationCompletion:
            completion = activate(activation)
            for command in completion.successful.commands:
                self._notice(command)
            return completion

        # Its class is private to the SDK; everything but this stays its own.
        setattr(instance, "activate", watched)  # noqa: B010 - assigned plainly, mypy refuses it
        return instance
