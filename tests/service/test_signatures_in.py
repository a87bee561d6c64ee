"""Signatures of a provider, from the delivery to the application's trail, on the real service."""

import asyncio
import json
import socket
from datetime import timedelta

import httpx
import pytest
from pydantic import SecretStr
from temporalio.client import ScheduleOverlapPolicy, WorkflowHandle
from temporalio.service import RPCError
from temporalio.worker import Replayer

from activities.db.signatures import SignatureStore
from activities.signatures.reading import read
from domain.audit import Verdict
from domain.contract import Party, Stage
from domain.signatures import SWEEP_ID, SWEEP_TYPE, CarriedSignature, Provider, Swept, Terms, signature_id
from runtime.signature_sweep import keep_sweeping
from settings import Settings
from starter.web.personas import DEFAULT
from starter.web.serving import front_door
from starter.web.signatures import PATH, carried_by, open_signatures, signatures_app
from tests.activities.signature_payloads import SECRETS, deliveries, docuseal, signed_headers
from tests.long import SHORT
from tests.rig import Applicant, Service
from tests.service.evidence import BD, audit, mails
from tests.temporal_env import unique
from worker import WORKFLOWS
from workflows.plugin import OnboardingPlugin

PROVIDER = Provider.DOCUSEAL


async def signable(service: Service, **terms: str) -> tuple[Applicant, Terms]:
    """An applicant who is to sign, and what the document carries: what the status shows."""
    applicant = await service.applicant()
    status = await applicant.to_signatures(**terms)
    named = Terms.named(status.external_id or "")
    assert named
    assert named.application_id == status.application_id
    return applicant, named


async def carried(service: Service, command_id: str) -> CarriedSignature:
    """What became of it, once it was judged."""
    handle: WorkflowHandle[object, CarriedSignature] = service.env.client.get_workflow_handle(
        signature_id(command_id), result_type=CarriedSignature
    )
    return await handle.result()


async def signed_at(applicant: Applicant) -> dict[Party, str]:
    return dict.fromkeys(Party, await applicant.issued_at())


@SHORT
async def test_each_party_signs_once_whatever_is_delivered(service: Service) -> None:
    """By the receiver itself, three times each, the later first; a document for other terms among them."""
    applicant, terms = await signable(service)
    times = await signed_at(applicant)
    settings = Settings.model_construct(signature_docuseal_secret=SecretStr(SECRETS[PROVIDER]))
    client = service.env.client
    with service.env.with_time_skipping_disabled():
        app = signatures_app(await open_signatures(settings, service.database, client))
        await client.get_schedule_handle(SWEEP_ID).delete()
        stale = terms.model_copy(update={"sheet_hash": "ab" * 32})
        wrong = docuseal(stale, Party.PARTNER, times, submission_id=99)
        bodies = [json.dumps(wrong).encode(), *reversed(3 * deliveries(PROVIDER, terms, times))]
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://door") as door:
            for body in bodies:
                headers = signed_headers(PROVIDER, body)
                assert (await door.post(f"{PATH}/{PROVIDER}", content=body, headers=headers)).is_success
    stored = await SignatureStore(service.database).of(terms.application_id)
    verdicts = {one.command_id: (await carried(service, one.command_id)).verdict for one in stored}
    status = await applicant.settled()

    assert sorted(verdicts.values()) == [Verdict.ACCEPTED, Verdict.ACCEPTED, Verdict.REFUSED]
    assert status.stage is Stage.ACTIVE
    assert status.external_id is None
    signing = [event for event in await audit(applicant) if event.command == "sign_contract"]
    assert sorted(str(event.verdict) for event in signing) == ["accepted", "accepted", "refused"]
    assert {(event.via and event.via.channel, event.actor and event.actor.id) for event in signing} == {
        ("webhook", PROVIDER)
    }
    assert [mail for mail in mails(applicant) if mail[0] == "signature_refused"] == [
        ("signature_refused", BD)
    ]
    for command_id in verdicts:
        handle = client.get_workflow_handle(signature_id(command_id))
        await Replayer(workflows=WORKFLOWS, plugins=[OnboardingPlugin()]).replay_workflow(
            await handle.fetch_history()
        )


@SHORT
async def test_what_was_stored_and_not_started_is_swept(service: Service) -> None:
    """As when the process died in between; and an application that has ended is told of nothing."""
    applicant, terms = await signable(service, start="2030-01-01")
    store, client = SignatureStore(service.database), service.env.client
    found = [
        one
        for body in deliveries(PROVIDER, terms, await signed_at(applicant))
        for one in read(PROVIDER, body).signatures
    ]
    long_ago = (await applicant.now()) - timedelta(days=1)
    waiting = await store.take(found, long_ago)
    assert len(waiting) == len(Party)
    with service.env.with_time_skipping_disabled():
        swept: Swept = await client.execute_workflow(
            SWEEP_TYPE, id=unique("sweep"), task_queue="reseller-onboarding", result_type=Swept
        )
    assert swept.taken_up >= len(Party)
    assert {(await carried(service, command_id)).verdict for command_id in waiting} == {Verdict.ACCEPTED}
    assert (await applicant.settled()).stage is Stage.SIGNED
    assert await store.waiting(await applicant.now()) == ()

    late = docuseal(terms, Party.PARTNER, await signed_at(applicant), submission_id=98)
    await applicant.signal("end_contract", reason="Given up")
    await applicant.result()
    for one in read(PROVIDER, json.dumps(late).encode()).signatures:
        (command_id,) = await store.take([one], long_ago)
        with service.env.with_time_skipping_disabled():
            await carried_by(client)(command_id)
        assert (await carried(service, command_id)).error == "closed"


async def test_the_schedule_is_one_however_often_it_is_made(service: Service) -> None:
    client = service.env.client
    try:
        await asyncio.gather(*(keep_sweeping(client, timedelta(minutes=15)) for _ in range(3)))
        handle = client.get_schedule_handle(SWEEP_ID)
        await handle.pause()
        await keep_sweeping(client, timedelta(minutes=5))

        found = (await handle.describe()).schedule
        assert [each.every for each in found.spec.intervals] == [timedelta(minutes=5)]
        assert found.policy.overlap is ScheduleOverlapPolicy.SKIP
        assert found.state.paused
    finally:
        await client.get_schedule_handle(SWEEP_ID).delete()
    with pytest.raises(RPCError):
        await client.get_schedule_handle(SWEEP_ID).describe()


async def test_the_front_door_takes_them(service: Service) -> None:
    """With limits of its own, beside the API and its tokens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    settings = Settings.model_construct(
        database_url=SecretStr(service.database.engine.url.render_as_string(hide_password=False)),
        signature_docuseal_secret=SecretStr(SECRETS[PROVIDER]),
        serve_address=address,
    )
    body = b'{"event_type": "form.viewed", "data": {"id": 1, "values": "' + b"x" * 100_000 + b'"}}'
    try:
        async with (
            front_door(service.env.client, settings, DEFAULT) as url,
            httpx.AsyncClient(base_url=url) as door,
        ):
            assert (await door.get("/healthz")).is_success
            assert (await door.post(f"{PATH}/{PROVIDER}", content=body)).status_code == 401
            assert (await door.post(f"{PATH}/standard", content=body)).status_code == 404
            headers = signed_headers(PROVIDER, body)
            answer = await door.post(f"{PATH}/{PROVIDER}", content=body, headers=headers)
            assert answer.json()["contained"] == "not a document of ours"
    finally:
        await service.env.client.get_schedule_handle(SWEEP_ID).delete()
