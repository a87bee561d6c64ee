"""JOIN NOW under a UID that is no account's, or that has access, by another company's application or its own:
refused before anything is started."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.db.accounts import SqlAccountDirectory
from activities.db.engine import Database
from activities.db.trail import AuditTrail, Written
from domain.contract import ErrorType, OnboardingInput, Stage
from domain.inquiry import Account
from domain.status import Status
from settings import Settings
from starter.client.accounts import is_known, standing
from starter.client.errors import OnboardingError
from starter.client.joining import Standing
from starter.client.onboarding_client import OnboardingClient
from tests import payloads
from tests.activities.examples import application, publication, submitted, with_form
from tests.activities.services import vendor_services

UID: Final = "5123456789"
JOINING: Final = OnboardingInput.model_validate(payloads.join(UID))
STATUS: Final = Status.model_validate(
    {
        "application_id": "1",
        "company_master_uid": UID,
        "sequence": 1,
        "stage": Stage.DRAFTING,
        "status_text": "",
        "waiting_on": "partner",
    }
)


class Temporal:
    """Client and handle in one; ``found``: how the run under the applicant's workflow ID stands, if any;
    ``outcome``: of a run that has ended, and still has e-mails to leave for ``leaving`` (seconds)."""

    id = "reseller-onboarding-5123456789"

    def __init__(
        self,
        found: WorkflowExecutionStatus | None,
        outcome: Stage | None = None,
        leaving: float = 0,
    ) -> None:
        self.found = found
        self.outcome = outcome
        self.leaving = leaving
        self.started = 0

    def get_workflow_handle(self, *_: Any) -> "Temporal":
        return self

    async def describe(self) -> Any:
        if self.found is None:
            raise RPCError("workflow not found", RPCStatusCode.NOT_FOUND, b"")
        return SimpleNamespace(status=self.found)

    async def start_workflow(self, *_: Any, **__: Any) -> "Temporal":
        if self.found is WorkflowExecutionStatus.RUNNING:
            raise WorkflowAlreadyStartedError(self.id, "ResellerOnboarding")
        self.started += 1
        self.found, self.outcome = WorkflowExecutionStatus.RUNNING, None
        return self

    async def query(self, *_: Any, **__: Any) -> Status:
        stage = self.outcome or Stage.DRAFTING
        return STATUS.model_copy(update={"stage": stage, "outcome": self.outcome, "status_text": "So it is"})

    async def result(self, **_: Any) -> Any:
        await asyncio.sleep(self.leaving)
        self.found = WorkflowExecutionStatus.COMPLETED


def service(
    temporal: Temporal,
    known: bool | None = True,
    covered: bool | None = False,
    partner: bool | None = False,
    **more: Any,
) -> OnboardingClient:
    async def standing(uid: str) -> Standing:
        assert uid == UID
        return Standing(known, covered, partner)

    return OnboardingClient(cast(Client, temporal), standing=standing, **more)


@pytest.mark.parametrize("found", [None, WorkflowExecutionStatus.COMPLETED])
async def test_a_uid_nobody_has_starts_nothing(found: WorkflowExecutionStatus | None) -> None:
    temporal = Temporal(found)
    for _ in range(2):
        with pytest.raises(OnboardingError, match=f"no account of UID {UID}") as refused:
            await service(temporal, known=False).join(JOINING)
        assert refused.value.type is ErrorType.NOT_FOUND
        assert "Check the digits" in refused.value.remedy
    assert temporal.started == 0


async def test_whether_one_runs_has_to_be_known(monkeypatch: pytest.MonkeyPatch) -> None:
    async def down(self: Temporal) -> Any:
        raise RPCError("down", RPCStatusCode.UNAVAILABLE, b"")

    monkeypatch.setattr(Temporal, "describe", down)
    temporal = Temporal(None)
    with pytest.raises(RPCError, match="down"):
        await service(temporal, known=False).join(JOINING)
    assert temporal.started == 0


@pytest.mark.parametrize("known", [True, None])
async def test_a_known_one_starts_and_so_does_any_while_the_directory_is_down(known: bool | None) -> None:
    temporal = Temporal(None)
    joined = await service(temporal, known=known).join(JOINING)
    assert (joined.started, temporal.started) == (True, 1)


@pytest.mark.parametrize(
    ("known", "covered", "partner"), [(False, False, False), (True, True, False), (True, False, True)]
)
async def test_who_has_an_application_enters_it(known: bool, covered: bool, partner: bool) -> None:
    joined = await service(Temporal(WorkflowExecutionStatus.RUNNING), known, covered, partner).join(JOINING)
    assert not joined.started


@pytest.mark.parametrize("found", [None, WorkflowExecutionStatus.COMPLETED])
async def test_a_uid_with_access_by_another_application_starts_nothing(
    found: WorkflowExecutionStatus | None,
) -> None:
    temporal = Temporal(found)
    for _ in range(2):
        with pytest.raises(OnboardingError, match=f"UID {UID} has access to the ACPN platform") as refused:
            await service(temporal, covered=True).join(JOINING)
        assert refused.value.type is ErrorType.UID_MISMATCH
        assert "talk to the company that takes care of the access there, or to your BD" in str(refused.value)
    assert temporal.started == 0


@pytest.mark.parametrize("found", [None, WorkflowExecutionStatus.COMPLETED])
async def test_a_partner_starts_nothing(found: WorkflowExecutionStatus | None) -> None:
    """A run that only says so would be Temporal's current one, which a reset is of."""
    temporal = Temporal(found)
    for _ in range(2):
        with pytest.raises(OnboardingError, match="already has access") as refused:
            await service(temporal, partner=True).join(JOINING)
        assert refused.value.type is ErrorType.ALREADY_PARTNER
    assert temporal.started == 0


