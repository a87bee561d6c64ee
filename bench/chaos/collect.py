"""Gathers the records the oracle compares: workflows and histories, database, mail server's log."""

import asyncio
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHistoryEventFilterType
from temporalio.service import RPCError, RPCStatusCode

from activities.db.engine import Database
from activities.db.tables import (
    AccessGrantRow,
    ApplicationRow,
    AuditEventRow,
    DecisionSheetRow,
    EmailRow,
)
from bench.chaos.evidence import (
    Audited,
    GrantRow,
    LedgerRow,
    Mail,
    Row,
    Run,
    Sample,
    SheetRow,
)
from domain.contract import workflow_id

SAMPLE_EVERY: Final = 0.25
_HARMLESS_CAUSES: Final = frozenset(
    # The server's word for "something arrived meanwhile, look again"; no code is at fault.
    {WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND}
)


class Sampler:
    """Looks at the read model all the time, so that a row that goes backwards is seen."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, tuple[int, int]] = {}
        self.samples: Final[list[Sample]] = []

    async def run(self) -> None:
        """Sample until cancelled; while the database is down there is nothing to see."""
        while True:
            with suppress(SQLAlchemyError, OSError):
                self._note(await self._look())
            await asyncio.sleep(SAMPLE_EVERY)

    async def _look(self) -> dict[str, tuple[int, int]]:
        counted = (
            select(AuditEventRow.application_id, func.count().label("events"))
            .group_by(AuditEventRow.application_id)
            .subquery()
        )
        query = select(ApplicationRow.application_id, ApplicationRow.sequence, counted.c.events).outerjoin(
            counted, counted.c.application_id == ApplicationRow.application_id
        )
        async with self._database.session() as session:
            return {row[0]: (row[1], row[2] or 0) for row in (await session.execute(query)).all()}

    def _note(self, seen: dict[str, tuple[int, int]]) -> None:
        now = time.time()
        for application_id in self._known.keys() | seen.keys():
            found = seen.get(application_id)
            if found != self._known.get(application_id):
                sequence, events = found or (None, 0)
                self.samples.append(
                    Sample(at=now, application_id=application_id, sequence=sequence, audited=events)
                )
        self._known = seen


async def stored(database: Database) -> dict[str, Any]:
    """The database's part of the evidence."""
    async with database.session() as session:
        applications = (await session.scalars(select(ApplicationRow))).all()
        audit = (await session.scalars(select(AuditEventRow))).all()
        sheets = (await session.scalars(select(DecisionSheetRow))).all()
        emails = (await session.scalars(select(EmailRow))).all()
        grants = (await session.scalars(select(AccessGrantRow))).all()
    return {
        "rows": tuple(
            Row(
                application_id=row.application_id,
                uid=row.company_master_uid,
                stage=row.stage,
                sequence=row.sequence,
            )
            for row in applications
        ),
        "audit": tuple(
            Audited(
                application_id=row.application_id,
                sequence=row.sequence,
                at=row.at.timestamp(),
                command=row.command,
                verdict=row.verdict,
                command_id=row.command_id,
                error=row.error,
                from_stage=row.from_stage,
                to_stage=row.to_stage,
                details=json.dumps(row.details),
            )
            for row in audit
        ),
        "sheets": tuple(
            SheetRow(application_id=row.application_id, revision=row.revision, hash=row.hash)
            for row in sheets
        ),
        "ledger": tuple(
            LedgerRow(
                application_id=row.application_id,
                key=row.key,
                template=row.template,
                recipient=row.recipient,
                message_id=row.message_id,
                state=row.state,
                position=row.position,
                queued_at=row.queued_at.timestamp(),
            )
            for row in emails
        ),
        "grants": tuple(GrantRow(application_id=row.application_id, uid=row.uid) for row in grants),
    }


def mails(log: Path) -> tuple[Mail, ...]:
    """The mail server's log."""
    return tuple(Mail.model_validate_json(line) for line in log.read_text(encoding="utf-8").splitlines())


async def runs(client: Client, uids: tuple[str, ...]) -> tuple[Run, ...]:
    """What Temporal knows of every applicant's workflow."""
    return tuple([await _run(client, uid) for uid in uids])


async def _run(client: Client, uid: str) -> Run:
    handle = client.get_workflow_handle(workflow_id(uid))
    try:
        described = await handle.describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return Run(uid=uid, application_id="", status="never started")
    run_id: str | None = described.raw_description.workflow_execution_info.first_run_id
    first, stage, received, failures, timeouts, events = run_id or "", None, list[str](), list[str](), 0, 0
    while run_id:
        history = client.get_workflow_handle(handle.id, run_id=run_id).fetch_history_events(
            event_filter_type=WorkflowHistoryEventFilterType.ALL_EVENT
        )
        run_id = None
        async for event in history:
            events += 1
            received += _received(event)
            failures += _failure(event)
            match event.event_type:
                case EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT:
                    timeouts += 1
                case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
                    [payload] = event.workflow_execution_completed_event_attributes.result.payloads
                    stage = str(json.loads(payload.data)["stage"])
                case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
                    continued = event.workflow_execution_continued_as_new_event_attributes
                    run_id = continued.new_execution_run_id
    return Run(
        uid=uid,
        application_id=first,
        status=(described.status or WorkflowExecutionStatus.RUNNING).name.lower(),
        stage=stage,
        received=tuple(received),
        failures=tuple(failures),
        timeouts=timeouts,
        events=events,
    )


def _received(event: HistoryEvent) -> list[str]:
    """The command ID in a signal or an update; of a payload that is no object, the text itself."""
    if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
        payloads = event.workflow_execution_signaled_event_attributes.input.payloads
    elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
        request = event.workflow_execution_update_accepted_event_attributes.accepted_request
        payloads = request.input.args.payloads
    else:
        return []
    found = []
    for payload in payloads:
        value = json.loads(payload.data)
        found.append(str(value["command_id"] if isinstance(value, dict) else value))
    return found


def _failure(event: HistoryEvent) -> list[str]:
    if event.event_type != EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
        return []
    failed = event.workflow_task_failed_event_attributes
    if failed.cause in _HARMLESS_CAUSES:
        return []
    return [f"{WorkflowTaskFailedCause.Name(failed.cause)}: {failed.failure.message}"]


async def all_done(client: Client, database: Database) -> bool:
    """Whether no workflow runs any more and no e-mail of the ledger is under way."""
    try:
        running = await client.count_workflows("ExecutionStatus = 'Running'")
        async with database.session() as session:
            pending = await session.scalar(
                select(func.count()).select_from(EmailRow).where(EmailRow.state == "pending")
            )
    except (RPCError, SQLAlchemyError, OSError):
        return False
    return running.count == 0 and pending == 0
