"""What must be the same in every client, worker and replayer, in one place.

A history written under one data converter or sandbox and replayed under another tells nothing about the code.
"""

from typing import Final

from temporalio.converter import PayloadCodec
from temporalio.plugin import SimplePlugin
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from workflows.data_converter import data_converter
from workflows.sandbox import OnboardingRunner

LIBRARY_MODULES: Final = ("pydantic", "pydantic_core", "rfc8785")
"""Libraries that workflow code reaches by import."""

PURE_MODULES: Final = (
    *("workflows.event_details", "workflows.inbox", "workflows.memory", "workflows.patches"),
    *("workflows.pauses", "workflows.processed_commands"),
)
"""The modules of `workflows` that do not use Temporal."""

PASSTHROUGH_MODULES: Final = (*LIBRARY_MODULES, *PURE_MODULES, "domain")
"""Imported once for the process, not once for each run in its sandbox; submodules are included.

``domain`` is without I/O, clock or randomness: the same input gives the same answer, in a sandbox or not.
Nothing of ``workflows`` belongs here: that code must stay in the sandbox.
"""


def sandboxed_workflow_runner() -> SandboxedWorkflowRunner:
    """The sandbox that workflow code runs and replays in."""
    return OnboardingRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSTHROUGH_MODULES)
    )


class OnboardingPlugin(SimplePlugin):
    """Give it to `Client.connect`; workers made from that client take it over.

    A `Replayer`, which has no client, is given one of its own. A worker must not be given a second one:
    Temporal warns of it.
    """

    def __init__(self, codec: PayloadCodec | None = None) -> None:
        """``codec``: encrypts what Temporal stores (`settings.Settings.codec`)."""
        super().__init__(
            "reseller-onboarding",
            data_converter=data_converter(codec),
            workflow_runner=sandboxed_workflow_runner(),
        )
