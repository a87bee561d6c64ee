"""The one write path of an application: its audit trail, with all that an event brings, in one transaction.

Events are only ever added: one that was readable stays. Every writer names the generation it writes for, so
that what comes late from a run that Temporal's Reset has ended is not written.
"""

import secrets
from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Integer, bindparam, func, select, update
from sqlalchemy.sql.dml import ReturningInsert

from activities.db.covered import holds_by, keep_covered
from activities.db.documents import Brought, restored
from activities.db.email_ledger import LedgerState
from activities.db.engine import Database, Insert
from activities.db.resets import turned_back
from activities.db.rows import application_values, email_values, event_values
from activities.db.storable import storable
from activities.db.tables import (
    ApplicationRow,
    AuditEventRow,
    AuditHeadRow,
    DecisionSheetRow,
    EmailRow,
    FormRow,
)
from domain.audit import AuditEvent, Verdict
from domain.chain import chained
from domain.contract import SYSTEM, Stage
from domain.decisions import run_ended
from domain.documents import sheet_hash
from domain.inquiry import Head
from domain.notices import NOTICE_ADAPTER, AnyNotice
from domain.publication import Entry, Lineage, Publication, TakeUp, stored_state
from domain.state import Application
from domain.values import Instant

T = TypeVar("T")
_SALT_BYTES: Final = 16
RUN_ENDED: Final = "run_ended"
"""The event that ends an application whose run Temporal has ended without an outcome."""
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
        written, _ = await self.publish_and_read(publication, lambda _connection: None)
        return written

    async def publish_and_read(
        self, publication: Publication, read: Callable[[Connection], T]
    ) -> tuple[Written, T | None]:
        """As `publish`; and once it is stored, read something in the same transaction."""

        def work(connection: Connection) -> tuple[Written, T | None]:
            written = self._publish(connection, publication)
            return written, read(connection) if written is Written.STORED else None

        try:
            return await self._database.write(work)
        except _SupersededError:
            return Written.SUPERSEDED, None

    def _publish(self, connection: Connection, publication: Publication) -> Written:
        entries = [entry.model_copy(update={"event": storable(entry.event)}) for entry in publication.entries]
        head = self._locked_head(connection, publication.lineage, takes_over=publication.takes_over)
        if head is None or not self._follows(connection, publication.lineage, entries, head):
            raise _SupersededError
        fresh = [entry for entry in entries if entry.event.sequence > head.sequence]
        if not fresh:
            return Written.STORED
        before, position = (
            connection.execute(_STORED, {"application": publication.lineage.application_id})
        ).one()
        if publication.since is not None and (before is None or head.sequence != publication.since):
            return Written.BEHIND
        state = publication.changes if publication.since is None else before | publication.changes
        self._add_events(connection, publication.lineage.application_id, fresh, head)
        brought = self._add_documents(connection, publication.lineage.application_id, fresh)
        application = restored(connection, state, brought)
        self._queue_emails(connection, application, fresh, position)
        if "form" in brought or not before or holds_by(before) != holds_by(state):
            keep_covered(self._database, connection, application)
        connection.execute(
            _state_kept(self._database.insert(ApplicationRow)), application_values(application, state, fresh)
        )
        return Written.STORED

    async def head(self, application_id: str) -> Head:
        """Where the stored trail ends."""
        for row in await self._database.rows(_HEAD, {"application": application_id}):
            return Head(generation=row.generation, sequence=row.sequence, hash=row.hash)
        return Head()

    async def take_up(self, request: TakeUp) -> Head:
        """Begin a new generation after a reset: who wrote before writes no more.

        E-mails of events that no longer count never leave; forms and sheets of such events are void. Asked
        again, as when the answer got lost, it tells the same of another generation.
        """
        return await self._database.write(lambda connection: self._take_up(connection, request))

    def _take_up(self, connection: Connection, request: TakeUp) -> Head:
        return turned_back(connection, request, self._next_generation(connection, request.application_id))

    async def close(self, application_id: str, how: str, at: Instant) -> Stage | None:
        """Put on record that Temporal has ended the run of an application without an outcome: what is stored
        of it ends as cancelled, its e-mails that wait never leave. Its run writes no more.

        Returns the stage it was in; ``None`` if it has ended already, as when asked again.
        """
        return await self._database.write(lambda connection: self._close(connection, application_id, how, at))

    def _close(self, connection: Connection, application_id: str, how: str, at: Instant) -> Stage | None:
        head = self._next_generation(connection, application_id)
        query = select(ApplicationRow.state).where(ApplicationRow.application_id == application_id)
        stored = connection.execute(query).scalar_one_or_none()
        if stored is None or (before := restored(connection, stored)).ended:
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
        self._publish(
            connection,
            Publication(
                lineage=Lineage(application_id=application_id, generation=head.generation),
                changes=stored_state(ended),
                entries=(Entry(event=event),),
            ),
        )
        waiting = EmailRow.application_id == application_id, EmailRow.state == LedgerState.PENDING
        withdrawn = update(EmailRow).where(*waiting)
        connection.execute(withdrawn.values(state=LedgerState.WITHDRAWN, reason=event.message))
        return before.stage

    def _next_generation(self, connection: Connection, application_id: str) -> Head:
        """The head, held until the transaction ends, of a generation nobody writes for yet."""
        self._ensure_head(connection, application_id)
        raised = (
            update(AuditHeadRow)
            .where(AuditHeadRow.application_id == application_id)
            .values(generation=AuditHeadRow.generation + 1)
            .returning(AuditHeadRow.generation, AuditHeadRow.sequence, AuditHeadRow.hash)
        )
        generation, sequence, newest = connection.execute(raised).one()
        return Head(generation=generation, sequence=sequence, hash=newest)

    def _ensure_head(self, connection: Connection, application_id: str) -> None:
        connection.execute(
            self._database.insert(AuditHeadRow).on_conflict_do_nothing(), _new_head(application_id)
        )

    def _locked_head(self, connection: Connection, lineage: Lineage, *, takes_over: bool) -> Head | None:
        """The head, held until the transaction ends; ``None`` for a writer of an older generation.

        Who takes over raises the generation to his own.
        """
        older = lineage.generation - takes_over
        # An update holds the row on PostgreSQL, and the whole file on SQLite.
        if older > 0:
            values = {"application": lineage.application_id, "older": older, "own": lineage.generation}
            row = connection.execute(_HELD, values).one_or_none()
        else:
            statement = _held_or_made(self._database.insert(AuditHeadRow))
            new = _new_head(lineage.application_id, lineage.generation)
            row = connection.execute(statement, new | {"older": older}).one_or_none()
        return row and Head(generation=lineage.generation, sequence=row.sequence, hash=row.hash)

    def _follows(self, connection: Connection, lineage: Lineage, entries: list[Entry], head: Head) -> bool:
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
        row = connection.execute(query).one_or_none()
        return row is None or (row.command, row.at) == (event.command, event.at)

    def _add_events(
        self, connection: Connection, application_id: str, entries: list[Entry], head: Head
    ) -> None:
        previous, rows = head.hash, []
        for entry in entries:
            link = chained(entry.event, application_id, previous, secrets.token_hex(_SALT_BYTES))
            rows.append(event_values(application_id, entry.event, link))
            previous = link.hash
        connection.execute(self._database.insert(AuditEventRow), rows)
        moved = {"application": application_id, "newest": entries[-1].event.sequence, "newest_hash": previous}
        connection.execute(_MOVED, moved)

    def _add_documents(self, connection: Connection, application_id: str, entries: list[Entry]) -> Brought:
        """Store the documents, and return the newest of each kind."""
        newest: Brought = {}
        for entry in entries:
            event = entry.event
            brought = {"application_id": application_id, "sequence": event.sequence, "void": False}
            if entry.form:
                newest["form"] = brought | {
                    "revision": event.form_revision,
                    "content": entry.form.model_dump(mode="json"),
                    "submitted_at": event.at,
                }
                connection.execute(self._database.insert(FormRow), newest["form"])
            if entry.sheet:
                newest["sheet"] = brought | {
                    "revision": event.sheet_revision,
                    "hash": sheet_hash(entry.sheet),
                    "content": entry.sheet.model_dump(mode="json"),
                    "issued_at": event.at,
                    "replaces": entry.sheet_replaces,
                }
                connection.execute(self._database.insert(DecisionSheetRow), newest["sheet"])
        return newest

    def _queue_emails(
        self, connection: Connection, application: Application, entries: list[Entry], position: int
    ) -> None:
        """``position``: that of the last e-mail there is."""
        rows = []
        for entry in entries:
            notices = [(notice, notice.addressee) for notice in entry.notices]
            if entry.resend:
                again = self._notice(connection, application.application_id, entry.resend)
                # Where it did not arrive, another may be in charge by now.
                notices += [(notice, notice.addressee if notice.farewell else None) for notice in again]
            for notice, addressee in notices:
                position += 1
                rows.append(email_values(application, entry.event, notice, addressee, position))
        if rows:
            connection.execute(self._database.insert(EmailRow), rows)

    def _notice(self, connection: Connection, application_id: str, key: str) -> list[AnyNotice]:
        """What the e-mail with this key said; nothing where the ledger has no such notice."""
        query = select(EmailRow.notice).where(EmailRow.application_id == application_id, EmailRow.key == key)
        stored = connection.execute(query).scalar_one_or_none()
        return [NOTICE_ADAPTER.validate_python(stored["notice"])] if stored else []


