"""Access to the ACPN platform: who has it, and giving it."""

from collections.abc import Sequence
from typing import Protocol

from pydantic import Field

from domain.values import Contract, Instant, Uid


class Grant(Contract):
    """Access of one account, given by an application; ``granted_at`` is workflow time."""

    uid: Uid
    application_id: str = Field(min_length=1)
    company_master_uid: Uid
    granted_at: Instant


class TakenError(Exception):
    """Another company's application has given these accounts access; none was given."""

    def __init__(self, uids: Sequence[Uid]) -> None:
        super().__init__(f"has access by another application: UID {', '.join(uids)}")
        self.uids = tuple(uids)


class AcpnAccess(Protocol):
    """Opens the platform. An outage raises the error of the transport (of SQLAlchemy or httpx)."""

    async def give(self, grants: Sequence[Grant]) -> None:
        """Give these accounts of one company access, all or none; giving it again changes nothing.

        Raises:
            TakenError: some have access by another company's application, which keeps it.
        """

    async def take_back(
        self, company_master_uid: str, application_id: str, uids: Sequence[Uid] | None = None
    ) -> bool:
        """Close what this application has opened, or only these accounts; whether there was anything. Doing
        it again changes nothing."""

    async def is_partner(self, company_master_uid: str) -> bool:
        """Whether an application of this company ended in access."""

    async def grants(self, company_master_uid: str) -> tuple[Grant, ...]:
        """The company's accounts with access, the oldest grant first."""
