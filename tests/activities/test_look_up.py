"""The look-up: what is known of the outside, from whoever answers in time."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from datetime import timedelta

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import text
from temporalio.testing import ActivityEnvironment

from activities.access_http import HttpAcpnAccess
from activities.account_directory import AccountDirectory
from activities.account_directory_http import AT_ONCE, HttpAccountDirectory
from activities.acpn_access import AcpnAccess, Grant
from activities.db.access import SqlAcpnAccess
from activities.db.accounts import SqlAccountDirectory
from activities.db.covered import CoveredAccounts
from activities.db.engine import Database
from activities.look_up import ANSWER_WITHIN, AT_MOST, LookUpActivities
from domain.clocks import ClockKind, ClockRequest
from domain.documents import BusinessType
from domain.inquiry import (
    About,
    Account,
    AccountAnswers,
    AccountQuery,
    Answers,
    Covering,
    Inquiry,
    Problem,
    Table,
    TableEntry,
)
from domain.lifecycle import NEWEST
from domain.policy import Policy
from domain.status import Company
from tests.activities.examples import NOON
from tests.activities.services import VendorServices
from tests.databases import Postgresql
from tests.long import ENGINES

ON_A_BUSY_MACHINE = timedelta(minutes=1)
"""For tests in which every service is there: whether it is in time is not what they are about."""
SHORTLY = timedelta(milliseconds=50)
ACME = Company.model_validate(
    {"legal_name": "Acme 有限公司", "registration_number": "91-1", "country": "CN", "verified": True}
)
MASTER = Account(uid="1001", enterprise=ACME)
MAIN = Account(uid="1002", enterprise=ACME, business_type=BusinessType.RESELLER, credit_control=True)
ACCOUNTS = (MASTER, MAIN, Account(uid="1003"))
GRANT = Grant(uid="1002", application_id="run-0", company_master_uid="1001", granted_at=NOON)
ASKED = AccountQuery(company_master_uid="1001", uids=("1002", "1001", "404"))
CLOCKS = (
    ClockRequest(kind=ClockKind.REVIEW, working_days=3),
    ClockRequest(kind=ClockKind.EXPIRY, calendar_days=90),
)
ENTRIES = (
    TableEntry(field="application.country", table=Table.COUNTRY, value="XX"),
    TableEntry(field="sheet.basic.currency", table=Table.CURRENCY, value="USD"),
)
EVERYTHING = Inquiry(at=NOON, accounts=ASKED, entries=ENTRIES, clocks=CLOCKS, opening=True)


class Down(AccountDirectory):
    """A directory that fails in a way of its own."""

    async def find(self, uids: Sequence[str]) -> tuple[Account, ...]:
        raise RuntimeError("mei@partner.example")


class Silent(AccountDirectory):
    """A directory that never answers, and does not let itself be called off either, as some drivers do."""

    def __init__(self) -> None:
        self.answer = asyncio.Event()
        self.ended = asyncio.Event()

    async def find(self, uids: Sequence[str]) -> tuple[Account, ...]:
        while not self.answer.is_set():
            try:
                await self.answer.wait()
            except asyncio.CancelledError:
                continue
        self.ended.set()
        raise RuntimeError("too late")


@pytest.fixture
def silent() -> Iterator[Silent]:
    """One that answers at the end of the test, or what asks it would keep the test process for ever."""
    silent = Silent()
    yield silent
    silent.answer.set()


@pytest_asyncio.fixture
async def directory(database: Database) -> SqlAccountDirectory:
    directory = SqlAccountDirectory(database)
    for account in ACCOUNTS:
        await directory.put(account)
    return directory


@pytest.fixture
def services(services: VendorServices) -> VendorServices:
    """They know the accounts."""
    services.answers |= {f"/accounts/{known.uid}": known.model_dump(mode="json") for known in ACCOUNTS}
    return services


class Nowhere(CoveredAccounts):
    """No application covers anything."""

    def __init__(self) -> None:
        """Without a database."""

    async def by(
        self, uids: Sequence[str], company_master_uid: str, application_id: str | None = None
    ) -> tuple[Covering, ...]:
        return ()


class NoDatabase(Nowhere):
    """A database that is down."""

    async def by(
        self, uids: Sequence[str], company_master_uid: str, application_id: str | None = None
    ) -> tuple[Covering, ...]:
        raise RuntimeError("down")


async def look_up(
    inquiry: Inquiry,
    directory: AccountDirectory,
    access: AcpnAccess,
    within: timedelta = ON_A_BUSY_MACHINE,
    covered: CoveredAccounts | None = None,
) -> Answers:
    activities = LookUpActivities(directory, access, covered or Nowhere(), answer_within=within)
    answers: Answers = await ActivityEnvironment().run(activities.look_up, inquiry)
    return answers


def asked(**query: object) -> Inquiry:
    return Inquiry(at=NOON, accounts=AccountQuery.model_validate({"company_master_uid": "1001", **query}))


# Accounts


async def test_it_answers_for_the_company_and_the_accounts_named(
    directory: SqlAccountDirectory, access: SqlAcpnAccess
) -> None:
    answers = await look_up(asked(uids=("1002", "1001", "404")), directory, access)
    assert answers == Answers(accounts=AccountAnswers(accounts=(MASTER, MAIN)))
    await access.give([GRANT])
    answers = await look_up(asked(), directory, access)
    assert answers.accounts == AccountAnswers(accounts=(MASTER,), already_partner=True)


async def test_over_http_it_answers_the_same(services: VendorServices, client: httpx.AsyncClient) -> None:
    services.answers["/partners/1001"] = {"partner": True}
    answers = await look_up(asked(uids=("1002",)), HttpAccountDirectory(client), HttpAcpnAccess(client))
    assert answers == Answers(accounts=AccountAnswers(accounts=(MASTER, MAIN), already_partner=True))


async def test_many_accounts_are_asked_for_a_few_at_a_time_and_get_longer(
    services: VendorServices, client: httpx.AsyncClient
) -> None:
    """The service answers four at a time; fifty would be late in the time one account gets."""
    uids = tuple(str(2000 + number) for number in range(50))
    for uid in uids:
        answer = Account(uid=uid, enterprise=ACME).model_dump(mode="json")
        services.answers[f"/accounts/{uid}"] = answer
    services.takes = 0.1
    assert len(uids) / 4 * services.takes > ANSWER_WITHIN.total_seconds()
    for _ in range(2):
        answers = await look_up(
            asked(uids=uids), HttpAccountDirectory(client), HttpAcpnAccess(client), ANSWER_WITHIN
        )
        assert answers.accounts
        assert [account.uid for account in answers.accounts.accounts] == ["1001", *uids]
    assert services.busiest <= AT_ONCE + 1, "with the question about access"


async def test_however_many_there_are_the_activity_answers_in_its_time(
    access: SqlAcpnAccess, silent: Silent
) -> None:
    asking = asked(uids=tuple(str(2000 + number) for number in range(1_000)))
    answers = await asyncio.wait_for(look_up(asking, silent, access, SHORTLY), AT_MOST.total_seconds() + 2)
    assert answers.accounts is None


@pytest.mark.parametrize(
    ("uid", "name", "matches"),
    [
        ("1001", "ACME  有限公司", True),
        ("1001", "\uff41\uff43\uff4d\uff45\u3000有限公司", True),
        ("1001", "Acme Ltd.", False),
        ("1001", None, None),
        ("1003", "Acme 有限公司", None),
        ("404", "Acme 有限公司", None),
    ],
)
async def test_it_compares_the_name_with_the_verified_enterprise_s(
    directory: SqlAccountDirectory,
    access: SqlAcpnAccess,
    uid: str,
    name: str | None,
    matches: bool | None,
) -> None:
    inquiry = asked(company_master_uid=uid, legal_name=name)
    accounts = (await look_up(inquiry, directory, access)).accounts
    assert accounts is not None
    assert accounts.name_matches is matches


async def test_an_enterprise_written_in_another_way_is_the_applicants(
    directory: SqlAccountDirectory, access: SqlAcpnAccess
) -> None:
    """By the name its own account has: the process compares without tables."""
    wide = ACME.model_copy(update={"legal_name": "\uff21cme\u3000有限公司"})
    await directory.put(MAIN.model_copy(update={"enterprise": wide}))
    await directory.put(Account(uid="1003", enterprise=wide.model_copy(update={"registration_number": "92"})))
    accounts = (await look_up(asked(uids=("1002", "1003")), directory, access)).accounts
    assert accounts is not None
    assert accounts.accounts[:2] == (MASTER, MAIN)
    other = accounts.accounts[2].enterprise
    assert other is not None
    assert (other.legal_name, other.registration_number) == (wide.legal_name, "92")


# What is asked for, and what not


async def test_what_is_not_asked_for_is_not_answered(
    directory: SqlAccountDirectory, access: SqlAcpnAccess
) -> None:
    assert await look_up(Inquiry(at=NOON), directory, access) == Answers()


async def test_a_sheet_needs_the_directory_alone(
    services: VendorServices, client: httpx.AsyncClient, directory: SqlAccountDirectory
) -> None:
    """Not ACPN, nor a database that is down; of each account its level, and not the applicant's own."""
    services.status = 503
    levels = asked(uids=("1002",), about=(About.LEVELS, About.COVERAGE))
    answers = await look_up(levels, directory, HttpAcpnAccess(client), covered=NoDatabase())
    known = MAIN.model_copy(update={"enterprise": None})
    assert answers.accounts == AccountAnswers(accounts=(known,))
    assert (await look_up(levels, Down(), HttpAcpnAccess(client))).accounts is None


