"""Opening the ACPN platform once the contract is in effect (guide §2.5), and closing it to an account."""

from collections.abc import Coroutine, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final, TypeVar

from temporalio import activity

from activities.account_directory import AccountDirectory
from activities.acpn_access import AcpnAccess, Grant, TakenError
from activities.db.trail import AuditTrail
from activities.patience import Asked
from activities.tables import same_enterprise
from domain.access import by_cause
from domain.inquiry import OUTAGE, AccessClosed, AccessOutcome, AccessRequest, Account
from domain.status import AccessCause, Missing
from domain.values import Uid

ANSWER_WITHIN: Final = timedelta(seconds=8)
"""What directory, platform and database get together: less than the activity has (`workflows/calls.py`)."""
T = TypeVar("T")


class AccessActivities:
    """Checks what access still needs, and gives it; takes it back."""

    def __init__(
        self,
        directory: AccountDirectory,
        access: AcpnAccess,
        trail: AuditTrail,
        *,
        answer_within: timedelta = ANSWER_WITHIN,
    ) -> None:
        self._directory = directory
        self._access = access
        self._trail = trail
        self._answer_within = answer_within

    @activity.defn(name="open_access")
    async def open_access(self, request: AccessRequest) -> AccessOutcome:
        """Give every account of the request access, or none and say what is missing.

        Enterprise verification has to be valid for the Company Master UID and every account; where the
        policy requires it, credit control has to be on for the accounts that get access. Asking
        again is harmless: what is granted stays granted.

        An outage of either service, or of the database, raises; asked again, it gives what was not given.
        Of an application that has been reset since it asked, nothing is opened, and nothing is known.
        """
        return await self._in_time(self._open(request))

    async def _open(self, request: AccessRequest) -> AccessOutcome:
        if await self._reset_since(request):
            return OUTAGE
        uids = tuple(dict.fromkeys((request.company_master_uid, *request.uids)))
        accounts = {account.uid: account for account in await self._directory.find(uids)}
        missing = by_cause(_missing(request, uids, accounts))
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
        try:
            await self._access.give(grants)
        except TakenError as error:
            taken = Missing(cause=AccessCause.COVERED_ELSEWHERE, uids=error.uids)
            return AccessOutcome(granted=False, missing=(taken,))
        # It may have been reset meanwhile, and taking up have found nothing yet to take back.
        if await self._reset_since(request):
            await self._access.take_back(request.company_master_uid, request.application_id, request.uids)
            return OUTAGE
        return AccessOutcome(granted=True)

    @activity.defn(name="close_access")
    async def close_access(self, request: AccessRequest) -> AccessClosed:
        """Take back the access of the request's accounts, unless the application was reset since it asked.

        Asking again is harmless. An outage of the platform, or of the database, raises.
        """
        return await self._in_time(self._close(request))

    async def _close(self, request: AccessRequest) -> AccessClosed:
        if await self._reset_since(request):
            return AccessClosed(closed=False)
        await self._access.take_back(request.company_master_uid, request.application_id, request.uids)
        return AccessClosed(closed=True)

    async def _in_time(self, question: Coroutine[Any, Any, T]) -> T:
        asked = Asked(question)
        if not await asked.ended(self._answer_within):
            raise TimeoutError(f"no answer within {self._answer_within}")
        return asked.task.result()

    async def _reset_since(self, request: AccessRequest) -> bool:
        return (await self._trail.head(request.application_id)).generation != request.generation


def _missing(
    request: AccessRequest, uids: tuple[Uid, ...], accounts: Mapping[str, Account]
) -> Iterator[tuple[AccessCause, Uid]]:
    master = accounts.get(request.company_master_uid)
    for uid in uids:
        account = accounts.get(uid)
        if account is None:
            yield AccessCause.ACCOUNT_UNKNOWN, uid
            continue
        if not account.verified:
            yield AccessCause.ENTERPRISE_NOT_VERIFIED, uid
        elif master and not same_enterprise(account.enterprise, master.enterprise):
            yield AccessCause.ENTERPRISE_DIFFERS, uid
        if request.require_credit_control and uid in request.uids and not account.credit_control:
            yield AccessCause.CREDIT_CONTROL_MISSING, uid
