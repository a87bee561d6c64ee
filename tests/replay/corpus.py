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
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.client import WorkflowHistory
from temporalio.converter import PayloadCodec
from temporalio.plugin import SimplePlugin
from temporalio.worker import Replayer, WorkflowRunner

from domain.audit import Verdict
from domain.clocks import ClockKind
from domain.contract import ErrorType, Stage
from starter.release.replaying import WatchedRunner, stages_shown
from worker import WORKFLOWS
from workflows.plugin import OnboardingPlugin
from workflows.search_attributes import STAGE

HISTORIES: Final = Path(__file__).parent / "histories"
_TRAIL: Final = ".trail.jsonl"
_CLOSED: Final = frozenset(
    f"EVENT_TYPE_WORKFLOW_EXECUTION_{how}" for how in ("COMPLETED", "FAILED", "CANCELED", "CONTINUED_AS_NEW")
)


class Ask(BaseModel):
    """One command of a run: ``ask`` is the name of the activity or child workflow, or the command's kind.

    Of each audit event that is published there is an ask of its own (``command`` to ``to_stage``, only then)
    with the templates of its notices, the key of the e-mail it ``resends`` and whether it ``closes_access``.
    ``clocks`` are those a look-up asks the calendar for or, with a publication's last event, those that run
    from then on where they have changed; ``about``, what else a look-up asks for. The others: what a timer
    is for and how long it runs, the search attributes as set, the ID of a patch, and the type a run or an
    update fails with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ask: str
    command: str | None = None
    verdict: Verdict | None = None
    error: ErrorType | None = None
    from_stage: Stage | None = None
    to_stage: Stage | None = None
    clocks: tuple[ClockKind, ...] = ()
    notices: tuple[str, ...] = ()
    resends: str | None = None
    closes_access: bool = False
    about: tuple[str, ...] = ()
    summary: str | None = None
    after: timedelta | None = None
    attributes: dict[str, JsonValue] = Field(default_factory=dict)
    patch: str | None = None
    failure: str | None = None

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

    def stages(self) -> tuple[str, ...]:
        """The stages the run showed, one after the other, as the history itself has them."""
        return stages_shown(self.history().events)

    def editions(self) -> frozenset[int]:
        """The edition of its application; none where the run goes on with that of another."""
        return editions(self.history().events)

    @property
    def workflow_type(self) -> str:
        """What ran."""
        return self.history().events[0].workflow_execution_started_event_attributes.workflow_type.name

    @property
    def closed(self) -> bool:
        """Whether the run had ended."""
        events = json.loads(self.path.read_text(encoding="utf-8"))["events"]
        return events[-1]["eventType"] in _CLOSED


def editions(events: Iterable[HistoryEvent]) -> frozenset[int]:
    """The edition that a run's first task has recorded."""
    markers = (event.marker_recorded_event_attributes.details.get("result") for event in events)
    answers = (json.loads(marker.payloads[0].data) for marker in markers if marker)
    return frozenset(answer["edition"] for answer in answers if "edition" in answer)


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

    def stages(self) -> tuple[str, ...]:
        """The stages today's code shows."""
        return tuple(str(ask.attributes[STAGE.name]) for ask in self.trail if STAGE.name in ask.attributes)


async def replay(
    history: WorkflowHistory,
    workflows: Sequence[type] = WORKFLOWS,
    *,
    codec: PayloadCodec | None = None,
) -> Replayed:
    """Replay a history as the worker would: with its workflows, its data converter and its sandbox."""
    observer = _Observer()
    with ThreadPoolExecutor(1) as executor:
        replayer = Replayer(
            workflows=workflows,
            plugins=[
                OnboardingPlugin(codec),
                SimplePlugin("replay-observer", workflow_runner=observer.around),
            ],
            workflow_task_executor=executor,
        )
        result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
    return Replayed(tuple(observer.asked), result.replay_failure)


