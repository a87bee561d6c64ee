"""What is stored, read to be compared."""

from sqlalchemy import select

from activities.db.applications import ApplicationRecords
from activities.db.email_ledger import EmailLedger, LedgerRow
from activities.db.engine import Database
from activities.db.tables import Base
from domain.chain import broken_at
from domain.publication import TakeUp


async def everything(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """All rows there are."""
    found = {}
    for table in Base.metadata.sorted_tables:
        rows = await database.rows(select(table).order_by(*table.primary_key), {})
        found[table.name] = [tuple(row) for row in rows]
    return found


async def intact(records: ApplicationRecords, *sequences: int) -> None:
    """The trail has these events, in a chain that holds."""
    stored = await records.trail("run-1")
    assert [chained.event.sequence for chained in stored] == list(sequences)
    assert broken_at("run-1", stored) is None


async def by_key(ledger: EmailLedger) -> dict[str, LedgerRow]:
    """The e-mails of the application."""
    return {row.key: row for row in await ledger.of("run-1")}


def reset_to(sequence: int) -> TakeUp:
    """Temporal's Reset has turned the application back to this event."""
    return TakeUp(application_id="run-1", company_master_uid="1001", sequence=sequence)
