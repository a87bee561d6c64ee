"""The onboarding with a change, in the four shapes the change has in its life.

The change: when BD approves, the account directory is asked once more. The activity is one command more,
so no history of an approval replays with it. Each class here is the real workflow with one release's code.
"""

from typing import Any, Final

from temporalio import workflow

from domain.contract import WORKFLOW_TYPE
from domain.inquiry import AccountQuery
from domain.status import Status
from workflows import calls
from workflows.onboarding import ResellerOnboarding
from workflows.patches import Patch
from workflows.signals import takes_every_command

ACCOUNTS_AT_APPROVAL: Final = Patch(
    id="accounts-at-approval",
    why="The account directory is asked once more when BD approves.",
    since="0.2.0",
    removable_when="No application approved by a release before 0.2.0 is still running, or kept by Temporal.",
)


@workflow.defn(name=WORKFLOW_TYPE)
@takes_every_command
class Unpatched(ResellerOnboarding):
    """The change without a patch; also what is left when the patch has been removed."""

    @workflow.init
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)

    @workflow.run
    async def run(self, *arguments: Any) -> Status:
        """As the real one."""
        return await super().run(*arguments)

    async def _carry_out(self, *arguments: Any, **named: Any) -> None:
        _, name, *_ = arguments
        if name == "approve_application" and self.asks_again():
            await calls.look_up(AccountQuery(company_master_uid=self._desk.application.company_master_uid))
        await super()._carry_out(*arguments, **named)

    def asks_again(self) -> bool:
        """Whether this run goes the new way."""
        return True


@workflow.defn(name=WORKFLOW_TYPE)
@takes_every_command
class Patched(Unpatched):
    """The release that brings the change."""

    @workflow.init
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)

    @workflow.run
    async def run(self, *arguments: Any) -> Status:
        """As the real one."""
        return await super().run(*arguments)

    def asks_again(self) -> bool:
        """Not where the history went on without."""
        return workflow.patched(ACCOUNTS_AT_APPROVAL.id)


@workflow.defn(name=WORKFLOW_TYPE)
@takes_every_command
class Deprecated(Unpatched):
    """A later release: no run that went the old way is left."""

    @workflow.init
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)

    @workflow.run
    async def run(self, *arguments: Any) -> Status:
        """As the real one."""
        return await super().run(*arguments)

    def asks_again(self) -> bool:
        """Always; histories with the patch still replay."""
        workflow.deprecate_patch(ACCOUNTS_AT_APPROVAL.id)
        return True
