"""What the outside services are asked, and what they answer: account directory and ACPN access."""

from domain.documents import BusinessType
from domain.status import Company
from domain.values import Contract, Instant, Uid


class Account(Contract):
    """An account of the vendor's cloud. Type and level are ``None`` until the vendor has set them."""

    uid: Uid
    enterprise: Company | None = None
    business_type: BusinessType | None = None
    partner_level: str | None = None
    credit_control: bool = False

    @property
    def verified(self) -> bool:
        """Whether enterprise verification is done (guide, FAQ Q1)."""
        return self.enterprise is not None and self.enterprise.verified


class AccountQuery(Contract):
    """Look up these accounts, and whether the applicant already has access."""

    company_master_uid: Uid
    uids: tuple[Uid, ...] = ()


class AccountFacts(Contract):
    """The accounts found; unknown ones are absent. ``already_partner``: an earlier application got access."""

    accounts: tuple[Account, ...] = ()
    already_partner: bool = False

    def account(self, uid: str) -> Account | None:
        """The account with this UID."""
        return next((account for account in self.accounts if account.uid == uid), None)


class AccessRequest(Contract):
    """Open ACPN for these accounts if nothing is missing; asking twice is harmless. ``at``: workflow time."""

    application_id: str
    company_master_uid: Uid
    uids: tuple[Uid, ...]
    require_credit_control: bool
    at: Instant


class AccessOutcome(Contract):
    """Granted, or what is missing, in words for BD (``enterprise verification of 1234``).

    ``outage``: nothing is known to be missing, only that a service does not answer.
    """

    granted: bool
    missing: tuple[str, ...] = ()
    outage: bool = False
