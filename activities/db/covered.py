"""Which accounts the applications cover that run or are active, as far as is stored."""

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.db.engine import Database
from activities.db.tables import ApplicationRow, CoveredAccountRow
from domain.state import Application
from domain.values import Uid


class CoveredAccounts:
    """The accounts of all applications. Outages raise `sqlalchemy.exc.SQLAlchemyError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def elsewhere(self, company_master_uid: str, uids: Sequence[Uid]) -> tuple[Uid, ...]:
        """Those of the accounts that an application of another company covers, in their order.

        Rows lag behind the workflows: of two applications that name an account at the same moment each may
        be told that nobody does. `AcpnAccess.give` tells in any case.
        """
        own = select(ApplicationRow.application_id).where(
            ApplicationRow.company_master_uid == company_master_uid
        )
        query = select(CoveredAccountRow.uid).where(
            CoveredAccountRow.uid.in_(uids), CoveredAccountRow.application_id.not_in(own)
        )
        async with self._database.session() as session:
            found = set((await session.scalars(query)).all())
        return tuple(uid for uid in uids if uid in found)


async def keep_covered(database: Database, connection: AsyncConnection, application: Application) -> None:
    """Bring what is stored of an application's accounts to what it covers now."""
    mine = CoveredAccountRow.application_id == application.application_id
    stored = set((await connection.scalars(select(CoveredAccountRow.uid).where(mine))).all())
    covered = set(application.holds_uids)
    if gone := stored - covered:
        await connection.execute(delete(CoveredAccountRow).where(mine, CoveredAccountRow.uid.in_(gone)))
    if fresh := sorted(covered - stored):
        rows = [{"application_id": application.application_id, "uid": uid} for uid in fresh]
        await connection.execute(database.insert(CoveredAccountRow).values(rows))
