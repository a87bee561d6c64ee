"""The front door of a test."""

from collections.abc import AsyncIterator

import pytest_asyncio

from activities.db.engine import Database
from tests.web.doors import Doors, opened, two_applications
from tests.web.people import PUBLIC, Portal, portal


@pytest_asyncio.fixture
async def doors(sqlite_url: str) -> AsyncIterator[Doors]:
    """With two applications behind it, in SQLite: what differs between databases is tested in activities/."""
    database = Database(sqlite_url)
    async with opened(database) as found:
        await found.store(*two_applications())
        yield found
    await database.dispose()


@pytest_asyncio.fixture
async def here() -> AsyncIterator[Portal]:
    """The pages as `onboarding up` has them."""
    async with portal() as found:
        yield found


@pytest_asyncio.fixture
async def public() -> AsyncIterator[Portal]:
    """The pages at an address of their own, protected by TLS."""
    async with portal(PUBLIC) as found:
        yield found
