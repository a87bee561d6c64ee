"""The account directory of the vendor, over HTTP."""

import asyncio
from collections.abc import Sequence

import httpx

from domain.inquiry import Account


class HttpAccountDirectory:
    """An `AccountDirectory` that asks ``GET /accounts/{uid}``, answered by an `Account` in JSON or 404.

    The client brings base URL, authentication, time-outs and the limit of connections.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def find(self, uids: Sequence[str]) -> tuple[Account, ...]:
        """The accounts with these UIDs, in their order; unknown ones are absent.

        Raises:
            httpx.HTTPError: the service can't be reached or answers with an error.
            ValueError: it answers with something that is not the account asked for.
        """
        accounts = await asyncio.gather(*(self._account(uid) for uid in dict.fromkeys(uids)))
        return tuple(account for account in accounts if account)

    async def _account(self, uid: str) -> Account | None:
        response = await self._client.get(f"/accounts/{uid}")
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        response.raise_for_status()
        account = Account.model_validate_json(response.content, strict=True)
        if account.uid != uid:
            raise ValueError(f"the account directory answered for {account.uid} when asked for {uid}")
        return account
