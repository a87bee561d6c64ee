"""Activities that settle a transition: set its clocks and write it down."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from temporalio import activity

from activities.db.applications import ApplicationRecords
from activities.working_days import WorkingCalendar, start_of_day
from domain.clocks import Clock, ClockKind, ClockRequest
from domain.decisions import settled
from domain.policy import Policy
from domain.records import Record, Settled, Transition
from domain.view import describe

STORE_WITHIN: Final = timedelta(milliseconds=800)
"""A workflow task waits for `RecordActivities.settle`, and a caller, who gets a second, for the task."""


class RecordActivities:
    """Clocks and records of the applications."""

    def __init__(self, records: ApplicationRecords, store_within: timedelta = STORE_WITHIN) -> None:
        self._records = records
        self._store_within = store_within
        self._abandoned: set[asyncio.Task[bool]] = set()

    @activity.defn
    async def settle(self, transition: Transition) -> Settled:
        """Set the clocks asked for and, unless told not to, store the record with them.

        Meant as a local activity. It does not fail because of the database: what could not be stored in
        time comes back as ``stored=False``, for `store` to catch up.

        Raises:
            ValueError: the policy names a calendar the package `holidays` does not know.
        """
        record = transition.record
        clocks = set_clocks(transition.requests, record.at, record.application.policy)
        answer = Settled(clocks=clocks, policy=record.application.policy)
        if not transition.store:
            return answer
        application = settled(record.application, answer)
        stored = await self._stored_in_time(record.model_copy(update={"application": application}))
        return answer.model_copy(update={"stored": stored})

    @activity.defn
    async def store(self, record: Record) -> None:
        """Store the record, however often it is tried.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database did not take it; try again.
        """
        await self._records.write(record, describe(record), committed=True)

    async def _stored_in_time(self, record: Record) -> bool:
        write = asyncio.create_task(self._records.write(record, describe(record), committed=False))
        # Not `asyncio.timeout`: that waits until the driver has given up as well, for which psycopg takes
        # seconds when the server is silent. A write that succeeds after all does no harm: it is idempotent.
        self._abandoned.add(write)
        write.add_done_callback(self._finished)
        try:
            await asyncio.wait({write}, timeout=self._store_within.total_seconds())
        finally:
            write.cancel()
        if not write.done():
            activity.logger.warning("The database did not answer within %s", self._store_within)
            return False
        failure = write.exception()
        if failure is None:
            return write.result()
        if not isinstance(failure, SQLAlchemyError | OSError):
            raise failure
        activity.logger.warning("The database did not take the record: %s", failure)
        return False

    def _finished(self, write: "asyncio.Task[bool]") -> None:
        self._abandoned.discard(write)
        if not write.cancelled():
            write.exception()


def set_clocks(requests: tuple[ClockRequest, ...], at: datetime, policy: Policy) -> tuple[Clock, ...]:
    """The clocks asked for, counted from ``at`` by the desk's calendar (design §5).

    Raises:
        ValueError: `holidays` does not know the policy's calendar, or a request names no way to count.
    """
    if not requests:
        return ()
    calendar = WorkingCalendar(policy.calendar, policy.time_zone)
    return tuple(_clock(request, request.since or at, policy, calendar) for request in requests)


def _clock(request: ClockRequest, at: datetime, policy: Policy, calendar: WorkingCalendar) -> Clock:
    match request:
        case ClockRequest(working_days=int(count)):
            return _working_days(request.kind, at, count, policy, calendar)
        case ClockRequest(resume=paused) if paused is not None:
            left = calendar.remaining(paused.days_counted, paused.paused_at)
            return _working_days(request.kind, at, left, policy, calendar)
        case ClockRequest(calendar_days=int(days)):
            due_at = calendar.end_of_calendar_day(at, days)
            return Clock(kind=request.kind, due_at=due_at, time_zone=policy.time_zone)
        case ClockRequest(on=day, time_zone=zone) if day is not None and zone is not None:
            return Clock(kind=request.kind, due_at=start_of_day(day, zone), time_zone=zone)
        case ClockRequest(after=duration) if duration is not None:
            return Clock(kind=request.kind, due_at=at + duration)
        case _:
            raise ValueError(f"the request for the clock {request.kind} names no way to count")


def _working_days(
    kind: ClockKind, at: datetime, count: int, policy: Policy, calendar: WorkingCalendar
) -> Clock:
    counted = calendar.working_days_after(at, count)
    return Clock(
        kind=kind,
        due_at=counted.due_at,
        remind_at=counted.remind_at if kind is ClockKind.REVIEW else None,
        calendar=calendar.label,
        time_zone=policy.time_zone,
        days_counted=counted.days,
        provisional=counted.provisional,
    )
