"""What a run is activated by: everything as a replay would bring it."""

from dataclasses import fields
from typing import Any, Final, cast

import pytest
from temporalio.bridge.proto.workflow_activation import WorkflowActivation, WorkflowActivationJob
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from workflows.reset import ASK_AGAIN, ResettableRunner

FIRST, SECOND = 1_000, 2_000
"""When workflow tasks began, in seconds."""


class Instance:
    """A run that notes what it is brought."""

    def __init__(self) -> None:
        self.brought: Final[list[list[str]]] = []
        self.flags: Final[list[list[int]]] = []

    def activate(self, activation: WorkflowActivation) -> WorkflowActivationCompletion:
        self.brought.append([str(job.WhichOneof("variant")) for job in activation.jobs])
        self.flags.append(list(activation.available_internal_flags))
        completion = WorkflowActivationCompletion()
        for name in ("one", "two"):
            completion.successful.commands.add().update_response.protocol_instance_id = name
        completion.successful.commands.add().start_timer.seq = 1
        return completion


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Instance:
    """One the sandbox would have made, as `ResettableRunner` has it activated."""
    made = Instance()
    monkeypatch.setattr(SandboxedWorkflowRunner, "create_instance", lambda *_: made)
    runner = ResettableRunner()
    known: dict[str, Any] = {field.name: None for field in fields(WorkflowInstanceDetails)}
    details = WorkflowInstanceDetails(**known | {"extern_functions": {}})
    assert runner.create_instance(details) is cast(WorkflowInstance, made)
    return made


def said(completion: WorkflowActivationCompletion) -> list[str]:
    """The commands: an update by its ID."""
    return [
        command.update_response.protocol_instance_id or "timer" for command in completion.successful.commands
    ]


def activation(began: int, length: int, *kinds: str, replaying: bool = False) -> WorkflowActivation:
    made = WorkflowActivation(history_length=length, is_replaying=replaying)
    made.timestamp.FromSeconds(began)
    for kind in kinds:
        job: Any = WorkflowActivationJob()
        getattr(job, kind).SetInParent()
        made.jobs.append(job)
    return made


def test_events_that_no_task_has_brought_are_left_to_the_next_one(instance: Instance) -> None:
    instance.activate(activation(FIRST, 3, "initialize_workflow"))
    ahead = instance.activate(activation(FIRST, 8, "signal_workflow", "resolve_activity"))
    assert ahead.HasField("successful")
    assert not ahead.successful.commands
    asked = instance.activate(activation(FIRST, 8, "query_workflow"))
    assert asked.failed.failure.message == ASK_AGAIN
    assert asked.failed.failure.HasField("application_failure_info")
    # Whatever came before the run is forgotten would come in the wrong order.
    assert instance.activate(activation(SECOND, 10, "signal_workflow")).HasField("failed")
    instance.activate(activation(0, 8, "remove_from_cache"))
    assert instance.brought == [["initialize_workflow"], ["remove_from_cache"]]


def test_a_query_without_such_events_is_answered(instance: Instance) -> None:
    assert instance.activate(activation(FIRST, 3, "initialize_workflow")).HasField("successful")
    # An activity that has begun is an event, too, but brings nothing.
    assert instance.activate(activation(FIRST, 5, "query_workflow")).HasField("successful")
    assert instance.activate(activation(SECOND, 9, "resolve_activity")).HasField("successful")
    assert len(instance.brought) == 3


@pytest.mark.parametrize(
    "more",
    [
        # A local activity ends within the task.
        activation(FIRST, 3, "resolve_activity"),
        activation(SECOND, 8, "resolve_activity"),
        activation(FIRST, 8, "resolve_activity", replaying=True),
    ],
)
def test_what_a_task_brings_is_carried_out(instance: Instance, more: WorkflowActivation) -> None:
    instance.activate(activation(FIRST, 3, "initialize_workflow"))
    assert instance.activate(more).successful.commands
    assert len(instance.brought) == 2


def test_after_a_reset_messages_come_as_on_replay_and_at_once(instance: Instance) -> None:
    instance.activate(activation(FIRST, 3, "initialize_workflow"))
    kinds = ("do_update", "signal_workflow", "update_random_seed", "do_update", "signal_workflow")
    instance.activate(activation(SECOND, 9, *kinds))
    instance.activate(activation(SECOND + 1, 12, "do_update", "signal_workflow"))
    assert instance.brought[1:] == [
        ["signal_workflow", "update_random_seed", "signal_workflow", "do_update", "do_update"],
        ["do_update", "signal_workflow"],
    ]
    assert instance.flags == [[], [2], []]


def test_after_a_reset_what_a_run_does_comes_before_the_updates_it_accepts(instance: Instance) -> None:
    usual = instance.activate(activation(FIRST, 3, "initialize_workflow", "do_update"))
    assert said(usual) == ["one", "two", "timer"]
    taken_up = instance.activate(activation(SECOND, 9, "do_update", "update_random_seed"))
    assert said(taken_up) == ["timer", "one", "two"]
