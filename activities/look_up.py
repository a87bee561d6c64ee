"""The activity that asks the outside what a decision needs to know; it only reads, and always answers."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, Final, TypeVar

from temporalio import activity

from activities import tables
from activities.account_directory import AccountDirectory
from activities.acpn_access import AcpnAccess
from activities.clocks import set_clocks
from activities.db.covered import CoveredAccounts
from activities.outside_service import UnusableAnswerError
from activities.patience import Asked
from domain.inquiry import (
    TOLD_BY_DIRECTORY,
    About,
    Account,
    AccountAnswers,
    AccountQuery,
    Answers,
    Inquiry,
)
from domain.lifecycle import NEWEST
from domain.policy import Policy

ANSWER_WITHIN: Final = timedelta(milliseconds=800)
"""What a service gets to answer in; the caller of an update waits for it."""
FOR_EACH_ACCOUNT: Final = timedelta(milliseconds=40)
"""What the account directory gets more for each account but the first."""
AT_MOST: Final = timedelta(seconds=4)
"""What it gets for a form with the most accounts: less than the activity has (`workflows/calls.py`)."""
T = TypeVar("T")


class LookUpActivities:
    """Accounts, calendar, and the tables of libraries."""

    def __init__(
        self,
        directory: AccountDirectory,
        access: AcpnAccess,
        covered: CoveredAccounts,
        *,
        answer_within: timedelta = ANSWER_WITHIN,
    ) -> None:
        self._directory = directory
        self._access = access
        self._covered = covered
        self._answer_within = answer_within
        self._abandoned: set[asyncio.Task[Any]] = set()

    @activity.defn(name="look_up")
    async def look_up(self, inquiry: Inquiry) -> Answers:
        """What is known; of a service that does not answer in time, nothing."""
        policy = inquiry.policy or Policy()
        return Answers(
            accounts=await self._accounts(inquiry.accounts, inquiry.application_id),
            problems=tables.problems(inquiry.entries),
            clocks=set_clocks(inquiry.clocks, inquiry.at, policy, inquiry.application_id),
            edition=NEWEST if inquiry.opening else None,
            policy=policy if inquiry.opening else None,
        )

    async def _accounts(
        self, query: AccountQuery | None, application_id: str | None
    ) -> AccountAnswers | None:
        if query is None:
            return None
        company, about = query.company_master_uid, query.about
        uids = query.uids if About.LEVELS in about else tuple(dict.fromkeys((company, *query.uids)))
        accounts, already_partner, covered_by = await asyncio.gather(
            self._in_time("The account directory", self._directory.find(uids), self._patience(len(uids)))
            if TOLD_BY_DIRECTORY.intersection(about)
            else _not_asked(()),
            self._in_time("The ACPN platform", self._access.is_partner(company), self._answer_within)
            if About.PARTNER in about
            else _not_asked(False),
            self._in_time(
                "The database",
                self._covered.by(query.uids, company, application_id),
                self._answer_within,
            )
            if About.COVERAGE in about
            else _not_asked(()),
        )
        if accounts is None or already_partner is None:
            return None
        master = next((account for account in accounts if account.uid == company), None)
        named = query.legal_name and master and master.enterprise
        return AccountAnswers(
            accounts=tuple(
                account.model_copy(update={"enterprise": None})
                if About.LEVELS in about
                else _as_the_applicant(account, master)
                for account in accounts
            ),
            already_partner=already_partner,
            name_matches=tables.same_name(query.legal_name or "", named.legal_name) if named else None,
            # A database that is down holds nobody up: ACPN gives no account access twice.
            covered_by=covered_by or (),
        )

    def _patience(self, accounts: int) -> timedelta:
        longer = self._answer_within + (accounts - 1) * FOR_EACH_ACCOUNT
        return min(longer, max(self._answer_within, AT_MOST))

    async def _in_time(self, service: str, question: Coroutine[Any, Any, T], patience: timedelta) -> T | None:
        asked = Asked(question)
        asking = asked.task
        self._abandoned.add(asking)
        asking.add_done_callback(self._finished)
        # Not `asyncio.timeout`: that waits until the driver has given up as well, for which psycopg takes
        # seconds when the server is silent.
        try:
            await asked.wait(patience)
        finally:
            asking.cancel()
        if not asking.done() or asking.cancelled():
            activity.logger.warning("%s does not answer within %s", service, patience)
            return None
        error = asking.exception()
        if isinstance(error, UnusableAnswerError):
            activity.logger.error(
                "%s gives an answer that can't be used (%s): it counts as down until that is put right there",
                service,
                error,
            )
            return None
        # Each service fails in its own ways; whatever it is, it has not answered, and that is recorded.
        if error:
            activity.logger.warning("%s does not answer: %s", service, type(error).__name__)
            return None
        return asking.result()

    def _finished(self, asking: asyncio.Task[Any]) -> None:
        self._abandoned.discard(asking)
        if not asking.cancelled():
            # asyncio would report an error of a task nobody waits for any more.
            asking.exception()


def _as_the_applicant(account: Account, master: Account | None) -> Account:
    """The account; of the applicant's enterprise, with its name as the applicant's own account has it, by
    which the process compares."""
    if master and tables.same_enterprise(account.enterprise, master.enterprise):
        return account.model_copy(update={"enterprise": master.enterprise})
    return account


async def _not_asked(answer: T) -> T:
    return answer
