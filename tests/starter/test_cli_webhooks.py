"""`onboarding webhook`: endpoints are added, listed, tested, rotated and removed on the console."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from typer.testing import CliRunner, Result

from activities.db.engine import Database
from activities.db.event_log import EventLog
from activities.db.trail import AuditTrail
from activities.db.webhook_deliveries import WebhookDeliveries
from activities.db.webhook_endpoints import WebhookEndpoints
from domain.webhooks import WebhookType
from starter.cli.main import app
from starter.cli.session import SettingsSession
from tests.activities.examples import NOON, application, entry, publication
from tests.activities.receivers import Receiver, fails, receiving


def onboarding(*arguments: str) -> Result:
    """Run the console script."""
    return CliRunner().invoke(app, ["webhook", *arguments], obj=SettingsSession())


@contextmanager
def server() -> Iterator[Receiver]:
    """A receiver on a loop of its own: the console script has one, too."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    context = receiving()
    try:
        yield asyncio.run_coroutine_threadsafe(context.__aenter__(), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(autouse=True)
def _environment(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONBOARDING_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("ONBOARDING_WEBHOOK_ALLOW", "127.0.0.1")
    # Nobody is there.
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")


def added(url: str, *options: str) -> dict[str, str]:
    """A new endpoint."""
    result = onboarding("add", url, "--json", *options)
    assert result.exit_code == 0, result.output
    found: dict[str, str] = json.loads(result.stdout)
    return found


def test_an_endpoint_is_added_listed_and_removed() -> None:
    one = added("http://127.0.0.1:1/hooks")
    other = added("http://127.0.0.1:1/ends", "--type", "application.ended")
    assert one["secret"].startswith("whsec_")
    listed = onboarding("list")
    assert [line.split("\t")[:4] for line in listed.stdout.splitlines()] == [
        [one["endpoint_id"], "on", "http://127.0.0.1:1/hooks", "all"],
        [other["endpoint_id"], "on", "http://127.0.0.1:1/ends", "application.ended"],
    ]
    shown = onboarding("list", "--json").stdout
    assert "whsec_" not in shown + listed.stdout, "a secret is shown once"

    assert onboarding("remove", one["endpoint_id"]).exit_code == 0
    again = onboarding("remove", one["endpoint_id"])
    assert (again.exit_code, "there is no webhook endpoint" in again.stderr) == (1, True)
    assert len(onboarding("list").stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://localhost/", "ONBOARDING_WEBHOOK_ALLOW"),
        ("https://10.0.0.1/", "not public"),
        ("https://[::ffff:10.0.0.1]/", "not public"),
        ("https://2130706433/", "usual form"),
        ("crm", "begin with https://"),
    ],
)
def test_where_webhooks_may_not_go_is_refused(url: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONBOARDING_WEBHOOK_ALLOW", "")
    result = onboarding("add", url)
    assert (result.exit_code, why in result.stderr) == (1, True), result.stderr
    assert result.stderr.startswith("invalid: url: ")
    assert onboarding("list").stdout == ""


def test_a_type_that_is_none_is_named_with_those_there_are() -> None:
    result = onboarding("add", "http://127.0.0.1:1/", "--type", "application.end")
    assert result.exit_code == 2
    assert WebhookType.ENDED in result.stderr


def test_a_test_says_what_the_endpoint_answers() -> None:
    with server() as receiver:
        endpoint = added(receiver.url)
        taken = onboarding("test", endpoint["endpoint_id"])
        assert (taken.exit_code, taken.stdout) == (0, "Taken: 204.\n")
        receiver.received[0].verified_by(endpoint["secret"])
        assert receiver.received[0].said["type"] == "webhook.test"

        rotated = json.loads(onboarding("rotate", endpoint["endpoint_id"], "--json").stdout)
        onboarding("test", endpoint["endpoint_id"])
        for each in (endpoint, rotated):
            receiver.received[1].verified_by(each["secret"])

        receiver.answers = fails
        refused = onboarding("test", endpoint["endpoint_id"])
        assert (refused.exit_code, refused.stderr) == (1, "Not taken: answered 500.\n")


def test_deliveries_are_listed_and_sent_again(sqlite_url: str) -> None:
    endpoint = added("http://127.0.0.1:1/")["endpoint_id"]

    async def happens() -> None:
        database = Database(sqlite_url)
        await AuditTrail(database).publish(publication(application(), entry(1, command="join")))
        deliveries, endpoints = WebhookDeliveries(database), WebhookEndpoints(database)
        found = await endpoints.get(endpoint)
        assert found is not None
        await EventLog(database).extend()
        await deliveries.queue(found, NOON)
        [(delivery, _)] = [await deliveries.next_of(endpoint, "run-1")]  # type: ignore[misc]
        await deliveries.failed(delivery, 500, "answered 500", NOON)
        await database.dispose()

    asyncio.run(happens())
    [line] = onboarding("deliveries", endpoint, "--pending").stdout.splitlines()
    assert line.split("\t") == [
        *("run-1-1-application_started", "application.started", "pending", "1"),
        *("2025-03-14 04:00:01Z", "answered 500"),
    ]
    [row] = json.loads(onboarding("deliveries", endpoint, "--json").stdout)
    assert (row["answer"], row["attempts"]) == (500, 1)

    result = onboarding("resend", endpoint, "run-1-1-application_started")
    assert result.exit_code == 1
    assert "Temporal does not answer at 127.0.0.1:1" in result.stderr
    assert onboarding("deliveries", "nobody").exit_code == 1
