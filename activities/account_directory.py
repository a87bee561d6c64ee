"""The account directory: who holds an account of the vendor's cloud, and whether that is verified."""

from collections.abc import Sequence
from typing import Protocol

from domain.inquiry import Account


class AccountDirectory(Protocol):
    """Answers questions about accounts."""

    async def find(self, uids: Sequence[str]) -> tuple[Account, ...]:
        """The accounts with these UIDs, in their order; unknown ones are absent.

        An outage raises the error of the transport (of SQLAlchemy or httpx).
        """
