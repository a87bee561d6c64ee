"""`onboarding replay-check` and `histories export` against live applications in many stages."""

import asyncio
import json
import os
import sys
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from temporalio import activity, workflow
from temporalio.api.history.v1 import History
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from domain.contract import WORKFLOW_TYPE, Stage, workflow_id
from starter.local.dev_server import (
    TIME_SKIPPING_DYNAMIC_CONFIG,
    dynamic_config_arguments,
    temporal_executable,
)
from starter.release.replay_check import Run, _each, _quotas, _replay
from starter.release.replaying import stages_shown
from tests import payloads
from tests.replay.corpus import HISTORIES, parse, replay
from tests.replay.newer_process import NEXT, knowing
from tests.rig import Applicant, Service, serve
from tests.temporal_env import SEARCH_ATTRIBUTES, TIME_SKIPPING, unique
from workflows.plugin import OnboardingPlugin
from workflows.search_attributes import STAGE

ONBOARDING = Path(sys.executable).with_name("onboarding")
PERSONAL = {
    "legal_name": "Walnut & Söhne Pte. Ltd.",
    "registration_number": "201988776Q",
    "address": "77 Cuppage Road\nSingapore 229467",
    "website": "https://walnut.example.org/about",
    "contact": {
        "name": "Wilhelmina Tan",
        "title": "Head of Alliances",
        "email": "wilhelmina.tan@walnut.example.org",
        "phone": "+65 6123 4567",
    },
    "qualification": "Seventeen engineers, 云计算合作伙伴, and a notice from Mr Lim.",
}
TEXTS = {
    "reason": "Our registered office moved to Jurong",
    "question": "Who is Mr Lim, and why does he vouch for you?",
    "answer": "Mr Lim is our auditor since 2011",
    "note": "Called Wilhelmina on her mobile, 9123 9999",
    "description": "The credit line Wilhelmina agreed on is 70,000",
    "explanation": "Mr Lim says he has never heard of Walnut",
    "document_ref": "DMS-2026-000417-walnut",
    "signer": "Wilhelmina Tan-Lopez",
}


@workflow.defn(name=WORKFLOW_TYPE, sandboxed=False)
class OlderOnboarding:
    """What an older release might have done: it waits before it looks anything up."""

    @workflow.run
    async def run(self, joined: Any) -> None:
        workflow.upsert_search_attributes([STAGE.value_set(Stage.QUALIFIED)])
        await workflow.sleep(timedelta(days=1))


@activity.defn(name="settle")
async def settle_as_0_1_0() -> None:
    """The activity by which release 0.1.0 put on record whatever happened."""


@workflow.defn(name=WORKFLOW_TYPE, sandboxed=False)
class OnboardingOf010:
    """What release 0.1.0 has left in the history of an application, until it is cancelled."""

    @workflow.run
    async def run(self, joined: Any) -> None:
        workflow.upsert_search_attributes([STAGE.value_set(Stage.DRAFTING)])
        await workflow.execute_local_activity(settle_as_0_1_0, start_to_close_timeout=timedelta(seconds=5))
        await workflow.wait_condition(lambda: False)


