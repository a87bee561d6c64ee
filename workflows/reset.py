"""The sandbox, where the SDK brings to a run what a replay brings otherwise: after a reset, and for a query.

Tried with temporalio 1.35 (sdk-python and sdk-core as they are in November 2026):

- Where Temporal's Reset takes effect, one activation brings the new random seed and every message sent after
  that point again. Handlers run before the callback for the new seed, so a run would take the messages of a
  past it no longer has before it knows that it was reset. And signals and updates come in the order they were
  sent in; on replay signals come first. So that activation alone is taken in the order of a replay, in one
  batch, the seed first. And where the task before it had nothing to say (its local activity was still at
  work), and an update is accepted first of all, a replay applies both tasks apart from each other, which were
  one when the update came. So what a run does itself is said before the updates it accepts.
- A query that is handed to a worker by itself brings the events so far along. Those after the last workflow
  task are applied, though no task has brought them yet; what comes next is then applied apart from them, in
  the task that on replay brings both at once, and the run does not replay any more. So such events are left
  alone: the query fails, to be asked again, and the worker forgets the run.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from temporalio import workflow
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

ASK_AGAIN: Final = "The run was about to go on when it was asked; ask again."
"""What a query fails with that came together with events of the next workflow task."""
_ONE_BATCH: Final = 2
"""The SDK's internal flag PROCESS_WORKFLOW_ACTIVATION_JOBS_AS_SINGLE_BATCH."""

_SEED_OF_THE_START: Final = "seed_of_the_start"

_Activate = Callable[[WorkflowActivation], WorkflowActivationCompletion]


def begins_reset() -> bool:
    """Whether the run was reset to its first workflow task; to be asked while it is initialised.

    It has its new seed before it can ask to be told of one.
    """
    return bool(workflow.random_seed() != workflow.extern_functions()[_SEED_OF_THE_START]())


class ResettableRunner(SandboxedWorkflowRunner):
    """The sandbox, with every activation as a replay would bring it."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """A run's instance."""
        seed = det.randomness_seed
        told = {**det.extern_functions, _SEED_OF_THE_START: lambda: seed}
        instance = super().create_instance(replace(det, extern_functions=told))
        # Its class is private to the SDK; everything but this stays its own.
        setattr(instance, "activate", _AsReplayed(instance.activate))  # noqa: B010 - mypy refuses it plainly
        return instance


class _AsReplayed:
    """What a run's instance is activated by."""

    def __init__(self, activate: _Activate) -> None:
        self._activate = activate
        self._task: tuple[int, int] | None = None
        self._ahead = False

    def __call__(self, activation: WorkflowActivation) -> WorkflowActivationCompletion:
        kinds = {job.WhichOneof("variant") for job in activation.jobs}
        if kinds == {"remove_from_cache"}:
            return self._activate(activation)
        if self._ahead:
            return _failed(ASK_AGAIN)
        if kinds != {"query_workflow"}:
            if self._without_task(activation):
                self._ahead = True
                return _nothing_to_do()
            self._task = _task_of(activation)
        if "update_random_seed" in kinds:
            activation.available_internal_flags.append(_ONE_BATCH)
            jobs = sorted(activation.jobs, key=lambda job: job.HasField("do_update"))
            del activation.jobs[:]
            activation.jobs.extend(jobs)
            return _updates_last(self._activate(activation))
        return self._activate(activation)

    def _without_task(self, activation: WorkflowActivation) -> bool:
        """Whether there are more events than at the last task, and yet no task has begun since.

        An activation has the time at which its workflow task began, and how long the history was then.
        """
        if self._task is None or activation.is_replaying:
            return False
        began, length = _task_of(activation)
        return began == self._task[0] and length > self._task[1]


def _task_of(activation: WorkflowActivation) -> tuple[int, int]:
    return activation.timestamp.ToNanoseconds(), activation.history_length


def _updates_last(completion: WorkflowActivationCompletion) -> WorkflowActivationCompletion:
    if completion.HasField("successful"):
        commands = sorted(
            completion.successful.commands, key=lambda command: command.HasField("update_response")
        )
        del completion.successful.commands[:]
        completion.successful.commands.extend(commands)
    return completion


def _nothing_to_do() -> WorkflowActivationCompletion:
    completion = WorkflowActivationCompletion()
    completion.successful.SetInParent()
    return completion


def _failed(message: str) -> WorkflowActivationCompletion:
    completion = WorkflowActivationCompletion()
    completion.failed.failure.message = message
    completion.failed.failure.application_failure_info.SetInParent()
    return completion
