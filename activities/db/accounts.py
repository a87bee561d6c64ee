"""The embedded account directory: stands in for the vendor's account service."""

from collections.abc import Sequence
from typing import Final, cast

from sqlalchemy import Connection, Table, bindparam, delete, select

from activities.account_directory import usable
from activities.db.engine import AnyRow, Database
from activities.db.tables import AccountRow
from domain.documents import BusinessType
from domain.inquiry import Account
from domain.status import Company


class SqlAccountDirectory:
    """An `AccountDirectory` in the database. Outages raise `sqlalchemy.exc.SQLAlchemyError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, uids: Sequence[str]) -> tuple[Account, ...]:
        """The accounts with these UIDs, in their order; unknown ones are absent."""
        return tuple(usable(account) for account in await self.stored(uids))

    async def stored(self, uids: Sequence[str]) -> tuple[Account, ...]:
        """The same as it was entered, usable or not."""
        rows = await self._database.rows(_STORED, {"uids": tuple(uids)})
        found = {row.uid: _account(row) for row in rows}
        return tuple(found[uid] for uid in dict.fromkeys(uids) if uid in found)

    async def all(self) -> tuple[Account, ...]:
        """Every account, by UID, as it was entered."""
        rows = await self._database.rows(select(_ACCOUNTS).order_by(_ACCOUNTS.c.uid), {})
        return tuple(map(_account, rows))

    async def put(self, *accounts: Account) -> None:
        """Enter accounts, or replace what is known of them: all, or on an outage none.

        Raises `UnusableAnswerError` for one that could not be found again; then none is entered, either.
        """
        entered = [usable(account) for account in accounts]
        if not entered:
            return
        rows = [{"uid": account.uid, **_values(account)} for account in entered]
        statement = self._database.insert(AccountRow)
        replaced = {name: statement.excluded[name] for name in _values(entered[0])}

        def enter(connection: Connection) -> None:
            # At once: nobody else can write into SQLite meanwhile.
            connection.execute(statement.on_conflict_do_update(index_elements=["uid"], set_=replaced), rows)

        await self._database.write(enter)

    async def delete(self, uid: str) -> bool:
        """Delete an account; false: it was not there."""
        found = delete(AccountRow).where(AccountRow.uid == uid)
        return await self._database.write(lambda connection: connection.execute(found).rowcount > 0)


_ACCOUNTS: Final = cast("Table", AccountRow.__table__)
_STORED: Final = select(_ACCOUNTS).where(_ACCOUNTS.c.uid.in_(bindparam("uids", expanding=True)))


def _values(account: Account) -> dict[str, object]:
    company = account.enterprise
    return {
        "legal_name": company and company.legal_name,
        "registration_number": company and company.registration_number,
        "country": company and company.country,
        "verified": account.verified,
        "business_type": account.business_type,
        "partner_level": account.partner_level,
        "credit_control": account.credit_control,
    }


def _account(row: AnyRow) -> Account:
    return Account.model_validate(
        {
            "uid": row.uid,
            "enterprise": _company(row),
            "business_type": row.business_type and BusinessType(row.business_type),
            "partner_level": row.partner_level,
            "credit_control": row.credit_control,
        }
    )


def _company(row: AnyRow) -> Company | None:
    if row.legal_name is None or row.registration_number is None:
        return None
    return Company.model_validate(row, from_attributes=True)
