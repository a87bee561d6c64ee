"""An application whose run an operator terminates: it has ended, and so does what is stored of it."""

import asyncio

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.service import RPCError
from typer.testing import CliRunner

from activities.db.applications import ApplicationRecords
from activities.db.engine import Database
from activities.db.tables import EmailRow
from domain.chain import broken_at
from domain.contract import OnboardingInput, Stage
from settings import Settings, load_temporal_settings
from starter.cli.main import app
from starter.cli.session import SettingsSession
from starter.client.lost import recently_lost, reconcile
from starter.client.onboarding_client import OnboardingClient
from starter.doctor.applications import examine_applications
from tests import payloads
from tests.rig import Applicant, Service
from tests.service.resetting import application_id, mark, row_tells_the_truth, taken_up, turn_back

ENDED = "Its run in Temporal was terminated, without an outcome."


@pytest.fixture
async def applicant(service: Service) -> Applicant:
    """One whose run was terminated under review."""
    applicant = await service.applicant()
    await applicant.to_review()
    await applicant.handle.terminate("a test")
    return applicant


def settings(database: Database) -> Settings:
    """Those of the service, as far as the database goes."""
    url = database.engine.url.render_as_string(hide_password=False)
    plain = url.replace("+psycopg", "")
    return Settings.model_construct(database_url=SecretStr(plain))


async def gone(applicant: Applicant) -> None:
    """Wait until Temporal has the applicant's run no more."""
    while True:
        try:
            await applicant.handle.describe()
        except RPCError:
            return
        await asyncio.sleep(0.05)


async def ended_on_record(applicant: Applicant, application: str) -> None:
    """The application's row is closed by an event of the service, and its chain verifies."""
    records = ApplicationRecords(applicant.service.database)
    [row] = [
        each for each in await records.applications_of(applicant.uid) if each.application_id == application
    ]
    assert (row.stage, row.status.outcome, row.due_at, row.overdue) == ("cancelled", "cancelled", None, False)
    assert row.status.closing
    assert (row.status.closing.by, row.status.closing.reason) == ("system", ENDED)
    trail = await records.trail(application)
    assert [each.event.sequence for each in trail] == list(range(1, len(trail) + 1))
    assert broken_at(application, trail) is None
    last = trail[-1].event
    assert (last.command, last.from_stage, last.to_stage) == ("run_ended", "under_review", "cancelled")
    assert sum(each.event.command == "run_ended" for each in trail) == 1
    assert (last.actor and last.actor.role, row.sequence) == ("system", last.sequence)
    query = select(EmailRow.state).where(EmailRow.application_id == application)
    assert "pending" not in {state for [state] in await applicant.service.database.rows(query, {})}


async def test_who_joins_again_ends_it(service: Service, applicant: Applicant) -> None:
    first = await application_id(applicant)
    await applicant.join()
    await applicant.stored()
    await ended_on_record(applicant, first)
    second = await application_id(applicant)
    newest = await ApplicationRecords(service.database).newest(applicant.uid)
    assert newest
    assert (newest.application_id, newest.stage) == (second, Stage.DRAFTING)
    await row_tells_the_truth(applicant)


async def test_its_status_says_that_it_has_ended(service: Service, applicant: Applicant) -> None:
    client = OnboardingClient(service.env.client)
    for _ in range(2):
        status = await client.status(applicant.uid)
        assert (status.stage, status.outcome, status.waiting_on) == ("cancelled", "cancelled", "none")
        assert (status.allowed_commands, status.due_at, status.deadline) == ((), None, None)
        assert status.closing
        assert status.closing.reason == ENDED
        assert status.access.reason == "closed"
    joined = await client.join(OnboardingInput.model_validate(payloads.join(applicant.uid)))
    assert joined.started
    assert (await client.status(applicant.uid)).stage is Stage.DRAFTING


async def test_ops_find_it_and_end_it(service: Service, applicant: Applicant) -> None:
    """Once: it is not found again. What runs, and what has come to an outcome, is left alone."""
    running = await service.applicant()
    ended = await service.applicant()
    await ended.signal("cancel_application", reason="x")
    await ended.result()
    mine = await application_id(applicant)
    here = settings(service.database)
    found = await reconcile(service.env.client, here, close=False)
    assert mine in {each.application.application_id for each in found}
    assert not {await application_id(running), await application_id(ended)} & {
        each.application.application_id for each in found
    }
    assert mine in {each.application.application_id for each in await recently_lost(service.env.client, here)}
    closed = await reconcile(service.env.client, here, close=True)
    assert mine in {each.application.application_id for each in closed}
    assert await reconcile(service.env.client, here, close=True) == []
    assert await recently_lost(service.env.client, here) == []
    await ended_on_record(applicant, mine)


async def test_one_that_was_reset_is_not_lost(service: Service) -> None:
    """Temporal's Reset terminates the run it leaves, too."""
    applicant = await service.applicant()
    await applicant.signal("confirm_company")
    place = await mark(applicant)
    await applicant.signal("submit_application", application=payloads.form(applicant.uid))
    await turn_back(applicant, place)
    await taken_up(applicant)
    found = await reconcile(service.env.client, settings(service.database), close=False)
    assert await application_id(applicant) not in {each.application.application_id for each in found}


async def test_one_temporal_knows_nothing_of_ends_only_if_that_is_said(
    service: Service, applicant: Applicant
) -> None:
    """Whoever asks another Temporal must not end everything by it."""
    client, here = service.env.client, settings(service.database)
    mine = await application_id(applicant)
    await client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(
            namespace=client.namespace, workflow_execution=WorkflowExecution(workflow_id=applicant.handle.id)
        )
    )
    await gone(applicant)
    for forgotten in (False, True):
        closed = await reconcile(client, here, close=True, forgotten=forgotten)
        assert (mine in {each.application.application_id for each in closed}) is forgotten


async def test_the_console_script_and_the_doctor_tell(
    service: Service, applicant: Applicant, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = settings(service.database)
    monkeypatch.setenv("TEMPORAL_ADDRESS", service.env.client.service_client.config.target_host)
    monkeypatch.setenv("ONBOARDING_DATABASE_URL", here.database)
    found = await examine_applications(here, load_temporal_settings())
    assert (found.state, applicant.uid in found.detail) == ("warning", True)
    assert "onboarding reconcile" in found.remedy

    async def run(*arguments: str) -> str:
        session = SettingsSession()
        result = await asyncio.to_thread(CliRunner().invoke, app, [*arguments], obj=session)
        assert result.exit_code == 0, result.output
        return result.output

    listed = await run("reconcile")
    assert applicant.uid in listed
    assert "was terminated" in listed
    assert applicant.uid in await run("reconcile", "--yes")
    assert applicant.uid not in await run("reconcile")
    assert (await examine_applications(here, load_temporal_settings())).state == "ok"