@pytest.mark.parametrize("covered", [False, None])
async def test_any_other_starts_and_so_does_any_while_nobody_can_tell(covered: bool | None) -> None:
    temporal = Temporal(None)
    joined = await service(temporal, covered=covered, partner=covered).join(JOINING)
    assert (joined.started, temporal.started) == (True, 1)


async def test_who_covers_it_is_looked_up_in_the_database(sqlite_url: str) -> None:
    settings = Settings.model_validate({"database_url": sqlite_url})
    assert (await standing(settings, "1002")).has_access_by_another is False
    database = Database(sqlite_url)
    trail = AuditTrail(database)
    for number, stage in enumerate((Stage.UNDER_REVIEW, Stage.ACTIVE), start=1):
        stands = with_form(application(stage=stage), 1)
        assert await trail.publish(publication(stands, submitted(number, number))) is Written.STORED
        assert (await standing(settings, "1002")).has_access_by_another is (stage is Stage.ACTIVE)
    await database.dispose()
    assert (await standing(settings, "1001")).has_access_by_another is False, (
        "the company's own is not among them"
    )


async def test_whether_it_is_a_partner_is_what_is_stored_of_its_latest_application(sqlite_url: str) -> None:
    settings = Settings.model_validate({"database_url": sqlite_url})
    stands = with_form(application(stage=Stage.UNDER_REVIEW), 1)
    assert (await standing(settings, stands.company_master_uid)).is_partner is False
    database = Database(sqlite_url)
    trail = AuditTrail(database)
    for number, stage in enumerate((Stage.UNDER_REVIEW, Stage.ACTIVE, Stage.DRAFTING), start=1):
        now = stands.but(stage=stage)
        assert await trail.publish(publication(now, submitted(number, number))) is Written.STORED
        assert (await standing(settings, stands.company_master_uid)).is_partner is (stage is Stage.ACTIVE)
    await database.dispose()


async def test_without_a_database_nobody_says_who_covers_it(unmigrated_sqlite_url: str) -> None:
    settings = Settings.model_validate({"database_url": unmigrated_sqlite_url})
    assert (await standing(settings, UID)).has_access_by_another is None
    assert (await standing(settings, UID)).is_partner is None


@pytest.mark.parametrize("outcome", [Stage.CANCELLED, Stage.REJECTED, Stage.EXPIRED])
async def test_while_the_last_mails_of_an_ended_application_leave_it_is_waited_for(outcome: Stage) -> None:
    temporal = Temporal(WorkflowExecutionStatus.RUNNING, outcome, leaving=0.01)
    joined = await service(temporal).join(JOINING)
    assert (joined.started, joined.status.outcome, temporal.started) == (True, None, 1)
    again = await service(temporal).join(JOINING)
    assert (again.started, again.status.outcome, temporal.started) == (False, None, 1)


async def test_that_they_have_not_left_in_time_is_told_and_when_to_join_again() -> None:
    temporal = Temporal(WorkflowExecutionStatus.RUNNING, Stage.CANCELLED, leaving=3600)
    for _ in range(2):
        with pytest.raises(OnboardingError) as refused:
            await service(temporal, answer_within=timedelta(seconds=0.05)).join(JOINING)
        assert refused.value.type is ErrorType.UNAVAILABLE
        assert refused.value.message == (
            f"The last application of UID {UID} has ended (So it is), and its e-mails are still leaving; "
            "no new one has begun."
        )
        assert refused.value.remedy.startswith("Join again 30 s after its end")
    assert temporal.started == 0


async def test_who_has_just_become_a_partner_is_told_so_at_once() -> None:
    temporal = Temporal(WorkflowExecutionStatus.RUNNING, Stage.ACTIVE, leaving=3600)
    with pytest.raises(OnboardingError, match="already has access") as refused:
        await service(temporal).join(JOINING)
    assert (refused.value.type, temporal.started) == (ErrorType.ALREADY_PARTNER, 0)


async def test_the_embedded_directory_is_asked(sqlite_url: str) -> None:
    settings = Settings.model_validate({"database_url": sqlite_url})
    assert await is_known(settings, UID) is False
    database = Database(sqlite_url)
    await SqlAccountDirectory(database).put(Account(uid=UID))
    await database.dispose()
    assert await is_known(settings, UID) is True


async def test_the_one_over_http_is_asked_where_it_is_named(sqlite_url: str) -> None:
    with vendor_services() as services:
        settings = Settings.model_validate({"database_url": sqlite_url, "accounts_url": services.url})
        assert await is_known(settings, UID) is False
        services.answers[f"/accounts/{UID}"] = {"uid": UID}
        assert await is_known(settings, UID) is True
        services.answers[f"/accounts/{UID}"] = {"uid": UID, "partner_level": "\x00"}
        assert await is_known(settings, UID) is None, "an answer that can't be used is none"
    assert await is_known(settings, UID) is None


async def test_without_a_database_nobody_says(unmigrated_sqlite_url: str) -> None:
    assert await is_known(Settings.model_validate({"database_url": unmigrated_sqlite_url}), UID) is None
