"""What `onboarding doctor` finds of a real Temporal server, each of its parts broken in turn."""

from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, RemoveSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import PinnedVersioningOverride, WorkerDeploymentVersion
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from domain.contract import TASK_QUEUE, WORKFLOW_TYPE, workflow_id
from runtime import deployments
from settings import TemporalSettings
from starter.client.onboarding_client import connect
from starter.doctor.pollers import polling_processes
from starter.doctor.report import Finding, Part, Report, State
from starter.local.dev_server import DevServer
from tests import payloads
from tests.certificates import Authority
from tests.e2e.encrypted import keys, until
from tests.e2e.examinations import TEMPORAL, address_of, at, examined, failure, run, settings, silence
from tests.smtp_server import Plan, SmtpServer
from tests.temporal_env import unique
from worker import running_worker
from workflows.search_attributes import ALL, OVERDUE, STAGE


async def test_tls_on_one_side_only_or_not_trusted(env: WorkflowEnvironment, tmp_path: Path) -> None:
    context = Authority.create(tmp_path).server_context("127.0.0.1")
    context.set_alpn_protocols(["h2"])
    async with silence(context) as address:
        for at_address, tls, says, remedy in (
            (
                address,
                True,
                "its certificate does not verify (UnknownIssuer)",
                "TEMPORAL_TLS_SERVER_CA_CERT_PATH",
            ),
            (address, False, "it hangs up", "TEMPORAL_TLS=true"),
            (address_of(env), True, "it does not speak TLS", "Unset TEMPORAL_TLS"),
        ):
            temporal = TemporalSettings(at_address, "default", {"target_host": at_address, "tls": tls})
            said = failure((await examined(settings(), temporal)).of(Part.TEMPORAL))
            assert says in said
            assert remedy in said


async def test_search_attributes_missing_of_another_type_and_put_right(
    tmp_path: Path, environment: dict[str, str], sqlite_url: str
) -> None:
    """On a server of its own, which in the end has all that is needed: exit code 0."""
    async with (
        DevServer(log_file=tmp_path / "temporal.log", headless=True) as server,
        SmtpServer(Plan()).running() as mail,
    ):
        temporal = at(server.address)
        report = await examined(settings(), temporal)
        said = failure(report.of(Part.SEARCH_ATTRIBUTES))
        assert all(key.name in said for key in ALL)
        assert "`onboarding setup`" in said
        client = await Client.connect(server.address)
        await _register(client, STAGE.name, IndexedValueType.INDEXED_VALUE_TYPE_TEXT)
        await _register(client, OVERDUE.name, IndexedValueType.INDEXED_VALUE_TYPE_INT)
        said = failure((await examined(settings(), temporal)).of(Part.SEARCH_ATTRIBUTES))
        assert f"{STAGE.name} is Text, not Keyword, {OVERDUE.name} is Int, not Bool" in said
        assert f"remove --namespace default --name {STAGE.name} --name {OVERDUE.name}`" in said
        await client.operator_service.remove_search_attributes(
            RemoveSearchAttributesRequest(namespace="default", search_attributes=[STAGE.name, OVERDUE.name])
        )
        given = settings(database_url=sqlite_url, smtp_url=mail.url)
        async with running_worker(await connect(temporal), given):
            here = environment | {
                "TEMPORAL_ADDRESS": server.address,
                "ONBOARDING_DATABASE_URL": sqlite_url,
                "ONBOARDING_SMTP_URL": mail.url,
            }
            await until(lambda: _polled(client, TASK_QUEUE, "workflow"))
            await until(lambda: _polled(client, TASK_QUEUE, "activity"))
            result = await run(here)
        assert result.exit_code == 0, result.output
        assert not mail.accepted
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert {
        part: state for part, state, _, _ in lines if part not in {"namespace", "calendar"}
    } == dict.fromkeys([part for part in Part if part not in {"namespace", "calendar"}], "ok")
    assert "keeps ended applications for 1 day;" in result.stdout
    assert "server 1." in result.stdout


async def _polled(client: Client, queue: str, kind: str) -> bool:
    return bool((await polling_processes(client, queue))[kind])


async def _register(client: Client, name: str, kind: IndexedValueType.ValueType) -> None:
    await client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(namespace="default", search_attributes={name: kind})
    )


