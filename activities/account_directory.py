"""The account directory: who holds an account of the vendor's cloud, and whether that is verified."""

from collections.abc import Sequence
from typing import Final, Protocol

from domain.inquiry import Account

MOST_CHARACTERS: Final = 1_000
"""What is kept of a text of the directory; a form can't have a name as long."""


class AccountDirectory(Protocol):
    """Answers questions about accounts."""

    async def find(self, uids: Sequence[str]) -> tuple[Account, ...]:
        """The accounts with these UIDs, in their order; unknown ones are absent. Each is `within_bounds`.

        An outage raises the error of the transport (of SQLAlchemy or httpx).
        """


def within_bounds(account: Account) -> Account:
    """The account with no text longer than `MOST_CHARACTERS`: what is looked up comes back in the status and
    is carried from run to run, and no contract bounds what a directory says."""
    enterprise = account.enterprise and account.enterprise.model_copy(
        update={
            "legal_name": account.enterprise.legal_name[:MOST_CHARACTERS],
            "registration_number": account.enterprise.registration_number[:MOST_CHARACTERS],
        }
    )
    level = account.partner_level and account.partner_level[:MOST_CHARACTERS]
    return account.model_copy(update={"enterprise": enterprise, "partner_level": level})
