"""What is asked of the outside before a decision, and what it answers.

Accounts, calendars, and the tables of libraries (countries, currencies, time zones, what an e-mail address
may be) change while applications run. So they are asked once, in an activity, and the answer is recorded in
history; replay goes by the record.
"""

from enum import StrEnum
from typing import Final

from pydantic import Field

from domain.clocks import Clock, ClockRequest
from domain.contract import Stage
from domain.documents import BusinessType
from domain.policy import Policy
from domain.status import AccessCause, Company, CoverageChanged, FailedEmail, Missing
from domain.values import Contract, Instant, Uid, says_nothing


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


class Table(StrEnum):
    """A table some library has, and another version of it may have otherwise."""

    COUNTRY = "country"
    CURRENCY = "currency"
    TIME_ZONE = "time_zone"
    EMAIL = "email"
    CALENDAR = "calendar"


class TableEntry(Contract):
    """A value that has to be in a table; ``field`` is its path in the command."""

    field: str
    table: Table
    value: str


class About(StrEnum):
    """What a query asks, each of somebody else.

    ``accounts``: the account directory, for the applicant's account and those named. ``levels``: the same,
    for business type and level of those named alone. ``partner``: ACPN, whether the applicant has access.
    ``coverage``: the database, which applications cover those named.
    """

    ACCOUNTS = "accounts"
    LEVELS = "levels"
    PARTNER = "partner"
    COVERAGE = "coverage"


ALL_ABOUT_IT: Final = (About.ACCOUNTS, About.PARTNER, About.COVERAGE)
TOLD_BY_DIRECTORY: Final = frozenset({About.ACCOUNTS, About.LEVELS})


class AccountQuery(Contract):
    """Look up the applicant and these accounts: what of them, says ``about``.

    ``legal_name``: the name in the form, to be compared with the verified enterprise's as people read it.
    """

    company_master_uid: Uid
    uids: tuple[Uid, ...] = ()
    legal_name: str | None = None
    about: tuple[About, ...] = ALL_ABOUT_IT


class Inquiry(Contract):
    """What one decision needs to know. ``at``: the moment of the decision, by the workflow's clock.

    ``application_id``: whose; by that the mornings of many applications are spread over some minutes.
    ``policy``: whose calendar and zone count; ``None`` at the very start, where the defaults are still to
    be recorded. ``opening``: an application begins.
    """

    at: Instant
    application_id: str | None = None
    policy: Policy | None = None
    accounts: AccountQuery | None = None
    entries: tuple[TableEntry, ...] = ()
    clocks: tuple[ClockRequest, ...] = ()
    opening: bool = Field(default=False, exclude_if=says_nothing)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to ask."""
        return not (self.accounts or self.entries or self.clocks)


class Covering(Contract):
    """An application that covers an account: it runs, or has access.

    ``company_master_uid``: whose it is; one enterprise may have several. ``submitted_at``: when it has
    submitted its first form (workflow time); ``None`` if no form is stored.
    """

    uid: Uid
    application_id: str
    company_master_uid: Uid | None = None
    company_name: str
    stage: Stage
    submitted_at: Instant | None = None


class AccountAnswers(Contract):
    """The accounts found; unknown ones are absent.

    ``already_partner``: an earlier application got access. ``name_matches``: whether the form names the
    verified enterprise of the applicant. ``covered_by``: for each account that another company's application
    covers, all that cover it, the applicant's own application included.
    """

    accounts: tuple[Account, ...] = Field(default=(), exclude_if=says_nothing)
    already_partner: bool = Field(default=False, exclude_if=says_nothing)
    name_matches: bool | None = None
    covered_by: tuple[Covering, ...] = Field(default=(), exclude_if=says_nothing)

    def account(self, uid: str) -> Account | None:
        """The account with this UID."""
        return next((account for account in self.accounts if account.uid == uid), None)


class Problem(Contract):
    """A value a table does not have; the message says what would be right."""

    field: str
    message: str


class Head(Contract):
    """Where the stored trail of an application ends, and the highest numbers it has used.

    ``hash`` is that of the newest event. ``failed``: e-mails that could not be delivered, of which the run
    does not know, and which tell of what still counts; ``failed_through``: the position of the newest
    failed one. ``access_taken_back``: whether there was access to take back now; ``access_given``: whether
    the application had ever given any, also on a way that a reset has left. ``associated_uids``,
    ``coverage_changes``: those of the application as it is stored, where any were added or taken away after
    access was given.
    """

    generation: int = 0
    sequence: int = 0
    hash: str | None = None
    forms_used: int = 0
    sheets_used: int = 0
    failed: tuple[FailedEmail, ...] = Field(default=(), exclude_if=says_nothing)
    failed_through: int = 0
    emails_withdrawn: int = 0
    access_taken_back: bool = False
    access_given: bool = Field(default=False, exclude_if=says_nothing)
    associated_uids: tuple[Uid, ...] | None = None
    coverage_changes: tuple[CoverageChanged, ...] = Field(default=(), exclude_if=says_nothing)


class Answers(Contract):
    """What the outside knows. ``accounts`` is ``None`` when it was not asked, or did not answer.

    ``edition`` and ``policy`` come with the first answer: the newest edition the worker knows, and the
    policy with its defaults. An application keeps both.
    """

    accounts: AccountAnswers | None = None
    problems: tuple[Problem, ...] = Field(default=(), exclude_if=says_nothing)
    clocks: tuple[Clock, ...] = Field(default=(), exclude_if=says_nothing)
    edition: int | None = None
    policy: Policy | None = None


class AccessRequest(Contract):
    """Open ACPN for these accounts if nothing is missing; asking twice is harmless. ``at``: workflow time.

    ``generation``: how often the application has been reset. Who has been reset since opens nothing any
    more.
    """

    application_id: str
    generation: int = Field(default=0, exclude_if=says_nothing)
    company_master_uid: Uid
    uids: tuple[Uid, ...]
    require_credit_control: bool
    at: Instant


class AccessOutcome(Contract):
    """Granted, or what is missing, each cause once."""

    granted: bool
    missing: tuple[Missing, ...] = ()

    @property
    def outage(self) -> bool:
        """Whether nothing is known to be missing, only that a service does not answer."""
        return not self.granted and all(
            missing.cause is AccessCause.PLATFORM_UNAVAILABLE for missing in self.missing
        )


class AccessClosed(Contract):
    """Whether access was taken back; it was not from an application that had been reset since it asked."""

    closed: bool


OUTAGE: Final = AccessOutcome(granted=False, missing=(Missing(cause=AccessCause.PLATFORM_UNAVAILABLE),))
"""An attempt that came to nothing, and that told nothing."""
