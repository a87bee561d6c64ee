"""Temporal's Reset as ops do it, and what must hold whenever they have."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Table, select
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, ResetReapplyExcludeType, ResetReapplyType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.worker import Replayer

from activities.db.applications import ApplicationRecords
from activities.db.tables import (
    AccessGrantRow,
    AuditEventRow,
    AuditHeadRow,
    DecisionSheetRow,
    EmailRow,
    FormRow,
)
from domain.audit import AuditEvent
from domain.chain import broken_at
from domain.status import Status
from starter.local.dev_server import temporal_executable
from tests.rig import Applicant
from worker import WORKFLOWS
from workflows.plugin import OnboardingPlugin

Row = dict[str, Any]
TABLES: Final = (AuditEventRow, AuditHeadRow, EmailRow, FormRow, DecisionSheetRow, AccessGrantRow)
FINAL: Final = frozenset({"sent", "failed"})
_UNDONE: Final = frozenset({"pending", "sent", "withdrawn"})
_MESSAGES: Final = (
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL,
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE,
)


class Way(Enum):
    """How ops reset a run."""

    CLI = "cli"
    WEB_UI = "web UI"


@dataclass(frozen=True)
class Stored:
    """What the database has of one application, all of it."""

    events: list[Row]
    head: Row
    emails: dict[str, Row]
    forms: dict[int, Row]
    sheets: dict[int, Row]
    grants: list[str]


# What ops do.


async def task_ends(applicant: Applicant, run_id: str | None = None) -> list[int]:
    """The events that complete the workflow tasks of a run (the current one): where Reset can lead to."""
    handle = applicant.service.env.client.get_workflow_handle(applicant.handle.id, run_id=run_id)
    return [
        event.event_id
        for event in (await handle.fetch_history()).events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ]


async def mark(applicant: Applicant) -> int:
    """The place in the current run's history that a reset leads back to where the application stands now."""
    return (await task_ends(applicant))[-1]


async def turn_back(
    applicant: Applicant,
    event_id: int,
    *,
    way: Way = Way.WEB_UI,
    reapply: bool = True,
    run_id: str = "",
) -> None:
    """Reset a run (the current one). Returns when Temporal has the new run."""
    left = (await applicant.handle.describe()).run_id
    reset = _by_cli if way is Way.CLI else _by_web_ui
    await reset(applicant, event_id, reapply, run_id)
    while True:
        if (await applicant.handle.describe()).run_id != left:
            return
        await asyncio.sleep(0.03)


async def _by_cli(applicant: Applicant, event_id: int, reapply: bool, run_id: str) -> None:
    await temporal(
        applicant,
        *("workflow", "reset", "--workflow-id", applicant.handle.id, "--event-id", str(event_id)),
        *(("--run-id", run_id) if run_id else ()),
        *("--reason", "a test"),
        *(() if reapply else ("--reapply-exclude", "Signal", "--reapply-exclude", "Update")),
    )


async def temporal(applicant: Applicant, *arguments: str) -> None:
    """Run the `temporal` command line against the applicant's server."""
    address = applicant.service.env.client.service_client.config.target_host
    process = await asyncio.create_subprocess_exec(
        *(str(temporal_executable()), *arguments, "--address", address),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


async def _by_web_ui(applicant: Applicant, event_id: int, reapply: bool, run_id: str) -> None:
    """The request the Web UI sends: with both, the older setting and the newer one."""
    client = applicant.service.env.client
    request = ResetWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=applicant.handle.id, run_id=run_id),
        reason="a test",
        workflow_task_finish_event_id=event_id,
        request_id=str(uuid4()),
        reset_reapply_type=ResetReapplyType.RESET_REAPPLY_TYPE_ALL_ELIGIBLE
        if reapply
        else ResetReapplyType.RESET_REAPPLY_TYPE_NONE,
        reset_reapply_exclude_types=() if reapply else _MESSAGES,
    )
    await client.workflow_service.reset_workflow_execution(request)


async def outcome(applicant: Applicant) -> Status:
    """What the newest run ends with; `Applicant.result` waits for the first one only."""
    client = applicant.service.env.client
    ended: Status = await client.get_workflow_handle(applicant.handle.id, result_type=Status).result()
    return ended


