"""Signatures that providers report: each delivery stored once, and each signature until it is carried to its
application."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, select, update

from activities.db.engine import AnyRow, Database
from activities.db.tables import ApplicationRow, SignatureDeliveryRow, SignatureRow
from domain.contract import ErrorType, Party, SigningPath, Stage
from domain.signatures import Provider, ReceivedSignature, Terms
from domain.status import Signing
from domain.values import Contract, Instant

_PAGE: Final = 200


class SignatureState(StrEnum):
    """What became of a signature; all but the first are final.

    ``no_op``: the party had signed these terms already.
    """

    WAITING = "waiting"
    ACCEPTED = "accepted"
    NO_OP = "no_op"
    REFUSED = "refused"


class StoredSignature(Contract):
    """A signature as it is stored. ``error`` and ``message``: why it was refused."""

    command_id: str
    signature: ReceivedSignature
    received_at: Instant
    state: SignatureState
    error: ErrorType | None = None
    message: str | None = None


class Signable(Contract):
    """The application a signature is for, as it is stored; its run may be further."""

    company_master_uid: str
    stage: Stage
    signing: Signing


class ToBeSigned(Contract):
    """Terms whose document is open here, and who has not signed it."""

    terms: Terms
    unsigned: tuple[Party, ...]


class SignatureStore:
    """The deliveries and signatures of all providers. Every method raises `sqlalchemy.exc.SQLAlchemyError` on
    an outage."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(
        self,
        signatures: Sequence[ReceivedSignature],
        at: datetime,
        *,
        delivery: tuple[Provider, str, str, str] | None = None,
    ) -> tuple[str, ...]:
        """Store these, and the ``delivery`` they came by (provider, event, SHA-256 of its body, what was in
        it); what is stored already stays as it is. The command IDs of those that wait to be carried out."""
        ids = [each.command_id for each in signatures]

        def write(connection: Connection) -> tuple[str, ...]:
            if delivery:
                provider, event, body_hash, state = delivery
                values = {"provider": provider, "event": event, "body_hash": body_hash}
                connection.execute(
                    self._database.insert(SignatureDeliveryRow).on_conflict_do_nothing(),
                    [values | {"received_at": at, "state": state}],
                )
            if not signatures:
                return ()
            rows = [
                {
                    "command_id": each.command_id,
                    "application_id": each.terms.application_id,
                    "content": each.model_dump(mode="json", exclude_none=True),
                    "received_at": at,
                    "state": SignatureState.WAITING,
                }
                # Two deliveries with the same signatures must not wait for each other's rows crosswise.
                for each in sorted(signatures, key=lambda one: one.command_id)
            ]
            connection.execute(self._database.insert(SignatureRow).on_conflict_do_nothing(), rows)
            found = select(SignatureRow.command_id).where(
                SignatureRow.command_id.in_(ids), SignatureRow.state == SignatureState.WAITING
            )
            return tuple(connection.scalars(found).all())

        return await self._database.write(write)

    async def signature(self, command_id: str) -> StoredSignature | None:
        """One of them."""
        query = select(SignatureRow.__table__).where(SignatureRow.command_id == command_id)
        return next(map(_stored, await self._database.rows(query, {})), None)

    async def of(self, application_id: str) -> tuple[StoredSignature, ...]:
        """Those reported for an application, in the order they came."""
        query = (
            select(SignatureRow.__table__)
            .where(SignatureRow.application_id == application_id)
            .order_by(SignatureRow.received_at, SignatureRow.command_id)
        )
        return tuple(map(_stored, await self._database.rows(query, {})))

    async def waiting(self, before: datetime) -> tuple[str, ...]:
        """The command IDs of signatures that came before this time and were not carried out, the oldest
        first."""
        query = (
            select(SignatureRow.command_id)
            .where(SignatureRow.state == SignatureState.WAITING, SignatureRow.received_at < before)
            .order_by(SignatureRow.received_at)
        )
        return tuple(row.command_id for row in await self._database.rows(query, {}))

    async def settle(
        self,
        command_id: str,
        state: SignatureState,
        at: datetime,
        *,
        error: ErrorType | None = None,
        message: str | None = None,
    ) -> None:
        """Record what became of a signature; what is recorded already stays."""
        statement = (
            update(SignatureRow)
            .where(SignatureRow.command_id == command_id, SignatureRow.state == SignatureState.WAITING)
            .values(state=state, settled_at=at, error=error, message=message)
        )
        await self._database.write(lambda connection: connection.execute(statement))

    async def application(self, application_id: str) -> Signable | None:
        """The application of this ID, as far as is stored."""
        query = select(ApplicationRow.company_master_uid, ApplicationRow.stage, ApplicationRow.state).where(
            ApplicationRow.application_id == application_id, ApplicationRow.state.is_not(None)
        )
        rows = await self._database.rows(query, {})
        if not rows:
            return None
        [row] = rows
        return Signable(
            company_master_uid=row.company_master_uid,
            stage=Stage(row.stage),
            signing=Signing.model_validate((row.state or {}).get("signing") or {}),
        )

    async def to_be_signed(self) -> AsyncIterator[ToBeSigned]:
        """What is open here, to be signed by electronic signature; read in pages, so it may change
        meanwhile."""
        last = ""
        while True:
            query = (
                select(ApplicationRow.application_id, ApplicationRow.state)
                .where(
                    ApplicationRow.stage == Stage.AWAITING_SIGNATURES,
                    ApplicationRow.state.is_not(None),
                    ApplicationRow.application_id > last,
                )
                .order_by(ApplicationRow.application_id)
                .limit(_PAGE)
            )
            rows = await self._database.rows(query, {})
            for row in rows:
                if found := _to_be_signed(row.application_id, row.state or {}):
                    yield found
            if len(rows) < _PAGE:
                return
            last = rows[-1].application_id


def _to_be_signed(application_id: str, state: dict[str, object]) -> ToBeSigned | None:
    signing = Signing.model_validate(state.get("signing") or {})
    sheet = state.get("sheet")
    if not isinstance(sheet, dict) or signing.path is SigningPath.OFFLINE_PAPER:
        return None
    return ToBeSigned(
        terms=Terms(
            application_id=application_id, sheet_revision=sheet["revision"], sheet_hash=sheet["hash"]
        ),
        unsigned=tuple(party for party in Party if signing.by(party) is None),
    )


def _stored(row: AnyRow) -> StoredSignature:
    return StoredSignature(
        command_id=row.command_id,
        signature=ReceivedSignature.model_validate(row.content),
        received_at=row.received_at,
        state=SignatureState(row.state),
        error=None if row.error is None else ErrorType(row.error),
        message=row.message,
    )
