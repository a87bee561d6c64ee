"""The account directory of the vendor, over HTTP."""

import asyncio
from collections.abc import Sequence
from typing import Final

import httpx
from pydantic import TypeAdapter

from activities.account_directory import usable
from activities.outside_service import UnusableAnswerError, ask, parsed
from domain.inquiry import Account

AT_ONCE: Final = 10
"""How many requests a look-up has under way."""
_ACCOUNT: Final = TypeAdapter(Account)


class HttpAccountDirectory:
    """An `AccountDirectory` that asks ``GET /accounts/{uid}``, answered by an `Account` in JSON or 404.

    It asks for `AT_ONCE` accounts at a time, so that a form with many does not take it by storm. The client
    brings base URL, authentication and time-outs.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def find(self, uids: Sequence[str]) -> tuple[Account, ...]:
        """The accounts with these UIDs, in their order; unknown ones are absent.

        Raises:
            httpx.HTTPError: the service can't be reached or answers with an error.
            UnusableAnswerError: it answers with something that is not the account asked for.
        """
        free = asyncio.Semaphore(AT_ONCE)
        accounts = await asyncio.gather(*(self._account(uid, free) for uid in dict.fromkeys(uids)))
        return tuple(account for account in accounts if account)

    async def _account(self, uid: str, free: asyncio.Semaphore) -> Account | None:
        async with free:
            content = await ask(self._client, "GET", f"/accounts/{uid}")
        if content is None:
            return None
        account = parsed(_ACCOUNT, content, f"account {uid}")
        if account.uid != uid:
            raise UnusableAnswerError(f"account {uid}: answered for {account.uid}")
        return usable(account)
