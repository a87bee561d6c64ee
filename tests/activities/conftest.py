"""The parts of the database, and the vendor's services, that several tests work with."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio

from activities.access_http import HttpAcpnAccess
from activities.db.access import SqlAcpnAccess
from activities.db.applications import ApplicationRecords
from activities.db.email_ledger import EmailLedger
from activities.db.engine import Database
from activities.db.trail import AuditTrail
from tests.activities.services import VendorServices, vendor_services


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


@pytest.fixture
def access(database: Database) -> SqlAcpnAccess:
    """ACPN access in the database."""
    return SqlAcpnAccess(database)


@pytest.fixture
def services() -> Iterator[VendorServices]:
    """The vendor's account and access services, answering."""
    with vendor_services() as server:
        yield server


@pytest_asyncio.fixture
async def client(services: VendorServices) -> AsyncIterator[httpx.AsyncClient]:
    """What talks to them."""
    async with httpx.AsyncClient(base_url=services.url) as client:
        yield client


@pytest.fixture
def http_access(client: httpx.AsyncClient) -> HttpAcpnAccess:
    """ACPN access at the vendor's service."""
    return HttpAcpnAccess(client)
