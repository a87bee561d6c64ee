"""The onboarding with a change of its machinery, in the four shapes the change has in its life.

The change: when BD approves, the account directory is asked once more. The activity is one command more,
so no history of an approval replays with it. Each class here is the real workflow with one release's code.
"""

from typing import Any, Final

from temporalio import workflow

from domain.contract import WORKFLOW_TYPE, Stage
from domain.inquiry import AccountQuery, Inquiry
from workflows import calls
from workflows.inbox import Message, Reply
from workflows.onboarding import ResellerOnboarding
from workflows.patches import Patch
from workflows.signals import takes_every_command

ACCOUNTS_AT_APPROVAL: Final = Patch(
    id="accounts-at-approval",
    why="The account directory is asked once more when BD approves.",
    since="0.3.0",
    removable_when="No application approved by a release before 0.3.0 is still running, or kept by Temporal.",
)


@workflow.defn(name=WORKFLOW_TYPE)
@takes_every_command
class Unpatched(ResellerOnboarding):
    """The change without a patch; also what is left when the patch has been removed."""

    _asked_again = False

    @workflow.init
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)

    @workflow.run
    async def run(self, *arguments: Any) -> dict[str, Any]:
        """As the real one."""
        return await super().run(*arguments)

    async def _obey(self, message: Message) -> Reply:
        reply = await super()._obey(message)
        approved = reply.refusal is None and reply.status.stage is Stage.QUALIFIED
        if approved and not self._asked_again and self.asks_again():
            self._asked_again = True
            uid = self._memory.application.company_master_uid
            await calls.look_up(Inquiry(at=workflow.now(), accounts=AccountQuery(company_master_uid=uid)))
        return reply

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
    async def run(self, *arguments: Any) -> dict[str, Any]:
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
    async def run(self, *arguments: Any) -> dict[str, Any]:
        """As the real one."""
        return await super().run(*arguments)

    def asks_again(self) -> bool:
        """Always; histories with the patch still replay."""
        workflow.deprecate_patch(ACCOUNTS_AT_APPROVAL.id)
        return True
