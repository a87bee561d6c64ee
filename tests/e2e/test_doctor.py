"""`onboarding doctor`, each part broken in turn, for real: what it says, and that it looks at the others."""

import asyncio
import itertools
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from temporalio import activity
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, RemoveSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import PinnedVersioningOverride, WorkerDeploymentVersion
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker
from typer.testing import CliRunner, Result

from activities.db.engine import Database
from activities.working_days import WorkingCalendar
from settings import Settings, SettingsError, TemporalSettings
from starter import deployments
from starter.cli import app
from starter.client import connect
from starter.dev_server import DevServer
from starter.doctor import Doctor
from starter.doctor_report import Finding, Part, Report, State
from starter.pollers import polling_processes
from starter.session import SettingsSession
from tests import payloads
from tests.certificates import Authority
from tests.e2e.encrypted import keys, until
from tests.smtp_server import Plan, SmtpServer
from tests.temporal_env import unique
from tests.unit.cli_fakes import Cli
from worker import running_worker
from workflows.messages import TASK_QUEUE, WORKFLOW_TYPE
from workflows.search_attributes import ALL, OVERDUE, STAGE

NOWHERE = SettingsError("not under test")
AT = datetime(2026, 6, 1, tzinfo=UTC)
TEMPORAL = (Part.NAMESPACE, Part.SEARCH_ATTRIBUTES, Part.WORKERS, Part.VERSIONS, Part.ENCRYPTION)


def settings(**values: Any) -> Settings:
    return Settings.model_validate({"database_url": "sqlite:////nowhere/onboarding.db", **values})


def at(address: str, namespace: str = "default") -> TemporalSettings:
    return TemporalSettings(address, namespace, {"target_host": address, "namespace": namespace})


def address_of(env: WorkflowEnvironment) -> str:
    return env.client.service_client.config.target_host


async def examined(
    given: Settings,
    temporal: TemporalSettings | SettingsError = NOWHERE,
    queue: str = "nobody",
    **options: Any,
) -> Report:
    limit = options.pop("limit", timedelta(seconds=10))
    doctor = Doctor(given, options.pop("wrong", {}), temporal, limit=limit, task_queue=queue)
    return await doctor.report("CN", "Asia/Shanghai", AT, **options)


def failure(finding: Finding) -> str:
    """What is wrong and what to do, of a part that failed."""
    assert finding.state is State.FAILED, finding
    assert finding.remedy
    return f"{finding.detail} → {finding.remedy}"


async def run(environment: dict[str, str], *arguments: str) -> Result:
    """The console script with this environment and no other."""
    return await asyncio.to_thread(
        CliRunner(env=environment).invoke, app, ["doctor", *arguments], obj=SettingsSession()
    )


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Nothing is there, and no profile of the developer's is read."""
    return {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
        "ONBOARDING_DATA": str(tmp_path),
        "ONBOARDING_SMTP_URL": "smtp://127.0.0.1:1",
    }


