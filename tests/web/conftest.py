"""The front door of a test."""

from collections.abc import AsyncIterator

import pytest_asyncio

from activities.db.engine import Database
from tests.web.doors import Doors, opened, two_applications


@pytest_asyncio.fixture
async def doors(sqlite_url: str) -> AsyncIterator[Doors]:
    """With two applications behind it, in SQLite: what differs between databases is tested in activities/."""
    database = Database(sqlite_url)
    async with opened(database) as found:
        await found.store(*two_applications())
        yield found
    await database.dispose()