async def test_who_asks_about_coverage_alone_needs_nobody(
    services: VendorServices, client: httpx.AsyncClient
) -> None:
    services.status = 503
    inquiry = asked(uids=("1002",), about=(About.COVERAGE,))
    for covered in (Nowhere(), NoDatabase()):
        answers = await look_up(inquiry, Down(), HttpAcpnAccess(client), covered=covered)
        assert answers.accounts == AccountAnswers()


async def test_edition_and_policy_come_with_the_opening_only(
    directory: SqlAccountDirectory, access: SqlAcpnAccess
) -> None:
    opening = Inquiry(at=NOON, opening=True)
    assert await look_up(opening, directory, access) == Answers(edition=NEWEST, policy=Policy())
    desk = Policy(calendar="SG", time_zone="Asia/Singapore", review_working_days=5)
    own = await look_up(opening.model_copy(update={"policy": desk}), directory, access)
    assert (own.policy, own.edition) == (desk, NEWEST)
    later = await look_up(EVERYTHING.model_copy(update={"opening": False}), directory, access)
    assert (later.policy, later.edition) == (None, None)


async def test_tables_and_calendar_are_asked_by_the_policy(
    directory: SqlAccountDirectory, access: SqlAcpnAccess
) -> None:
    policy = Policy(calendar="US", time_zone="America/New_York")
    inquiry = EVERYTHING.model_copy(update={"policy": policy})
    answers = await look_up(inquiry, directory, access)
    assert [problem.field for problem in answers.problems] == ["application.country"]
    assert [clock.kind for clock in answers.clocks] == [ClockKind.REVIEW, ClockKind.EXPIRY]
    assert {clock.time_zone for clock in answers.clocks} == {"America/New_York"}


