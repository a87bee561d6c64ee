"""Opening the ACPN platform once the contract is in effect (guide §2.5)."""

from collections.abc import Iterator, Mapping
from typing import Final

from temporalio import activity

from activities.account_directory import AccountDirectory
from activities.acpn_access import AcpnAccess, Grant
from activities.db.trail import AuditTrail
from domain.inquiry import AccessOutcome, AccessRequest, Account

_RESET: Final = AccessOutcome(
    granted=False, missing=("that the application goes on after a reset",), outage=True
)


class AccessActivities:
    """Checks what access still needs, and gives it."""

    def __init__(self, directory: AccountDirectory, access: AcpnAccess, trail: AuditTrail) -> None:
        self._directory = directory
        self._access = access
        self._trail = trail

    @activity.defn(name="open_access")
    async def open_access(self, request: AccessRequest) -> AccessOutcome:
        """Give every account of the request access, or none and say what is missing.

        Enterprise verification has to be valid for the Company Master UID and every account; where the
        policy requires it, credit control has to be on for the accounts that get access. Asking
        again is harmless: what is granted stays granted.

        An outage of either service, or of the database, raises; asked again, it gives what was not given.
        Of an application that has been reset since it asked, nothing is opened.
        """
        if await self._reset_since(request):
            return _RESET
        uids = tuple(dict.fromkeys((request.company_master_uid, *request.uids)))
        accounts = {account.uid: account for account in await self._directory.find(uids)}
        missing = tuple(_missing(request, uids, accounts))
        if missing:
            return AccessOutcome(granted=False, missing=missing)
        grants = [
            Grant(
                uid=uid,
                application_id=request.application_id,
                company_master_uid=request.company_master_uid,
                granted_at=request.at,
            )
            for uid in dict.fromkeys(request.uids)
        ]
        await self._access.give(grants)
        # It may have been reset meanwhile, and taking up have found nothing yet to take back.
        if await self._reset_since(request):
            await self._access.take_back(request.company_master_uid, request.application_id)
            return _RESET
        return AccessOutcome(granted=True)

    async def _reset_since(self, request: AccessRequest) -> bool:
        return (await self._trail.head(request.application_id)).generation != request.generation


def _missing(request: AccessRequest, uids: tuple[str, ...], accounts: Mapping[str, Account]) -> Iterator[str]:
    master = accounts.get(request.company_master_uid)
    for uid in uids:
        account = accounts.get(uid)
        if account is None:
            yield f"account {uid} (not in the account directory)"
            continue
        if not account.verified:
            yield f"enterprise verification of {uid}"
        elif master and account.enterprise != master.enterprise:
            yield f"enterprise verification of {uid} for the company of {master.uid}"
        if request.require_credit_control and uid in request.uids and not account.credit_control:
            yield f"credit control of {uid}"