async def application_id(applicant: Applicant) -> str:
    """Stable across continue-as-new and reset: the first run's ID."""
    first = applicant.handle.first_execution_run_id
    assert first is not None
    return first


async def stored(applicant: Applicant) -> Stored:
    """Everything the database has of the application."""
    found: dict[str, list[Row]] = {}
    for model in TABLES:
        table = model.__table__
        assert isinstance(table, Table)
        mine = select(table).where(table.c.application_id == await application_id(applicant))
        rows = await applicant.service.database.rows(mine.order_by(*table.primary_key), {})
        found[table.name] = [dict(row._mapping) for row in rows]
    return Stored(
        events=found["audit_events"],
        head=next(iter(found["audit_heads"]), {}),
        emails={row["key"]: row for row in found["emails"]},
        forms={row["revision"]: row for row in found["forms"]},
        sheets={row["revision"]: row for row in found["decision_sheets"]},
        grants=[row["uid"] for row in found["access_grants"]],
    )


async def resets(applicant: Applicant) -> list[AuditEvent]:
    """The events ``reset`` of the trail."""
    trail = await ApplicationRecords(applicant.service.database).audit(await application_id(applicant))
    return [event for event in trail if event.command == "reset"]


async def taken_up(applicant: Applicant, number: int = 1) -> AuditEvent:
    """Wait until so many resets are on record; the last of them."""
    while True:
        if len(found := await resets(applicant)) >= number:
            return found[-1]
        await asyncio.sleep(0.03)


# What must hold afterwards.


async def nothing_overwritten(applicant: Applicant, before: Stored) -> Stored:
    """What was stored before a reset is stored after it: events as they were, documents but for their mark,
    mails that left or failed for good; the trail is without gaps, and its chain verifies."""
    after = await stored(applicant)
    assert after.events[: len(before.events)] == before.events
    assert [event["sequence"] for event in after.events] == list(range(1, len(after.events) + 1))
    trail = await ApplicationRecords(applicant.service.database).trail(await application_id(applicant))
    assert broken_at(await application_id(applicant), trail) is None
    assert (after.head["sequence"], after.head["hash"]) == (len(trail), trail[-1].link.hash)
    for was, now in ((before.forms, after.forms), (before.sheets, after.sheets)):
        for revision, row in was.items():
            assert now[revision] | {"void": None} == row | {"void": None}
        assert list(now) == list(range(1, len(now) + 1))
    for key, row in before.emails.items():
        if row["state"] in FINAL:
            assert after.emails[key] == row
        else:
            assert after.emails[key]["state"] in _UNDONE
    return after


async def each_mail_left_once(applicant: Applicant, after: Stored) -> None:
    """What the ledger says was sent is what the mail server has got, each once."""
    got = Counter(mail["Message-ID"] for mail in applicant.service.mailbox.of(applicant.uid))
    assert got == Counter(row["message_id"] for row in after.emails.values() if row["state"] == "sent")


async def names_the_head_it_leaves(applicant: Applicant, before: Stored, back_to: int) -> AuditEvent:
    """The first event after the reset says from where to where it led."""
    trail = await ApplicationRecords(applicant.service.database).audit(await application_id(applicant))
    event = trail[len(before.events)]
    assert event.command == "reset"
    assert event.details["back_to"] == back_to
    assert event.details["head_left"] == len(before.events)
    assert event.details["hash_left"] == before.head.get("hash")
    return event


async def row_tells_the_truth(applicant: Applicant) -> None:
    """The row shows what the workflow does."""
    await applicant.settled()
    row = await ApplicationRecords(applicant.service.database).newest(applicant.uid)
    assert row is not None
    status = await applicant.status()
    assert row.status.model_dump() == status.model_dump()
    assert (row.stage, row.waiting_on, row.due_at, row.overdue, row.sequence) == (
        *(status.stage, status.waiting_on, status.due_at, status.overdue, status.sequence),
    )


async def replays(applicant: Applicant) -> None:
    """The current run's history replays."""
    replayer = Replayer(workflows=WORKFLOWS, plugins=[OnboardingPlugin()])
    await replayer.replay_workflow(await applicant.history())
