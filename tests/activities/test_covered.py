"""Which accounts are covered by whom, and that no two applications give one access; on both databases."""

import asyncio
from datetime import timedelta

import httpx
import pytest
from temporalio.testing import ActivityEnvironment

from activities.access import AccessActivities
from activities.access_http import HttpAcpnAccess
from activities.acpn_access import AcpnAccess, Grant, TakenError
from activities.db.access import SqlAcpnAccess
from activities.db.accounts import SqlAccountDirectory
from activities.db.applications import ApplicationRecords
from activities.db.covered import CoveredAccounts
from activities.db.email_ledger import EmailLedger
from activities.db.engine import Database
from activities.db.trail import AuditTrail, Written
from activities.look_up import LookUpActivities
from domain.contract import Stage
from domain.inquiry import (
    About,
    AccessClosed,
    AccessOutcome,
    AccessRequest,
    Account,
    AccountQuery,
    Answers,
    Covering,
    Inquiry,
)
from domain.publication import TakeUp
from domain.state import Application
from domain.status import AccessCause, Company, Missing
from tests.activities.examples import (
    LINEAGE,
    NOON,
    RECEIVED,
    REQUESTED,
    application,
    entry,
    grant,
    publication,
    submitted,
    with_form,
)
from tests.activities.senders import NOWHERE, activities, take_up
from tests.activities.services import VendorServices
from tests.activities.stored import everything, intact

ACME = Company(legal_name="Acme", registration_number="91-1", verified=True)
UNDER_REVIEW = with_form(application(stage=Stage.UNDER_REVIEW), 1)
ACTIVE = UNDER_REVIEW.but(stage=Stage.ACTIVE)
LATER = NOON + timedelta(days=1)
THEIRS = Grant(uid="1003", application_id="run-2", company_master_uid="2001", granted_at=NOON)


@pytest.fixture
def covered(database: Database) -> CoveredAccounts:
    return CoveredAccounts(database)


async def store(trail: AuditTrail, subject: Application, number: int, **more: object) -> None:
    """The application as it stands after this event."""
    entries = submitted(1, 1, RECEIVED, REQUESTED) if number == 1 else entry(number, **more)
    assert await trail.publish(publication(subject, entries)) is Written.STORED


async def elsewhere(covered: CoveredAccounts, company: str, *uids: str) -> tuple[str, ...]:
    """Which of the accounts another company's application covers."""
    return tuple(covering.uid for covering in await covered.by(uids, company))


async def test_a_form_that_was_submitted_covers_its_accounts_until_the_application_ends(
    trail: AuditTrail, covered: CoveredAccounts
) -> None:
    asked = ("1003", "404", "1002")
    assert await covered.by(asked, "2001") == ()
    await store(trail, UNDER_REVIEW, 1)
    assert await elsewhere(covered, "2001", *asked) == ("1003", "1002")
    assert await covered.by(asked, "1001") == (), "they are the company's own"
    await store(trail, UNDER_REVIEW.but(stage=Stage.WITHDRAWN), 2)
    assert await elsewhere(covered, "2001", *asked) == ("1003", "1002"), "the application runs on"
    await store(trail, UNDER_REVIEW.but(stage=Stage.REJECTED), 3)
    assert await covered.by(asked, "2001") == ()


async def test_one_that_is_active_covers_what_it_covers_by_now(
    trail: AuditTrail, covered: CoveredAccounts
) -> None:
    asked = ("1002", "1003", "1004")
    await store(trail, UNDER_REVIEW, 1)
    await store(trail, ACTIVE.but(associated_uids=("1004",)), 2)
    assert await elsewhere(covered, "2001", *asked) == ("1002", "1004")
    await store(trail, ACTIVE.but(associated_uids=()), 3)
    assert await elsewhere(covered, "2001", *asked) == ("1002",)


