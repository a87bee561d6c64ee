"""The parts of the database that several tests work with."""

import pytest

from activities.db.applications import ApplicationRecords
from activities.db.email_ledger import EmailLedger
from activities.db.engine import Database
from activities.db.trail import AuditTrail


@pytest.fixture
def trail(database: Database) -> AuditTrail:
    """What writes the trails."""
    return AuditTrail(database)


@pytest.fixture
def records(database: Database) -> ApplicationRecords:
    """What reads the applications."""
    return ApplicationRecords(database)


@pytest.fixture
def ledger(database: Database) -> EmailLedger:
    """The e-mail ledger."""
    return EmailLedger(database)
