"""Settling transitions: clocks by the desk's calendar, and rows that never hold a workflow task up."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta

import pytest
from activities.records import RecordActivities
from domain.records import Record, Settled, Transition
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from temporalio.testing import ActivityEnvironment

from activities.db.applications import ApplicationRecords, StoredApplication
from activities.db.engine import Database
from domain.clocks import Clock, ClockKind, ClockRequest, PausedClock
from domain.contract import Stage
from domain.status import Status
from tests.activities.examples import NOON, application, event, record
from tests.databases import Postgresql

WEDNESDAY_ENDS = datetime(2025, 3, 19, 16, tzinfo=UTC)
TUESDAY_ENDS = datetime(2025, 3, 18, 16, tzinfo=UTC)
ON_A_BUSY_MACHINE = timedelta(minutes=1)
"""For tests in which the database is there: whether it is in time is not what they are about."""
REVIEW = ClockRequest(kind=ClockKind.REVIEW, working_days=3)
EXPIRY = ClockRequest(kind=ClockKind.EXPIRY, calendar_days=90)


@pytest.fixture
def activities(database: Database) -> RecordActivities:
    return RecordActivities(ApplicationRecords(database), ON_A_BUSY_MACHINE)


async def settle(activities: RecordActivities, transition: Transition) -> Settled:
    settled: Settled = await ActivityEnvironment().run(activities.settle, transition)
    return settled


async def set_clock(request: ClockRequest) -> Clock:
    """The clock that is set at noon on Friday, 14 March 2025, without any database."""
    activities = RecordActivities(Unused())
    [clock] = (await settle(activities, asking(request, store=False))).clocks
    return clock


def asking(*requests: ClockRequest, store: bool = True) -> Transition:
    submitted = record(application(stage=Stage.UNDER_REVIEW), event(1))
    return Transition(record=submitted, requests=requests, store=store)


class Unused(ApplicationRecords):
    """Records nobody may ask for."""

    def __init__(self) -> None:
        pass

    async def write(self, record: Record, status: Status, *, committed: bool) -> bool:
        raise AssertionError("nothing is to be written")


class Faulty(Unused):
    """Records with a bug."""

    async def write(self, record: Record, status: Status, *, committed: bool) -> bool:
        raise KeyError("a bug")


async def newest(database: Database) -> StoredApplication:
    stored = await ApplicationRecords(database).newest("1001")
    assert stored is not None
    return stored


async def test_a_review_is_due_after_the_working_days_and_reminded_one_day_before() -> None:
    clock = await set_clock(REVIEW)
    assert (clock.due_at, clock.remind_at) == (WEDNESDAY_ENDS, TUESDAY_ENDS)
    assert clock.days_counted == (date(2025, 3, 17), date(2025, 3, 18), date(2025, 3, 19))
    assert clock.calendar is not None
    assert clock.calendar.startswith("CN (holidays ")
    assert (clock.time_zone, clock.provisional) == ("Asia/Shanghai", False)


@pytest.mark.parametrize("kind", [ClockKind.CONTACT, ClockKind.REMINDER])
async def test_only_a_review_has_a_reminder_before_it_is_due(kind: ClockKind) -> None:
    clock = await set_clock(ClockRequest(kind=kind, working_days=3))
    assert (clock.due_at, clock.remind_at) == (WEDNESDAY_ENDS, None)


@pytest.mark.parametrize(("paused_on", "left"), [(12, 2), (13, 1), (20, 1)])
async def test_a_resumed_review_has_the_days_that_were_left_but_at_least_one(
    paused_on: int, left: int
) -> None:
    paused = PausedClock(
        days_counted=(date(2025, 3, 12), date(2025, 3, 13), date(2025, 3, 14)),
        paused_at=datetime(2025, 3, paused_on, 4, tzinfo=UTC),
    )
    clock = await set_clock(ClockRequest(kind=ClockKind.REVIEW, resume=paused))
    assert clock.days_counted == (date(2025, 3, 17), date(2025, 3, 18))[:left]
    assert clock.remind_at == clock.due_at - timedelta(days=1 if left > 1 else 3)


async def test_an_expiry_ends_with_the_calendar_day() -> None:
    assert (await set_clock(EXPIRY)).due_at == datetime(2025, 6, 12, 16, tzinfo=UTC)


async def test_a_start_date_begins_in_the_contract_s_own_zone() -> None:
    request = ClockRequest(kind=ClockKind.START_DATE, on=date(2025, 5, 1), time_zone="America/New_York")
    clock = await set_clock(request)
    assert (clock.due_at, clock.time_zone) == (datetime(2025, 5, 1, 4, tzinfo=UTC), "America/New_York")


async def test_an_access_check_comes_after_a_while() -> None:
    clock = await set_clock(ClockRequest(kind=ClockKind.ACCESS_CHECK, after=timedelta(minutes=2)))
    assert clock.due_at == NOON + timedelta(minutes=2)


async def test_a_request_that_names_no_way_to_count_is_a_bug() -> None:
    with pytest.raises(ValueError, match="names no way to count"):
        await set_clock(ClockRequest(kind=ClockKind.REVIEW))


async def test_clocks_are_stored_with_the_record(activities: RecordActivities, database: Database) -> None:
    transition = asking(REVIEW)
    for _ in range(2):
        settled = await settle(activities, transition)
        assert settled.stored
    stored = await newest(database)
    assert stored.due_at == WEDNESDAY_ENDS
    assert stored.status.deadline is not None
    assert stored.status.deadline.days_counted == settled.clocks[0].days_counted


async def test_a_new_clock_replaces_its_kind_and_leaves_the_others(
    activities: RecordActivities, database: Database
) -> None:
    old = Clock(kind=ClockKind.REVIEW, due_at=NOON)
    expiry = Clock(kind=ClockKind.EXPIRY, due_at=NOON + timedelta(days=90))
    withdrawn = application(stage=Stage.UNDER_REVIEW).but(clocks=(old, expiry))
    transition = Transition(record=record(withdrawn, event(1)), requests=(REVIEW,))
    assert [clock.kind for clock in (await settle(activities, transition)).clocks] == [ClockKind.REVIEW]
    assert (await newest(database)).due_at == WEDNESDAY_ENDS
    await settle(activities, Transition(record=record(withdrawn, event(2))))
    assert (await newest(database)).due_at == NOON


async def test_when_the_contract_takes_effect_is_stored_with_its_clock(
    activities: RecordActivities, database: Database
) -> None:
    starts = ClockRequest(kind=ClockKind.START_DATE, on=date(2025, 5, 1), time_zone="Asia/Shanghai")
    signed = record(application(stage=Stage.SIGNED), event(1))
    await settle(activities, Transition(record=signed, requests=(starts,)))
    status = (await newest(database)).status
    assert status.contract_start_at == datetime(2025, 4, 30, 16, tzinfo=UTC)
    assert status.access.available_at == status.contract_start_at


async def test_nothing_is_stored_while_the_database_is_known_to_be_down() -> None:
    assert not (await settle(RecordActivities(Unused()), asking(REVIEW, store=False))).stored


async def test_a_bug_is_no_outage() -> None:
    with pytest.raises(KeyError, match="a bug"):
        await settle(RecordActivities(Faulty()), asking())


async def test_behind_a_lost_task_it_says_that_nothing_is_stored_until_it_is_committed(
    activities: RecordActivities, database: Database
) -> None:
    await settle(activities, Transition(record=record(application(), event(1), event(2))))
    later = NOON + timedelta(seconds=10)
    again = record(application(), event(1, at=later), at=later)
    assert not (await settle(activities, Transition(record=again))).stored
    assert (await newest(database)).sequence == 2
    await ActivityEnvironment().run(activities.store, again)
    assert (await newest(database)).sequence == 1


async def test_store_catches_up_as_often_as_it_is_tried(
    activities: RecordActivities, database: Database
) -> None:
    written = record(application(), event(1), event(2))
    for _ in range(2):
        await ActivityEnvironment().run(activities.store, written)
    assert (await newest(database)).sequence == 2


@asynccontextmanager
async def busy(database: Database) -> AsyncIterator[None]:
    """Somebody else holds the table, and does not let go."""
    async with database.engine.connect() as connection:
        if database.engine.dialect.name == "sqlite":
            connection = await connection.execution_options(sqlite_begin="BEGIN IMMEDIATE")
            await connection.execute(text("SELECT 1"))
        else:
            await connection.execute(text("LOCK TABLE applications IN ACCESS EXCLUSIVE MODE"))
        yield


async def test_a_database_that_does_not_answer_is_not_waited_for(database_url: str) -> None:
    # The lock is held until the activity has returned, so that returning at all is the proof.
    database, other = Database(database_url), Database(database_url)
    activities = RecordActivities(ApplicationRecords(database))
    async with busy(other):
        settled = await settle(activities, asking(REVIEW))
        assert (settled.stored, settled.clocks[0].due_at) == (False, WEDNESDAY_ENDS)
    patient = RecordActivities(ApplicationRecords(database), ON_A_BUSY_MACHINE)
    assert (await settle(patient, asking(REVIEW))).stored
    await database.dispose()
    await other.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def broken(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database that was there, and is gone."""
    if request.param == "sqlite":
        yield request.getfixturevalue("unmigrated_sqlite_url")
        return
    server: Postgresql = request.getfixturevalue("own_postgresql")
    url = server.url(server.create())
    server.stop()
    yield url


async def test_with_the_database_gone_the_process_goes_on_and_catching_up_fails(broken: str) -> None:
    database = Database(broken)
    activities = RecordActivities(ApplicationRecords(database))
    for _ in range(2):
        settled = await settle(activities, asking(REVIEW))
        assert (settled.stored, settled.clocks[0].due_at) == (False, WEDNESDAY_ENDS)
    with pytest.raises(SQLAlchemyError):
        await ActivityEnvironment().run(activities.store, asking().record)
    await database.dispose()


async def test_rows_catch_up_when_the_server_is_back(own_postgresql: Postgresql) -> None:
    database = Database(own_postgresql.url(own_postgresql.create()))
    await database.migrate()
    activities = RecordActivities(ApplicationRecords(database), ON_A_BUSY_MACHINE)
    assert (await settle(activities, asking(REVIEW))).stored
    own_postgresql.stop()
    lost = Transition(record=record(application(stage=Stage.QUALIFIED), event(2)))
    assert not (await settle(activities, lost)).stored
    own_postgresql.start()
    await ActivityEnvironment().run(activities.store, lost.record)
    assert (await newest(database)).stage is Stage.QUALIFIED
    await database.dispose()
