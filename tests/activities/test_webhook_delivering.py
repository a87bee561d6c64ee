"""Delivering webhooks: at least once, in order for each application, none left out; and in the end off."""

import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import pytest
from sqlalchemy import select, update
from temporalio.testing import ActivityEnvironment

from activities.db import webhook_deliveries
from activities.db.email_ledger import EmailLedger
from activities.db.engine import Database
from activities.db.tables import WebhookDeliveryRow, WebhookEndpointRow
from activities.db.trail import AuditTrail
from activities.db.webhook_deliveries import KEPT_FOR, WebhookDeliveries
from activities.db.webhook_endpoints import OVERLAP, EndpointState, WebhookEndpoint, WebhookEndpoints
from activities.emails.message import MessageFactory
from activities.smtp import SmtpTransport, TemporaryDeliveryError
from activities.webhooks.addresses import Allowed
from activities.webhooks.delivering import WebhookActivities
from activities.webhooks.sender import WebhookSender
from domain.contract import Stage
from domain.publication import Publication
from domain.webhooks import GIVEN_UP_AFTER, Outcome, Outgoing
from tests.activities.examples import LINEAGE, NOON, application, entry, publication
from tests.activities.receivers import BROKEN, OK, Received, fails, receiving, takes
from tests.activities.senders import NOWHERE
from tests.smtp_server import Plan, SmtpServer

OPS: Final = "ops@vendor.example"


@dataclass
class Delivering:
    """One endpoint, delivered to on a clock of the test's own."""

    database: Database
    endpoint_id: str
    activities: WebhookActivities
    now: datetime = NOON

    @property
    def outgoing(self) -> Outgoing:
        """What the workflow asks for."""
        return Outgoing(endpoint_id=self.endpoint_id)

    async def once(self) -> Outcome:
        """One attempt of the activity."""
        environment = ActivityEnvironment()
        environment.info = replace(environment.info, started_time=self.now)
        began = asyncio.get_running_loop().time()
        outcome: Outcome = await environment.run(self.activities.send_webhooks, self.outgoing)
        self.now += timedelta(seconds=asyncio.get_running_loop().time() - began)
        return outcome

    async def until_nothing_waits(self) -> Outcome:
        """As the workflow does, its pauses skipped."""
        while True:
            outcome = await self.once()
            if outcome.on and outcome.more:
                continue
            if not outcome.on or outcome.pause is None:
                return outcome
            self.now += max(outcome.pause, timedelta(seconds=1))

    async def tell(self) -> Outcome:
        """Tell the operators."""
        environment = ActivityEnvironment()
        outcome: Outcome = await environment.run(self.activities.tell_of_webhooks, self.outgoing)
        return outcome

    async def endpoint(self) -> WebhookEndpoint:
        """As it is stored."""
        found = await WebhookEndpoints(self.database).get(self.endpoint_id)
        assert found is not None
        return found


async def delivering(
    database: Database,
    url: str,
    *types: str,
    smtp: str = NOWHERE,
    ops: str | None = OPS,
    begin_within: timedelta = timedelta(seconds=60),
) -> Delivering:
    """A new endpoint at this URL."""
    endpoint, _ = await WebhookEndpoints(database).add(url, types or None)
    sender = WebhookSender(Allowed.from_text("127.0.0.1"))
    activities = WebhookActivities(
        *(database, sender, SmtpTransport(smtp), MessageFactory("Onboarding <onboarding@example.com>"), ops),
        begin_within=begin_within,
        heartbeat_seconds=0.01,
    )
    return Delivering(database, endpoint.endpoint_id, activities)


def happens(name: str, *sequences: int) -> Publication:
    """Commands of an application are carried out."""
    return publication(application(name, uid="1001"), *map(entry, sequences))


def id_of(name: str, sequence: int, kind: str = "application_command_accepted") -> str:
    """The ID of a delivery."""
    return f"{name}-{sequence}-{kind}"


