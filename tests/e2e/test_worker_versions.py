"""Worker versions on the real server: promoted, taken over in the middle, rolled back, left unpolled."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import Worker, WorkerDeploymentConfig
from typer.testing import CliRunner

from activities.db.accounts import SqlAccountDirectory
from activities.db.engine import Database
from domain.commands import COMMAND_ADAPTER
from domain.contract import TASK_QUEUE, OnboardingInput, Stage, workflow_id
from domain.inquiry import Account
from domain.status import Status
from runtime import deployments
from runtime.deployments import Deployment, DeploymentError, Routing, Version
from settings import Settings, SettingsError, TemporalSettings, load_settings
from starter.cli.main import app
from starter.cli.session import SettingsSession
from starter.client.onboarding_client import OnboardingClient, connect
from starter.local.dev_server import DevServer
from tests import payloads
from tests.smtp_server import Plan, SmtpServer
from worker import running_worker

NAME = "reseller-onboarding"


@dataclass
class Site:
    """A server of its own and what a worker needs."""

    address: str
    temporal: Client
    client: OnboardingClient
    settings: Settings

    def version(self, build_id: str | None) -> Settings:
        """The settings of a worker of this version."""
        return self.settings.model_copy(update={"build_id": build_id})

    async def send(self, uid: str, kind: str, **payload: Any) -> Status:
        """Send a command and return the status it led to."""
        command = COMMAND_ADAPTER.validate_python({"kind": kind, **payloads.command(kind, **payload)})
        return await self.client.send(uid, command)

    async def promote(self, build_id: str, ramp: float | None = None) -> None:
        """Promote a version whose worker may have started just now."""
        await deployments.promote(self.temporal, NAME, build_id, ramp, wait=timedelta(seconds=30))

    async def builds(self, uid: str) -> list[str]:
        """The versions that worked on a run, in order, each once for every time it took over."""
        history = await self.temporal.get_workflow_handle(workflow_id(uid)).fetch_history()
        builds: list[str] = []
        for event in history.events:
            build = event.workflow_task_completed_event_attributes.deployment_version.build_id
            if build and builds[-1:] != [build]:
                builds.append(build)
        return builds


@pytest_asyncio.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    smtp = SmtpServer(Plan())
    async with DevServer(log_file=tmp_path / "temporal.log", headless=True) as server, smtp.running():
        temporal = await connect(
            TemporalSettings(server.address, server.namespace, {"target_host": server.address})
        )
        settings = Settings.model_validate(
            {
                "data": tmp_path,
                "database_url": f"sqlite:///{tmp_path / 'onboarding.db'}",
                "smtp_url": smtp.url,
                "deployment": NAME,
            }
        )
        yield Site(server.address, temporal, OnboardingClient(temporal), settings)


@activity.defn
async def called() -> None:
    """A worker that has it polls for activities."""


@workflow.defn(sandboxed=False)
class Calling:
    """Work for both kinds of task queue."""

    @workflow.run
    async def run(self) -> None:
        """Call it."""
        await workflow.execute_activity(called, start_to_close_timeout=timedelta(minutes=1))


async def joining(site: Site, uid: str) -> OnboardingInput:
    """An applicant whose account is verified, about to join."""
    database = Database(site.settings.database)
    enterprise = {"legal_name": payloads.ENTERPRISE, "registration_number": payloads.REGISTRATION}
    await SqlAccountDirectory(database).put(
        Account.model_validate({"uid": uid, "enterprise": {**enterprise, "verified": True}})
    )
    await database.dispose()
    return OnboardingInput.model_validate(payloads.join(uid))


@contextmanager
def said_by_the_worker(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    caplog.clear()
    lines: list[str] = []
    with caplog.at_level(logging.INFO, logger="onboarding.worker"):
        yield lines
        lines += [record.getMessage() for record in caplog.records if record.name == "onboarding.worker"]


async def test_runs_go_from_version_to_version_and_back_and_all_finish(site: Site) -> None:
    uids = [str(6_000_000_000_000_001 + number) for number in range(4)]
    async with running_worker(site.temporal, site.version("v1")):
        await site.promote("v1")
        for uid in uids:
            await site.client.join(await joining(site, uid))
            await site.send(uid, "confirm_company")
            await site.send(uid, "submit_application", application=payloads.form(uid))
        async with running_worker(site.temporal, site.version("v2")):
            await site.promote("v2")
            for uid in uids:
                await site.send(uid, "approve_application", form_revision=1)
                await site.send(uid, "issue_decision_sheet", sheet=payloads.sheet())
            assert [await site.builds(uid) for uid in uids] == [["v1", "v2"]] * len(uids)
            await site.promote("v1")
            for uid in uids:
                sheet = (await site.client.status(uid)).sheet
                assert sheet is not None
                named = {"sheet_revision": sheet.revision, "sheet_hash": sheet.hash}
                await site.send(uid, "confirm_terms", **named)
                for party in ("partner", "vendor"):
                    signature = {"party": party, "signer_name": "S", "signed_at": sheet.issued_at}
                    await site.send(uid, "sign_contract", role=party, **signature, **named)
            for uid in uids:
                handle = site.temporal.get_workflow_handle(workflow_id(uid), result_type=Status)
                assert (await handle.result()).outcome is Stage.ACTIVE
    assert [await site.builds(uid) for uid in uids] == [["v1", "v2", "v1"]] * len(uids)


async def test_nothing_is_dispatched_until_a_version_is_promoted(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    with said_by_the_worker(caplog) as said:
        async with running_worker(site.temporal, site.version("v1")):
            handle = await site.temporal.start_workflow(
                "ResellerOnboarding", payloads.join("61"), id=workflow_id("61"), task_queue=NAME
            )
            await _counted(site)
            described = await _polled(site)
            [warning] = described.warnings
            assert warning.startswith("1 open runs stand still: no version is promoted")
            assert "`onboarding deploy promote v1`" in warning
            await site.promote("v1")
            while not await _has_begun(handle.id, site):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)
            assert (await deployments.describe(site.temporal, NAME)).warnings == ()
    assert any("gets no work until it is promoted: run `onboarding deploy promote v1`" in s for s in said)
    with said_by_the_worker(caplog) as said:
        async with running_worker(site.temporal, site.version("v1")):
            pass
    assert "Version v1 of worker deployment reseller-onboarding" in said


async def test_a_version_nobody_polls_for_is_refused(site: Site) -> None:
    with pytest.raises(DeploymentError, match="No worker of version v1 polls"):
        await deployments.promote(site.temporal, NAME, "v1", wait=timedelta(0))
    async with running_worker(site.temporal, site.version("v1")):
        await site.promote("v1")
        with pytest.raises(DeploymentError, match="No worker of version v0 polls"):
            await deployments.promote(site.temporal, NAME, "v0", ramp=5, wait=timedelta(0))


async def test_a_version_whose_task_queues_register_one_by_one_is_waited_for(site: Site) -> None:
    def worker(build_id: str, **registered: Any) -> Worker:
        config = WorkerDeploymentConfig(
            version=WorkerDeploymentVersion(NAME, build_id),
            use_worker_versioning=True,
            default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
        )
        return Worker(site.temporal, task_queue=TASK_QUEUE, deployment_config=config, **registered)

    async with worker("v1", workflows=[Calling], activities=[called]):
        await site.promote("v1")
    async with worker("v1", workflows=[Calling]), worker("v2", workflows=[Calling]):
        # With work waiting for activities, the server insists that v2 polls for them as v1 did.
        handle = await site.temporal.start_workflow(Calling.run, id="calling", task_queue=TASK_QUEUE)
        with pytest.raises(DeploymentError, match=r"v2 can't be promoted: .*missing active task queues"):
            await deployments.promote(site.temporal, NAME, "v2", wait=timedelta(seconds=3))
        promoting = asyncio.create_task(site.promote("v2"))
        refused_by_now, _ = await asyncio.wait({promoting}, timeout=1)
        assert not refused_by_now
        async with worker("v2", activities=[called]):
            await promoting
            await handle.result()
    assert (await deployments.routing_of(site.temporal, NAME)) == Routing(current="v2")


async def test_a_version_ramps_up_and_is_taken_back(site: Site) -> None:
    async with (
        running_worker(site.temporal, site.version("v1")),
        running_worker(site.temporal, site.version("v2")),
    ):
        await site.promote("v1")
        await site.promote("v2", ramp=25)
        described = await deployments.describe(site.temporal, NAME)
        assert described.routing == Routing(current="v1", ramping="v2", percentage=25)
        assert {each.build_id: each.role for each in described.versions} == {
            "v1": "current",
            "v2": "ramping 25 %",
        }
        assert [each.pollers > 0 for each in described.versions] == [True, True]
        with pytest.raises(DeploymentError, match="v1 is not ramping"):
            await site.promote("v1", ramp=0)
        await site.promote("v2", ramp=0)
        assert (await deployments.routing_of(site.temporal, NAME)) == Routing(current="v1")


async def test_without_a_build_id_a_worker_works_at_once(site: Site) -> None:
    async with running_worker(site.temporal, site.version(None)):
        joined = await site.client.join(await joining(site, "62"))
        assert joined.status.stage is Stage.DRAFTING
        await _counted(site)
        described = await _polled(site)
    [version] = described.versions
    assert (version.name, version.role, version.open_runs) == ("(no version)", "current", 1)
    assert described.warnings == ()


async def test_the_console_script_promotes_and_shows(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", site.address)
    monkeypatch.setenv("ONBOARDING_DEPLOYMENT", NAME)

    async def onboarding(*arguments: str) -> tuple[int, str]:
        result = await asyncio.to_thread(CliRunner().invoke, app, arguments, obj=SettingsSession())
        return result.exit_code, result.output

    code, output = await onboarding("deploy", "promote", "v1", "--wait", "0")
    assert code == 1
    assert "ONBOARDING_BUILD_ID=v1 python worker.py" in output
    async with running_worker(site.temporal, site.version("v1")):
        await _polled(site)
        code, output = await onboarding("deploy", "status")
        assert code == 1
        assert "`onboarding deploy promote v1`" in output
        code, output = await onboarding("deploy", "promote", "v1")
        assert code == 0, output
        assert output.startswith("v1\tcurrent\t")
        code, output = await onboarding("deploy", "status")
        assert code == 0, output


def _version(build_id: str | None, role: str = "", **changes: int) -> Version:
    return Version(
        build_id, role, **{"pollers": 0, "open_runs": 0, "pinned_runs": 0} | changes, last_poll=None
    )


@pytest.mark.parametrize(
    ("routing", "versions", "says"),
    [
        (Routing("v1"), [_version("v1", pollers=1, open_runs=9)], ()),
        # The next workflow task of a run takes it to the version that is current.
        (Routing("v2"), [_version("v1", open_runs=9), _version("v2", pollers=1)], ()),
        (
            Routing("v2"),
            [_version("v1", pollers=1, open_runs=9), _version("v2", open_runs=1)],
            ("10 open runs stand still: version v2 is current, and nobody polls for it. "
             "`onboarding deploy promote v1`",),
        ),
        (Routing("v1"), [_version("v1", open_runs=2)], ("2 open runs stand still: .* Start a worker.",)),
        (
            Routing("v1", "v2", 10),
            [_version("v1", pollers=1), _version("v2")],
            ("10 % of the open runs stand still: version v2 is ramping.*--ramp 0`",),
        ),
        (
            Routing("v2"),
            [_version("v1", open_runs=3, pinned_runs=3), _version("v2", pollers=1)],
            ("3 open runs are stranded: pinned to version v1.*auto_upgrade",),
        ),
        (Routing(), [], ()),
    ],
)  # fmt: skip
def test_what_stands_still_is_told(routing: Routing, versions: list[Version], says: tuple[str, ...]) -> None:
    warnings = Deployment(NAME, routing, tuple(versions)).warnings
    assert len(warnings) == len(says)
    for warning, pattern in zip(warnings, says, strict=True):
        assert re.fullmatch(pattern, warning)


@pytest.mark.parametrize(
    ("variable", "value"), [("ONBOARDING_DEPLOYMENT", "a.b"), ("ONBOARDING_BUILD_ID", "a b")]
)
def test_a_name_temporal_can_not_have_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=variable):
        load_settings()


async def _counted(site: Site) -> None:
    """Wait until visibility knows of the open run."""
    while not (await site.temporal.count_workflows("ExecutionStatus = 'Running'")).count:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.05)


async def _polled(site: Site) -> Deployment:
    """The deployment, once the server lists the worker's poll."""
    while True:
        described = await deployments.describe(site.temporal, NAME)
        if any(version.pollers for version in described.versions):
            return described
        await asyncio.sleep(0.05)


async def _has_begun(name: str, site: Site) -> bool:
    history = await site.temporal.get_workflow_handle(name).fetch_history()
    return any(event.HasField("workflow_task_completed_event_attributes") for event in history.events)
