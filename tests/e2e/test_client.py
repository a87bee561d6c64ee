"""The typed client against the real server: joining, commands, refusals, lists; a namespace made ready."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, RemoveSearchAttributesRequest
from temporalio.client import Client

from activities.db.accounts import SqlAccountDirectory
from activities.db.engine import Database
from domain.application import ConfirmCompany
from domain.contract import (
    WORKFLOW_TYPE,
    Actor,
    ErrorType,
    OnboardingInput,
    Party,
    Person,
    Role,
    SignatureOrder,
    SigningPath,
    Stage,
    WaitingOn,
    workflow_id,
)
from domain.documents import ApplicationForm, DecisionSheet
from domain.inquiry import Account
from domain.policy import Policy
from domain.status import Company, Status
from runtime.search_attributes import SearchAttributesError, register_search_attributes
from settings import Settings, TemporalSettings
from starter.client.errors import OnboardingError
from starter.client.onboarding_client import OnboardingClient, connect
from starter.local.dev_server import DevServer
from starter.local.mail_sink import MailSink
from tests import payloads
from worker import running_worker

PARTNER = Actor(role=Role.PARTNER, id="mei")
BD = Actor(role=Role.BD, id="wei")
LEAD = Actor(role=Role.BD_LEAD, id="ada")
VENDOR = Actor(role=Role.VENDOR, id="ada")
VERIFY_URL = "https://verify.example.com/"
FUTURE = "2199-01-01"


@dataclass
class Running:
    """A server, a worker and a client."""

    temporal: Client
    client: OnboardingClient
    directory: SqlAccountDirectory
    uids: "count[int]"

    async def joined(self, *, verified: bool = True) -> str:
        """The UID of an applicant who has just joined."""
        uid = str(next(self.uids))
        company = Company.model_validate(
            {
                "legal_name": payloads.ENTERPRISE,
                "registration_number": payloads.REGISTRATION,
                "verified": verified,
            }
        )
        await self.directory.put(Account(uid=uid, enterprise=company))
        await self.client.join(joining(uid))
        return uid

    async def confirming(self) -> tuple[str, Status]:
        """An applicant who has a decision sheet to confirm."""
        uid = await self.joined()
        form = ApplicationForm.model_validate(payloads.form(uid))
        await self.client.confirm_company(uid, PARTNER)
        await self.client.submit_application(uid, PARTNER, form)
        await self.client.approve_application(uid, BD, 1)
        sheet = DecisionSheet.model_validate(payloads.sheet(start=FUTURE))
        return uid, await self.client.issue_decision_sheet(uid, BD, sheet)


def joining(uid: str) -> OnboardingInput:
    return OnboardingInput.model_validate(payloads.join(uid))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    folder = tmp_path_factory.mktemp("client")
    async with (
        DevServer(log_file=folder / "temporal.log", headless=True) as server,
        MailSink(folder / "mails").running() as sink,
    ):
        settings = Settings.model_validate({"data": folder, "smtp_url": sink.url, "verify_url": VERIFY_URL})
        temporal = await connect(
            TemporalSettings(server.address, server.namespace, {"target_host": server.address})
        )
        database = Database(settings.database)
        async with running_worker(temporal, settings):
            yield Running(
                temporal,
                OnboardingClient(temporal, verify_url=VERIFY_URL),
                SqlAccountDirectory(database),
                count(7_000_000_001),
            )
        await database.dispose()


async def refused(error: ErrorType, call: Awaitable[Status]) -> OnboardingError:
    with pytest.raises(OnboardingError) as refusal:
        await call
    assert refusal.value.type is error
    return refusal.value


async def test_joining_starts_once_and_keeps_its_policy(running: Running) -> None:
    uid = await running.joined()
    handle = running.temporal.get_workflow_handle(workflow_id(uid))
    again = await running.client.join(joining(uid))
    description = await handle.describe()
    assert not again.started
    assert again.application_id == description.run_id
    start = (await handle.fetch_history()).events[0].workflow_execution_started_event_attributes
    [recorded] = await running.temporal.data_converter.decode(start.input.payloads, [OnboardingInput])
    assert recorded.policy == Policy()
    assert await description.static_summary() is not None
    assert PARTNER.id not in str(description.typed_search_attributes)


async def test_every_command_of_the_way_to_signature(running: Running) -> None:
    uid = await running.joined()
    client = running.client
    form = ApplicationForm.model_validate(payloads.form(uid))
    await client.confirm_company(uid, PARTNER)
    assert (await client.submit_application(uid, PARTNER, form)).stage is Stage.UNDER_REVIEW
    assert (await client.withdraw_application(uid, PARTNER, "typo")).stage is Stage.WITHDRAWN
    await client.submit_application(uid, PARTNER, form)
    assert (await client.request_justification(uid, BD, "Who?")).stage is Stage.JUSTIFYING
    assert (await client.provide_justification(uid, PARTNER, "We.")).stage is Stage.UNDER_REVIEW
    assert (await client.approve_application(uid, BD, 2)).stage is Stage.QUALIFIED
    await client.reassign_bd(uid, LEAD, Person(name="Li", email="li@vendor.example.com"))
    reassigned = (await client.status(uid)).bd
    assert reassigned
    assert reassigned.name == "Li"
    first = DecisionSheet.model_validate(payloads.sheet(start=FUTURE))
    assert (await client.issue_decision_sheet(uid, BD, first)).stage is Stage.CONFIRMING_TERMS
    modified = await client.modify_terms(uid, PARTNER, 1, "24 months", ("basic.term_months",))
    assert modified.modification_fields == ("basic.term_months",)
    second = DecisionSheet.model_validate(payloads.sheet(start=FUTURE, ecs="11"))
    answer = await client.issue_decision_sheet(uid, BD, second)
    sheet = (await client.status(uid)).sheet
    assert sheet is not None
    assert answer.sheet is not None
    assert (answer.sheet.revision, answer.sheet.hash) == (sheet.revision, sheet.hash)
    assert (answer.application, answer.sheet.content, answer.sheet.changes) == (None, None, ())
    assert [change.field for change in sheet.changes] == ["discounts[ecs].percent"]
    assert (await client.confirm_terms(uid, PARTNER, 2, sheet.hash)).stage is Stage.AWAITING_SIGNATURES
    assert (await client.record_contact(uid, BD, "called")).contacted_at is not None
    await client.choose_signing_path(uid, BD, SigningPath.OFFLINE_PAPER, SignatureOrder.PARTNER_FIRST)
    at = datetime.now(UTC)
    await client.sign_contract(uid, PARTNER, Party.PARTNER, "Mei", 2, sheet.hash, at, "D-1")
    reopened = await client.reopen_terms(uid, BD, "discount")
    assert (reopened.stage, reopened.signing.begun) == (Stage.CORRECTING_TERMS, False)
    third = (await client.issue_decision_sheet(uid, BD, first)).sheet
    assert third is not None
    await client.confirm_terms(uid, PARTNER, 3, third.hash)
    at = datetime.now(UTC)
    await client.sign_contract(uid, PARTNER, Party.PARTNER, "Mei", 3, third.hash, at, "D-2")
    signed = await client.sign_contract(uid, VENDOR, Party.VENDOR, "Ada", 3, third.hash, at, "D-2")
    assert (signed.stage, signed.access.reason) == (Stage.SIGNED, "before_start_date")
    amended = await client.amend_start_date(
        uid, BD, date.fromisoformat(payloads.REACHED), "Asia/Singapore", "now"
    )
    assert amended.amendments[-1].reason == "now"
    await running.temporal.get_workflow_handle(workflow_id(uid)).result()
    assert (await client.status(uid)).stage is Stage.ACTIVE
    while uid not in {  # noqa: ASYNC110 - visibility tells nobody
        each.uid async for each in client.list(stage=Stage.ACTIVE)
    }:
        await asyncio.sleep(0.1)
    refusal = await refused(ErrorType.ALREADY_PARTNER, joined_status(client, uid))
    assert refusal.remedy
    # The run that ended at once is not the application.
    assert (await client.status(uid)).application_id == answer.application_id
    assert (await client.status(uid)).stage is Stage.ACTIVE
    await refused(ErrorType.CLOSED, client.confirm_company(uid, PARTNER))
    assert [each.uid async for each in client.list(stage=Stage.ACTIVE)].count(uid) == 1


async def joined_status(client: OnboardingClient, uid: str) -> Status:
    return (await client.join(joining(uid))).status


@pytest.mark.parametrize("way", ["reject", "decline", "cancel"])
async def test_after_the_end_commands_are_closed_and_joining_starts_anew(running: Running, way: str) -> None:
    uid, _ = await running.confirming() if way == "decline" else (await running.joined(), None)
    client = running.client
    if way == "reject":
        form = ApplicationForm.model_validate(payloads.form(uid))
        await client.confirm_company(uid, PARTNER)
        await client.submit_application(uid, PARTNER, form)
        ended = await client.reject_application(uid, BD, "no-team", "Hire")
        assert ended.rejection is not None
    elif way == "decline":
        ended = await client.decline(uid, PARTNER, "another vendor")
    else:
        ended = await client.cancel_application(uid, BD, "entered twice")
    assert ended.outcome in {Stage.REJECTED, Stage.CANCELLED}
    await running.temporal.get_workflow_handle(workflow_id(uid)).result()
    await refused(ErrorType.CLOSED, client.confirm_company(uid, PARTNER))
    assert (await client.status(uid)).outcome is ended.outcome
    again = await client.join(joining(uid))
    assert again.started
    assert again.application_id != ended.application_id


async def test_the_same_command_id_is_answered_alike_and_done_once(running: Running) -> None:
    uid, status = await running.confirming()
    assert status.sheet is not None
    answers = await asyncio.gather(
        *(
            running.client.confirm_terms(uid, PARTNER, 1, status.sheet.hash, command_id="confirm-1")
            for _ in range(5)
        )
    )
    assert {answer.stage for answer in answers} == {Stage.AWAITING_SIGNATURES}


async def test_refusals_carry_type_message_and_remedy(running: Running) -> None:
    uid = await running.joined(verified=False)
    refusal = await refused(ErrorType.ENTERPRISE_NOT_VERIFIED, running.client.confirm_company(uid, PARTNER))
    assert "has not completed enterprise verification" in refusal.message
    assert VERIFY_URL in refusal.remedy
    await refused(ErrorType.FORBIDDEN, running.client.confirm_company(uid, BD))
    early = await refused(ErrorType.WRONG_STAGE, running.client.confirm_terms(uid, PARTNER, 1, "0"))
    assert "drafting" in early.message


async def test_wrong_fields_never_leave(running: Running) -> None:
    uid = await running.joined()
    refusal = await refused(ErrorType.INVALID, running.client.request_justification(uid, BD, " "))
    assert refusal.message.startswith("question: ")


async def test_a_uid_that_never_joined(running: Running) -> None:
    await refused(ErrorType.NOT_FOUND, running.client.status("99"))
    await refused(ErrorType.NOT_FOUND, running.client.confirm_company("99", PARTNER))


async def test_lists_by_what_is_waited_for(running: Running) -> None:
    uid, _ = await running.confirming()
    cancelled = await running.joined()
    await running.client.cancel_application(cancelled, BD, "x")
    await running.temporal.get_workflow_handle(workflow_id(cancelled)).result()

    async def uids(**filters: object) -> set[str]:
        listing = running.client.list(**filters)  # type: ignore[arg-type]  # filters by name
        return {each.uid async for each in listing}

    # Visibility lags behind by a moment.
    while uid not in await uids(stage=Stage.CONFIRMING_TERMS):  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.1)
    while cancelled not in await uids(stage=Stage.CANCELLED):  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.1)
    [found] = [each async for each in running.client.list() if each.uid == uid]
    assert (found.stage, found.waiting_on, found.overdue) == (
        Stage.CONFIRMING_TERMS,
        WaitingOn.PARTNER,
        False,
    )
    assert found.due_at is not None
    assert uid in await uids(waiting_on=WaitingOn.PARTNER, overdue=False)
    assert uid not in await uids(overdue=True)
    assert cancelled not in await uids()


async def test_without_a_worker_the_caller_is_told(running: Running) -> None:
    impatient = OnboardingClient(running.temporal, answer_within=timedelta(milliseconds=300))
    await running.temporal.start_workflow(
        WORKFLOW_TYPE, joining("98"), id=workflow_id("98"), task_queue="nobody-works-here"
    )
    command = ConfirmCompany(command_id="c-98", actor=PARTNER)
    refusal = await refused(ErrorType.UNAVAILABLE, impatient.send("98", command))
    assert "c-98" in refusal.message
    await refused(ErrorType.UNAVAILABLE, impatient.status("98"))
    await running.temporal.get_workflow_handle(workflow_id("98")).terminate()


async def test_a_cancelled_call_stays_cancelled(running: Running) -> None:
    handle = await running.temporal.start_workflow(
        WORKFLOW_TYPE, joining("97"), id=workflow_id("97"), task_queue="nobody-works-here"
    )
    call = asyncio.create_task(running.client.confirm_company("97", PARTNER))
    await asyncio.sleep(0.1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await handle.terminate()


async def test_registering_search_attributes_again_changes_nothing(running: Running) -> None:
    await register_search_attributes(running.temporal)


async def test_a_search_attribute_of_another_type_is_refused(tmp_path: Path) -> None:
    async with DevServer(log_file=tmp_path / "temporal.log", headless=True) as server:
        client = await Client.connect(server.address)
        taken = {"OnboardingStage": IndexedValueType.INDEXED_VALUE_TYPE_INT}
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace="default", search_attributes=taken)
        )
        with pytest.raises(SearchAttributesError, match=r"OnboardingStage .* as Int.*must be Keyword"):
            await register_search_attributes(client)
        await client.operator_service.remove_search_attributes(
            RemoveSearchAttributesRequest(namespace="default", search_attributes=list(taken))
        )
        await register_search_attributes(client)
