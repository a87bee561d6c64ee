"""The words of the public contract: names, stages, roles, errors, the start input, and the envelope of
every command.

Signals, the update ``submit_command``, the query ``get_status``, the command line and the recorded
histories all speak these models, the commands (one place each: `application.py`, `terms.py`, `signing.py`,
`access.py`, `anytime.py`), the documents they carry (`documents.py`) and the status they lead to
(`status.py`). JSON field names are part of the contract; a new field is optional, or old histories no
longer parse.
"""

from enum import StrEnum
from typing import ClassVar, Final, Literal

from pydantic import Field

from domain.policy import Policy
from domain.values import (
    CommandId,
    Contract,
    Email,
    HeaderText,
    Instant,
    Uid,
    says_nothing,
)

WORKFLOW_TYPE: Final = "ResellerOnboarding"
TASK_QUEUE: Final = "reseller-onboarding"
DELIVERY_TYPE: Final = "OutstandingDelivery"
COVERAGE_TYPE: Final = "CoverageChange"
WEBHOOK_TYPE: Final = "WebhookEndpoint"
WAKE: Final = "wake"
"""The signal that tells the run of a webhook endpoint that there is something to deliver."""
UPDATE_NAME: Final = "submit_command"
QUERY_NAME: Final = "get_status"
MOST_EVENTS: Final = 2**31 - 1


def workflow_id(company_master_uid: str) -> str:
    """The one workflow ID an applicant has, whatever the number of applications."""
    return f"reseller-onboarding-{company_master_uid}"


def coverage_id(company_master_uid: str) -> str:
    """The one workflow ID under which changes of what a company's access covers run, one after the other."""
    return f"reseller-onboarding-coverage-{company_master_uid}"


def webhook_workflow_id(endpoint_id: str) -> str:
    """The one workflow ID under which webhooks are delivered to an endpoint."""
    return f"reseller-onboarding-webhook-{endpoint_id}"


class Stage(StrEnum):
    """Where an application stands; the last four are its outcomes."""

    DRAFTING = "drafting"
    UNDER_REVIEW = "under_review"
    JUSTIFYING = "justifying"
    WITHDRAWN = "withdrawn"
    QUALIFIED = "qualified"
    CONFIRMING_TERMS = "confirming_terms"
    CORRECTING_TERMS = "correcting_terms"
    AWAITING_SIGNATURES = "awaiting_signatures"
    SIGNED = "signed"
    ACTIVATING = "activating"
    ACTIVE = "active"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class WaitingOn(StrEnum):
    """Whose move it is."""

    PARTNER = "partner"
    BD = "bd"
    BOTH = "both"
    PLATFORM = "platform"
    NONE = "none"


class Role(StrEnum):
    """Who acts. ``system`` is the service itself and refused from outside."""

    PARTNER = "partner"
    BD = "bd"
    BD_LEAD = "bd_lead"
    VENDOR = "vendor"
    ESIGN = "esign"
    OPS = "ops"
    SYSTEM = "system"


class ErrorType(StrEnum):
    """The ``type`` of the ``ApplicationError`` a refused command fails with."""

    WRONG_STAGE = "wrong_stage"
    """Too early or too late; the message names the stage and what is possible in it."""
    STALE_REVISION = "stale_revision"
    """Made against a form, sheet, company, hash or ``if_sequence`` that is not the newest any more."""
    FORBIDDEN = "forbidden"
    """The role may not send this command, or signs for the other party."""
    INVALID = "invalid"
    """The payload does not parse (with the paths of the fields), names a country, currency, zone or mail
    address that is none, breaks a rule of the documents or is over 64 KiB; or its ``command_id`` was used for
    another command."""
    COMPANY_NOT_CONFIRMED = "company_not_confirmed"
    """A form before ``confirm_company``, or of another company than the account directory has by now."""
    ENTERPRISE_NOT_VERIFIED = "enterprise_not_verified"
    """An account has not completed enterprise verification (guide, FAQ Q1)."""
    UID_MISMATCH = "uid_mismatch"
    """Accounts of different enterprises, business types or levels, another ``legal_name``, or an account that
    another application covers."""
    SIGNATURE_ORDER = "signature_order"
    """The other party has to sign first."""
    UNAVAILABLE = "unavailable"
    """The account directory or the platform did not answer, or no more can wait for a database that is down.
    By update: send it again under a new update ID."""
    ALREADY_PARTNER = "already_partner"
    """The company has access to the platform."""
    CLOSED = "closed"
    """The application has ended."""
    NOT_FOUND = "not_found"
    """The account directory has no account of a UID; or the UID never joined, as the client says, and a
    change of what is covered."""