async def test_of_an_account_two_applications_cover_both_are_told_with_when_they_were_first_submitted(
    trail: AuditTrail, covered: CoveredAccounts
) -> None:
    """As when both were submitted before the row of either was stored; submitted again, each keeps its
    place."""
    await store(trail, UNDER_REVIEW, 1)
    later = {"at": NOON + timedelta(seconds=1)}
    second = with_form(application("run-2", uid="2001", stage=Stage.QUALIFIED), 1)
    await trail.publish(publication(second, submitted(1, 1, **later)))
    again = publication(UNDER_REVIEW, submitted(2, 2, at=NOON + timedelta(hours=1)))
    assert await trail.publish(again) is Written.STORED
    ours, theirs = (
        Covering(
            uid="1002",
            application_id=run,
            company_master_uid=company,
            company_name="Acme 1 有限公司",
            stage=stage,
            submitted_at=at,
        )
        for run, company, stage, at in (
            ("run-1", "1001", Stage.UNDER_REVIEW, NOON),
            ("run-2", "2001", Stage.QUALIFIED, NOON + timedelta(seconds=1)),
        )
    )
    for application_id, company in (("run-1", "1001"), ("run-2", "2001")):
        assert await covered.by(("404", "1002"), company, application_id) == (ours, theirs)
    assert await covered.by(("1002",), "1001") == (theirs,), "who has no application yet"
    assert await covered.by(("1002",), "3001", "run-3") == (ours, theirs)


async def test_the_look_up_tells_who_is_covered_elsewhere(
    database: Database, trail: AuditTrail, covered: CoveredAccounts, access: SqlAcpnAccess
) -> None:
    await store(trail, UNDER_REVIEW, 1)
    looks = LookUpActivities(
        SqlAccountDirectory(database), access, covered, answer_within=timedelta(minutes=1)
    )

    async def told(uid: str, *about: About) -> tuple[str, ...]:
        query = AccountQuery(company_master_uid=uid, uids=("1002", "1005"), about=about)
        inquiry = Inquiry(at=NOON, application_id=f"run-of-{uid}", accounts=query)
        answers: Answers = await ActivityEnvironment().run(looks.look_up, inquiry)
        assert answers.accounts is not None
        return tuple(covering.uid for covering in answers.accounts.covered_by)

    assert await told("2001", About.COVERAGE) == ("1002",)
    assert await told("2001", About.LEVELS, About.COVERAGE) == ("1002",)
    assert await told("2001", About.ACCOUNTS, About.PARTNER) == ()
    assert await told("1001", About.COVERAGE) == ()


async def test_an_account_with_access_by_another_company_is_not_given_it_again(access: SqlAcpnAccess) -> None:
    await access.give([THEIRS])
    for _ in range(2):
        with pytest.raises(TakenError) as taken:
            await access.give([grant("1002"), grant("1003")])
        assert taken.value.uids == ("1003",)
    assert await access.grants("1001") == (), "all or none"
    assert await access.take_back("2001", "run-2")
    await access.give([grant("1002"), grant("1003")])


async def test_of_two_companies_at_once_one_gets_it(access: SqlAcpnAccess) -> None:
    for number in range(5):
        uid = f"30{number}"
        ours, theirs = (each.model_copy(update={"uid": uid}) for each in (grant("1002"), THEIRS))
        tried = (access.give([ours]), access.give([theirs]))
        went = await asyncio.gather(*tried, return_exceptions=True)
        assert sorted(type(each).__name__ for each in went) == ["NoneType", "TakenError"]


async def test_only_the_accounts_named_are_taken_back(access: SqlAcpnAccess) -> None:
    await access.give([grant("1002"), grant("1003")])
    assert await access.take_back("1001", "run-1", ["1003"])
    assert not await access.take_back("1001", "run-1", ["1003"])
    assert not await access.take_back("1001", "run-1", [])
    assert await access.grants("1001") == (grant("1002"),)


