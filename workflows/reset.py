"""The sandbox, for runs that Temporal's Reset has turned back.

Where a reset takes effect, one activation brings the new random seed and every message sent after that
point again. Two things go wrong with it in temporalio 1.35 (tried; sdk-python and sdk-core as they are in
November 2026):

- Handlers run before the callback for the new seed, so a run would take the messages of a past it no longer
has before it
  knows that it was reset.
- Signals and updates come in the order they were sent in; on replay signals come first. A run that took
both would not
  replay.

So that activation alone is taken in the order of a replay, in one batch, the seed first.
"""

from typing import Final

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

_ONE_BATCH: Final = 2
"""The SDK's internal flag PROCESS_WORKFLOW_ACTIVATION_JOBS_AS_SINGLE_BATCH."""


class ResettableRunner(SandboxedWorkflowRunner):
    """The sandbox, with the activation a reset takes effect in as a replay would bring it."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """A run's instance."""
        instance = super().create_instance(det)
        activate = instance.activate

        def in_order(activation: WorkflowActivation) -> WorkflowActivationCompletion:
            if any(job.HasField("update_random_seed") for job in activation.jobs):
                activation.available_internal_flags.append(_ONE_BATCH)
                jobs = sorted(activation.jobs, key=lambda job: job.HasField("do_update"))
                del activation.jobs[:]
                activation.jobs.extend(jobs)
            return activate(activation)

        # Its class is private to the SDK; everything but this stays its own.
        setattr(instance, "activate", in_order)  # noqa: B010 - assigned plainly, mypy refuses it
        return instance