async def test_an_event_is_delivered_once_for_each_type_in_their_order(
    trail: AuditTrail, database: Database
) -> None:
    async with receiving() as receiver:
        there = await delivering(database, receiver.url)
        moved = entry(2, command="decline", to_stage=Stage.CANCELLED)
        await trail.publish(publication(application(), entry(1, command="join"), moved))
        for _ in range(2):
            assert await there.once() == Outcome()

    assert receiver.ids() == [
        id_of("run-1", 1, "application_started"),
        id_of("run-1", 2, "application_stage_changed"),
        id_of("run-1", 2, "application_command_accepted"),
        id_of("run-1", 2, "application_ended"),
    ]
    assert len(receiver.received) == 4
    [secret] = await WebhookEndpoints(database).secrets(there.endpoint_id)
    for came in receiver.received:
        came.verified_by(secret)
        assert came.said["data"]["company_master_uid"] == "1001"


async def test_an_endpoint_gets_only_its_types_and_only_what_happens_after_it_was_added(
    trail: AuditTrail, database: Database
) -> None:
    await trail.publish(happens("run-1", 1))
    async with receiving() as receiver:
        ended = await delivering(database, receiver.url, "application.ended", "application.started")
        await trail.publish(publication(application(), entry(2, command="decline", to_stage=Stage.CANCELLED)))
        await ended.until_nothing_waits()

    assert receiver.ids() == [id_of("run-1", 2, "application_ended")]


async def test_what_is_not_taken_is_tried_again_and_holds_up_only_its_own_application(
    trail: AuditTrail, database: Database
) -> None:
    refused = {id_of("run-1", 1)}

    async def answers(received: Received) -> str | None:
        return BROKEN if received.webhook_id in refused else OK

    async with receiving(answers) as receiver:
        there = await delivering(database, receiver.url)
        await trail.publish(happens("run-1", 1, 2))
        await trail.publish(happens("run-2", 1))
        for pause in (timedelta(seconds=1 << attempt) for attempt in range(4)):
            begun, outcome = there.now, await there.once()
            [waits, _] = sorted(
                await WebhookDeliveries(database).of(there.endpoint_id, pending=True),
                key=lambda row: row.sequence,
            )
            assert outcome.pause is not None
            # Of the pause the machine may have taken some already.
            assert outcome.pause <= pause <= waits.next_at - begun
            there.now = waits.next_at
        assert receiver.ids() == [id_of("run-2", 1)]
        assert (waits.attempts, waits.answer, waits.reason) == (4, 500, "answered 500")
        refused.clear()
        await there.until_nothing_waits()

    assert receiver.ids() == [id_of("run-2", 1), id_of("run-1", 1), id_of("run-1", 2)]
    bodies = {each.body for each in receiver.received if each.webhook_id == id_of("run-1", 1)}
    assert len(bodies) == 1, "the same on every attempt"


async def test_no_delivery_is_missing_or_out_of_order_at_an_endpoint_that_fails_at_random(
    trail: AuditTrail, database: Database
) -> None:
    """30 % of the attempts fail: refused, taken without the answer arriving, or hung up on; events go on."""
    chance, down = random.Random(11), False  # noqa: S311 - a test's order
    names = [f"run-{number}" for number in range(1, 13)]
    reached = defaultdict[str, list[int]](list)

    async def answers(received: Received) -> str | None:
        if down:
            return None
        fate = chance.random()
        if fate < 0.1:
            return BROKEN
        sequence = received.said["data"]["sequence"]
        reached[received.said["data"]["application_id"]].append(sequence)
        await asyncio.sleep(chance.random() / 200)
        return None if fate < 0.3 else OK

    async with receiving(answers) as receiver:
        there = await delivering(database, receiver.url)
        for first in (1, 4, 7):
            for name in names:
                await trail.publish(happens(name, first, first + 1, first + 2))
            down = first == 4
            await there.once()
        down = False
        outcome = await there.until_nothing_waits()

    assert outcome == Outcome()
    for name in names:
        assert list(dict.fromkeys(reached[name])) == list(range(1, 10)), name
        assert reached[name] == sorted(reached[name]), "a double comes before what follows"
    assert len(receiver.received) > len(names) * 9, "some were doubled"