class _Observer:
    """Writes down, in the order asked for, what a run asks Temporal for."""

    def __init__(self) -> None:
        self.asked: list[Ask] = []
        self._newest = 0

    def around(self, runner: WorkflowRunner | None) -> WorkflowRunner:
        """The worker's own runner, watched."""
        assert runner is not None
        return WatchedRunner(runner, self.notice)

    def notice(self, command: WorkflowCommand) -> None:
        """Write one command down, in the terms of the process where it has any."""
        kind = command.WhichOneof("variant")
        match kind:
            case "schedule_local_activity" | "schedule_activity":
                activity = getattr(command, kind)
                self._called(activity.activity_type, activity.arguments)
            case "start_child_workflow_execution":
                child = command.start_child_workflow_execution
                self._called(child.workflow_type, child.input)
            case "start_timer":
                after = command.start_timer.start_to_fire_timeout.ToTimedelta()
                self.asked.append(
                    Ask(ask="timer", summary=_value(command.user_metadata.summary), after=after)
                )
            case "upsert_workflow_search_attributes":
                upsert = command.upsert_workflow_search_attributes.search_attributes
                values = {key: _value(upsert.indexed_fields[key]) for key in sorted(upsert.indexed_fields)}
                self.asked.append(Ask(ask="upsert_search_attributes", attributes=values))
            case "update_response":
                answer = command.update_response
                how = str(answer.WhichOneof("response"))
                self.asked.append(Ask(ask=f"update_{how}", failure=_type_of(answer.rejected)))
            case "set_patch_marker":
                marker = command.set_patch_marker
                how = "deprecate_patch" if marker.deprecated else "patch"
                self.asked.append(Ask(ask=how, patch=marker.patch_id))
            case "fail_workflow_execution":
                failure = command.fail_workflow_execution.failure
                self.asked.append(Ask(ask="fail", failure=_type_of(failure)))
            case "complete_workflow_execution" | "continue_as_new_workflow_execution":
                self.asked.append(Ask(ask=kind.removesuffix("_workflow_execution")))
            case _:
                self.asked.append(Ask(ask=str(kind)))

    def _called(self, name: str, arguments: Sequence[Payload]) -> None:
        argument: Any = _value(arguments[0]) if arguments else {}
        match argument:
            case {"entries": entries, "changes": changes}:
                self._published(name, entries, _kinds(changes.get("clocks") or ()))
            case {"backlog": backlog}:
                told = [notice["template"] for entry in backlog for notice in entry.get("notices", ())]
                self.asked.append(Ask(ask=name, notices=tuple(told)))
            case {"at": _, "entries": entries, "clocks": clocks}:
                also = [question for question in ("accounts", "opening") if question in argument]
                fields = [entry["field"] for entry in entries]
                self.asked.append(Ask(ask=name, clocks=_kinds(clocks), about=(*also, *fields)))
            case _:
                self.asked.append(Ask(ask=name))

    def _published(self, name: str, entries: Sequence[dict[str, Any]], clocks: tuple[ClockKind, ...]) -> None:
        """What is published again (the run was reset, say) is no news."""
        new = [entry for entry in entries if entry["event"]["sequence"] > self._newest]
        for entry in new:
            self._newest = entry["event"]["sequence"]
            event = {key: entry["event"][key] for key in _OF_THE_EVENT if key in entry["event"]}
            self.asked.append(
                Ask(
                    ask=name,
                    notices=tuple(notice["template"] for notice in entry.get("notices", ())),
                    resends=entry.get("resend"),
                    closes_access="close_access_of" in entry,
                    clocks=clocks if entry is new[-1] else (),
                    **event,
                )
            )
        if not new:
            self.asked.append(Ask(ask=name))


_OF_THE_EVENT: Final = ("command", "verdict", "error", "from_stage", "to_stage")


def _kinds(clocks: Sequence[dict[str, Any]]) -> tuple[ClockKind, ...]:
    return tuple(ClockKind(clock["kind"]) for clock in clocks)


def _value(payload: Payload) -> Any:
    """What a payload of ours holds; the codec, if there is one, comes after the workflow."""
    return json.loads(payload.data) if payload.data else None


def _type_of(failure: Failure) -> str | None:
    return failure.application_failure_info.type or None
