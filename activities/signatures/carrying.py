"""The activities by which signatures that were reported come to their applications."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx
from temporalio import activity
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError

from activities.db.signatures import Signable, SignatureState, SignatureStore, StoredSignature
from activities.outside_service import UnusableAnswerError
from activities.signatures.provider_apis import SignatureProvider
from activities.signatures.sending import SignatureSender, UpdateSender
from domain.audit import Verdict
from domain.contract import TASK_QUEUE, Actor, ErrorType, Role, Stage, Via
from domain.refusal import RefusedError
from domain.signatures import (
    SIGNATURE_TYPE,
    CarriedSignature,
    CarrySignature,
    Provider,
    ReceivedSignature,
    Sweep,
    Swept,
    Terms,
    signature_id,
)
from domain.signing import SignContract, parties_to_sign

WAITS_FOR_ITS_TURN: Final = timedelta(hours=1)
"""How long a signature waits for the one that has to come first: deliveries overtake each other."""
LEFT_ALONE: Final = timedelta(minutes=1)
"""How long a sweep leaves a signature to whoever has just stored it."""
_TIMES_TOO_FAST: Final = 5
_REST: Final = 10.0
_LONGEST_REST: Final = 30.0
"""Seconds; a sweep says within a minute that it lives."""
CHANNEL: Final = "webhook"
_STATES: Final = {Verdict.ACCEPTED: SignatureState.ACCEPTED, Verdict.NO_OP: SignatureState.NO_OP}

log: Final = logging.getLogger("onboarding.signatures")


def command_of(stored: StoredSignature) -> SignContract:
    """What the signature says to its application."""
    said = stored.signature
    return SignContract(
        command_id=stored.command_id,
        actor=Actor(role=Role.ESIGN, id=said.provider),
        via=Via(channel=CHANNEL, client=said.provider),
        party=said.party,
        signer_name=said.signer_name,
        sheet_revision=said.terms.sheet_revision,
        sheet_hash=said.terms.sheet_hash,
        signed_at=said.signed_at,
        document_ref=said.document_ref,
    )


async def start_carrying(client: Client, command_id: str) -> None:
    """Start the run that carries this signature, unless it runs already."""
    try:
        await client.start_workflow(
            SIGNATURE_TYPE,
            id=signature_id(command_id),
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary="A signature that a provider has reported",
        )
    except WorkflowAlreadyStartedError:
        return


def _now() -> datetime:
    return datetime.now(UTC)


class SignatureActivities:
    """Carries signatures to their applications, and looks for those that were never reported.

    Args:
        store: what was reported.
        providers: those whose APIs are asked.
        now: the wall clock; no business time comes from it.
        pause: waits for so many seconds.
    """

    def __init__(
        self,
        store: SignatureStore,
        providers: Sequence[SignatureProvider] = (),
        *,
        now: Callable[[], datetime] = _now,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._pause = pause
        self._store = store
        self._providers = tuple(providers)
        self._now = now

    @activity.defn(name="carry_signature")
    async def carry_signature(self, wanted: CarrySignature) -> CarriedSignature:
        """Send the signature to its application, and record how it was judged; done again, it does nothing
        twice.

        Raises:
            ApplicationError: the other party has to sign first, and may have; to be tried again.
            sqlalchemy.exc.SQLAlchemyError, temporalio.exceptions.FailureError, RPCError: an outage.
        """
        return await self.carry(wanted.command_id, UpdateSender(activity.client()))

    async def carry(self, command_id: str, sender: SignatureSender) -> CarriedSignature:
        """What `carry_signature` does, by this sender."""
        stored = await self._store.signature(command_id)
        if stored is None:
            raise ApplicationError("There is no such signature.", type="NotFound", non_retryable=True)
        if stored.state is not SignatureState.WAITING:
            verdicts = {state: verdict for verdict, state in _STATES.items()}
            return CarriedSignature(verdict=verdicts.get(stored.state, Verdict.REFUSED), error=stored.error)
        try:
            verdict = await self._sent(stored, sender)
        except RefusedError as refusal:
            # By its command ID, it is found in the trail of its application, if that has a run.
            log.warning("Signature %s was refused: %s", command_id, refusal.error)
            await self._store.settle(
                *(command_id, SignatureState.REFUSED, self._now()),
                error=refusal.error,
                message=refusal.message,
            )
            return CarriedSignature(verdict=Verdict.REFUSED, error=refusal.error)
        await self._store.settle(command_id, _STATES[verdict], self._now())
        return CarriedSignature(verdict=verdict)

    async def _sent(self, stored: StoredSignature, sender: SignatureSender) -> Verdict:
        application_id = stored.signature.terms.application_id
        found = await self._store.application(application_id)
        if found is None:
            raise RefusedError(ErrorType.NOT_FOUND, f"There is no application {application_id}.")
        if self._waits_for_its_turn(stored, found):
            raise ApplicationError(
                "The other party signs first; its signature may be on its way.", type="NotItsTurn"
            )
        return await sender.send(found.company_master_uid, application_id, command_of(stored))

    def _waits_for_its_turn(self, stored: StoredSignature, found: Signable) -> bool:
        party, signing = stored.signature.party, found.signing
        return (
            found.stage is Stage.AWAITING_SIGNATURES
            and signing.by(party) is None
            and party not in parties_to_sign(signing)
            and self._now() < stored.received_at + WAITS_FOR_ITS_TURN
        )

    @activity.defn(name="sweep_signatures")
    async def sweep_signatures(self, _sweep: Sweep) -> Swept:
        """Take up what was stored and not carried out; fetch what is open here and signed at a provider.

        A provider that does not answer is asked again by the next sweep.

        Raises:
            sqlalchemy.exc.SQLAlchemyError, RPCError: the database or Temporal are down.
        """
        client = activity.client()
        return await self.sweep(lambda command_id: start_carrying(client, command_id), activity.heartbeat)

    async def sweep(
        self, start: Callable[[str], Awaitable[None]], alive: Callable[[], object] = lambda: None
    ) -> Swept:
        """What `sweep_signatures` does: ``start`` carries a signature, ``alive`` is called all the while."""
        waiting = await self._store.waiting(self._now() - LEFT_ALONE)
        for command_id in waiting:
            alive()
            await start(command_id)
        found, unanswered = 0, list[Provider]()
        for api in self._providers:
            try:
                found += await self._fetch(api, start, alive)
            except (httpx.HTTPError, UnusableAnswerError) as error:
                log.warning("%s was not asked what is signed there: %s", api.provider, type(error).__name__)
                unanswered.append(api.provider)
        return Swept(taken_up=len(waiting), found=found, unanswered=tuple(unanswered))

    async def _fetch(
        self,
        api: SignatureProvider,
        start: Callable[[str], Awaitable[None]],
        alive: Callable[[], object],
    ) -> int:
        """How many signatures of this provider were new."""
        found = 0
        async for document in self._store.to_be_signed():
            signed = await self._signed(api, document.terms, alive)
            given = [one for one in signed if one.party in document.unsigned]
            for command_id in await self._store.take(given, self._now()):
                await start(command_id)
                found += 1
        return found

    async def _signed(
        self, api: SignatureProvider, terms: Terms, alive: Callable[[], object]
    ) -> tuple[ReceivedSignature, ...]:
        """Ask, as fast as the provider takes it: else those that come last were never asked about."""
        for _ in range(_TIMES_TOO_FAST):
            alive()
            try:
                return await api.signed(terms)
            except httpx.HTTPStatusError as error:
                if error.response.status_code != httpx.codes.TOO_MANY_REQUESTS:
                    raise
                await self._pause(_rest(error.response))
        alive()
        return await api.signed(terms)


def _rest(response: httpx.Response) -> float:
    """Seconds until it may be asked again (RFC 9110 §10.2.3)."""
    said = response.headers.get("Retry-After", "")
    return min(float(said), _LONGEST_REST) if said.isdecimal() else _REST
