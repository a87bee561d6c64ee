"""ACPN access, in SQL and over HTTP, and the activity that opens it."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import httpx
import pytest
from temporalio.testing import ActivityEnvironment

from activities.access import AccessActivities
from activities.access_http import HttpAcpnAccess
from activities.account_directory import AccountDirectory
from activities.acpn_access import AcpnAccess, Grant
from activities.db.access import SqlAcpnAccess
from activities.db.accounts import SqlAccountDirectory
from activities.db.engine import Database
from activities.db.trail import AuditTrail
from activities.outside_service import UnusableAnswerError
from domain.inquiry import AccessOutcome, AccessRequest, Account
from domain.publication import TakeUp
from domain.status import AccessCause, Company, Missing
from tests.activities.examples import NOON, grant
from tests.activities.services import VendorServices

LATER = NOON + timedelta(days=1)
REQUEST = AccessRequest(
    application_id="run-1",
    company_master_uid="1001",
    uids=("1002", "1003"),
    require_credit_control=False,
    at=NOON,
)


def account(uid: str, *, verified: bool = True, credit_control: bool = False) -> Account:
    company = Company(legal_name="Acme", registration_number="91-1", verified=verified)
    return Account(uid=uid, enterprise=company, credit_control=credit_control)


@pytest.fixture
def directory(database: Database) -> SqlAccountDirectory:
    return SqlAccountDirectory(database)


async def open_access(
    directory: AccountDirectory, access: AcpnAccess, trail: AuditTrail, request: AccessRequest = REQUEST
) -> AccessOutcome:
    outcome: AccessOutcome = await ActivityEnvironment().run(
        AccessActivities(directory, access, trail).open_access, request
    )
    return outcome


async def test_a_grant_given_again_stays_as_first_given(access: SqlAcpnAccess) -> None:
    assert not await access.is_partner("1001")
    await asyncio.gather(*(access.give([grant("1002")]) for _ in range(4)))
    await access.give([grant("1002").model_copy(update={"granted_at": LATER})])
    assert await access.is_partner("1001")
    assert not await access.is_partner("1002")
    assert await access.grants("1001") == (grant("1002"),)
    assert await access.grants("1002") == ()


async def test_what_an_application_has_opened_is_closed_and_nothing_else(access: SqlAcpnAccess) -> None:
    others = (
        grant("1004", "run-0"),
        Grant(uid="2002", application_id="run-1", company_master_uid="2001", granted_at=NOON),
    )
    await access.give([grant("1002"), grant("1003")])
    for other in others:
        await access.give([other])
    assert await access.take_back("1001", "run-1")
    assert not await access.take_back("1001", "run-1"), "there is nothing any more"
    assert await access.grants("1001") == others[:1]
    assert await access.grants("2001") == others[1:]
    assert await access.is_partner("1001"), "by another application"
    assert await access.take_back("1001", "run-0")
    assert not await access.is_partner("1001")


async def test_what_was_closed_can_be_opened_again(access: SqlAcpnAccess) -> None:
    await access.give([grant("1002")])
    await access.take_back("1001", "run-1")
    again = grant("1002").model_copy(update={"granted_at": LATER})
    await access.give([again])
    assert await access.grants("1001") == (again,)


async def test_closing_and_opening_at_once_leaves_all_or_nothing(access: SqlAcpnAccess) -> None:
    for _ in range(5):
        given = access.give([grant("1002"), grant("1003")])
        await asyncio.gather(given, access.take_back("1001", "run-1"))
        assert len(await access.grants("1001")) in {0, 2}


async def test_over_http_what_an_application_has_opened_is_deleted(
    services: VendorServices, http_access: HttpAcpnAccess
) -> None:
    path = "/partners/1001/grants?application_id=run-1"
    services.answers[path] = {}
    assert await http_access.take_back("1001", "run-1")
    assert not await http_access.take_back("1001", "run-1"), "404: there is nothing any more"
    assert services.deleted == [path] * 2


async def test_over_http_an_application_s_id_is_a_parameter_whatever_is_in_it(
    services: VendorServices, http_access: HttpAcpnAccess
) -> None:
    await http_access.take_back("1001", "a&b=c/d #1")
    assert services.deleted == ["/partners/1001/grants?application_id=a%26b%3Dc%2Fd+%231"]


async def test_over_http_a_grant_is_put_where_it_belongs(
    services: VendorServices, http_access: HttpAcpnAccess
) -> None:
    for _ in range(2):
        await http_access.give([grant("1002"), grant("1003")])
    given = [grant(uid).model_dump(mode="json") for uid in ("1002", "1003")]
    assert services.puts == [("/partners/1001/grants", given)] * 2
    assert services.puts[0][1][0]["granted_at"] == "2025-03-14T04:00:00Z"


async def test_over_http_the_platform_says_who_is_partner(
    services: VendorServices, http_access: HttpAcpnAccess
) -> None:
    assert not await http_access.is_partner("1001")
    assert await http_access.grants("1001") == ()
    later = grant("1000").model_copy(update={"granted_at": LATER})
    services.answers |= {
        "/partners/1001": {"partner": True},
        "/partners/1002": {"partner": False},
        "/partners/1001/grants": [
            given.model_dump(mode="json") for given in (later, grant("1003"), grant("1002"))
        ],
    }
    assert await http_access.is_partner("1001")
    assert not await http_access.is_partner("1002")
    assert await http_access.grants("1001") == (grant("1002"), grant("1003"), later)


async def test_over_http_an_answer_that_is_none_is_not_guessed_at(
    services: VendorServices, http_access: HttpAcpnAccess
) -> None:
    services.answers |= {"/partners/1001": {"partner": "yes"}, "/partners/1001/grants": [{"uid": "1001"}]}
    with pytest.raises(UnusableAnswerError):
        await http_access.is_partner("1001")
    with pytest.raises(UnusableAnswerError):
        await http_access.grants("1001")


async def test_over_http_an_error_is_an_outage(services: VendorServices, http_access: HttpAcpnAccess) -> None:
    services.status = 500
    with pytest.raises(httpx.HTTPStatusError):
        await http_access.give([grant("1002"), grant("1003")])
    with pytest.raises(httpx.HTTPStatusError):
        await http_access.is_partner("1001")
    with pytest.raises(httpx.HTTPStatusError):
        await http_access.grants("1001")
    with pytest.raises(httpx.HTTPStatusError):
        await http_access.take_back("1001", "run-1")


async def test_access_is_opened_for_the_accounts_named_and_no_other(
    directory: SqlAccountDirectory, access: SqlAcpnAccess, trail: AuditTrail
) -> None:
    for uid in ("1001", "1002", "1003"):
        await directory.put(account(uid))
    for at in (NOON, LATER):
        outcome = await open_access(directory, access, trail, REQUEST.model_copy(update={"at": at}))
        assert outcome == AccessOutcome(granted=True)
    assert await access.grants("1001") == (grant("1002"), grant("1003"))


async def test_nothing_is_opened_until_nothing_is_missing(
    directory: SqlAccountDirectory, access: SqlAcpnAccess, trail: AuditTrail
) -> None:
    await directory.put(account("1001", verified=False))
    await directory.put(Account(uid="1002"))
    assert await open_access(directory, access, trail) == AccessOutcome(
        granted=False,
        missing=(
            Missing(cause=AccessCause.ENTERPRISE_NOT_VERIFIED, uids=("1001", "1002")),
            Missing(cause=AccessCause.ACCOUNT_UNKNOWN, uids=("1003",)),
        ),
    )
    assert await access.grants("1001") == ()


async def test_credit_control_counts_only_where_it_is_required(
    directory: SqlAccountDirectory, access: SqlAcpnAccess, trail: AuditTrail
) -> None:
    await directory.put(account("1001"))
    await directory.put(account("1002", credit_control=True))
    await directory.put(account("1003"))
    required = REQUEST.model_copy(update={"require_credit_control": True})
    assert await open_access(directory, access, trail, required) == AccessOutcome(
        granted=False, missing=(Missing(cause=AccessCause.CREDIT_CONTROL_MISSING, uids=("1003",)),)
    )
    assert not await access.is_partner("1001")
    assert await open_access(directory, access, trail) == AccessOutcome(granted=True)


async def test_an_outage_is_raised_and_the_next_try_gives_the_rest(
    services: VendorServices,
    http_access: HttpAcpnAccess,
    directory: SqlAccountDirectory,
    trail: AuditTrail,
) -> None:
    for uid in ("1001", "1002", "1003"):
        await directory.put(account(uid))
    services.status = 503
    with pytest.raises(httpx.HTTPStatusError):
        await open_access(directory, http_access, trail)
    services.status = 200
    assert await open_access(directory, http_access, trail) == AccessOutcome(granted=True)
    assert [path for path, _ in services.puts] == ["/partners/1001/grants"] * 2


async def test_for_an_application_that_was_reset_since_nothing_is_opened(
    directory: SqlAccountDirectory, access: SqlAcpnAccess, trail: AuditTrail
) -> None:
    for uid in ("1001", "1002", "1003"):
        await directory.put(account(uid))
    await trail.take_up(TakeUp(application_id="run-1", company_master_uid="1001", sequence=3))
    outcome = await open_access(directory, access, trail)
    assert (outcome.granted, outcome.outage) == (False, True)
    assert await access.grants("1001") == ()
    newest = REQUEST.model_copy(update={"generation": 1})
    assert await open_access(directory, access, trail, newest) == AccessOutcome(granted=True)
    assert len(await access.grants("1001")) == 2


async def test_what_was_opened_while_the_application_was_reset_is_closed_again(
    directory: SqlAccountDirectory, database: Database, trail: AuditTrail
) -> None:
    """Taking up came too early to find it."""

    class Reset(SqlAcpnAccess):
        async def give(self, grants: Sequence[Grant]) -> None:
            taken = TakeUp(application_id="run-1", company_master_uid="1001", sequence=3)
            await trail.take_up(taken)
            assert not await self.take_back("1001", "run-1")
            await super().give(grants)

    for uid in ("1001", "1002", "1003"):
        await directory.put(account(uid))
    access = Reset(database)
    assert not (await open_access(directory, access, trail)).granted
    assert await access.grants("1001") == ()
