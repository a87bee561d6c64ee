"""The workflow that delivers webhooks to one endpoint: it runs as long as there is something to deliver.

It remembers nothing: which deliveries wait, and until when, is in the database. Whoever stores an event
wakes it (`WAKE`), or starts it again.
"""

from datetime import timedelta
from typing import Any, Final

from temporalio import workflow

from domain.contract import WAKE, WEBHOOK_TYPE, webhook_workflow_id
from domain.webhooks import FIRST_PAUSE, LONGEST_PAUSE, Outgoing
from workflows import calls

LINGERS: Final = timedelta(minutes=1)
"""How long a run waits for the next event before it ends."""


@workflow.defn(name=WEBHOOK_TYPE)
class WebhookEndpoint:
    """Workflow ID ``reseller-onboarding-webhook-{endpoint_id}``; no argument."""

    @workflow.init
    def __init__(self, *arguments: Any) -> None:
        self._woken = False

    @workflow.signal(name=WAKE, description="There is something to deliver.")
    def wake(self, *arguments: Any) -> None:
        """There is something to deliver."""
        self._woken = True

    @workflow.run
    async def run(self, *arguments: Any) -> None:
        """Deliver until nothing is left, or the endpoint is gone or switched off."""
        endpoint_id = workflow.info().workflow_id.removeprefix(webhook_workflow_id(""))
        outgoing = Outgoing(endpoint_id=endpoint_id)
        while True:
            self._woken = False
            outcome = await calls.send_webhooks(outgoing)
            if not outcome.on:
                if outcome.told:
                    return
                outcome = await calls.tell_of_webhooks(outgoing)
                if not outcome.on:
                    return
            elif not outcome.more and not await self._woken_within(outcome.pause) and outcome.pause is None:
                return
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new()

    async def _woken_within(self, pause: timedelta | None) -> bool:
        """Whether there is something new before the next attempt is due."""
        wait = LINGERS if pause is None else min(max(pause, FIRST_PAUSE), LONGEST_PAUSE)
        why = "Waits for the next event" if pause is None else "Pause before it is tried again"
        try:
            await workflow.wait_condition(lambda: self._woken, timeout=wait, timeout_summary=why)
        except TimeoutError:
            return False
        return True
