"""The Temporal Schedule by which what was signed is looked for: seen, paused and triggered in the Web UI."""

import logging
from datetime import timedelta
from typing import Final

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError

from domain.contract import TASK_QUEUE
from domain.signatures import SWEEP_ID, SWEEP_TYPE
from runtime.errors import first_line, keep_cancellation

log: Final = logging.getLogger("onboarding.signatures")


async def keep_sweeping(client: Client, every: timedelta) -> None:
    """Have signatures looked for ``every`` so often: make the Schedule, or change the one there is.

    Safe to repeat, by several at once too. Who may not make one gets a warning in the log: deliveries are
    carried out all the same, but what gets lost on the way is not found.
    """
    schedule = _schedule(every)
    try:
        try:
            await client.create_schedule(SWEEP_ID, schedule)
        except ScheduleAlreadyRunningError:
            await client.get_schedule_handle(SWEEP_ID).update(lambda found: _changed(found, schedule))
    except RPCError as error:
        keep_cancellation()
        log.warning("Signatures are not looked for (Schedule %s): %s", SWEEP_ID, first_line(error))
        return
    log.info("Signatures are looked for every %g minutes", every.total_seconds() / 60)


def _schedule(every: timedelta) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            SWEEP_TYPE,
            id=SWEEP_ID,
            task_queue=TASK_QUEUE,
            static_summary="Looks for signatures that were not reported, or not carried out",
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
        # What was missed while nobody worked is found by the next one.
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(minutes=1)),
    )


def _changed(found: ScheduleUpdateInput, wanted: Schedule) -> ScheduleUpdate | None:
    """The one there is with what differs; that it is paused stays."""
    there = found.description.schedule
    if there.spec.intervals == wanted.spec.intervals:
        return None
    there.spec, there.action, there.policy = wanted.spec, wanted.action, wanted.policy
    return ScheduleUpdate(there)