async def test_what_was_under_way_when_the_worker_died_comes_again_under_the_same_id(
    trail: AuditTrail, database: Database
) -> None:
    came, may_answer = asyncio.Event(), asyncio.Event()

    async def answers(received: Received) -> str | None:
        came.set()
        await may_answer.wait()
        return OK

    async with receiving(answers) as receiver:
        there = await delivering(database, receiver.url)
        await trail.publish(happens("run-1", 1, 2))
        killed = asyncio.create_task(there.once())
        await came.wait()
        killed.cancel()
        with pytest.raises(asyncio.CancelledError):
            await killed
        may_answer.set()
        await there.until_nothing_waits()

    ids = [each.webhook_id for each in receiver.received]
    assert ids == [id_of("run-1", 1), id_of("run-1", 1), id_of("run-1", 2)]
    assert receiver.received[0].body == receiver.received[1].body


async def test_two_at_work_for_one_endpoint_leave_nothing_out(trail: AuditTrail, database: Database) -> None:
    async with receiving() as receiver:
        there = await delivering(database, receiver.url)
        for name in ("run-1", "run-2", "run-3"):
            await trail.publish(happens(name, 1, 2, 3))
        await asyncio.gather(*(there.once() for _ in range(3)))
        await there.until_nothing_waits()

    for name in ("run-1", "run-2", "run-3"):
        mine = [each for each in receiver.ids() if each.startswith(name)]
        assert mine == [id_of(name, sequence) for sequence in (1, 2, 3)]


async def test_after_three_days_the_endpoint_is_switched_off_and_the_operators_are_told_once(
    trail: AuditTrail, database: Database
) -> None:
    server = SmtpServer(Plan())
    async with server.running(), receiving(fails) as receiver:
        there = await delivering(database, f"{receiver.url}?token=secret-token", smtp=server.url)
        await trail.publish(happens("run-1", 1, 2))
        began = there.now
        outcome = await there.until_nothing_waits()

        assert outcome == Outcome(on=False, told=False)
        assert GIVEN_UP_AFTER <= there.now - began <= GIVEN_UP_AFTER + timedelta(hours=1)
        assert {each.webhook_id for each in receiver.received} == {id_of("run-1", 1)}
        off = await there.endpoint()
        assert (off.state, off.reason) == (EndpointState.OFF, "answered 500")
        for _ in range(2):
            assert await there.tell() == Outcome(on=False)
        assert await there.once() == Outcome(on=False, told=True)
        [mail] = server.accepted
        assert mail.recipient == OPS
        assert mail.message["Subject"] == f"Webhook endpoint {there.endpoint_id} was switched off"
        said = mail.message.get_content()
        assert "answered 500" in said
        assert "secret-token" not in said, "a URL may hold a secret"

        # Sent again, it is on again, and what has happened meanwhile follows in order.
        await trail.publish(happens("run-1", 3))
        attempts = len(receiver.received)
        receiver.answers = takes
        assert await WebhookDeliveries(database).resend(there.endpoint_id, id_of("run-1", 1), there.now)
        assert (await there.endpoint()).state is EndpointState.ON
        await there.until_nothing_waits()

        assert receiver.ids() == [id_of("run-1", sequence) for sequence in (1, 2, 3)]
        assert len(receiver.received) == attempts + 3
        assert len(server.accepted) == 1
        assert await there.tell() == Outcome(), "it is on: there is nothing to tell"


