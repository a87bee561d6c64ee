"""The one write path of an application: its audit trail, with all that an event brings, in one transaction.

Events are only ever added: one that was readable stays. Every writer names the generation it writes for, so
that what comes late from a run that Temporal's Reset has ended is not written.
"""

import secrets
from enum import Enum
from typing import Any, Final

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.db.covered import keep_covered
from activities.db.documents import restored
from activities.db.email_ledger import LedgerState
from activities.db.engine import Database
from activities.db.queued import QueuedNotice
from activities.db.resets import turned_back
from activities.db.storable import storable
from activities.db.tables import (
    ApplicationRow,
    AuditEventRow,
    AuditHeadRow,
    DecisionSheetRow,
    EmailRow,
    FormRow,
)
from domain.audiences import audience_of
from domain.audit import AuditEvent, Verdict
from domain.chain import Link, chained
from domain.contract import SYSTEM, Locale, Person, Stage, workflow_id
from domain.decisions import run_ended
from domain.documents import sheet_hash
from domain.inquiry import Head
from domain.lifecycle import STAGES
from domain.notice import Audience, key_of
from domain.notices import NOTICE_ADAPTER, AnyNotice
from domain.publication import Entry, Lineage, Publication, TakeUp, stored_state
from domain.state import Application
from domain.values import Instant
from domain.view import describe

_SALT_BYTES: Final = 16
RUN_ENDED: Final = "run_ended"
"""The event that ends an application whose run Temporal has ended without an outcome."""
BD_LOCALE: Final[Locale] = "en"
"""The language of mails to a BD or lead who has named none."""
_FIXED: Final = frozenset({"application_id", "created_at"})


class _SupersededError(Exception):
    """Rolls back."""


class Written(Enum):
    """What became of a publication: stored; not, as the writer's application was reset; or not, as rows are
    missing."""

    STORED = "stored"
    SUPERSEDED = "superseded"
    BEHIND = "behind"


