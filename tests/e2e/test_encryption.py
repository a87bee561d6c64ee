"""Encryption on the real server: nothing readable is kept, keys may change, clear messages are refused."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import History
from temporalio.client import (
    Client,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowHistory,
    WorkflowUpdateFailedError,
    WorkflowUpdateStage,
)
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer

from domain.contract import (
    QUERY_NAME,
    TASK_QUEUE,
    UPDATE_NAME,
    WORKFLOW_TYPE,
    Actor,
    Party,
    Role,
    Stage,
    workflow_id,
)
from domain.documents import ApplicationForm, DecisionSheet
from domain.status import Status
from settings import Settings
from starter.client.onboarding_client import OnboardingClient
from tests import payloads
from tests.e2e.encrypted import Stack, found_in, joining, keys, secrets, stack, told_by_server, until
from tests.rig import undecodable
from worker import WORKFLOWS
from workflows.plugin import OnboardingPlugin

PARTNER: Final = Actor(role=Role.PARTNER, id="ann.tan@acme.example.com", name="Ann Tan of Acme")
BD: Final = Actor(role=Role.BD, id="bo.chen@vendor.example.com", name="Bo Chen of the vendor")
VENDOR: Final = Actor(role=Role.VENDOR, id="vera@vendor.example.com", name="Vera Signatory")
TEXTS: Final = {
    "question": "Which customers will Acme serve?",
    "answer": "Banks in Kuala Lumpur, 银行",
    "modification": "The discount of ecs was agreed at eleven percent",
    "note": "Called Ann on +65 6123 4567",
    "signer": "Angela Signer-Tan",
    "contact": "Tan Ah Meng",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with stack(tmp_path_factory.mktemp("encrypted")) as servers:
        yield servers


async def to_signatures(client: OnboardingClient, uid: str) -> Status:
    """From JOIN NOW to the terms confirmed, by way of a question and a modification."""
    await client.join(joining(uid, contact_name=TEXTS["contact"]))
    await client.confirm_company(uid, PARTNER)
    await client.submit_application(uid, PARTNER, ApplicationForm.model_validate(payloads.form(uid)))
    await client.request_justification(uid, BD, TEXTS["question"])
    await client.provide_justification(uid, PARTNER, TEXTS["answer"])
    await client.approve_application(uid, BD, 1)
    await client.issue_decision_sheet(uid, BD, DecisionSheet.model_validate(payloads.sheet()))
    sheet = (await client.status(uid)).sheet
    assert sheet
    await client.modify_terms(uid, PARTNER, sheet.revision, TEXTS["modification"])
    corrected = DecisionSheet.model_validate(payloads.sheet(ecs="11"))
    sheet = (await client.issue_decision_sheet(uid, BD, corrected)).sheet
    assert sheet
    return await client.confirm_terms(uid, PARTNER, sheet.revision, sheet.hash)


async def to_access(client: OnboardingClient, uid: str) -> Status:
    """…and on to ACPN access."""
    await client.record_contact(uid, BD, TEXTS["note"])
    status = await client.status(uid)
    assert status.sheet
    assert status.sheet.issued_at
    for actor, party in ((PARTNER, Party.PARTNER), (VENDOR, Party.VENDOR)):
        await client.sign_contract(
            *(uid, actor, party, TEXTS["signer"]),
            *(status.sheet.revision, status.sheet.hash, status.sheet.issued_at),
        )
    return await active(client, uid)


async def active(client: OnboardingClient, uid: str) -> Status:
    async def reached() -> bool:
        return (await client.status(uid)).stage is Stage.ACTIVE

    await until(reached)
    return await client.status(uid)


async def ended(client: Client, uid: str) -> None:
    handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(workflow_id(uid))
    await handle.result()


def all_secrets(uid: str) -> set[str]:
    actors = [actor.model_dump(mode="json", include={"id", "name"}) for actor in (PARTNER, BD, VENDOR)]
    return secrets(TEXTS, actors, payloads.join(uid), payloads.form(uid), payloads.sheet())


@pytest.mark.parametrize("encrypted", [True, False])
async def test_nothing_said_about_an_applicant_is_kept_in_the_clear(tmp_path: Path, encrypted: bool) -> None:
    """Histories, failures, summaries, details, visibility, and every byte on disk.

    Without keys the same search finds the texts: it would find them with keys, too, if they were there.
    """
    uid = "7100000001"
    async with stack(tmp_path) as servers:
        # Twice: what the first attempt meets, with the storing, no failure of an activity tells.
        servers.mail.plan.data = ["421 4.7.1 Ann Tan of Acme is greylisted"] * 2
        servers.mail.plan.recipients["bo.chen@vendor.example.com"] = "550 5.1.1 No mailbox of Bo Chen"
        async with servers.worker(keys("k1") if encrypted else None) as client:
            await servers.account(uid)
            await to_signatures(client, uid)
            temporal = await servers.connect(servers.settings(keys("k1") if encrypted else None))
            handle: WorkflowHandle[Any, Any] = temporal.get_workflow_handle(workflow_id(uid))
            with pytest.raises(WorkflowUpdateFailedError):
                await handle.execute_update(UPDATE_NAME, {"kind": "decline", "contact": TEXTS["contact"]})
            await handle.signal("decline", undecodable(b"{" + TEXTS["note"].encode()))
            while_running = await told_by_server(temporal, uid)
            await to_access(client, uid)
            await ended(temporal, uid)
            told = while_running + await told_by_server(temporal, uid)
        kept = servers.stored
    hidden = all_secrets(uid) | {"greylisted", "No mailbox of Bo Chen"}
    for where in (told, kept):
        assert (found_in(where, hidden) == set()) is encrypted
    if not encrypted:
        plain = {text for text in hidden if text.isascii() and "\\" not in text and "\n" not in text}
        unseen = plain - found_in(told, hidden)
        assert not unseen


async def replays(encryption_keys: str | None, history: WorkflowHistory, *, required: bool = False) -> None:
    """Raises if code and history have come apart under these settings."""
    settings = Settings.model_validate({"encryption_keys": encryption_keys, "encryption_required": required})
    replayer = Replayer(workflows=WORKFLOWS, plugins=[OnboardingPlugin(settings.codec)])
    await replayer.replay_workflow(history)


async def history_of(client: Client, uid: str) -> WorkflowHistory:
    handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(workflow_id(uid))
    return await handle.fetch_history()


def command(kind: str, **payload: Any) -> payloads.Json:
    return {"kind": kind, **payloads.command(kind, **payload)}


async def test_an_application_lives_through_the_change_of_keys(running: Stack) -> None:
    """Clear, then encrypted, then the key changes: one run, and each time all of it can be read."""
    uid = "7100000010"
    async with running.worker(None) as client:
        await running.account(uid)
        await client.join(joining(uid))
    async with running.worker(keys("k1")) as client:
        await client.confirm_company(uid, PARTNER)
    async with running.worker(keys("k1", "k2"), required=True) as client:
        form = ApplicationForm.model_validate(payloads.form(uid))
        await client.submit_application(uid, PARTNER, form)
    async with running.worker(keys("k2", "k1"), required=True) as client:
        status = await client.approve_application(uid, BD, 1)
        temporal = await running.connect(running.settings(keys("k2", "k1"), required=True))
        history = await history_of(temporal, uid)
    assert status.stage is Stage.QUALIFIED
    kept = History(events=history.events).SerializeToString()
    assert b"k1" in kept
    assert b"k2" in kept
    await replays(keys("k2", "k1"), history, required=True)
    await replays(keys("k2", "k1"), history)
    with pytest.raises(RuntimeError, match="KeyMissingError"):
        await replays(keys("k2"), history)


async def test_an_application_whose_key_is_gone_waits_for_it(running: Stack) -> None:
    uid = "7100000011"
    async with running.worker(keys("k1")) as client:
        await running.account(uid)
        await client.join(joining(uid))
    async with running.worker(keys("k2")):
        temporal = await running.connect(running.settings(keys("k2")))
        handle: WorkflowHandle[Any, Any] = temporal.get_workflow_handle(workflow_id(uid))
        await handle.signal("confirm_company", payloads.command("confirm_company"))
        await until(lambda: task_failed(handle))
    async with running.worker(keys("k1", "k2")) as client:
        status = await confirmed(client, uid)
    assert not status.last_refusals


async def task_failed(handle: WorkflowHandle[Any, Any]) -> bool:
    history = await handle.fetch_history()
    return any(event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED for event in history.events)


async def confirmed(client: OnboardingClient, uid: str) -> Status:
    """The status once a signal has confirmed the company; a signal has no answer."""

    async def reached() -> bool:
        return (await client.status(uid)).company_confirmed

    await until(reached)
    return await client.status(uid)


async def test_what_comes_clear_is_refused_on_record_and_stays_refused(running: Stack) -> None:
    uid = "7100000012"
    async with running.worker(keys("k1"), required=True) as client:
        await running.account(uid)
        await client.join(joining(uid))
        encrypted = await running.connect(running.settings(keys("k1"), required=True))
        clear = await running.connect(running.settings(None))
        other = await running.connect(running.settings(keys("unknown")))
        for sender in (clear, other):
            handle: WorkflowHandle[Any, Any] = sender.get_workflow_handle(workflow_id(uid))
            await handle.signal("confirm_company", payloads.command("confirm_company"))
            await handle.signal("no_such_command", {"text": TEXTS["note"]})
            with pytest.raises(WorkflowUpdateFailedError):
                await handle.execute_update(UPDATE_NAME, command("confirm_company"))
        status = await client.status(uid)
        assert status.stage is Stage.DRAFTING
        assert not status.company_confirmed
        refusals = [(refusal.command, refusal.error) for refusal in status.last_refusals]
        assert sorted(refusals) == sorted(
            [("confirm_company", "invalid"), ("no_such_command", "invalid"), (UPDATE_NAME, "invalid")] * 2
        )
        assert {refusal.message for refusal in status.last_refusals if "encrypted" in refusal.message}
        assert (await client.confirm_company(uid, PARTNER)).company_confirmed
        history = await history_of(encrypted, uid)
    # Whatever the settings become: not even that all is readable now makes a replay take another way.
    await replays(keys("k1"), history, required=True)
    await replays(keys("k1"), history)
    await replays(keys("k1", "unknown"), history)
    async with running.worker(keys("k1", "unknown")) as client:
        again = await client.status(uid)
    assert again.company_confirmed
    assert again.last_refusals == status.last_refusals


async def test_the_refused_caller_is_told_why(running: Stack) -> None:
    uid = "7100000013"
    async with running.worker(keys("k1"), required=True) as client:
        await running.account(uid)
        await client.join(joining(uid))
        clear = await running.connect(running.settings(None))
        handle: WorkflowHandle[Any, Any] = clear.get_workflow_handle(workflow_id(uid))
        update = await handle.start_update(
            UPDATE_NAME,
            command("confirm_company"),
            id=str(uuid4()),
            wait_for_stage=WorkflowUpdateStage.ACCEPTED,
        )
        encrypted = await running.connect(running.settings(keys("k1"), required=True))
        reader: WorkflowHandle[Any, Any] = encrypted.get_workflow_handle(workflow_id(uid))
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await reader.get_update_handle(update.id).result()
    assert isinstance(refused.value.cause, ApplicationError)
    assert refused.value.cause.type == "invalid"
    assert "not encrypted" in refused.value.cause.message


@pytest.mark.parametrize("sender", [None, keys("unknown")])
async def test_a_clear_start_fails_and_wedges_nothing(running: Stack, sender: str | None) -> None:
    uid = f"71000000{20 + bool(sender)}"
    async with running.worker(keys("k1"), required=True) as client:
        await running.account(uid)
        clear = await running.connect(running.settings(sender))
        handle: WorkflowHandle[Any, Any] = await clear.start_workflow(
            WORKFLOW_TYPE, payloads.join(uid), id=workflow_id(uid), task_queue=TASK_QUEUE
        )
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        encrypted = await running.connect(running.settings(keys("k1")))
        with pytest.raises(WorkflowFailureError) as failure:
            await encrypted.get_workflow_handle(handle.id).result()
        assert isinstance(failure.value.cause, ApplicationError)
        assert failure.value.cause.type == "invalid"
        assert "encrypted" in failure.value.cause.message
        history = await history_of(encrypted, uid)
        assert (await client.join(joining(uid))).started
    await replays(keys("k1", "unknown"), history)


async def test_clear_messages_taken_before_encryption_was_required_stay_taken(running: Stack) -> None:
    uid = "7100000014"
    async with running.worker(keys("k1")) as client:
        await running.account(uid)
        clear = await running.connect(running.settings(None))
        handle: WorkflowHandle[Any, Any] = await clear.start_workflow(
            WORKFLOW_TYPE, payloads.join(uid), id=workflow_id(uid), task_queue=TASK_QUEUE
        )
        await handle.signal("confirm_company", payloads.command("confirm_company"))
        encrypted = await running.connect(running.settings(keys("k1")))
        await confirmed(client, uid)
    async with running.worker(keys("k1"), required=True) as client:
        status = await client.status(uid)
        assert status.company_confirmed
        await handle.signal("decline", payloads.command("decline"))
        form = ApplicationForm.model_validate(payloads.form(uid))
        await client.submit_application(uid, PARTNER, form)
        status = await client.status(uid)
        history = await history_of(encrypted, uid)
    assert status.stage is Stage.UNDER_REVIEW
    assert [refusal.command for refusal in status.last_refusals] == ["decline"]
    for required in (True, False):
        await replays(keys("k1"), history, required=required)


async def test_a_caller_without_keys_gets_nothing_readable(running: Stack) -> None:
    uid = "7100000015"
    async with running.worker(keys("k1")) as client:
        await running.account(uid)
        await client.join(joining(uid))
        clear = await running.connect(running.settings(None))
        answer = await clear.get_workflow_handle(workflow_id(uid)).query(QUERY_NAME)
    assert "RawValue" in type(answer).__name__
    assert not found_in(answer.payload.SerializeToString(), all_secrets(uid))
