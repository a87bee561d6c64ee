"""Signatures that were reported: stored once, carried until they are judged, and looked for; on both
databases."""

import json
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from temporalio.exceptions import ApplicationError

from activities.db.engine import Database
from activities.db.signatures import SignatureState, SignatureStore
from activities.db.trail import AuditTrail, Written
from activities.signatures.carrying import LEFT_ALONE, WAITS_FOR_ITS_TURN, SignatureActivities
from activities.signatures.provider_apis import SignatureProvider
from activities.signatures.reading import read
from domain import decisions
from domain.audit import Verdict
from domain.contract import ErrorType, Party, Role, SignatureOrder, SigningPath, Stage
from domain.inquiry import Answers
from domain.refusal import RefusedError
from domain.signatures import CarriedSignature, Provider, ReceivedSignature, Terms
from domain.signing import SignContract
from domain.state import Application
from domain.status import Signature, Signing
from tests.activities.examples import NOON, application, entry, issued, publication, with_sheet
from tests.activities.signature_payloads import BOTH, deliveries

SIGNED_AT = NOON + timedelta(hours=2)
OPEN = with_sheet(application(stage=Stage.AWAITING_SIGNATURES), 1)


def on(subject: Application) -> Terms:
    assert subject.sheet
    return Terms.on(subject.application_id, subject.sheet)


def given(party: Party = Party.PARTNER, *, subject: Application = OPEN, **changes: Any) -> ReceivedSignature:
    said = {
        "provider": Provider.DOCUSEAL,
        "document": "17",
        "signer": str(party),
        "terms": on(subject),
        "party": party,
        "signer_name": f"Signer of {party}",
        "signed_at": SIGNED_AT,
        "document_ref": "docuseal:17",
    }
    return ReceivedSignature.model_validate(said | changes)


class Now:
    """A clock that is told what time it is."""

    def __init__(self) -> None:
        self.at = SIGNED_AT

    def __call__(self) -> datetime:
        return self.at


class Run:
    """The application's run: the process itself, which stores after each command what it has decided."""

    def __init__(self, trail: AuditTrail, subject: Application = OPEN) -> None:
        self._trail = trail
        self.application = subject
        self.answers: dict[str, Verdict | RefusedError] = {}
        self.commands: list[SignContract] = []
        self.down: Exception | None = None
        self._number = 0

    async def store(self) -> None:
        self._number += 1
        told = entry(self._number) if self._number > 1 else issued(1, 1)
        written = await self._trail.publish(publication(self.application, told))
        assert written is Written.STORED

    async def send(self, company_master_uid: str, application_id: str, command: SignContract) -> Verdict:
        if self.down:
            raise self.down
        self.commands.append(command)
        if command.command_id not in self.answers:
            self.answers[command.command_id] = self._judged(command)
        answer = self.answers[command.command_id]
        if isinstance(answer, RefusedError):
            raise answer
        await self.store()
        return answer

    def _judged(self, command: SignContract) -> Verdict | RefusedError:
        try:
            decision = decisions.decide(self.application, command, SIGNED_AT, 1, Answers())
        except RefusedError as refusal:
            return refusal
        self.application = decision.application
        return decision.verdict


@pytest.fixture
def store(database: Database) -> SignatureStore:
    return SignatureStore(database)


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def carrier(store: SignatureStore, now: Now) -> SignatureActivities:
    return SignatureActivities(store, now=now)


@pytest.fixture
async def run(trail: AuditTrail) -> Run:
    run = Run(trail)
    await run.store()
    return run


async def settled(store: SignatureStore, command_id: str) -> tuple[SignatureState, ErrorType | None]:
    stored = await store.signature(command_id)
    assert stored
    return stored.state, stored.error


class TestStored:
    """Once, whatever comes again, and by whom."""

    async def test_a_signature(self, store: SignatureStore) -> None:
        one = given()
        assert await store.take([one], NOON) == (one.command_id,)
        assert await store.take([one, given(signer_name="Another")], NOON) == (one.command_id,)

        stored = await store.signature(one.command_id)
        assert stored
        assert (stored.signature, stored.received_at, stored.state) == (one, NOON, "waiting")
        assert await store.of(OPEN.application_id) == (stored,)

    async def test_one_that_is_settled_waits_no_more(self, store: SignatureStore) -> None:
        one = given()
        await store.take([one], NOON)
        await store.settle(one.command_id, SignatureState.ACCEPTED, NOON)
        await store.settle(one.command_id, SignatureState.REFUSED, NOON, error=ErrorType.CLOSED, message="?")

        assert await settled(store, one.command_id) == ("accepted", None)
        assert await store.take([one], NOON) == ()
        assert await store.waiting(NOON + timedelta(days=1)) == ()

    async def test_a_delivery(self, store: SignatureStore, database: Database) -> None:
        for _ in range(2):
            await store.take([], NOON, delivery=(Provider.DOCUSEAL, "e", "ab", "not a document of ours"))
        rows = await database.rows(text("SELECT provider, event, state FROM signature_deliveries"), {})
        assert [tuple(row) for row in rows] == [("docuseal", "e", "not a document of ours")]

    async def test_what_no_database_takes_as_text(self, store: SignatureStore) -> None:
        one = given(document="\x00\ud800".encode("utf-8", "replace").decode(), signer="\x00")
        assert await store.take([one], NOON) == (one.command_id,)
        stored = await store.signature(one.command_id)
        assert stored
        assert stored.signature == one


