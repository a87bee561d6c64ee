"""Gathers the records the oracle compares: the database, meanwhile and in the end, and the mail log."""

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from temporalio.client import Client
from temporalio.service import RPCError

from activities.db.applications import ApplicationRecords, StoredApplication
from activities.db.email_ledger import LedgerState
from activities.db.engine import AnyRow, Database
from activities.db.tables import (
    AccessGrantRow,
    ApplicationRow,
    AuditEventRow,
    AuditHeadRow,
    DecisionSheetRow,
    EmailRow,
    FormRow,
)
from bench.chaos.evidence import (
    Audited,
    DocumentRow,
    GrantRow,
    LedgerRow,
    Mail,
    Reading,
    Row,
    Sample,
    Trail,
)
from domain.chain import ChainedEvent, broken_at

SAMPLE_EVERY: Final = 0.25


class Sampler:
    """Looks at the read model all the time: a row that goes backwards is seen, and an event that changes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, tuple[int, int]] = {}
        self._read_through: dict[str, int] = {}
        self.samples: Final[list[Sample]] = []
        self.readings: Final[list[Reading]] = []

    async def run(self) -> None:
        """Sample until cancelled; while the database is down there is nothing to see."""
        while True:
            with suppress(SQLAlchemyError, OSError):
                await self.look()
            await asyncio.sleep(SAMPLE_EVERY)

    async def look(self) -> None:
        """Note what has changed since the last look.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database is down.
        """
        if changed := self._note(await self._counts()):
            await self._read(changed)

    async def _counts(self) -> dict[str, tuple[int, int]]:
        counted = (
            select(AuditEventRow.application_id, func.count().label("events"))
            .group_by(AuditEventRow.application_id)
            .subquery()
        )
        query = select(ApplicationRow.application_id, ApplicationRow.sequence, counted.c.events).outerjoin(
            counted, counted.c.application_id == ApplicationRow.application_id
        )
        return {row[0]: (row[1], row[2] or 0) for row in await self._database.rows(query, {})}

    def _note(self, seen: dict[str, tuple[int, int]]) -> list[str]:
        now = time.time()
        changed = []
        for application_id in self._known.keys() | seen.keys():
            found = seen.get(application_id)
            if found != self._known.get(application_id):
                changed.append(application_id)
                sequence, events = found or (None, 0)
                self.samples.append(
                    Sample(at=now, application_id=application_id, sequence=sequence, audited=events)
                )
        self._known = seen
        return changed

    async def _read(self, changed: list[str]) -> None:
        """Read the events that are new of these applications."""
        query = (
            select(AuditEventRow.application_id, AuditEventRow.sequence, AuditEventRow.hash)
            .where(AuditEventRow.application_id.in_(changed))
            .order_by(AuditEventRow.application_id, AuditEventRow.sequence)
        )
        for application_id, sequence, link in await self._database.rows(query, {}):
            if sequence > self._read_through.get(application_id, 0):
                self._read_through[application_id] = sequence
                self.readings.append(Reading(application_id=application_id, sequence=sequence, hash=link))


async def stored(database: Database, uids: Sequence[str]) -> dict[str, Any]:
    """The database's part of the evidence; of these applicants what readers are shown."""
    tables = AuditHeadRow, FormRow, DecisionSheetRow, EmailRow, AccessGrantRow
    heads, forms, sheets, emails, grants = await database.read(
        lambda connection: [connection.execute(select(table.__table__)).all() for table in tables]
    )
    records = ApplicationRecords(database)
    trails = [(head, await records.trail(head.application_id)) for head in heads]
    return {
        "rows": tuple([_row(shown) for uid in uids for shown in await records.applications_of(uid)]),
        "audit": tuple(_audited(head.application_id, stored) for head, trail in trails for stored in trail),
        "trails": tuple(
            Trail(
                application_id=head.application_id,
                broken_at=broken_at(head.application_id, trail),
                head_sequence=head.sequence,
                head_hash=head.hash,
            )
            for head, trail in trails
        ),
        "forms": tuple(map(_document, forms)),
        "sheets": tuple(map(_document, sheets)),
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


def _row(shown: StoredApplication) -> Row:
    return Row(
        application_id=shown.application_id,
        uid=shown.company_master_uid,
        stage=shown.stage,
        sequence=shown.sequence,
        pending_emails=shown.status.pending_emails,
        refusals=tuple(refusal.command_id for refusal in shown.status.last_refusals),
    )


def _audited(application_id: str, stored: ChainedEvent) -> Audited:
    event = stored.event
    return Audited(
        application_id=application_id,
        sequence=event.sequence,
        at=event.at.timestamp(),
        command=event.command,
        verdict=event.verdict,
        command_id=event.command_id,
        error=event.error,
        from_stage=event.from_stage,
        to_stage=event.to_stage,
        details=json.dumps(event.details),
        hash=stored.link.hash,
    )


def _document(row: AnyRow) -> DocumentRow:
    return DocumentRow(
        application_id=row.application_id,
        revision=row.revision,
        sequence=row.sequence or 0,
        void=row.void,
    )


def mails(log: Path) -> tuple[Mail, ...]:
    """The mail server's log."""
    return tuple(Mail.model_validate_json(line) for line in log.read_text(encoding="utf-8").splitlines())


async def all_done(client: Client, database: Database) -> bool:
    """Whether no workflow runs any more and no e-mail of the ledger is under way."""
    try:
        running = await client.count_workflows("ExecutionStatus = 'Running'")
        waiting = select(func.count()).select_from(EmailRow).where(EmailRow.state == LedgerState.PENDING)
        [[pending]] = await database.rows(waiting, {})
    except (RPCError, SQLAlchemyError, OSError):
        return False
    return running.count == 0 and pending == 0