async def test_the_operators_are_told_when_the_mail_server_is_back(
    trail: AuditTrail, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_deliveries, "GIVEN_UP_AFTER", timedelta(minutes=1))
    server = SmtpServer(Plan(sender="451 Later"))
    async with server.running(), receiving(fails) as receiver:
        there = await delivering(database, receiver.url, smtp=server.url)
        await trail.publish(happens("run-1", 1))
        await there.until_nothing_waits()
        with pytest.raises(TemporaryDeliveryError):
            await there.tell()
        assert (await there.endpoint()).told_at is None
        server.plan = Plan()
        await there.tell()
        assert len(server.accepted) == 1


async def test_without_an_address_of_the_operators_the_log_has_it(
    trail: AuditTrail, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_deliveries, "GIVEN_UP_AFTER", timedelta(minutes=1))
    async with receiving(fails) as receiver:
        there = await delivering(database, receiver.url, ops=None)
        await trail.publish(happens("run-1", 1))
        await there.until_nothing_waits()
    assert await there.tell() == Outcome(on=False)
    assert (await there.endpoint()).told_at is not None


async def test_what_was_delivered_can_be_sent_again_under_its_id(
    trail: AuditTrail, database: Database
) -> None:
    deliveries = WebhookDeliveries(database)
    async with receiving() as receiver:
        there = await delivering(database, receiver.url)
        await trail.publish(happens("run-1", 1, 2))
        await there.until_nothing_waits()
        assert await deliveries.resend(there.endpoint_id, id_of("run-1", 1), there.now)
        assert not await deliveries.resend(there.endpoint_id, "no such", there.now)
        await there.until_nothing_waits()

    assert [each.webhook_id for each in receiver.received] == [id_of("run-1", each) for each in (1, 2, 1)]


async def test_a_removed_endpoint_gets_nothing_more(trail: AuditTrail, database: Database) -> None:
    endpoints = WebhookEndpoints(database)
    async with receiving() as receiver:
        there = await delivering(database, receiver.url)
        await trail.publish(happens("run-1", 1))
        assert await endpoints.remove(there.endpoint_id)
        assert not await endpoints.remove(there.endpoint_id)
        assert await there.once() == Outcome(on=False, told=True)
        assert await there.tell() == Outcome(on=False)

    assert receiver.received == []
    assert await database.rows(select(WebhookDeliveryRow.__table__), {}) == []


async def test_secrets_rotate_and_that_of_before_signs_for_a_day(
    trail: AuditTrail, database: Database
) -> None:
    endpoints = WebhookEndpoints(database)
    async with receiving() as receiver:
        there = await delivering(database, receiver.url)
        [first] = await endpoints.secrets(there.endpoint_id)
        second = await endpoints.rotate(there.endpoint_id)
        assert second is not None
        assert await endpoints.secrets(there.endpoint_id) == (second, first)
        await trail.publish(happens("run-1", 1))
        await there.until_nothing_waits()
        third = await endpoints.rotate(there.endpoint_id)
        assert await endpoints.secrets(there.endpoint_id) == (third, second), "two at most"
        assert await endpoints.rotate("no such") is None

    for secret in (first, second):
        receiver.received[0].verified_by(secret)
    assert timedelta(hours=24) == OVERLAP
    [[stored]] = await database.rows(select(WebhookEndpointRow.secrets), {})
    past = [stored[0], stored[1] | {"until": (NOON - timedelta(days=1)).isoformat()}]
    await database.write(
        lambda connection: connection.execute(update(WebhookEndpointRow).values(secrets=past))
    )
    assert await endpoints.secrets(there.endpoint_id) == (third,)


