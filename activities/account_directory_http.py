"""The account directory of the vendor, over HTTP."""

import asyncio
from collections.abc import Sequence
from typing import Final

import httpx

from activities.account_directory import within_bounds
from domain.inquiry import Account

AT_ONCE: Final = 10
"""How many requests a look-up has under way."""


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
            ValueError: it answers with something that is not the account asked for.
        """
        free = asyncio.Semaphore(AT_ONCE)
        accounts = await asyncio.gather(*(self._account(uid, free) for uid in dict.fromkeys(uids)))
        return tuple(account for account in accounts if account)

    async def _account(self, uid: str, free: asyncio.Semaphore) -> Account | None:
        async with free:
            response = await self._client.get(f"/accounts/{uid}")
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        response.raise_for_status()
        account = Account.model_validate_json(response.content, strict=True)
        if account.uid != uid:
            raise ValueError(f"the account directory answered for {account.uid} when asked for {uid}")
        return within_bounds(account)
