"""Gathers what Temporal keeps of every applicant: the workflow's state, and the histories of all its runs."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from bench.chaos.evidence import Run
from domain.contract import workflow_id

_RESET: Final = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
_HARMLESS_CAUSES: Final = frozenset(
    # The server's words for "something arrived meanwhile, look again", for where a reset led back to, and for
    # what was under way in the run it left; no code is at fault.
    {
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND,
        _RESET,
    }
)


async def runs(client: Client, uids: tuple[str, ...]) -> tuple[Run, ...]:
    """What Temporal knows of every applicant's workflow."""
    return tuple([await _run(client, uid) for uid in uids])


async def _run(client: Client, uid: str) -> Run:
    handle = client.get_workflow_handle(workflow_id(uid))
    try:
        described = await handle.describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return Run(uid=uid, application_id="", status="never started")
    seen = _Seen()
    outcome = None
    async for history in _from_newest(client, handle.id, described.run_id):
        outcome = outcome or _outcome(history)
        seen.add(history)
    return Run(
        uid=uid,
        application_id=described.raw_description.workflow_execution_info.first_run_id,
        status=(described.status or WorkflowExecutionStatus.RUNNING).name.lower(),
        outcome=outcome,
        received=tuple(seen.received),
        failures=tuple(seen.failures),
        timeouts=seen.timeouts,
        events=seen.events,
        resets=seen.resets,
    )


async def _from_newest(client: Client, name: str, run_id: str) -> AsyncIterator[list[HistoryEvent]]:
    """The histories of this run, and of every run it goes back to: by continue-as-new or by a reset."""
    waiting, known = [run_id], set[str]()
    while waiting:
        if (run_id := waiting.pop(0)) in known:
            continue
        known.add(run_id)
        history = [e async for e in client.get_workflow_handle(name, run_id=run_id).fetch_history_events()]
        began = history[0].workflow_execution_started_event_attributes
        left = [event.workflow_task_failed_event_attributes.base_run_id for event in _resets(history)]
        waiting += [each for each in (*reversed(left), began.continued_execution_run_id) if each]
        yield history


def _resets(history: Sequence[HistoryEvent]) -> list[HistoryEvent]:
    """The events at which a run takes over from the one it was reset from."""
    return [
        event
        for event in history
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
        and event.workflow_task_failed_event_attributes.cause == _RESET
    ]


@dataclass
class _Seen:
    """What was found in the histories of one application; what a reset has copied counts once."""

    received: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    timeouts: int = 0
    events: int = 0
    resets: int = 0

    def add(self, history: Sequence[HistoryEvent]) -> None:
        resets = _resets(history)
        copied = resets[-1].event_id if resets else 0
        self.resets += bool(resets)
        for event in history[copied:]:
            self.events += 1
            self.received += _received(event)
            self.failures += _failure(event)
            self.timeouts += event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT


def _outcome(history: Sequence[HistoryEvent]) -> str | None:
    if history[-1].event_type != EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
        return None
    [payload] = history[-1].workflow_execution_completed_event_attributes.result.payloads
    return str(json.loads(payload.data)["outcome"])


def _received(event: HistoryEvent) -> list[str]:
    """The command ID in a signal or an update; of a payload that is no object, the text itself."""
    match event.event_type:
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
            payloads = event.workflow_execution_signaled_event_attributes.input.payloads
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
            accepted = event.workflow_execution_update_accepted_event_attributes
            payloads = accepted.accepted_request.input.args.payloads
        # An update that a reset has brought along.
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ADMITTED:
            admitted = event.workflow_execution_update_admitted_event_attributes
            payloads = admitted.request.input.args.payloads
        case _:
            return []
    return [_command_id(json.loads(payload.data)) for payload in payloads]


def _command_id(value: Any) -> str:
    return str(value["command_id"] if isinstance(value, dict) else value)


def _failure(event: HistoryEvent) -> list[str]:
    if event.event_type != EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
        return []
    failed = event.workflow_task_failed_event_attributes
    if failed.cause in _HARMLESS_CAUSES:
        return []
    return [f"{WorkflowTaskFailedCause.Name(failed.cause)}: {failed.failure.message}"]