async def test_a_namespace_that_is_not_there(env: WorkflowEnvironment) -> None:
    report = await examined(settings(), at(address_of(env), "nowhere"))
    assert report.of(Part.TEMPORAL).state is State.OK
    said = failure(report.of(Part.NAMESPACE))
    assert "nowhere does not exist" in said
    assert "TEMPORAL_NAMESPACE" in said
    assert {report.of(part).state for part in TEMPORAL[1:]} == {State.SKIPPED}


async def test_nobody_polls_for_one_kind_of_tasks_or_for_any(env: WorkflowEnvironment) -> None:
    @activity.defn
    async def nothing() -> None: ...

    temporal, queue = at(address_of(env)), unique("doctor")
    said = failure((await examined(settings(), temporal, queue)).of(Part.WORKERS))
    assert "for workflow or activity tasks" in said
    assert "python worker.py" in said

    async with Worker(env.client, task_queue=queue, activities=[nothing]):
        await until(lambda: _polled(env.client, queue, "activity"))
        said = failure((await examined(settings(), temporal, queue)).of(Part.WORKERS))
        assert f"nobody polls task queue {queue} for workflow tasks" in said
    said = failure((await examined(settings(), temporal, queue)).of(Part.WORKERS))
    assert "for workflow or activity tasks" in said, "it said that it stops"


async def test_keys_that_do_not_open_what_is_stored(env: WorkflowEnvironment) -> None:
    temporal, queue, uid = at(address_of(env)), unique("doctor"), unique("uid")
    sender = await connect(temporal, settings(encryption_keys=keys("2026a")).codec)
    await sender.start_workflow(WORKFLOW_TYPE, payloads.join("1"), id=uid, task_queue=queue)

    async def seen(report: Report) -> Finding:
        return report.of(Part.ENCRYPTION)

    await until(lambda: _counted(env.client, queue))
    report = await examined(settings(encryption_keys=keys("2027a", "2026a")), temporal, queue)
    assert (await seen(report)).detail == (
        "2027a writes, 2026a can be read; open applications looked at: 1, none unreadable"
    )
    # Nobody works on it: that is seen as well.
    assert "1 open runs stand still" in failure(report.of(Part.VERSIONS))
    for wrong, says in (
        (None, "key '2026a', which is not known here"),
        (keys("2027a"), "key '2026a', which is not known here"),
        (
            keys("2026a").replace("2026a:", "x:") + "," + keys("2027a").replace("2027a:", "2026a:"),
            "has another value",
        ),
    ):
        said = failure(await seen(await examined(settings(encryption_keys=wrong), temporal, queue)))
        assert uid in said
        assert says in said
        assert "ONBOARDING_ENCRYPTION_KEYS" in said
    await sender.get_workflow_handle(uid).terminate()


async def _counted(client: Client, queue: str) -> bool:
    """Whether visibility knows of the open run."""
    return (await client.count_workflows(f"TaskQueue = '{queue}'")).count == 1


async def test_runs_stranded_on_a_version_nobody_polls_for(
    env: WorkflowEnvironment, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporal, queue, name = at(address_of(env)), unique("doctor"), unique("deployment")
    uid = str(uuid4().int % 10**20)
    given = settings(database_url=sqlite_url, deployment=name, build_id="v1")
    async with running_worker(env.client, given, task_queue=queue):
        await deployments.promote(env.client, name, "v1", wait=timedelta(seconds=30), task_queue=queue)
        with env.with_time_skipping_disabled():
            handle = await env.client.start_workflow(
                WORKFLOW_TYPE,
                payloads.join(uid),
                id=workflow_id(uid),
                task_queue=queue,
                versioning_override=PinnedVersioningOverride(WorkerDeploymentVersion(name, "v1")),
            )

        async def pinned() -> bool:
            found = await deployments.describe(env.client, name, task_queue=queue)
            return any(version.pinned_runs for version in found.versions)

        await until(pinned)
        assert (await examined(given, temporal, queue)).of(Part.VERSIONS).state is State.OK
    # As if the last poll were long ago.
    monkeypatch.setattr(deployments, "POLLS_WITHIN", timedelta(0))
    said = failure((await examined(given, temporal, queue)).of(Part.VERSIONS))
    assert "1 open runs are stranded: pinned to version v1" in said
    assert "Start its workers again" in said
    await handle.terminate()