class TestCarried:
    """To its application, until that has judged it."""

    async def test_both(self, store: SignatureStore, carrier: SignatureActivities, run: Run) -> None:
        for party in Party:
            (command_id,) = await store.take([given(party)], NOON)
            assert await carrier.carry(command_id, run) == CarriedSignature(verdict=Verdict.ACCEPTED)
            assert await settled(store, command_id) == ("accepted", None)

        assert run.application.stage is Stage.SIGNED
        assert [(c.actor.role, c.actor.id, c.via and c.via.channel) for c in run.commands] == [
            (Role.ESIGN, "docuseal", "webhook")
        ] * 2

    async def test_again_is_not_sent_again(
        self, store: SignatureStore, carrier: SignatureActivities, run: Run
    ) -> None:
        (command_id,) = await store.take([given()], NOON)
        first = await carrier.carry(command_id, run)
        assert await carrier.carry(command_id, run) == first
        assert len(run.commands) == 1

    async def test_once_the_outage_is_over(
        self, store: SignatureStore, carrier: SignatureActivities, run: Run
    ) -> None:
        (command_id,) = await store.take([given()], NOON)
        run.down = ConnectionError("Temporal is down")
        with pytest.raises(ConnectionError):
            await carrier.carry(command_id, run)
        assert await settled(store, command_id) == ("waiting", None)
        run.down = None
        assert (await carrier.carry(command_id, run)).verdict is Verdict.ACCEPTED

    async def test_on_other_terms_it_is_refused(
        self, store: SignatureStore, carrier: SignatureActivities, run: Run
    ) -> None:
        stale = on(OPEN).model_copy(update={"sheet_hash": "cd" * 32})
        (command_id,) = await store.take([given(terms=stale)], NOON)

        carried = await carrier.carry(command_id, run)

        assert carried == CarriedSignature(verdict=Verdict.REFUSED, error=ErrorType.STALE_REVISION)
        assert await settled(store, command_id) == ("refused", ErrorType.STALE_REVISION)
        assert await carrier.carry(command_id, run) == carried
        assert run.application.signing == Signing()

    async def test_of_an_application_there_is_not(
        self, store: SignatureStore, carrier: SignatureActivities, run: Run
    ) -> None:
        nowhere = on(OPEN).model_copy(update={"application_id": "run-9"})
        (command_id,) = await store.take([given(terms=nowhere)], NOON)
        assert (await carrier.carry(command_id, run)).error is ErrorType.NOT_FOUND
        assert run.commands == []

    async def test_of_the_same_signer_on_a_second_document(
        self, store: SignatureStore, carrier: SignatureActivities, run: Run
    ) -> None:
        for document, verdict in (("17", Verdict.ACCEPTED), ("18", Verdict.NO_OP)):
            (command_id,) = await store.take([given(document=document)], NOON)
            assert (await carrier.carry(command_id, run)).verdict is verdict

    async def test_one_that_is_unknown(self, carrier: SignatureActivities, run: Run) -> None:
        with pytest.raises(ApplicationError) as failure:
            await carrier.carry("docuseal:1:1", run)
        assert failure.value.non_retryable


class TestItsTurn:
    """Where an order is chosen, deliveries may overtake each other all the same."""

    @pytest.fixture
    async def run(self, trail: AuditTrail) -> Run:
        ordered = OPEN.but(signing=Signing(order=SignatureOrder.PARTNER_FIRST))
        run = Run(trail, ordered)
        await run.store()
        return run

    async def test_it_waits_for_the_first(
        self, store: SignatureStore, carrier: SignatureActivities, run: Run
    ) -> None:
        (vendor,) = await store.take([given(Party.VENDOR)], SIGNED_AT)
        with pytest.raises(ApplicationError, match="signs first"):
            await carrier.carry(vendor, run)
        assert run.commands == []

        (partner,) = await store.take([given(Party.PARTNER)], SIGNED_AT)
        assert (await carrier.carry(partner, run)).verdict is Verdict.ACCEPTED
        assert (await carrier.carry(vendor, run)).verdict is Verdict.ACCEPTED

    async def test_not_for_ever(
        self, store: SignatureStore, carrier: SignatureActivities, run: Run, now: Now
    ) -> None:
        """Then it is refused, on record."""
        (vendor,) = await store.take([given(Party.VENDOR)], SIGNED_AT)
        now.at = SIGNED_AT + WAITS_FOR_ITS_TURN
        assert (await carrier.carry(vendor, run)).error is ErrorType.SIGNATURE_ORDER


