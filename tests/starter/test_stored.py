"""`starter.client.stored`: what is said of a database that can't be made ready."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from domain.inquiry import Account
from starter.client.errors import ArchiveError, OnboardingError
from starter.client.stored import open_archive


async def test_the_schema_of_a_newer_release(sqlite_url: str) -> None:
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(ArchiveError, match="9999") as told:
        async with open_archive(sqlite_url):
            pass
    assert "Run that release" in told.value.remedy


async def test_a_database_that_is_not_there_is_never_made(tmp_path: Path) -> None:
    """In a wrong folder there would be two: the one that is asked, and the one of the workers."""
    file = tmp_path / "x.db"
    with pytest.raises(ArchiveError, match=r"x\.db does not exist") as told:
        async with open_archive(f"sqlite:///{file}"):
            pass
    assert "ONBOARDING_DATA" in told.value.remedy
    assert "`onboarding up`" in told.value.remedy
    assert not file.exists()


def test_a_file_that_cannot_be_opened_leaves_no_trace(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The driver's thread would show one, when the loop is gone before it."""

    async def opened() -> None:
        async with open_archive(f"sqlite:///{tmp_path}"):
            pass

    threads = set(threading.enumerate())
    with pytest.raises(ArchiveError, match="is a folder"):
        asyncio.run(opened())
    for thread in set(threading.enumerate()) - threads:
        thread.join(5)
    assert capfd.readouterr().err == ""


async def test_an_account_that_no_look_up_could_use_is_not_entered(sqlite_url: str) -> None:
    company = {"legal_name": "O\u0092Brien", "registration_number": "9", "verified": True}
    bad = Account.model_validate({"uid": "1001", "enterprise": company})
    async with open_archive(sqlite_url) as archive:
        with pytest.raises(
            OnboardingError, match=r"account 1001, enterprise.legal_name: must not"
        ) as refused:
            await archive.put_accounts([bad])
        assert refused.value.type == "invalid"
        assert await archive.accounts() == ()
