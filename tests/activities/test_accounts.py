"""The account directory, in SQL and over HTTP."""

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import event, update
from sqlalchemy.exc import SQLAlchemyError

from activities.access_http import HttpAcpnAccess
from activities.account_directory import AccountDirectory
from activities.account_directory_http import HttpAccountDirectory
from activities.db.accounts import SqlAccountDirectory
from activities.db.engine import Database
from activities.db.tables import AccountRow
from activities.outside_service import MOST_BYTES, UnusableAnswerError
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


async def test_accounts_are_put_all_or_none(database: Database) -> None:
    directory = SqlAccountDirectory(database)
    without_a_uid = BLANK.model_copy(update={"uid": None})
    with pytest.raises(SQLAlchemyError):
        await directory.put(*ACCOUNTS, without_a_uid)
    assert await directory.all() == ()
    await directory.put(*reversed(ACCOUNTS))
    assert await directory.all() == ACCOUNTS
    await directory.put()
    assert await directory.all() == ACCOUNTS


async def test_an_account_is_deleted_once(database: Database) -> None:
    directory = SqlAccountDirectory(database)
    await directory.put(*ACCOUNTS)
    assert [await directory.delete("1002") for _ in range(2)] == [True, False]
    assert await directory.all() == (MASTER, BLANK)


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
    with pytest.raises(UnusableAnswerError, match="account 1001: "):
        await http_directory.find(("1001",))


async def test_an_answer_for_another_account_is_refused(
    services: VendorServices, http_directory: AccountDirectory
) -> None:
    services.answers["/accounts/1001"] = MAIN.model_dump(mode="json")
    with pytest.raises(UnusableAnswerError, match="account 1001: answered for 1002"):
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


# What is said of them is not believed


UNUSABLE = {
    "\x00": {"legal_name": "Acme\x00"},
    "mis-decoded": {"legal_name": "O\u0092Brien Ltd"},
    "escape": {"legal_name": "Acme\x1b[31m"},
    "encoded word": {"legal_name": "=?utf-8?q?x=0ABcc:_z@z?="},
    "line separator": {"legal_name": "Acme\u2028Ltd"},
    "too long": {"legal_name": "x" * 1_001},
    "nothing": {"legal_name": " "},
    "nothing to see": {"legal_name": "\u200b"},
    "number": {"registration_number": "91\x00"},
}


@pytest.mark.parametrize("wrong", UNUSABLE.values(), ids=UNUSABLE)
async def test_what_nobody_could_enter_is_no_answer(
    services: VendorServices, http_directory: AccountDirectory, wrong: dict[str, str]
) -> None:
    services.answers["/accounts/1001"] = {"uid": "1001", "enterprise": ACME.model_dump(mode="json") | wrong}
    [field] = wrong
    with pytest.raises(UnusableAnswerError, match=f"account 1001, enterprise.{field}: must ") as error:
        await http_directory.find(("1003", "1001"))
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("level", ["L2\x00", "x" * 1_001])
async def test_so_is_a_level_like_that(
    services: VendorServices, http_directory: AccountDirectory, level: str
) -> None:
    services.answers["/accounts/1001"] = {"uid": "1001", "partner_level": level}
    with pytest.raises(UnusableAnswerError, match="account 1001, partner_level: must "):
        await http_directory.find(("1001",))


async def test_an_answer_of_any_size_is_read_only_so_far(
    services: VendorServices, http_directory: AccountDirectory, client: httpx.AsyncClient
) -> None:
    services.answers["/accounts/1001"] = services.answers["/partners/1001"] = b" " * (MOST_BYTES + 1)
    for asked in (http_directory.find(("1001",)), HttpAcpnAccess(client).is_partner("1001")):
        with pytest.raises(UnusableAnswerError, match="is over 1024 KiB"):
            await asked


async def test_white_space_is_written_as_one_space(
    services: VendorServices, http_directory: AccountDirectory
) -> None:
    said = ACME.model_dump(mode="json") | {"legal_name": "  Acme \r\n\t有限公司\n"}
    services.answers["/accounts/1001"] = {"uid": "1001", "enterprise": said}
    assert await http_directory.find(("1001",)) == (MASTER,)


async def test_marks_that_mislead_are_left_out(
    services: VendorServices, http_directory: AccountDirectory
) -> None:
    """What would show another name than the one that is compared and hashed; what scripts and emoji need
    stays."""
    said = ACME.model_dump(mode="json") | {"legal_name": "\u202eAcme\u200b \u2066有限公司\ufeff"}
    services.answers["/accounts/1001"] = {"uid": "1001", "enterprise": said}
    assert await http_directory.find(("1001",)) == (MASTER,)
    needed = "\u0645\u06cc\u200c\u062e\u0648 👩\u200d💻 ❤\ufe0f"
    services.answers["/accounts/1001"] = {"uid": "1001", "enterprise": said | {"legal_name": needed}}
    [account] = await http_directory.find(("1001",))
    assert account.enterprise
    assert account.enterprise.legal_name == needed


async def test_an_unverified_enterprise_needs_no_name(
    services: VendorServices, http_directory: AccountDirectory
) -> None:
    nobody = {"legal_name": "", "registration_number": ""}
    services.answers["/accounts/1001"] = {"uid": "1001", "enterprise": nobody}
    [account] = await http_directory.find(("1001",))
    assert not account.verified


async def test_the_embedded_directory_takes_nothing_it_could_not_answer_with(database: Database) -> None:
    directory = SqlAccountDirectory(database)
    await directory.put(MASTER)
    bad = MASTER.model_copy(update={"enterprise": ACME.model_copy(update={"legal_name": "O\u0092Brien"})})
    with pytest.raises(UnusableAnswerError, match=r"account 1001, enterprise.legal_name: must not contain"):
        await directory.put(bad)
    assert await directory.find(("1001",)) == (MASTER,)
    row = update(AccountRow).values(legal_name="O\u0092Brien")
    await database.write(lambda connection: connection.execute(row))
    with pytest.raises(UnusableAnswerError):
        await directory.find(("1001",))
    assert await directory.stored(("1001",)) == (bad,), "to be put right"


async def test_many_accounts_are_entered_by_one_statement(database: Database) -> None:
    """Or a file of a million holds SQLite's write lock, which nobody shares, for minutes."""
    said: list[tuple[str, bool]] = []

    def heard(_connection: object, _cursor: object, said_now: str, *_more: object) -> None:
        said.append((said_now.split()[0], bool(_more[-1])))

    event.listen(database.engine, "before_cursor_execute", heard)
    directory = SqlAccountDirectory(database)
    changed = MASTER.model_copy(update={"partner_level": "gold"})
    for accounts in (ACCOUNTS, (changed, BLANK), ()):
        await directory.put(*accounts)
    assert [each for each in said if each[0] == "INSERT"] == [("INSERT", True), ("INSERT", True)]
    assert await directory.find(("1001", "1002", "1003")) == (changed, MAIN, BLANK)