async def test_who_stores_an_event_is_told_whom_to_wake_and_nobody_while_somebody_is_at_work(
    trail: AuditTrail, database: Database, ledger: EmailLedger
) -> None:
    await trail.publish(happens("run-1", 1))
    assert not (await ledger.after_publishing(LINEAGE, 0))[1], "there is no endpoint"
    came, may_answer = asyncio.Event(), asyncio.Event()

    async def answers(received: Received) -> str | None:
        came.set()
        await may_answer.wait()
        return OK

    async with receiving(answers) as receiver:
        there = await delivering(database, receiver.url)
        endpoints = WebhookEndpoints(database)
        await trail.publish(happens("run-1", 2))
        assert (await ledger.after_publishing(LINEAGE, 0))[1]
        assert await endpoints.asleep() == (there.endpoint_id,)
        at_work = asyncio.create_task(there.once())
        await came.wait()
        assert not (await ledger.after_publishing(LINEAGE, 0))[1]
        assert await endpoints.asleep() == ()
        # Stored while nobody is woken: it is found all the same.
        await trail.publish(happens("run-1", 3))
        may_answer.set()
        await at_work
        assert receiver.ids() == [id_of("run-1", 2), id_of("run-1", 3)]
        assert await endpoints.asleep() == (there.endpoint_id,)
        # Whoever was at work and died does not keep it from being woken.
        await endpoints.at_work(there.endpoint_id, NOON)
        assert await endpoints.asleep() == (there.endpoint_id,)


async def test_an_event_that_is_stored_while_who_delivers_stops_is_found_by_him(
    trail: AuditTrail, database: Database, ledger: EmailLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is stored after his last look, and before he says so: its writer takes him for at work."""
    stops = WebhookEndpoints.at_work
    woken: list[bool] = []

    async def at_work(self: WebhookEndpoints, endpoint_id: str, until: datetime | None) -> None:
        if until is None and not woken:
            await trail.publish(happens("run-1", 1))
            woken.append((await ledger.after_publishing(LINEAGE, 0))[1])
        await stops(self, endpoint_id, until)

    monkeypatch.setattr(WebhookEndpoints, "at_work", at_work)
    async with receiving() as receiver:
        there = await delivering(database, receiver.url)
        assert await there.once() == Outcome()

    assert woken == [False]
    assert receiver.ids() == [id_of("run-1", 1)]


async def test_what_waits_is_bounded_and_the_rest_stays_in_the_log(
    trail: AuditTrail, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_deliveries, "MOST_PENDING", 3)
    monkeypatch.setattr("activities.webhooks.delivering.MOST_PENDING", 3)
    monkeypatch.setattr(webhook_deliveries, "MOST_READ", 2)
    async with receiving(fails) as receiver:
        there = await delivering(database, receiver.url)
        await trail.publish(happens("run-1", *range(1, 11)))
        for _ in range(3):
            assert (await there.once()).pause is not None
        assert await WebhookDeliveries(database).pending(there.endpoint_id) == 4
        receiver.answers = takes
        await there.until_nothing_waits()

    assert receiver.ids() == [id_of("run-1", sequence) for sequence in range(1, 11)]


async def test_a_round_gives_the_slot_back_in_time(trail: AuditTrail, database: Database) -> None:
    async with receiving() as receiver:
        there = await delivering(database, receiver.url, begin_within=timedelta(0))
        await trail.publish(happens("run-1", 1, 2, 3))
        for begun in (1, 2, 3):
            assert await there.once() == Outcome(more=True)
            assert receiver.ids() == [id_of("run-1", sequence) for sequence in range(1, begun + 1)]
        assert await there.once() == Outcome()


async def test_what_was_delivered_long_ago_is_forgotten(trail: AuditTrail, database: Database) -> None:
    deliveries = WebhookDeliveries(database)
    async with receiving() as receiver:
        there = await delivering(database, receiver.url)
        await trail.publish(happens("run-1", 1))
        await there.until_nothing_waits()
        there.now += KEPT_FOR - timedelta(hours=1)
        await there.once()
        assert len(await deliveries.of(there.endpoint_id)) == 1
        there.now += timedelta(hours=2)
        await there.once()
        assert await deliveries.of(there.endpoint_id) == ()
    assert len(receiver.received) == 1