@asynccontextmanager
async def silence(context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """``host:port`` of something that takes connections and never says a word."""

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(keep, "127.0.0.1", 0, ssl=context) as listener:
        yield f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"


async def test_nothing_is_there_and_each_part_says_so(environment: dict[str, str]) -> None:
    result = await run(environment, "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    found = {finding["part"]: finding for finding in told["findings"]}
    assert (told["ok"], list(found)) == (False, list(Part))
    assert "nothing listens there" in found["temporal"]["detail"]
    assert "TEMPORAL_ADDRESS" in found["temporal"]["remedy"]
    assert {found[part]["state"] for part in TEMPORAL} == {"skipped"}
    assert "does not exist" in found["database"]["detail"]
    assert "onboarding setup" in found["database"]["remedy"]
    assert "ONBOARDING_SMTP_URL" in found["mail"]["remedy"]
    assert "Traceback" not in result.output


async def test_wrong_settings_are_named_and_the_others_looked_at(environment: dict[str, str]) -> None:
    wrong = {
        "ONBOARDING_SMTP_URL": "smtp://ops:geheim-4711@",
        "ONBOARDING_ENCRYPTION_KEYS": "none",
        "ONBOARDING_ENCRYPTION_REQUIRED": "true",
        "TEMPORAL_ADDRESS": "nowhere",
    }
    result = await run(environment | wrong)
    assert result.exit_code == 1
    lines = {line.split("\t")[0]: line.split("\t")[1:] for line in result.stdout.splitlines()}
    assert list(lines) == list(Part)
    state, detail, _ = lines["settings"]
    assert state == "failed"
    for said in (
        "ONBOARDING_SMTP_URL: names no host",
        "ONBOARDING_ENCRYPTION_KEYS: must be",
        "TEMPORAL_ADDRESS",
    ):
        assert said in detail
    assert "REQUIRED" not in detail, "that only follows"
    assert lines["mail"][0] == lines["temporal"][0] == lines["encryption"][0] == "skipped"
    assert lines["database"][0] == "failed"
    assert "geheim-4711" not in result.output


async def test_a_variable_that_is_not_utf_8_is_named_once(environment: dict[str, str]) -> None:
    result = await run(environment | {"ONBOARDING_DATA": "data-\udcff"}, "--json")
    found = {finding["part"]: finding for finding in json.loads(result.stdout)["findings"]}
    assert found["settings"]["detail"].count("ONBOARDING_DATA: is not valid UTF-8") == 1
    assert found["database"]["state"] == found["temporal"]["state"] == "skipped"


async def test_required_encryption_without_keys_is_named(environment: dict[str, str]) -> None:
    result = await run(environment | {"ONBOARDING_ENCRYPTION_REQUIRED": "true"})
    assert "ONBOARDING_ENCRYPTION_REQUIRED: needs ONBOARDING_ENCRYPTION_KEYS" in result.stdout


async def test_who_does_not_answer_keeps_nobody_waiting() -> None:
    async with silence() as address:
        given = settings(
            database_url=f"postgresql://onboarding@{address}/onboarding", smtp_url=f"smtp://{address}"
        )
        began = asyncio.get_running_loop().time()
        report = await examined(given, at(address), limit=timedelta(seconds=0.3))
        assert asyncio.get_running_loop().time() - began < 2
    for part in (Part.TEMPORAL, Part.DATABASE, Part.MAIL):
        failure(report.of(part))
    assert report.of(Part.TEMPORAL).detail == f"{address}: no answer within 0.3 s"
    assert report.of(Part.CALENDAR).state is State.OK


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
    given = settings(database_url=sqlite_url, deployment=name, build_id="v1")
    async with running_worker(env.client, given, task_queue=queue):
        await deployments.promote(env.client, name, "v1", wait=timedelta(seconds=30), task_queue=queue)
        with env.with_time_skipping_disabled():
            handle = await env.client.start_workflow(
                WORKFLOW_TYPE,
                payloads.join("1"),
                id=unique("uid"),
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


async def test_a_database_without_schema(unmigrated_url: str) -> None:
    said = failure((await examined(settings(database_url=unmigrated_url))).of(Part.DATABASE))
    assert "has no schema yet" in said or "does not exist" in said
    assert "`onboarding setup`" in said


async def test_a_database_of_a_newer_release(database_url: str, database: Database) -> None:
    report = await examined(settings(database_url=database_url))
    assert report.of(Part.DATABASE).state is State.OK
    async with database.session.begin() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    said = failure((await examined(settings(database_url=database_url))).of(Part.DATABASE))
    assert "schema of a newer release (9999)" in said
    assert "Run that release" in said


async def test_a_database_that_is_down_or_none(tmp_path: Path) -> None:
    down = settings(database_url="postgresql://onboarding:geheim-4711@127.0.0.1:1/onboarding")
    said = failure((await examined(down)).of(Part.DATABASE))
    assert "Connection refused" in said
    assert "ONBOARDING_DATABASE_URL" in said
    assert "geheim-4711" not in said
    (tmp_path / "letter.txt").write_text(
        "Dear Sir or Madam, this is no database at all." * 20, encoding="utf-8"
    )
    none = settings(database_url=f"sqlite:///{tmp_path / 'letter.txt'}")
    assert "file is not a database" in failure((await examined(none)).of(Part.DATABASE))


async def test_a_mail_server_that_refuses_the_sender() -> None:
    async with SmtpServer(Plan(sender="550 5.7.1 Not yours")).running() as server:
        report = await examined(settings(smtp_url=server.url, email_from="Ops <ops@vendor.example.com>"))
    said = failure(report.of(Part.MAIL))
    assert "sender refused: 550 5.7.1 Not yours" in said
    assert "ONBOARDING_EMAIL_FROM" in said


async def test_years_the_calendar_does_not_know() -> None:
    calendar = WorkingCalendar("CN", "Asia/Shanghai")
    last = next(year for year in itertools.count(2026) if calendar.is_provisional(year + 1))
    doctor = Doctor(settings(), {}, NOWHERE)

    async def found(region: str, year: int, month: int) -> Finding:
        report = await doctor.report(region, "Asia/Shanghai", datetime(year, month, 1, tzinfo=UTC))
        return report.of(Part.CALENDAR)

    assert (await found("CN", last, 3)).state is State.OK
    soon = await found("CN", last, 11)
    assert soon.state is State.WARNING
    assert f"the working days of {last + 1} are only predicted" in soon.detail
    assert "update it" in soon.remedy
    assert "2090 and 2091" in (await found("CN", 2090, 11)).detail
    assert "--calendar" in failure(await found("XX", last, 3))


def test_a_person_reads_a_table_and_what_to_do(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    cli = Cli(terminal=True)
    assert cli.run("doctor").exit_code == 1
    screen = cli.screen.getvalue()
    assert "search attributes" in screen
    assert "→ Start it (`onboarding up`" in screen
