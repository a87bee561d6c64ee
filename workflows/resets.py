"""The resets of a run by Temporal's Reset: how it learns of them, and goes on from there."""

import asyncio

from temporalio import workflow

from domain import access
from domain.inquiry import Head
from domain.publication import TakeUp
from workflows import calls
from workflows.memory import RunMemory
from workflows.reset import begins_reset


class Resets:
    """Temporal gives a run another random seed where it was reset, and for no other reason. One that was
    reset to its very beginning has it by the time it begins."""

    def __init__(self) -> None:
        self._known = int(begins_reset())
        self._taken_up = 0
        self._taking_up = False
        self._loop = asyncio.get_running_loop()
        workflow.register_random_seed_callback(self._has_new_seed)

    @property
    def waiting(self) -> bool:
        """Whether there is one to be taken up, before anything else is decided."""
        return self._known > self._taken_up

    def superseded(self) -> None:
        """The database has it that the run was reset; told twice where the seed told it, too."""
        if not self._taking_up and not self.waiting:
            self._known += 1

    async def take_up(self, memory: RunMemory) -> Head:
        """Go on: what has been stored stays, and no number is used twice. Waits for the database."""
        application = memory.application
        self._taken_up = self._known
        self._taking_up = True
        head = await calls.take_up(
            TakeUp(
                application_id=application.application_id,
                company_master_uid=application.company_master_uid,
                sequence=memory.sequence,
                resets=memory.unpublished_resets,
                uids=access.has_access(application),
                failed_through=memory.failed_through,
            )
        )
        memory.taken_up(head, workflow.now())
        self._taking_up = False
        return head

    def _has_new_seed(self, seed: int) -> None:
        # Called outside the workflow's event loop, which looks at what is waited for only where something has
        # run in it; and where a reset leads there may be nothing else.
        self._known += 1
        self._loop.call_soon(_nothing)


def _nothing() -> None:
    """What runs only for the loop to have run."""
