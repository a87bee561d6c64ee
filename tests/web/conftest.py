"""The front door of a test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from activities.db.engine import Database
from activities.db.schema import Schema
from tests.web.doors import Doors, opened, two_applications


@pytest_asyncio.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    """With two applications behind it, in SQLite: what differs between databases is tested in activities/."""
    database = Database(f"sqlite:///{tmp_path / 'onboarding.db'}")
    await Schema(database).migrate()
    async with opened(database) as found:
        await found.store(*two_applications())
        yield found
    await database.dispose()