class SigningPath(StrEnum):
    """How the contract is signed; BD chooses (guide §2.4)."""

    ONLINE_ESIGN = "online_esign"
    OFFLINE_PAPER = "offline_paper"
    FRAMEWORK_ADDENDUM = "framework_addendum"


class SignatureOrder(StrEnum):
    """Who has to sign first."""

    ANY = "any"
    PARTNER_FIRST = "partner_first"
    VENDOR_FIRST = "vendor_first"


class Party(StrEnum):
    """A side of the contract."""

    PARTNER = "partner"
    VENDOR = "vendor"


class Actor(Contract):
    """Who sends a command. From a raw caller it is his own word; over HTTP the authenticated one."""

    role: Role
    id: HeaderText
    name: HeaderText | None = None


SYSTEM: Final = Actor(role=Role.SYSTEM, id="onboarding")
"""The service itself."""


Locale = Literal["en", "zh"]
"""A language of the mails."""


class Person(Contract):
    """A BD or BD lead: who reads the mails for that desk and whom the partner may consult.

    ``locale``: the language of mails to him, English if none is given; what the partner reads is the
    application's (`OnboardingInput`).
    """

    name: HeaderText
    email: Email
    locale: Locale | None = None


class OnboardingInput(Contract):
    """The workflow's argument: JOIN NOW (guide §2.1, Step 3).

    ``desk``: the name of the desk that serves the company; it stays, whoever is put in charge later.
    """

    company_master_uid: Uid
    contact_name: HeaderText
    contact_email: Email
    locale: Locale = "en"
    bd: Person
    bd_lead: Person
    policy: Policy | None = None
    desk: HeaderText | None = Field(default=None, exclude_if=says_nothing)


class Via(Contract):
    """The way a command came: ``channel`` is ``api``, ``portal``, ``webhook`` or ``cli``, ``client`` who
    sent it for the actor."""

    channel: HeaderText
    client: HeaderText | None = None


class Command(Contract):
    """The envelope every command has.

    ``occurred_at`` is the caller's time; it is kept, not trusted. ``if_sequence``: carry it out only if
    nothing has happened since the audit event of this number. ``conditions``: the fields that say only what
    its sender had read, and so do not make another command of it.
    """

    conditions: ClassVar[frozenset[str]] = frozenset({"if_sequence"})
    kind: str
    command_id: CommandId
    actor: Actor
    occurred_at: Instant | None = None
    via: Via | None = None
    if_sequence: int | None = Field(default=None, ge=0, le=MOST_EVENTS)

    @property
    def about_form(self) -> int | None:
        """The revision of the form it names."""
        return None

    @property
    def about_sheet(self) -> int | None:
        """The revision of the decision sheet it names."""
        return None


class FormCommand(Command):
    """A command about the form as its sender has read it; it need not say which revision that was."""

    conditions: ClassVar[frozenset[str]] = Command.conditions | {"form_revision"}
    form_revision: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Only if this is still the form's revision."
    )

    @property
    def about_form(self) -> int | None:
        """The revision of the form it names."""
        return self.form_revision


class SheetCommand(Command):
    """A command about the decision sheet as its sender has read it; it need not say which revision that
    was."""

    conditions: ClassVar[frozenset[str]] = Command.conditions | {"sheet_revision"}
    sheet_revision: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Only if this is still the sheet's revision."
    )

    @property
    def about_sheet(self) -> int | None:
        """The revision of the decision sheet it names."""
        return self.sheet_revision
