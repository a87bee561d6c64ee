"""Which accounts the applications cover that run or are active, as far as is stored."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, func, not_, select

from activities.db.engine import Database
from activities.db.tables import ApplicationRow, CoveredAccountRow, FormRow
from domain.contract import Stage
from domain.inquiry import Covering
from domain.state import OUTCOMES, Application
from domain.values import Uid

_OWN: Final = ApplicationRow.company_master_uid == bindparam("company")
_BY: Final = (
    select(
        CoveredAccountRow.uid,
        CoveredAccountRow.application_id,
        ApplicationRow.company_master_uid,
        ApplicationRow.company_name,
        ApplicationRow.stage,
        select(func.min(FormRow.submitted_at))
        .where(FormRow.application_id == CoveredAccountRow.application_id, FormRow.void.is_(False))
        .scalar_subquery()
        .label("submitted_at"),
        _OWN.label("own"),
    )
    .join(ApplicationRow, ApplicationRow.application_id == CoveredAccountRow.application_id)
    .where(
        CoveredAccountRow.uid.in_(bindparam("uids", expanding=True)),
        not_(_OWN) | (CoveredAccountRow.application_id == bindparam("application")),
    )
    .order_by(CoveredAccountRow.application_id)
)


class CoveredAccounts:
    """The accounts of all applications. Outages raise `sqlalchemy.exc.SQLAlchemyError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def by(
        self, uids: Sequence[Uid], company_master_uid: str, application_id: str | None = None
    ) -> tuple[Covering, ...]:
        """Who covers these accounts: for each that an application of another company covers, all of those and
        this application, if it covers it as well; in the order of the accounts.

        Rows lag behind the workflows: of two applications that name an account at the same moment each may
        be told that nobody does. `AcpnAccess.give` tells in any case.
        """
        values = {"uids": tuple(uids), "company": company_master_uid, "application": application_id}
        rows = await self._database.rows(_BY, values)
        elsewhere = {row.uid for row in rows if not row.own}
        found = [Covering.model_validate(row, from_attributes=True) for row in rows if row.uid in elsewhere]
        return tuple(covering for uid in uids for covering in found if covering.uid == uid)


def holds_by(state: Mapping[str, Any]) -> tuple[object, ...]:
    """What of a stored state says which accounts it covers: with the same, and no other form, the same."""
    stage = Stage(state["stage"])
    ended = stage in OUTCOMES and stage is not Stage.ACTIVE
    return ended, state.get("submitted_revision"), state.get("associated_uids")


def keep_covered(database: Database, connection: Connection, application: Application) -> None:
    """Bring what is stored of an application's accounts to what it covers now."""
    mine = CoveredAccountRow.application_id == application.application_id
    stored = set(connection.scalars(select(CoveredAccountRow.uid).where(mine)).all())
    covered = set(application.holds_uids)
    if gone := stored - covered:
        connection.execute(delete(CoveredAccountRow).where(mine, CoveredAccountRow.uid.in_(gone)))
    if fresh := sorted(covered - stored):
        rows = [{"application_id": application.application_id, "uid": uid} for uid in fresh]
        connection.execute(database.insert(CoveredAccountRow), rows)
