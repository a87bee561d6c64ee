"""The embedded account directory: stands in for the vendor's account service."""

from collections.abc import Sequence

from sqlalchemy import select

from activities.account_directory import usable
from activities.db.engine import Database
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
        async with self._database.session() as session:
            rows = (await session.scalars(select(AccountRow).where(AccountRow.uid.in_(uids)))).all()
        found = {row.uid: _account(row) for row in rows}
        return tuple(found[uid] for uid in dict.fromkeys(uids) if uid in found)

    async def put(self, account: Account) -> None:
        """Enter an account, or replace what is known of it.

        Raises `UnusableAnswerError` for one that could not be found again.
        """
        account = usable(account)
        company = account.enterprise
        values = {
            "legal_name": company and company.legal_name,
            "registration_number": company and company.registration_number,
            "country": company and company.country,
            "verified": account.verified,
            "business_type": account.business_type,
            "partner_level": account.partner_level,
            "credit_control": account.credit_control,
        }
        statement = self._database.insert(AccountRow).values(uid=account.uid, **values)
        replacing = statement.on_conflict_do_update(index_elements=["uid"], set_=values)
        await self._database.write(lambda connection: connection.execute(replacing))


def _account(row: AccountRow) -> Account:
    return Account.model_validate(
        {
            "uid": row.uid,
            "enterprise": _company(row),
            "business_type": row.business_type and BusinessType(row.business_type),
            "partner_level": row.partner_level,
            "credit_control": row.credit_control,
        }
    )


def _company(row: AccountRow) -> Company | None:
    if row.legal_name is None or row.registration_number is None:
        return None
    return Company.model_validate(row, from_attributes=True)
