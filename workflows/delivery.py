"""What an ended application leaves behind: the mails and the record that could not leave in time."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from domain import decisions
from domain.audit import Verdict
from domain.contract import SYSTEM, ErrorType
from domain.emails import EmailReceipt
from workflows import calls
from workflows.memory import Desk, Memory
from workflows.outbox import next_batch


@workflow.defn(name="OutstandingDelivery")
class OutstandingDelivery:
    """An abandoned child of an onboarding that has ended: it tries until mail server and database work."""

    @workflow.run
    async def run(self, memory: Memory) -> None:
        """Store what is not stored and send what is not sent; nothing but an outage keeps it from ending.

        Fails with type ``invalid`` when somebody else than an onboarding starts it.
        """
        if workflow.info().parent is None:
            raise ApplicationError(
                "only an onboarding hands on its mails", type=ErrorType.INVALID, non_retryable=True
            )
        desk = Desk(memory)
        while desk.outbox or desk.unstored:
            if desk.unstored:
                record = desk.record(workflow.now())
                await calls.store(record)
                desk.stored(record)
            if letters := next_batch(desk.outbox):
                receipt = await calls.send(letters)
                desk.delivered(letters)
                if receipt.failed:
                    self._tell(desk, receipt)

    def _tell(self, desk: Desk, receipt: EmailReceipt) -> None:
        """Tell BD of mails that can't be delivered, as the onboarding itself would."""
        now = workflow.now()
        decision = decisions.emails_failed(desk.application, receipt.failed)
        desk.note(now, "email_failed", Verdict.ACCEPTED, desk.application.stage, actor=SYSTEM)
        desk.application = decision.application
        desk.write(decision, now)
