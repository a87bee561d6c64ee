"""The look-up a command may need before it is judged."""

import asyncio

from temporalio import activity

from activities.account_directory import AccountDirectory
from activities.acpn_access import AcpnAccess
from domain.facts import AccountFacts, AccountQuery


class AccountActivities:
    """What the outside services know about the applicant."""

    def __init__(self, directory: AccountDirectory, access: AcpnAccess) -> None:
        self._directory = directory
        self._access = access

    @activity.defn
    async def look_up_accounts(self, query: AccountQuery) -> AccountFacts:
        """The Company Master UID's account and those asked for, and whether the company is a partner already.

        An outage of either service raises; how long to try is up to the workflow.
        """
        uids = tuple(dict.fromkeys((query.company_master_uid, *query.uids)))
        accounts, already_partner = await asyncio.gather(
            self._directory.find(uids), self._access.is_partner(query.company_master_uid)
        )
        return AccountFacts(accounts=accounts, already_partner=already_partner)