@dataclass
class Live:
    """A server with applications, and the stage each is in."""

    env: WorkflowEnvironment
    applicants: dict[Stage, Applicant]

    def query(self) -> str:
        """Finds these applications only."""
        ids = ", ".join(f"'{applicant.handle.id}'" for applicant in self.applicants.values())
        return f"WorkflowId IN ({ids})"

    async def onboarding(self, *arguments: str) -> tuple[int, str]:
        """Exit code and output of the console script."""
        inherited = {n: v for n, v in os.environ.items() if not n.startswith(("ONBOARDING_", "TEMPORAL_"))}
        process = await asyncio.create_subprocess_exec(
            *(str(ONBOARDING), *arguments),
            env=inherited | {"TEMPORAL_ADDRESS": self.env.client.service_client.config.target_host},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode()


async def _rejected(applicant: Applicant) -> None:
    await applicant.to_review(**PERSONAL)
    await applicant.signal("withdraw_application", reason=TEXTS["reason"])
    await applicant.signal("submit_application", application=payloads.form(applicant.uid, **PERSONAL))
    await applicant.signal("request_justification", question=TEXTS["question"])
    await applicant.update("provide_justification", answer=TEXTS["answer"])
    await applicant.signal("reject_application", reason_code="REF-7", explanation=TEXTS["explanation"])


async def _signed(applicant: Applicant) -> None:
    await applicant.to_review(**PERSONAL)
    await applicant.signal("approve_application", form_revision=1)
    await applicant.signal("issue_decision_sheet", sheet=payloads.sheet(start="2199-01-01"))
    await applicant.signal("modify_terms", sheet_revision=1, description=TEXTS["description"])
    await applicant.signal("issue_decision_sheet", sheet=payloads.sheet(start="2199-01-01", ecs="11"))
    confirming = {"command_id": "confirm-by-wilhelmina", **await applicant.named_sheet()}
    await applicant.signal("confirm_terms", **confirming)
    await applicant.signal("confirm_terms", **confirming)
    await applicant.signal("record_contact", note=TEXTS["note"])
    await applicant.sign("partner", signer_name=TEXTS["signer"], document_ref=TEXTS["document_ref"])
    await applicant.handle.signal("confirm_terms", {"wilhelmina.tan@walnut.example.org": 20_198_877_600})
    await applicant.sign("vendor")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def live(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    """A server of its own: two workers on one task queue would take each other's work."""
    async with (
        await WorkflowEnvironment.start_time_skipping_v2(
            ts_config=TIME_SKIPPING,
            plugins=[OnboardingPlugin()],
            search_attributes=SEARCH_ATTRIBUTES,
            dev_server_existing_path=str(temporal_executable()),
            dev_server_extra_args=dynamic_config_arguments(TIME_SKIPPING_DYNAMIC_CONFIG),
            dev_server_startup_timeout=timedelta(seconds=60),
        ) as env,
        serve(env, tmp_path_factory.mktemp("service")) as service,
    ):
        applicants = {stage: await _applicant(service) for stage in (Stage.DRAFTING, *_WAYS)}
        for stage, way in _WAYS.items():
            await way(applicants[stage])
            assert (await applicants[stage].settled()).stage is stage
        yield Live(env, applicants)


async def _applicant(service: Service) -> Applicant:
    applicant = await service.applicant(start=False)
    enterprise = {name: PERSONAL[name] for name in ("legal_name", "registration_number")}
    await service.account(applicant.uid, enterprise=enterprise)
    await applicant.join()
    return applicant


_WAYS = {Stage.REJECTED: _rejected, Stage.SIGNED: _signed}


async def test_every_stage_is_replayed(live: Live) -> None:
    code, output = await live.onboarding("replay-check", "--limit", "1", "--query", live.query())
    assert code == 0, output
    lines = [line.split("\t") for line in output.splitlines()]
    assert [line for line in lines if len(line) == 4] == [
        [stage.value, "1", "1", "0"] for stage in (Stage.DRAFTING, Stage.SIGNED, Stage.REJECTED)
    ]
    assert "All 3 runs replay" in output


async def test_what_ended_earlier_is_left_out(live: Live) -> None:
    code, output = await live.onboarding("replay-check", "--since", "2190-01-01", "--query", live.query())
    assert code == 0
    assert "All 2 runs replay" in output


async def test_a_history_other_code_wrote_breaks_with_its_event_and_a_remedy(live: Live) -> None:
    client, queue, name = live.env.client, unique("older"), workflow_id(str(uuid4().int)[:16])
    async with Worker(client, task_queue=queue, workflows=[OlderOnboarding]):
        with live.env.with_time_skipping_disabled():
            handle = await client.start_workflow(WORKFLOW_TYPE, payloads.join("1"), id=name, task_queue=queue)
        query = f"WorkflowId = '{name}' AND {STAGE.name} = 'qualified'"
        while not (await client.count_workflows(query)).count:  # noqa: ASYNC110 - visibility tells nobody
            await asyncio.sleep(0.05)
    code, output = await live.onboarding("replay-check", "--query", f"WorkflowId = '{name}'")
    await handle.terminate()
    assert code == 1
    assert "qualified\t1\t1\t1" in output
    assert f"broken: {name} run {handle.result_run_id} (qualified, open)" in output
    assert "history: event 5 upsert_workflow_search_attributes" in output
    assert "this code: " in output
    assert "workflows/patches.py" in output
    assert "Traceback" not in output


async def _found(live: Live, query: str) -> None:
    """Wait until the visibility store has it; it tells nobody."""
    while not (await live.env.client.count_workflows(query)).count:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


async def test_applications_of_0_1_0_are_to_be_ended_first(live: Live) -> None:
    client, queue, name = live.env.client, unique("release-0.1.0"), workflow_id(str(uuid4().int)[:16])
    query = f"WorkflowId = '{name}'"
    async with Worker(client, task_queue=queue, workflows=[OnboardingOf010], activities=[settle_as_0_1_0]):
        with live.env.with_time_skipping_disabled():
            handle = await client.start_workflow(WORKFLOW_TYPE, payloads.join("1"), id=name, task_queue=queue)
        await _found(live, f"{query} AND {STAGE.name} = 'drafting'")
        code, output = await live.onboarding("replay-check", "--query", query)
        assert code == 1
        assert f"Applications of release 0.1.0: 1 ({name})" in output
        assert "have to be ended first" in output
        assert "1 of 1 runs break under this code: don't deploy it." in output
        for word in ("Nondeterminism", "broken: ", "Traceback", "workflows/patches.py"):
            assert word not in output
        await handle.cancel()
        await _found(live, f"{query} AND ExecutionStatus = 'Canceled'")

    code, output = await live.onboarding("replay-check", "--query", query)
    assert code == 0
    assert "Runs of release 0.1.0 that have ended: 1; this code can't show them." in output


async def test_an_application_of_a_newer_edition_is_told_with_what_to_do(live: Live) -> None:
    with knowing(NEXT):
        applicant = await live.applicants[Stage.DRAFTING].service.applicant()
    query = f"WorkflowId = '{applicant.handle.id}'"
    await _found(live, query)
    code, output = await live.onboarding("replay-check", "--query", query)
    assert code == 1
    assert f"broken: {applicant.handle.id} run {applicant.handle.result_run_id} (drafting, open)" in output
    assert f"The application is of edition {NEXT} of the process; this worker knows editions up to" in output
    assert "A newer release began these applications: deploy that one, or a later one." in output
    assert "Traceback" not in output
    assert "workflows/patches.py" not in output
    with knowing(NEXT):
        await applicant.handle.terminate()


def _until_approved() -> tuple[str, History, int]:
    """Workflow ID and history of an approved application, and which event shows that it is."""
    recorded = parse((HISTORIES / "0.2.0" / "open_in_qualified.json").read_text(encoding="utf-8"))
    history = History(events=recorded.events)
    return (
        recorded.workflow_id,
        history,
        max(n for n, event in enumerate(history.events) if stages_shown([event])),
    )


def test_a_history_this_code_takes_through_other_stages_is_told_though_it_replays() -> None:
    name, history, shows = _until_approved()
    attributes = history.events[shows].upsert_workflow_search_attributes_event_attributes.search_attributes
    attributes.indexed_fields[STAGE.name].data = b'"withdrawn"'

    assert _replay(name, history.SerializeToString(), False) == (
        "goes through other stages: drafting → under_review → qualified,"
        " where the history has drafting → under_review → withdrawn"
    )


def test_a_history_fetched_in_the_middle_of_a_task_is_fine() -> None:
    name, history, shows = _until_approved()
    begun = max(
        n
        for n, event in enumerate(history.events[:shows])
        if event.HasField("workflow_task_started_event_attributes")
    )
    del history.events[begun + 1 :]

    assert _replay(name, history.SerializeToString(), False) is None


async def test_where_nothing_was_found_is_told(live: Live) -> None:
    code, output = await live.onboarding("replay-check", "--query", "WorkflowId = 'nobody'")
    address = live.env.client.service_client.config.target_host
    assert code == 0
    assert f"No applications found in namespace default at {address}: " in output


async def test_a_query_the_server_refuses_is_told(live: Live) -> None:
    code, output = await live.onboarding("replay-check", "--query", "NoSuchAttribute = 1")
    assert code == 1
    assert "NoSuchAttribute" in output
    assert "Correct --query" in output
    assert "TEMPORAL_ADDRESS" not in output
    assert "Traceback" not in output


async def test_after_a_failure_no_call_is_left_in_flight_and_none_is_begun() -> None:
    begun, ended = list[str](), list[str]()

    async def look(run: Run) -> None:
        begun.append(run.run_id)
        await asyncio.sleep(0.01)
        if run.run_id == "fails":
            raise RuntimeError("the server is gone")
        await asyncio.sleep(0.01)
        ended.append(run.run_id)

    runs = [Run("g", "w", name, running=True) for name in ("fails", "beside it", "never", "nor this")]
    with pytest.raises(RuntimeError, match="the server is gone"):
        await _each(runs, 2, look)
    assert (begun, ended) == (["fails", "beside it"], ["beside it"])


def test_nothing_is_picked_beyond_what_there_is() -> None:
    assert _quotas({"a": 1, "b": 10, "c": 3}, 9) == {"a": 1, "b": 5, "c": 3}
    assert _quotas({"a": 5, "b": 10}, 1) == {"a": 1, "b": 1}
    assert _quotas({}, 5) == {}


async def test_exported_histories_hold_nothing_personal_and_replay(live: Live, tmp_path: Path) -> None:
    code, output = await live.onboarding(
        "histories", "export", "--anonymise", str(tmp_path), "--query", live.query()
    )
    assert code == 0, output
    files = _files(tmp_path)
    assert [file.name for file in files] == ["drafting-001.json", "rejected-001.json", "signed-001.json"]
    texts = set(_strings([PERSONAL, TEXTS, payloads.CONTACT, payloads.BD, payloads.BD_LEAD]))
    texts |= {applicant.uid for applicant in live.applicants.values()}
    texts |= {str(applicant.handle.first_execution_run_id) for applicant in live.applicants.values()}
    texts |= {"Ann Tan", "join@acme.example.com", "confirm-by-wilhelmina", "20198877600", "partner-1"}
    words = {word for text in texts for word in text.split() if not word.islower()}
    # The contract's time zone is kept.
    words.discard("Singapore")
    # Shorter ones turn up by chance among so many random notices.
    personal = {text for text in texts | words if len(text) > 5}
    for file in files:
        document = file.read_text(encoding="utf-8")
        seen = "\n".join([document, *_decoded(json.loads(document))]).casefold()
        assert [text for text in sorted(personal) if text.casefold() in seen] == []
        replayed = await replay(parse(document))
        assert replayed.failure is None
        stage = next(ask.to_stage for ask in reversed(replayed.trail) if ask.to_stage)
        assert file.name == f"{stage}-001.json"


async def test_a_second_export_leaves_the_first_alone(live: Live, tmp_path: Path) -> None:
    query = f"WorkflowId = '{live.applicants[Stage.DRAFTING].handle.id}'"
    for _ in range(2):
        await live.onboarding("histories", "export", "--anonymise", str(tmp_path), "--query", query)
    first, second = (file.read_text() for file in _files(tmp_path))
    assert first != second


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _strings(part)


def _decoded(document: Any) -> Iterator[str]:
    """Every payload, both as it stands and with its JSON escapes undone."""
    if isinstance(document, dict):
        if isinstance(document.get("data"), str):
            text = b64decode(document["data"]).decode("utf-8", "replace")
            yield text
            yield from _strings_in(text)
        for part in document.values():
            yield from _decoded(part)
    elif isinstance(document, list):
        for part in document:
            yield from _decoded(part)


def _strings_in(text: str) -> Iterator[str]:
    try:
        yield from _strings(json.loads(text))
    except ValueError:
        return