class Api:
    """A provider at which these signatures were given."""

    def __init__(self, *signatures: ReceivedSignature, provider: Provider = Provider.DOCUSEAL) -> None:
        self.provider = provider
        self.signatures = signatures
        self.asked: list[Terms] = []
        self.down: Exception | None = None
        self.too_fast: list[str] = []

    async def signed(self, terms: Terms) -> tuple[ReceivedSignature, ...]:
        self.asked.append(terms)
        if self.down:
            raise self.down
        if self.too_fast:
            request = httpx.Request("GET", "https://provider.test")
            answer = httpx.Response(429, headers={"Retry-After": self.too_fast.pop(0)}, request=request)
            answer.raise_for_status()
        return tuple(one for one in self.signatures if one.terms == terms)


class TestSwept:
    """What was stored and not carried out, and what is signed at a provider and open here."""

    async def sweep(self, store: SignatureStore, now: Now, *apis: SignatureProvider) -> tuple[Any, list[str]]:
        started: list[str] = []

        async def start(command_id: str) -> None:
            started.append(command_id)

        return await SignatureActivities(store, apis, now=now).sweep(start), started

    async def test_what_was_stored_is_taken_up(self, store: SignatureStore, now: Now) -> None:
        (command_id,) = await store.take([given()], now.at)
        assert (await self.sweep(store, now))[1] == []  # whoever has stored it may be about to
        now.at += LEFT_ALONE + timedelta(seconds=1)
        swept, started = await self.sweep(store, now)
        assert (swept.taken_up, started) == (1, [command_id])

    async def test_what_was_never_reported_is_found(self, store: SignatureStore, now: Now, run: Run) -> None:
        api = Api(given(), given(Party.VENDOR))
        swept, started = await self.sweep(store, now, api)
        assert (swept.found, sorted(started)) == (2, sorted(one.command_id for one in api.signatures))
        assert api.asked == [on(OPEN)]

        for command_id in started:
            await SignatureActivities(store, now=now).carry(command_id, run)
        assert run.application.stage is Stage.SIGNED
        assert (await self.sweep(store, now, api)) == ((type(swept)()), [])
        assert len(api.asked) == 1

    async def test_what_is_signed_here_is_not_taken_again(
        self, store: SignatureStore, now: Now, trail: AuditTrail
    ) -> None:
        partner = Signature(signer_name="Signer of partner", signed_at=SIGNED_AT)
        await Run(trail, OPEN.but(signing=Signing(partner=partner))).store()
        found, started = await self.sweep(store, now, Api(given(), given(Party.VENDOR)))
        assert started == [given(Party.VENDOR).command_id]
        assert found.found == 1

    async def test_on_paper_nobody_is_asked(self, store: SignatureStore, now: Now, trail: AuditTrail) -> None:
        await Run(trail, OPEN.but(signing=Signing(path=SigningPath.OFFLINE_PAPER))).store()
        api = Api(given())
        await self.sweep(store, now, api)
        assert api.asked == []

    @pytest.mark.parametrize("down", [httpx.ConnectError("no"), httpx.ReadTimeout("late")])
    async def test_one_that_is_down_keeps_nobody_from_the_other(
        self, store: SignatureStore, now: Now, run: Run, down: Exception
    ) -> None:
        silent = Api(provider=Provider.DOCUMENSO)
        silent.down = down
        swept, started = await self.sweep(store, now, silent, Api(given()))
        assert (swept.unanswered, len(started)) == ((Provider.DOCUMENSO,), 1)

    async def test_one_that_is_asked_too_fast_is_given_time(
        self, store: SignatureStore, now: Now, run: Run
    ) -> None:
        """Else those that come last were never asked about."""
        api, rests = Api(given()), list[float]()
        api.too_fast = ["3", "3600", "Sun, 06 Nov 1994 08:49:37 GMT"]

        async def pause(seconds: float) -> None:
            rests.append(seconds)

        async def start(_command_id: str) -> None:
            return

        swept = await SignatureActivities(store, [api], now=now, pause=pause).sweep(start)
        assert (swept.found, swept.unanswered, rests) == (1, (), [3.0, 30.0, 10.0])

        api.too_fast = ["3"] * 6
        swept = await SignatureActivities(store, [api], now=now, pause=pause).sweep(start)
        assert swept.unanswered == (Provider.DOCUSEAL,)


@pytest.mark.parametrize("provider", Provider)
async def test_three_times_each_in_any_order(
    store: SignatureStore, carrier: SignatureActivities, run: Run, provider: Provider
) -> None:
    """Each party signs once, whatever comes twice, late, or before what it follows."""
    times = {party: f"2025-03-14T0{5 + n}:00:00.000Z" for n, party in enumerate(Party)}
    assert times.keys() == BOTH.keys()
    sent = [body for attempt in (1, 2, 3) for body in deliveries(provider, on(OPEN), times, attempt)]
    rng = random.Random(14)  # noqa: S311 - an order, no secret
    rng.shuffle(sent)

    for body in sent:
        found = read(provider, body, json.loads(body).get("id", "m"))
        waiting: Sequence[str] = await store.take(found.signatures, SIGNED_AT)
        for command_id in rng.sample(waiting, len(waiting)):
            assert (await carrier.carry(command_id, run)).verdict is Verdict.ACCEPTED

    assert run.application.stage is Stage.SIGNED
    assert len(run.commands) == len(Party)
