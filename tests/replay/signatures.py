"""Journeys with signatures that a provider reports: the runs that carry them are recorded with the
applicant's."""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx
from temporalio.client import Client, WorkflowHandle, WorkflowHistory

from activities.db.signatures import SignatureStore
from activities.signatures.reading import read
from domain.audit import Verdict
from domain.contract import TASK_QUEUE, ErrorType, Party, Stage
from domain.signatures import SWEEP_ID, SWEEP_TYPE, CarriedSignature, Provider, Swept, Terms, signature_id
from starter.web.signatures import PATH, SignaturesIn, carried_by, signatures_app
from tests.activities.signature_payloads import SECRETS, Signed, deliveries, docuseal, signed_headers
from tests.replay.ways import FAR, Journey
from tests.rig import Applicant, Service
from workflows.signatures import CARRY_SIGNATURE, SWEEP_SIGNATURES

PROVIDER: Final = Provider.DOCUSEAL
_OTHER_HASH: Final = "ab" * 32


async def runs_of_signatures(service: Service, application_id: str) -> AsyncIterator[WorkflowHistory]:
    """The runs that have carried what was signed for this application, in the order they began."""
    for stored in await SignatureStore(service.database).of(application_id):
        async for history in _histories(service.env.client, signature_id(stored.command_id)):
            yield history


async def runs_of_sweeps(service: Service, uid: str) -> AsyncIterator[WorkflowHistory]:
    """The sweeps of the applicant's journey."""
    async for history in _histories(service.env.client, _sweep_id(uid)):
        yield history


async def _histories(client: Client, workflow_id: str) -> AsyncIterator[WorkflowHistory]:
    runs = [run async for run in client.list_workflows(f"WorkflowId = '{workflow_id}'")]
    for run in sorted(runs, key=lambda run: run.start_time):
        handle = client.get_workflow_handle(run.id, run_id=run.run_id)
        await handle.result()
        yield await handle.fetch_history()


def _sweep_id(uid: str) -> str:
    return f"{SWEEP_ID}-{uid}"


async def _signable(applicant: Applicant) -> tuple[Terms, Signed]:
    """What the document carries, and when both sign it."""
    status = await applicant.to_signatures(start=FAR)
    terms = Terms.named(status.external_id or "")
    assert terms
    return terms, dict.fromkeys(Party, await applicant.issued_at())


def _command_ids(bodies: Sequence[bytes]) -> list[str]:
    """Of the signatures in these deliveries, each once."""
    found = [one.command_id for body in bodies for one in read(PROVIDER, body).signatures]
    return list(dict.fromkeys(found))


async def _delivered(applicant: Applicant, bodies: Sequence[bytes]) -> list[CarriedSignature]:
    """What became of the signatures in these deliveries, once all were judged."""
    service = applicant.service
    client = service.env.client
    signatures = SignaturesIn(
        {PROVIDER: SECRETS[PROVIDER]}, SignatureStore(service.database), carried_by(client)
    )
    transport = httpx.ASGITransport(signatures_app(signatures))
    with service.env.with_time_skipping_disabled():
        async with httpx.AsyncClient(transport=transport, base_url="http://door") as door:
            for body in bodies:
                headers = signed_headers(PROVIDER, body)
                answer = await door.post(f"{PATH}/{PROVIDER}", content=body, headers=headers)
                answer.raise_for_status()
    return [await _carried(client, command_id) for command_id in _command_ids(bodies)]


async def _carried(client: Client, command_id: str) -> CarriedSignature:
    handle: WorkflowHandle[object, CarriedSignature] = client.get_workflow_handle(
        signature_id(command_id), result_type=CarriedSignature
    )
    return await handle.result()


async def _reported(applicant: Applicant) -> None:
    """For other terms; then the later one first, all of them twice; and one after the end."""
    terms, times = await _signable(applicant)
    refused = CarriedSignature(verdict=Verdict.REFUSED, error=ErrorType.STALE_REVISION)
    accepted = CarriedSignature(verdict=Verdict.ACCEPTED)
    stale = terms.model_copy(update={"sheet_hash": _OTHER_HASH})
    assert await _delivered(applicant, [_of_the_partner(stale, times, 99)]) == [refused]
    bodies = [*reversed(deliveries(PROVIDER, terms, times)), *deliveries(PROVIDER, terms, times, attempt=2)]
    assert await _delivered(applicant, bodies) == [accepted] * len(Party)
    await applicant.settled()
    client = applicant.service.env.client
    for command_id in _command_ids(bodies):
        await carried_by(client)(command_id)
        assert await _carried(client, command_id) == accepted, "carried again, the same answer"
    await applicant.signal("end_contract", reason="Given up.")
    await applicant.result()
    late = await _delivered(applicant, [_of_the_partner(terms, times, 98)])
    assert late == [refused.model_copy(update={"error": ErrorType.CLOSED})]


def _of_the_partner(terms: Terms, times: Signed, submission_id: int) -> bytes:
    return json.dumps(docuseal(terms, Party.PARTNER, times, submission_id=submission_id)).encode()


async def _swept(applicant: Applicant) -> None:
    """Stored, and never started, as when the process has ended in between; the second sweep finds nothing."""
    terms, times = await _signable(applicant)
    service = applicant.service
    bodies = deliveries(PROVIDER, terms, times)
    found = [one for body in bodies for one in read(PROVIDER, body).signatures]
    await SignatureStore(service.database).take(found, datetime.now(UTC) - timedelta(minutes=5))
    for taken_up in (len(Party), 0):
        with service.env.with_time_skipping_disabled():
            swept: Swept = await service.env.client.execute_workflow(
                SWEEP_TYPE, id=_sweep_id(applicant.uid), task_queue=TASK_QUEUE, result_type=Swept
            )
        assert swept == Swept(taken_up=taken_up)
        for command_id in _command_ids(bodies):
            carried = await _carried(service.env.client, command_id)
            assert carried.verdict is Verdict.ACCEPTED


SIGNATURES: Final = (
    Journey("signatures_reported", _reported, Stage.CANCELLED, asks=(CARRY_SIGNATURE,)),
    Journey("signatures_swept", _swept, Stage.SIGNED, asks=(CARRY_SIGNATURE, SWEEP_SIGNATURES)),
)
