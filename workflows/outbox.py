"""Brings what was decided to the database and the mail server, in order, while the process goes on."""

import asyncio
from collections.abc import Callable

from temporalio import workflow
from temporalio.exceptions import ActivityError

from domain.publication import Delivery, Lineage, Receipt
from workflows import calls
from workflows.memory import RunMemory
from workflows.pauses import Pauses


class Outbox:
    """Two activities at most: one stores what was decided and sends its mails, one sends what could not
    leave at once. Only one of them sends at a time: two would send a mail twice.

    While the mail server is away every mail waits behind the others. While it only refuses some recipients
    for now, their mails rest between two tries, and those to others leave as ever.

    It sets out when ``quiet`` says that a transition is complete, so that what belongs together leaves
    together, and calls ``returned`` with each receipt.
    """

    def __init__(
        self,
        memory: RunMemory,
        quiet: Callable[[], bool],
        returned: Callable[[Receipt], None],
    ) -> None:
        self._memory = memory
        self._quiet = quiet
        self._returned = returned
        self._stopping = False
        self._publications = 0
        self._sending = False
        self._delivering = False
        self._resting = False
        self._roused = False
        self._put_off = 0
        self._pauses = Pauses()
        self._under_way: set[workflow.ActivityHandle[Receipt]] = set()
        self._tasks = [asyncio.create_task(self._publish()), asyncio.create_task(self._deliver())]

    async def stop(self) -> None:
        """Call both activities back; what they have not done stays in the memory."""
        self._stopping = True
        for handle in self._under_way:
            handle.cancel()
        await workflow.wait(self._tasks)
        for task in self._tasks:
            task.result()

    async def _publish(self) -> None:
        memory = self._memory
        while await self._something(lambda: bool(memory.backlog)):
            # Behind mails that wait for the mail server none may overtake.
            hold = self._delivering or (memory.undelivered and not self._resting)
            publication = memory.publication(hold=hold)
            self._sending = not hold
            try:
                receipt = await self._until_stopped(calls.publish(publication))
            finally:
                self._sending = False
            if receipt is None or await self._superseded(receipt, publication.lineage):
                continue
            if not memory.take_in(publication, receipt, workflow.now()):
                continue
            self._publications += 1
            memory.undelivered = receipt.pending > 0
            self._rest_by(receipt, rest=receipt.pending == receipt.put_off)
            self._returned(receipt)

    async def _deliver(self) -> None:
        memory = self._memory
        while await self._something(lambda: memory.undelivered and not self._sending):
            if self._resting:
                await self._rest()
                continue
            before = self._publications
            delivery = Delivery(lineage=memory.lineage, failed_through=memory.failed_through)
            self._delivering = True
            try:
                receipt = await self._until_stopped(calls.deliver(delivery))
            finally:
                self._delivering = False
            if receipt is None or await self._superseded(receipt, delivery.lineage):
                continue
            # What was stored meanwhile may have come too late for this delivery.
            later = self._publications > before
            memory.undelivered = receipt.pending > 0 or later
            self._rest_by(receipt, rest=not later)
            self._returned(receipt)

    def _rest_by(self, receipt: Receipt, *, rest: bool) -> None:
        """Whether what waits rests before it is tried again, and how long."""
        if not receipt.pending or receipt.put_off > self._put_off:
            self._pauses.reset()
            self._roused = True
        self._put_off = receipt.put_off
        self._resting = rest and receipt.pending > 0
        self._roused = self._roused or not self._resting

    async def _rest(self) -> None:
        self._roused = False
        try:
            await workflow.wait_condition(
                lambda: self._stopping or self._roused,
                timeout=self._pauses.next(),
                timeout_summary="Pause before recipients who were refused are tried again",
            )
        except TimeoutError:
            self._resting = False

    async def _superseded(self, receipt: Receipt, written_for: Lineage) -> bool:
        """Whether the application was reset and nothing was written; waits until the run has taken up."""
        # The run may have taken up while the activity was on its way: then it is told nothing new.
        if receipt.superseded and self._memory.lineage == written_for:
            self._returned(receipt)
            await workflow.wait_condition(lambda: self._stopping or self._memory.lineage != written_for)
        return receipt.superseded

    async def _something(self, to_do: Callable[[], bool]) -> bool:
        await workflow.wait_condition(lambda: self._stopping or (self._quiet() and to_do()))
        return not self._stopping

    async def _until_stopped(self, handle: workflow.ActivityHandle[Receipt]) -> Receipt | None:
        self._under_way.add(handle)
        try:
            return await handle
        except ActivityError:
            # It is tried until it works: so it was called back, or an operator has failed it by hand
            # (`temporal activity fail`), and what it was to do is still to be done.
            return None
        finally:
            self._under_way.discard(handle)
