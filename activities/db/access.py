"""ACPN access kept in the database: stands in for the platform's own service."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, delete, exists, select, text

from activities.acpn_access import Grant, TakenError
from activities.db.engine import Database
from activities.db.tables import AccessGrantRow
from domain.values import Uid

_ONE_AT_A_TIME: Final = "LOCK TABLE access_grants IN SHARE ROW EXCLUSIVE MODE"
"""Readers are not held up."""
_IS_PARTNER: Final = select(exists().where(AccessGrantRow.company_master_uid == bindparam("company")))


class SqlAcpnAccess:
    """An `AcpnAccess` in the database. Outages raise `sqlalchemy.exc.SQLAlchemyError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def give(self, grants: Sequence[Grant]) -> None:
        """Give these accounts access, all or none; given again, the first instant stays.

        Raises:
            TakenError: some have access by another company's application.
        """
        statement = self._database.insert(AccessGrantRow).on_conflict_do_nothing()
        rows = [grant.model_dump() for grant in grants]
        others = (
            select(AccessGrantRow.uid)
            .where(
                AccessGrantRow.uid.in_([grant.uid for grant in grants]),
                AccessGrantRow.company_master_uid != grants[0].company_master_uid,
            )
            .order_by(AccessGrantRow.uid)
        )

        def write(connection: Connection) -> None:
            # Two at once would each find nothing: on SQLite the insert holds the file, on PostgreSQL this.
            if connection.dialect.name == "postgresql":
                connection.execute(text(_ONE_AT_A_TIME))
            connection.execute(statement, rows)
            if taken := connection.scalars(others).all():
                raise TakenError(taken)

        await self._database.write(write)

    async def take_back(
        self, company_master_uid: str, application_id: str, uids: Sequence[Uid] | None = None
    ) -> bool:
        """Close what this application has opened, or only these accounts; whether there was anything."""
        given = delete(AccessGrantRow).where(
            AccessGrantRow.company_master_uid == company_master_uid,
            AccessGrantRow.application_id == application_id,
        )
        if uids is not None:
            given = given.where(AccessGrantRow.uid.in_(uids))
        gone = given.returning(AccessGrantRow.uid)
        return bool(await self._database.write(lambda connection: connection.execute(gone).all()))

    async def is_partner(self, company_master_uid: str) -> bool:
        """Whether an application of this company ended in access."""
        [[found]] = await self._database.rows(_IS_PARTNER, {"company": company_master_uid})
        return bool(found)

    async def grants(self, company_master_uid: str) -> tuple[Grant, ...]:
        """The company's accounts with access, the oldest grant first."""
        query = (
            select(AccessGrantRow.__table__)
            .where(AccessGrantRow.company_master_uid == company_master_uid)
            .order_by(AccessGrantRow.granted_at, AccessGrantRow.uid)
        )
        rows = await self._database.rows(query, {})
        return tuple(Grant.model_validate(row, from_attributes=True) for row in rows)