def _new_head(application_id: str, generation: int = 0) -> dict[str, Any]:
    return {"application_id": application_id, "generation": generation, "sequence": 0, "hash": None}


_HEAD: Final = select(AuditHeadRow.generation, AuditHeadRow.sequence, AuditHeadRow.hash).where(
    AuditHeadRow.application_id == bindparam("application")
)
_STORED: Final = select(
    select(ApplicationRow.state)
    .where(ApplicationRow.application_id == bindparam("application"))
    .scalar_subquery(),
    select(func.coalesce(func.max(EmailRow.position), 0))
    .where(EmailRow.application_id == bindparam("application"))
    .scalar_subquery(),
)
_HELD: Final = (
    update(AuditHeadRow)
    .where(
        AuditHeadRow.application_id == bindparam("application"),
        AuditHeadRow.generation.in_((bindparam("older"), bindparam("own"))),
    )
    .values(generation=bindparam("own"))
    .returning(AuditHeadRow.sequence, AuditHeadRow.hash)
)
_MOVED: Final = (
    update(AuditHeadRow)
    .where(AuditHeadRow.application_id == bindparam("application"))
    .values(sequence=bindparam("newest"), hash=bindparam("newest_hash"))
)


@cache
def _held_or_made(insert: Insert) -> ReturningInsert[int, str | None]:
    own = insert.excluded.generation
    return insert.on_conflict_do_update(
        index_elements=["application_id"],
        set_={"generation": own},
        where=AuditHeadRow.generation.in_((bindparam("older", type_=Integer), own)),
    ).returning(AuditHeadRow.sequence, AuditHeadRow.hash)


@cache
def _state_kept(insert: Insert) -> Insert:
    changed = {column.name: column for column in insert.excluded if column.name not in _FIXED}
    return insert.on_conflict_do_update(index_elements=["application_id"], set_=changed)