# Services that are slow or down


def everything_else(answers: Answers) -> None:
    """What needs neither of the services is answered."""
    assert [type(problem) for problem in answers.problems] == [Problem]
    assert [clock.kind for clock in answers.clocks] == [ClockKind.REVIEW, ClockKind.EXPIRY]
    assert (answers.edition, answers.policy) == (NEWEST, Policy())


async def test_with_the_directory_down_everything_else_is_answered(
    access: SqlAcpnAccess, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        answers = await look_up(EVERYTHING, Down(), access)
    assert answers.accounts is None
    everything_else(answers)
    assert "The account directory does not answer: RuntimeError" in caplog.text
    assert "mei@" not in caplog.text


async def test_with_the_platform_down_everything_else_is_answered(
    services: VendorServices, client: httpx.AsyncClient, directory: SqlAccountDirectory
) -> None:
    services.status = 503
    answers = await look_up(EVERYTHING, directory, HttpAcpnAccess(client))
    assert answers.accounts is None
    everything_else(answers)


async def test_an_answer_that_is_none_is_no_answer(
    services: VendorServices, client: httpx.AsyncClient, access: SqlAcpnAccess
) -> None:
    services.answers["/accounts/1001"] = b"<html>Sorry</html>"
    answers = await look_up(EVERYTHING, HttpAccountDirectory(client), access)
    assert answers.accounts is None
    everything_else(answers)


async def test_an_answer_that_can_not_be_used_is_an_outage_that_ops_are_told_of(
    services: VendorServices,
    client: httpx.AsyncClient,
    access: SqlAcpnAccess,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bad = ACME.model_copy(update={"legal_name": "O\u0092Brien Ltd"})
    services.answers["/accounts/1001"] = Account(uid="1001", enterprise=bad).model_dump(mode="json")
    with caplog.at_level(logging.WARNING):
        answers = await look_up(EVERYTHING, HttpAccountDirectory(client), access)
    assert answers.accounts is None
    everything_else(answers)
    [told] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert told.getMessage().startswith(
        "The account directory gives an answer that can't be used (account 1001, enterprise.legal_name: must"
        " not contain control characters): it counts as down until that is put right there"
    )
    assert "Brien" not in caplog.text


async def test_a_service_that_does_not_answer_is_not_waited_for(
    access: SqlAcpnAccess, silent: Silent, caplog: pytest.LogCaptureFixture
) -> None:
    """It does not answer before the look-up has, so that answering at all is the proof."""
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: errors.append(context))
    with caplog.at_level(logging.WARNING):
        answers = await look_up(EVERYTHING, silent, access, SHORTLY)
    assert answers.accounts is None
    assert "The account directory does not answer within" in caplog.text
    everything_else(answers)
    silent.answer.set()
    await silent.ended.wait()
    asyncio.get_running_loop().set_exception_handler(None)
    assert errors == []


async def test_cancelling_does_not_wait_for_a_service_either(access: SqlAcpnAccess, silent: Silent) -> None:
    environment = ActivityEnvironment()
    activities = LookUpActivities(silent, access, Nowhere(), answer_within=ON_A_BUSY_MACHINE)
    looking = asyncio.create_task(environment.run(activities.look_up, EVERYTHING))
    await asyncio.sleep(0)
    environment.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking


async def test_a_database_that_does_not_answer_is_not_waited_for(postgresql_url: str) -> None:
    """The lock is held until the look-up has returned."""
    database, other = Database(postgresql_url), Database(postgresql_url)
    with other.engine.connect() as connection:
        for table in ("accounts", "access_grants"):
            connection.execute(text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
        answers = await look_up(EVERYTHING, SqlAccountDirectory(database), SqlAcpnAccess(database), SHORTLY)
    assert answers.accounts is None
    everything_else(answers)
    patient = await look_up(EVERYTHING, SqlAccountDirectory(database), SqlAcpnAccess(database))
    assert patient.accounts == AccountAnswers()
    await database.dispose()
    await other.dispose()


@pytest.fixture(params=ENGINES)
def broken(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database that is not there, or was and is gone."""
    if request.param == "sqlite":
        yield request.getfixturevalue("unmigrated_sqlite_url")
        return
    server: Postgresql = request.getfixturevalue("own_postgresql")
    url = server.url(server.create())
    server.stop()
    yield url


async def test_with_the_database_gone_everything_else_is_answered(broken: str) -> None:
    database = Database(broken)
    for _ in range(2):
        answers = await look_up(EVERYTHING, SqlAccountDirectory(database), SqlAcpnAccess(database))
        assert answers.accounts is None
        everything_else(answers)
    await database.dispose()
