"""`onboarding doctor`, each part broken in turn, for real: what it says, and that it looks at the others."""

import asyncio
import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from activities.db.engine import Database
from activities.db.schema import Schema
from activities.working_days import WorkingCalendar
from starter.doctor import examination
from starter.doctor.examination import Doctor
from starter.doctor.report import Finding, Part, State
from starter.doctor.services import UID
from tests.activities.schemas import ADDS, TAKES_AWAY, release
from tests.activities.services import vendor_services
from tests.e2e.examinations import NOWHERE, TEMPORAL, at, examined, failure, run, settings, silence
from tests.smtp_server import Plan, SmtpServer
from tests.starter.cli_fakes import Cli


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


async def test_plain_text_to_another_machine_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "plain_text_warnings", lambda *_: ("TEMPORAL_ADDRESS: plain text",))
    found = (await examined(settings(), at("127.0.0.1:1"))).of(Part.SETTINGS)
    assert (found.state, found.detail) == (State.WARNING, "TEMPORAL_ADDRESS: plain text")
    assert "meant" in found.remedy


async def test_who_does_not_answer_keeps_nobody_waiting() -> None:
    async with silence() as address:
        given = settings(
            database_url=f"postgresql://onboarding@{address}/onboarding",
            smtp_url=f"smtp://{address}",
            accounts_url=f"http://{address}",
        )
        began = asyncio.get_running_loop().time()
        report = await examined(given, at(address), limit=timedelta(seconds=0.3))
        assert asyncio.get_running_loop().time() - began < 2
    for part in (Part.TEMPORAL, Part.DATABASE, Part.MAIL, Part.SERVICES):
        failure(report.of(part))
    assert report.of(Part.TEMPORAL).detail == f"{address}: no answer within 0.3 s"
    assert report.of(Part.CALENDAR).state is State.OK


async def test_a_database_without_schema(unmigrated_url: str) -> None:
    said = failure((await examined(settings(database_url=unmigrated_url))).of(Part.DATABASE))
    assert "has no schema yet" in said or "does not exist" in said
    assert "`onboarding setup`" in said


async def test_a_database_of_a_newer_release(database_url: str, database: Database) -> None:
    report = await examined(settings(database_url=database_url))
    assert report.of(Part.DATABASE).state is State.OK
    newer = text("UPDATE alembic_version SET version_num = '9999'")
    await database.write(lambda connection: connection.execute(newer))
    said = failure((await examined(settings(database_url=database_url))).of(Part.DATABASE))
    assert "schema of a newer release (9999)" in said
    assert "Run that release" in said


async def test_a_schema_that_goes_before_this_release_or_behind_it(
    database_url: str, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = Schema(database, release(tmp_path, ADDS, TAKES_AWAY))
    await newer.migrate()
    found = (await examined(settings(database_url=database_url))).of(Part.DATABASE)
    assert (found.state, found.remedy) == (State.OK, "")
    assert "schema next1 of a newer release, which this one" in found.detail

    with monkeypatch.context() as patched:
        patched.setattr("starter.doctor.examination.Schema", lambda _database: newer)
        waits = (await examined(settings(database_url=database_url))).of(Part.DATABASE)
    assert waits.state is State.WARNING
    assert "contract step next2 is to come" in waits.detail
    assert "`onboarding setup --contract`" in waits.remedy

    await newer.migrate(contract=True)
    said = failure((await examined(settings(database_url=database_url))).of(Part.DATABASE))
    assert "only releases that know step next2 run on it" in said


async def test_a_database_that_is_down_or_none(tmp_path: Path) -> None:
    down = settings(database_url="postgresql://onboarding:geheim-4711@127.0.0.1:1/onboarding")
    said = failure((await examined(down)).of(Part.DATABASE))
    assert "Connection refused" in said
    assert "ONBOARDING_DATABASE_URL" in said
    assert "geheim-4711" not in said
    (tmp_path / "notice.txt").write_text(
        "Dear Sir or Madam, this is no database at all." * 20, encoding="utf-8"
    )
    none = settings(database_url=f"sqlite:///{tmp_path / 'notice.txt'}")
    assert "file is not a database" in failure((await examined(none)).of(Part.DATABASE))


async def test_a_mail_server_that_refuses_the_sender() -> None:
    async with SmtpServer(Plan(sender="550 5.7.1 Not yours")).running() as server:
        report = await examined(settings(smtp_url=server.url, email_from="Ops <ops@vendor.example.com>"))
    said = failure(report.of(Part.MAIL))
    assert "sender refused: 550 5.7.1 Not yours" in said
    assert "ONBOARDING_EMAIL_FROM" in said


async def test_outside_services_are_asked_what_a_look_up_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    with vendor_services() as services:
        url = services.url.replace("//", "//vendor:geheim-4711@")

        async def found() -> Finding:
            return (await examined(settings(accounts_url=url, acpn_api_url=url))).of(Part.SERVICES)

        answering = await found()
        assert answering.state is State.OK
        assert "ONBOARDING_ACCOUNTS_URL) answers; " in answering.detail
        with monkeypatch.context() as patience:
            patience.setattr("starter.doctor.services.ANSWER_WITHIN", timedelta())
            slow = await found()
        assert (slow.state, "a look-up gives up" in slow.detail) == (State.WARNING, True)
        services.answers[f"/accounts/{UID}"] = "<html>"
        strange = failure(await found())
        services.status = 401
        refused = failure(await found())
    down = failure(await found())
    assert "ONBOARDING_ACPN_API_URL" not in strange
    assert '"Outside services"' in strange
    assert "answers 401 Unauthorized" in refused
    assert "user:password@" in refused
    assert "can't be reached" in down
    assert "`submit_application` are `unavailable`" in down
    assert "geheim-4711" not in f"{answering}{strange}{refused}{down}"
    none = (await examined(settings())).of(Part.SERVICES)
    assert (none.state, none.remedy) == (State.OK, "")


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
