"""`runtime.startup`: what a worker does about a database whose schema is not that of its release."""

import logging
from pathlib import Path

import pytest

from activities.db.engine import Database
from activities.db.schema import Schema
from runtime.startup import StartupError, prepare_database
from tests.activities.schemas import ADDS, TAKES_AWAY, release


async def test_a_worker_starts_on_what_a_newer_release_has_added_and_not_on_what_it_has_taken_away(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    newer = Schema(database, release(tmp_path, ADDS, TAKES_AWAY))
    await newer.migrate()
    with caplog.at_level(logging.INFO, "onboarding.worker"):
        for _ in range(2):
            await prepare_database(database)
    assert f"Database: {database.name}, schema next1 of a newer release, which this one" in caplog.text

    await newer.migrate(contract=True)
    for contract in (False, True):
        with pytest.raises(
            StartupError, match=r"newer release \(next2\), and only .*; this one knows .*\. Run that release"
        ):
            await prepare_database(database, contract=contract)
