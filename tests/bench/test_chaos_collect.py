"""What is gathered from a real database shows what was done to it behind the service's back."""

from sqlalchemy import delete, select, update

from activities.db.engine import Database
from activities.db.tables import ApplicationRow, AuditEventRow, AuditHeadRow, EmailRow
from activities.db.trail import AuditTrail
from bench.chaos.collect import Sampler, stored
from bench.chaos.evidence import Evidence, Run
from bench.chaos.oracle_records import judge_records
from bench.chaos.plan import Script
from domain.audit import Verdict
from domain.chain import chained
from domain.contract import Stage
from domain.publication import TakeUp
from tests.activities.examples import APPROVED, application, entry, issued, publication, with_sheet

UID = "1001"
SCRIPTS = (Script(uid=UID, turns=()),)


async def gathered(database: Database, sampler: Sampler, resets: int = 0) -> Evidence:
    run = Run(uid=UID, application_id="run-1", status="completed", outcome="drafting", resets=resets)
    await sampler.look()
    return Evidence(
        runs=(run,),
        samples=tuple(sampler.samples),
        readings=tuple(sampler.readings),
        **await stored(database, (UID,)),
    )


async def broken(database: Database, sampler: Sampler, resets: int = 0) -> set[str]:
    evidence = await gathered(database, sampler, resets)
    return {violation.promise for violation in judge_records(SCRIPTS, evidence)}


async def written(database: Database) -> Sampler:
    """Five events, one of them refused, looked at twice, and a mail."""
    trail, sampler, joined = AuditTrail(database), Sampler(database), application()
    await trail.publish(publication(joined, entry(1), entry(2, APPROVED)))
    await sampler.look()
    refused = entry(4, verdict=Verdict.REFUSED, error="wrong_stage")
    later = publication(with_sheet(joined, 1), issued(3, 1), refused, entry(5), after=joined)
    await trail.publish(later)
    await sampler.look()
    return sampler


async def test_what_was_written_by_the_service_alone_keeps_every_promise(database: Database) -> None:
    sampler = await written(database)
    evidence = await gathered(database, sampler)
    assert [(sample.sequence, sample.audited) for sample in evidence.samples] == [(2, 2), (5, 5)]
    assert [reading.sequence for reading in evidence.readings] == [1, 2, 3, 4, 5]
    [row] = evidence.rows
    assert (row.pending_emails, row.refusals) == (1, ("c-4",))
    assert judge_records(SCRIPTS, evidence) == ()


async def test_an_altered_event_shows(database: Database) -> None:
    sampler = await written(database)
    with database.engine.begin() as connection:
        connection.execute(
            update(AuditEventRow).where(AuditEventRow.sequence == 2).values(message="Never said.")
        )
    assert await broken(database, sampler) == {"audit trail is not chained"}


async def test_an_event_altered_with_its_hash_shows(database: Database) -> None:
    sampler = await written(database)
    with database.engine.begin() as connection:
        before = connection.scalar(select(AuditEventRow.hash).where(AuditEventRow.sequence == 4))
        forged = entry(5, message="Never said.").event
        link = chained(forged, "run-1", before, "salt")
        values = {
            "message": forged.message,
            "salt": link.salt,
            "commitment": link.commitment,
            "hash": link.hash,
        }
        connection.execute(update(AuditEventRow).where(AuditEventRow.sequence == 5).values(values))
        connection.execute(update(AuditHeadRow).values(hash=link.hash))
    assert await broken(database, sampler) == {"event changed"}


async def test_a_tail_that_is_cut_off_shows(database: Database) -> None:
    sampler = await written(database)
    with database.engine.begin() as connection:
        connection.execute(delete(AuditEventRow).where(AuditEventRow.sequence == 5))
    assert {"audit trail is not chained", "event changed", "records disagree"} <= await broken(
        database, sampler
    )


async def test_a_row_or_mail_changed_by_hand_shows(database: Database) -> None:
    sampler = await written(database)
    with database.engine.begin() as connection:
        connection.execute(update(ApplicationRow).values(stage=Stage.ACTIVE))
    assert await broken(database, sampler) == {"records disagree"}
    with database.engine.begin() as connection:
        connection.execute(update(ApplicationRow).values(stage=Stage.DRAFTING))
        connection.execute(update(EmailRow).values(application_id="another"))
    assert await broken(database, sampler) == {"records disagree"}


async def test_what_a_reset_undoes_is_void_and_stays_on_record(database: Database) -> None:
    sampler, trail = await written(database), AuditTrail(database)
    await trail.take_up(TakeUp(application_id="run-1", company_master_uid=UID, sequence=2))
    # The event that says so is still on its way.
    assert await broken(database, sampler, resets=1) == {"records disagree", "reset not on record"}
    reset = entry(6, command="reset", command_id=None, details={"back_to": 2})
    await trail.publish(publication(application(), reset, generation=1))
    assert await broken(database, sampler, resets=1) == set()
    assert await broken(database, sampler) == {"reset not on record"}
