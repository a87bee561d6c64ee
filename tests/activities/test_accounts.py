"""The account directory, in SQL and over HTTP."""

import httpx
import pytest
import pytest_asyncio
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from activities.account_directory import AccountDirectory
from activities.account_directory_http import HttpAccountDirectory
from activities.db.accounts import SqlAccountDirectory
from activities.db.engine import Database
from domain.documents import BusinessType
from domain.inquiry import Account
from domain.status import Company
from tests.activities.services import VendorServices, vendor_services

ACME = Company.model_validate(
    {"legal_name": "Acme 有限公司", "registration_number": "91-1", "country": "CN", "verified": True}
)
MASTER = Account(uid="1001", enterprise=ACME)
MAIN = Account(
    uid="1002",
    enterprise=ACME,
    business_type=BusinessType.RESELLER,
    partner_level="gold",
    credit_control=True,
)
BLANK = Account(uid="1003")
ACCOUNTS = (MASTER, MAIN, BLANK)


@pytest_asyncio.fixture
async def sql_directory(database: Database) -> AccountDirectory:
    directory = SqlAccountDirectory(database)
    for account in ACCOUNTS:
        await directory.put(account)
    return directory


@pytest.fixture
def http_directory(services: VendorServices, client: httpx.AsyncClient) -> AccountDirectory:
    services.answers |= {f"/accounts/{account.uid}": account.model_dump(mode="json") for account in ACCOUNTS}
    return HttpAccountDirectory(client)


async def finds_what_was_asked_for(directory: AccountDirectory) -> None:
    assert await directory.find(("1003", "404", "1001", "1002", "1001")) == (BLANK, MASTER, MAIN)
    assert await directory.find(()) == ()


async def test_the_sql_directory_finds_what_was_asked_for(sql_directory: AccountDirectory) -> None:
    await finds_what_was_asked_for(sql_directory)


async def test_the_http_directory_finds_what_was_asked_for(http_directory: AccountDirectory) -> None:
    await finds_what_was_asked_for(http_directory)


async def test_putting_an_account_again_replaces_it(database: Database) -> None:
    directory = SqlAccountDirectory(database)
    for account in (MAIN, MAIN, Account(uid="1002")):
        await directory.put(account)
        assert await directory.find(("1002",)) == (account,)


async def test_an_error_of_the_service_is_an_outage(
    services: VendorServices, http_directory: AccountDirectory
) -> None:
    services.status = 503
    with pytest.raises(httpx.HTTPStatusError):
        await http_directory.find(("1001",))


async def test_a_service_that_is_gone_is_an_outage() -> None:
    with vendor_services() as server:
        url = server.url
    async with httpx.AsyncClient(base_url=url) as client:
        with pytest.raises(httpx.ConnectError):
            await HttpAccountDirectory(client).find(("1001",))


@pytest.mark.parametrize(
    "answer",
    [
        [],
        "1001",
        {},
        {"uid": 1001},
        {"uid": "1001", "credit_control": "yes"},
        {"uid": "1001", "enterprise": {}},
    ],
)
async def test_an_answer_that_is_no_account_is_not_guessed_at(
    services: VendorServices, http_directory: AccountDirectory, answer: object
) -> None:
    services.answers["/accounts/1001"] = answer
    with pytest.raises(ValidationError):
        await http_directory.find(("1001",))


async def test_an_answer_for_another_account_is_refused(
    services: VendorServices, http_directory: AccountDirectory
) -> None:
    services.answers["/accounts/1001"] = MAIN.model_dump(mode="json")
    with pytest.raises(ValueError, match="1002 when asked for 1001"):
        await http_directory.find(("1001",))


async def test_fields_the_service_adds_are_ignored(
    services: VendorServices, http_directory: AccountDirectory
) -> None:
    services.answers["/accounts/1001"] |= {"since": "2020-01-01"}
    assert await http_directory.find(("1001",)) == (MASTER,)


async def test_the_sql_directory_fails_with_the_database_gone(unmigrated_sqlite_url: str) -> None:
    database = Database(unmigrated_sqlite_url)
    with pytest.raises(SQLAlchemyError):
        await SqlAccountDirectory(database).find(("1001",))
    await database.dispose()