class AuditTrail:
    """The trails of all applications. Every method raises `sqlalchemy.exc.SQLAlchemyError` on an outage."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def publish(self, publication: Publication) -> Written:
        """Store the entries that are not stored yet, and the state they led to.

        Publishing again changes nothing.
        """
        try:
            return await self._database.write(lambda connection: self._publish(connection, publication))
        except _SupersededError:
            return Written.SUPERSEDED

    async def _publish(self, connection: AsyncConnection, publication: Publication) -> Written:
        entries = [entry.model_copy(update={"event": storable(entry.event)}) for entry in publication.entries]
        head = await self._locked_head(connection, publication.lineage, takes_over=publication.takes_over)
        if head is None or not await self._follows(connection, publication.lineage, entries, head):
            raise _SupersededError
        fresh = [entry for entry in entries if entry.event.sequence > head.sequence]
        if not fresh:
            return Written.STORED
        state = await self._changed(connection, publication, head)
        if state is None:
            return Written.BEHIND
        await self._add_events(connection, publication.lineage.application_id, fresh, head)
        await self._add_documents(connection, publication.lineage.application_id, fresh)
        application = await restored(connection, state)
        await self._queue_emails(connection, application, fresh)
        await self._store_state(connection, application, state, fresh)
        return Written.STORED

    async def head(self, application_id: str) -> Head:
        """Where the stored trail ends."""
        query = select(AuditHeadRow).where(AuditHeadRow.application_id == application_id)
        async with self._database.session() as session:
            row = await session.scalar(query)
        return (
            Head() if row is None else Head(generation=row.generation, sequence=row.sequence, hash=row.hash)
        )

    async def take_up(self, request: TakeUp) -> Head:
        """Begin a new generation after a reset: who wrote before writes no more.

        E-mails of events that no longer count never leave; forms and sheets of such events are void. Asked
        again, as when the answer got lost, it tells the same of another generation.
        """
        return await self._database.write(lambda connection: self._take_up(connection, request))

    async def _take_up(self, connection: AsyncConnection, request: TakeUp) -> Head:
        return await turned_back(
            connection, request, await self._next_generation(connection, request.application_id)
        )

    async def close(self, application_id: str, how: str, at: Instant) -> Stage | None:
        """Put on record that Temporal has ended the run of an application without an outcome: what is stored
        of it ends as cancelled, its e-mails that wait never leave. Its run writes no more.

        Returns the stage it was in; ``None`` if it has ended already, as when asked again.
        """
        return await self._database.write(lambda connection: self._close(connection, application_id, how, at))

    async def _close(
        self, connection: AsyncConnection, application_id: str, how: str, at: Instant
    ) -> Stage | None:
        head = await self._next_generation(connection, application_id)
        query = select(ApplicationRow.state).where(ApplicationRow.application_id == application_id)
        stored = (await connection.execute(query)).scalar_one_or_none()
        if stored is None or (before := await restored(connection, stored)).ended:
            return None
        ended = run_ended(before, how)
        event = AuditEvent(
            sequence=head.sequence + 1,
            at=at,
            command=RUN_ENDED,
            verdict=Verdict.ACCEPTED,
            actor=SYSTEM,
            from_stage=before.stage,
            to_stage=ended.stage,
            message=ended.closing.reason if ended.closing else None,
        )
        await self._publish(
            connection,
            Publication(
                lineage=Lineage(application_id=application_id, generation=head.generation),
                changes=stored_state(ended),
                entries=(Entry(event=event),),
            ),
        )
        waiting = EmailRow.application_id == application_id, EmailRow.state == LedgerState.PENDING
        withdrawn = update(EmailRow).where(*waiting)
        await connection.execute(withdrawn.values(state=LedgerState.WITHDRAWN, reason=event.message))
        return before.stage

    async def _next_generation(self, connection: AsyncConnection, application_id: str) -> Head:
        """The head, held until the transaction ends, of a generation nobody writes for yet."""
        await self._ensure_head(connection, application_id)
        raised = (
            update(AuditHeadRow)
            .where(AuditHeadRow.application_id == application_id)
            .values(generation=AuditHeadRow.generation + 1)
            .returning(AuditHeadRow.generation, AuditHeadRow.sequence, AuditHeadRow.hash)
        )
        generation, sequence, newest = (await connection.execute(raised)).one()
        return Head(generation=generation, sequence=sequence, hash=newest)

    async def _ensure_head(self, connection: AsyncConnection, application_id: str) -> None:
        row = self._database.insert(AuditHeadRow).values(
            application_id=application_id, generation=0, sequence=0, hash=None
        )
        await connection.execute(row.on_conflict_do_nothing())

    async def _locked_head(
        self, connection: AsyncConnection, lineage: Lineage, *, takes_over: bool
    ) -> Head | None:
        """The head, held until the transaction ends; ``None`` for a writer of an older generation.

        Who takes over raises the generation to his own.
        """
        await self._ensure_head(connection, lineage.application_id)
        # An update holds the row on PostgreSQL, and the whole file on SQLite.
        held = (
            update(AuditHeadRow)
            .where(
                AuditHeadRow.application_id == lineage.application_id,
                AuditHeadRow.generation.in_((lineage.generation - takes_over, lineage.generation)),
            )
            .values(generation=lineage.generation)
            .returning(AuditHeadRow.sequence, AuditHeadRow.hash)
        )
        row = (await connection.execute(held)).one_or_none()
        return row and Head(generation=lineage.generation, sequence=row.sequence, hash=row.hash)

    async def _follows(
        self, connection: AsyncConnection, lineage: Lineage, entries: list[Entry], head: Head
    ) -> bool:
        """Whether what is stored of these entries' numbers are these entries.

        They are not where a reset went unnoticed: the run stands at numbers that another past of it has used.
        """
        stored = [entry.event for entry in entries if entry.event.sequence <= head.sequence]
        if not stored:
            return True
        event = stored[-1]
        query = select(AuditEventRow.command, AuditEventRow.at).where(
            AuditEventRow.application_id == lineage.application_id,
            AuditEventRow.sequence == event.sequence,
        )
        row = (await connection.execute(query)).one_or_none()
        return row is None or (row.command, row.at) == (event.command, event.at)

    async def _add_events(
        self, connection: AsyncConnection, application_id: str, entries: list[Entry], head: Head
    ) -> None:
        previous, rows = head.hash, []
        for entry in entries:
            link = chained(entry.event, application_id, previous, secrets.token_hex(_SALT_BYTES))
            rows.append(_event_values(application_id, entry.event, link))
            previous = link.hash
        await connection.execute(self._database.insert(AuditEventRow).values(rows))
        moved = update(AuditHeadRow).where(AuditHeadRow.application_id == application_id)
        await connection.execute(moved.values(sequence=entries[-1].event.sequence, hash=previous))

    async def _add_documents(
        self, connection: AsyncConnection, application_id: str, entries: list[Entry]
    ) -> None:
        for entry in entries:
            event = entry.event
            brought = {"application_id": application_id, "sequence": event.sequence, "void": False}
            if entry.form:
                form = brought | {
                    "revision": event.form_revision,
                    "content": entry.form.model_dump(mode="json"),
                    "submitted_at": event.at,
                }
                await connection.execute(self._database.insert(FormRow).values(form))
            if entry.sheet:
                sheet = brought | {
                    "revision": event.sheet_revision,
                    "hash": sheet_hash(entry.sheet),
                    "content": entry.sheet.model_dump(mode="json"),
                    "issued_at": event.at,
                    "replaces": entry.sheet_replaces,
                }
                await connection.execute(self._database.insert(DecisionSheetRow).values(sheet))

    async def _changed(
        self, connection: AsyncConnection, publication: Publication, head: Head
    ) -> dict[str, Any] | None:
        """The state with the changes; ``None`` where what they start from is not what is stored."""
        state: dict[str, Any] = {}
        application_id = publication.lineage.application_id
        if publication.since is not None:
            query = select(ApplicationRow.state).where(ApplicationRow.application_id == application_id)
            stored = (await connection.execute(query)).scalar_one_or_none()
            if stored is None or head.sequence != publication.since:
                return None
            state = stored
        return state | publication.changes

    async def _queue_emails(
        self, connection: AsyncConnection, application: Application, entries: list[Entry]
    ) -> None:
        if not any(entry.notices or entry.resend for entry in entries):
            return
        mine = EmailRow.application_id == application.application_id
        newest = select(func.coalesce(func.max(EmailRow.position), 0)).where(mine)
        position = (await connection.execute(newest)).scalar_one()
        rows = []
        for entry in entries:
            notices = [(notice, notice.addressee) for notice in entry.notices]
            if entry.resend:
                again = await self._notice(connection, application.application_id, entry.resend)
                # Where it did not arrive, another may be in charge by now.
                notices += [(notice, notice.addressee if notice.farewell else None) for notice in again]
            for notice, addressee in notices:
                position += 1
                rows.append(_email_values(application, entry.event, notice, addressee, position))
        if rows:
            await connection.execute(self._database.insert(EmailRow).values(rows))

    async def _notice(self, connection: AsyncConnection, application_id: str, key: str) -> list[AnyNotice]:
        """What the e-mail with this key said; nothing where the ledger has no such notice."""
        query = select(EmailRow.notice).where(EmailRow.application_id == application_id, EmailRow.key == key)
        stored = (await connection.execute(query)).scalar_one_or_none()
        return [NOTICE_ADAPTER.validate_python(stored["notice"])] if stored else []

    async def _store_state(
        self,
        connection: AsyncConnection,
        application: Application,
        state: dict[str, Any],
        entries: list[Entry],
    ) -> None:
        row = _application_values(application, state, entries)
        await keep_covered(self._database, connection, application)
        insert = self._database.insert(ApplicationRow).values(row)
        changed = {name: insert.excluded[name] for name in row.keys() - _FIXED}
        await connection.execute(
            insert.on_conflict_do_update(index_elements=["application_id"], set_=changed)
        )


def _event_values(application_id: str, event: AuditEvent, link: Link) -> dict[str, Any]:
    values = {name: getattr(event, name) for name in AuditEvent.model_fields}
    return values | {
        "application_id": application_id,
        "actor": event.actor and event.actor.model_dump(mode="json"),
        "via": event.via and event.via.model_dump(mode="json"),
        "previous_hash": link.previous,
        "salt": link.salt,
        "commitment": link.commitment,
        "hash": link.hash,
    }


def _email_values(
    application: Application, event: AuditEvent, notice: AnyNotice, addressee: Person | None, position: int
) -> dict[str, Any]:
    audience = audience_of(notice.template)
    to = addressee or _recipient(audience, application)
    queued = QueuedNotice(
        to=to,
        bd=application.bd,
        company_master_uid=application.company_master_uid,
        company_name=application.company_name,
        status_text=STAGES[event.to_stage].status_text,
        time_zone=application.policy.time_zone,
        notice=notice,
    )
    return {
        "application_id": application.application_id,
        "key": key_of(event.sequence, notice),
        "position": position,
        "template": notice.template,
        "locale": application.locale if audience is Audience.PARTNER else to.locale or BD_LOCALE,
        "recipient": to.email,
        "subject": "",
        "message_id": "",
        "state": LedgerState.PENDING,
        "attempts": 0,
        "deferrals": 0,
        "queued_at": event.at,
        "sequence": event.sequence,
        "notice": queued.model_dump(mode="json"),
    }


def _recipient(audience: Audience, application: Application) -> Person:
    return {
        Audience.PARTNER: application.recipient,
        Audience.BD: application.bd,
        Audience.BD_LEAD: application.bd_lead,
    }[audience]


def _application_values(
    application: Application, state: dict[str, Any], entries: list[Entry]
) -> dict[str, Any]:
    newest = entries[-1].event
    status = describe(application, sequence=newest.sequence)
    return {
        "application_id": application.application_id,
        "workflow_id": workflow_id(application.company_master_uid),
        "company_master_uid": application.company_master_uid,
        "company_name": application.company_name,
        "stage": status.stage,
        "waiting_on": status.waiting_on,
        "due_at": status.due_at,
        "overdue": status.overdue,
        "sequence": newest.sequence,
        "status": status.without_documents().model_dump(mode="json"),
        "state": state,
        "created_at": entries[0].event.at,
        "updated_at": newest.at,
    }
