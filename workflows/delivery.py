"""What an ended application leaves behind: the mails and the record that could not leave in time."""

import asyncio

from temporalio import workflow

from workflows import calls
from workflows.letters import AnyLetter
from workflows.records import Record
from workflows.values import Contract


class Outstanding(Contract):
    """The letters still to be sent, in order, and the record if the database does not have it yet."""

    letters: tuple[AnyLetter, ...] = ()
    record: Record | None = None


@workflow.defn(name="OutstandingDelivery")
class OutstandingDelivery:
    """An abandoned child of an onboarding that has ended: it tries until mail server and database work."""

    @workflow.run
    async def run(self, outstanding: Outstanding) -> None:
        """Deliver everything; nothing but an outage keeps it from ending."""
        errands = [calls.store(outstanding.record)] if outstanding.record else []
        if outstanding.letters:
            await calls.send(outstanding.letters)
        await asyncio.gather(*errands)
