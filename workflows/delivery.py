"""What an ended application leaves behind: the mails and the records that could not leave in time."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from domain import decisions
from domain.contract import DELIVERY_TYPE, ErrorType
from domain.publication import Delivery, Receipt
from workflows import calls
from workflows.bounced import tell_of
from workflows.memory import Memory, RunMemory
from workflows.pauses import Pauses


@workflow.defn(name=DELIVERY_TYPE)
class OutstandingDelivery:
    """An abandoned child of an onboarding that has ended: it tries until mail server and database work."""

    @workflow.run
    async def run(self, handed_over: Memory) -> None:
        """Store what is not stored and send what is not sent; nothing but an outage, or a recipient who is
        refused for now, keeps it from ending.

        Fails with type ``invalid`` when somebody else than an onboarding starts it.
        """
        if workflow.info().parent is None:
            raise ApplicationError(
                "only an onboarding hands on its mails", type=ErrorType.INVALID, non_retryable=True
            )
        decisions.check_edition(handed_over.application)
        memory = RunMemory(handed_over)
        pauses = Pauses()
        while memory.unpublished:
            publishes = bool(memory.backlog)
            receipt = await self._publish(memory) if publishes else await self._deliver(memory)
            if receipt.superseded:
                # The application was reset: what this way of it left behind no longer counts.
                return
            memory.received(receipt)
            memory.undelivered = receipt.pending > 0
            if receipt.failed:
                tell_of(memory, receipt.failed)
            elif memory.undelivered and not publishes:
                if workflow.info().is_continue_as_new_suggested():
                    workflow.continue_as_new(memory.memory(handed_over=True))
                await workflow.sleep(
                    pauses.next(), summary="Pause before recipients who were refused are tried again"
                )

    async def _publish(self, memory: RunMemory) -> Receipt:
        publication = memory.publication(hold=memory.undelivered)
        receipt = await calls.publish(publication)
        memory.take_in(publication, receipt, workflow.now())
        return receipt

    async def _deliver(self, memory: RunMemory) -> Receipt:
        return await calls.deliver(Delivery(lineage=memory.lineage, failed_through=memory.failed_through))
