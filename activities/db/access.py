"""ACPN access kept in the database: stands in for the platform's own service."""

from collections.abc import Sequence

from sqlalchemy import delete, exists, select

from activities.acpn_access import Grant
from activities.db.engine import Database
from activities.db.tables import AccessGrantRow


class SqlAcpnAccess:
    """An `AcpnAccess` in the database. Outages raise `sqlalchemy.exc.SQLAlchemyError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def give(self, grants: Sequence[Grant]) -> None:
        """Give these accounts access, all or none; given again, the first instant stays."""
        statement = self._database.insert(AccessGrantRow).values([grant.model_dump() for grant in grants])
        await self._database.write(lambda connection: connection.execute(statement.on_conflict_do_nothing()))

    async def take_back(self, company_master_uid: str, application_id: str) -> bool:
        """Close what this application has opened; whether there was anything."""
        given = delete(AccessGrantRow).where(
            AccessGrantRow.company_master_uid == company_master_uid,
            AccessGrantRow.application_id == application_id,
        )
        gone = await self._database.write(
            lambda connection: connection.execute(given.returning(AccessGrantRow.uid))
        )
        return bool(gone.all())

    async def is_partner(self, company_master_uid: str) -> bool:
        """Whether an application of this company ended in access."""
        query = select(exists().where(AccessGrantRow.company_master_uid == company_master_uid))
        async with self._database.session() as session:
            return bool(await session.scalar(query))

    async def grants(self, company_master_uid: str) -> tuple[Grant, ...]:
        """The company's accounts with access, the oldest grant first."""
        query = (
            select(AccessGrantRow)
            .where(AccessGrantRow.company_master_uid == company_master_uid)
            .order_by(AccessGrantRow.granted_at, AccessGrantRow.uid)
        )
        async with self._database.session() as session:
            rows = (await session.scalars(query)).all()
        return tuple(Grant.model_validate(row, from_attributes=True) for row in rows)
