"""`starter.client.stored`: what is said of a database that can't be made ready."""

import sqlite3
from pathlib import Path

import pytest

from domain.inquiry import Account
from starter.client.errors import ArchiveError, OnboardingError
from starter.client.stored import open_archive


@pytest.mark.parametrize("create", [True, False])
async def test_the_schema_of_a_newer_release(sqlite_url: str, create: bool) -> None:
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(ArchiveError, match="9999") as told:
        async with open_archive(sqlite_url, create=create):
            pass
    assert "Run that release" in told.value.remedy


async def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArchiveError, match="can't be made: Not a directory") as told:
        async with open_archive(f"sqlite:///{tmp_path / 'file' / 'folder' / 'x.db'}", create=True):
            pass
    assert "ONBOARDING_DATA" in told.value.remedy


async def test_an_account_that_no_look_up_could_use_is_not_entered(sqlite_url: str) -> None:
    company = {"legal_name": "O\u0092Brien", "registration_number": "9", "verified": True}
    bad = Account.model_validate({"uid": "1001", "enterprise": company})
    async with open_archive(sqlite_url) as archive:
        with pytest.raises(
            OnboardingError, match=r"account 1001, enterprise.legal_name: must not"
        ) as refused:
            await archive.put_account(bad)
        assert refused.value.type == "invalid"
        assert await archive.account("1001") is None