async def test_over_http_the_platform_says_who_is_taken(
    services: VendorServices, client: httpx.AsyncClient
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.method == "PUT"
        return httpx.Response(409, json={"taken": ["1003"]})

    async with httpx.AsyncClient(base_url="http://acpn", transport=httpx.MockTransport(answer)) as conflict:
        with pytest.raises(TakenError) as taken:
            await HttpAcpnAccess(conflict).give([grant("1003")])
    assert taken.value.uids == ("1003",)
    await HttpAcpnAccess(client).take_back("1001", "run-1", ["1003", "1004"])
    assert services.deleted == ["/partners/1001/grants?application_id=run-1&uid=1003&uid=1004"]


class TestOpening:
    """The activities, on this database."""

    REQUEST = AccessRequest(
        application_id="run-1",
        company_master_uid="1001",
        uids=("1003",),
        require_credit_control=False,
        at=NOON,
    )

    async def gate(self, database: Database, access: AcpnAccess, trail: AuditTrail) -> AccessActivities:
        directory = SqlAccountDirectory(database)
        for uid in ("1001", "1003"):
            await directory.put(Account(uid=uid, enterprise=ACME))
        return AccessActivities(directory, access, trail)

    async def test_what_another_application_covers_is_missing_until_it_gives_it_up(
        self, database: Database, access: SqlAcpnAccess, trail: AuditTrail
    ) -> None:
        gate = await self.gate(database, access, trail)
        await access.give([THEIRS])
        for _ in range(2):
            assert await ActivityEnvironment().run(gate.open_access, self.REQUEST) == AccessOutcome(
                granted=False, missing=(Missing(cause=AccessCause.COVERED_ELSEWHERE, uids=("1003",)),)
            )
        await access.take_back("2001", "run-2")
        assert (await ActivityEnvironment().run(gate.open_access, self.REQUEST)).granted

    async def test_access_is_closed_once_and_not_for_one_that_was_reset(
        self, database: Database, access: SqlAcpnAccess, trail: AuditTrail
    ) -> None:
        gate = await self.gate(database, access, trail)
        await access.give([grant("1002"), grant("1003")])
        for _ in range(2):
            closed = await ActivityEnvironment().run(gate.close_access, self.REQUEST)
            assert closed == AccessClosed(closed=True)
            assert await access.grants("1001") == (grant("1002"),)
        await trail.take_up(TakeUp(application_id="run-1", company_master_uid="1001", sequence=3))
        await access.give([grant("1003")])
        closed = await ActivityEnvironment().run(gate.close_access, self.REQUEST)
        assert closed == AccessClosed(closed=False)
        assert len(await access.grants("1001")) == 2


async def test_a_reset_of_an_active_application_takes_back_what_was_added_since(
    database: Database, access: SqlAcpnAccess
) -> None:
    await access.give([grant("1002"), grant("1003")])
    publishing = activities(database, NOWHERE)
    stands = TakeUp(application_id="run-1", company_master_uid="1001", sequence=1, uids=("1002",))
    for taken_back in (True, False):
        assert (await take_up(publishing, stands)).access_taken_back is taken_back
        assert await access.grants("1001") == (grant("1002"),)


async def test_who_takes_over_shuts_out_who_wrote_before(
    trail: AuditTrail, records: ApplicationRecords, ledger: EmailLedger, database: Database
) -> None:
    await store(trail, UNDER_REVIEW, 1)
    await store(trail, ACTIVE, 2)
    assert len(await ledger.waiting(LINEAGE)) == 2
    added = publication(
        ACTIVE.but(associated_uids=("1004",)), entry(3, command="add_associated_uid"), generation=1
    ).model_copy(update={"takes_over": True})
    assert await trail.publish(added) is Written.STORED
    before = await everything(database)
    assert await trail.publish(added) is Written.STORED, "again, as when the answer got lost"
    assert await ledger.waiting(LINEAGE) == (), "who sent before sends no more"
    assert len(await ledger.waiting(added.lineage)) == 2
    assert await trail.publish(publication(ACTIVE, entry(4))) is Written.SUPERSEDED
    another = publication(ACTIVE, entry(3, command="remove_associated_uid"), generation=2)
    assert await trail.publish(another.model_copy(update={"takes_over": True})) is Written.SUPERSEDED
    assert await everything(database) == before, "whose number is taken has taken nothing over"
    await intact(records, 1, 2, 3)


async def test_an_application_is_recalled_as_it_is_stored(
    trail: AuditTrail, records: ApplicationRecords, ledger: EmailLedger
) -> None:
    assert await records.newest_id("1001") is None
    await store(trail, UNDER_REVIEW, 1)
    await store(trail, ACTIVE, 2, command_id="add-1", command="add_associated_uid")
    assert await records.newest_id("1001") == "run-1"
    recalled, head = await records.recalled("run-1")
    assert (recalled, head.generation, head.sequence) == (ACTIVE, 0, 2)
    found = await records.answered("run-1", "add-1", 2)
    assert found is not None
    assert (found.sequence, found.command) == (2, "add_associated_uid")
    assert await records.answered("run-1", "unknown", 2) is None
    assert await ledger.untold(recalled) == ((), 0)
    await ledger.failed("run-1", "1.application_received", "no such user", NOON)
    [failed], through = await ledger.untold(recalled)
    assert (failed.key, through) == ("1.application_received", 1)
    assert await ledger.untold(recalled.but(failed_emails=(failed,))) == ((), 1)
