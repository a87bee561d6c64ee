"""What must be the same in every client, worker and replayer, in one place.

A history written under one data converter or sandbox and replayed under another tells nothing about the code.
"""

from typing import Final

from temporalio.converter import PayloadCodec
from temporalio.plugin import SimplePlugin
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from workflows.data_converter import data_converter

LIBRARY_MODULES: Final = (
    "aiosmtplib",
    "email_validator",
    "holidays",
    "httpx",
    "icalendar",
    "jinja2",
    "pycountry",
    "pydantic",
    "pydantic_core",
    "pydantic_extra_types",
    "rfc8785",
    "sqlalchemy",
)
"""Libraries that workflow code reaches by import, its own or through an activity's module."""

PURE_MODULES: Final = (
    "domain.audit",
    "domain.clocks",
    "domain.decisions",
    "workflows.memory",
    "domain.diagram",
    "domain.documents",
    "domain.effects",
    "domain.emails",
    "domain.facts",
    "workflows.inbox",
    "domain.intake",
    "domain.letters",
    "domain.lifecycle",
    "domain.contract",
    "workflows.patches",
    "domain.policy",
    "domain.records",
    "domain.rules",
    "domain.state",
    "domain.status",
    "domain.values",
    "domain.view",
)
"""Our modules without I/O, clock or randomness: the same input gives the same answer, in a sandbox or not."""

PASSTHROUGH_MODULES: Final = (*LIBRARY_MODULES, *PURE_MODULES, "activities")
"""Imported once for the process, not once for each run in its sandbox; submodules are included.

Nothing of ``workflows`` that uses ``temporalio.workflow`` belongs here: that code must stay in the sandbox.
"""


def sandboxed_workflow_runner() -> SandboxedWorkflowRunner:
    """The sandbox that workflow code runs and replays in."""
    return SandboxedWorkflowRunner(
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
