"""The e-mails of the process: which there are, what each one says, and who gets it (guide §2.2 to §2.5).

A letter is a typed snapshot taken when the transition happened; however late it leaves, it says what
was true then. `activities/emails/` renders it.
"""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Literal, cast, get_args

from pydantic import Field

from domain.clocks import Clock, ClockKind
from domain.contract import Person
from domain.documents import ApplicationForm
from domain.state import Application
from domain.status import (
    Amendment,
    Closing,
    FailedEmail,
    IssuedSheet,
    Justification,
    Modification,
    Rejection,
    Signing,
)
from domain.values import Contract, Day, Instant, TimeZone


class Audience(StrEnum):
    """Whose mailbox a letter is for; each audience has one thread per application."""

    PARTNER = "partner"
    BD = "bd"
    BD_LEAD = "bd_lead"


class ContractStart(Contract):
    """When the contract takes effect: the date, the zone it begins in, and that instant."""

    day: Day
    time_zone: TimeZone
    at: Instant


class Letter(Contract):
    """What every e-mail knows. ``key`` is unique and stable within the application (ledger, Message-ID).

    ``sequence`` numbers the transition the letter tells of; a later one supersedes an earlier one's dates.
    """

    audience: ClassVar[Audience] = Audience.PARTNER

    template: str
    key: str
    sequence: int
    application_id: str
    to: Person
    locale: str
    at: Instant
    time_zone: TimeZone
    company_master_uid: str
    company_name: str
    status_text: str
    bd: Person


class ToBd(Letter):
    """A letter to the BD who looks after the application."""

    audience: ClassVar[Audience] = Audience.BD


class ToBdLead(Letter):
    """A letter to the BD lead: somebody has missed a deadline."""

    audience: ClassVar[Audience] = Audience.BD_LEAD


# To the partner


class ApplicationReceived(Letter):
    template: Literal["application_received"] = "application_received"
    review: Clock
    form_revision: int
    warnings: tuple[str, ...]


class JustificationRequested(Letter):
    template: Literal["justification_requested"] = "justification_requested"
    justification: Justification
    expiry: Clock


class ApplicationApproved(Letter):
    template: Literal["application_approved"] = "application_approved"


class SheetToConfirm(Letter):
    template: Literal["sheet_to_confirm"] = "sheet_to_confirm"
    sheet: IssuedSheet
    expiry: Clock


class TermsReminder(Letter):
    template: Literal["terms_reminder"] = "terms_reminder"
    sheet: IssuedSheet
    expiry: Clock


class TermsConfirmed(Letter):
    template: Literal["terms_confirmed"] = "terms_confirmed"
    sheet: IssuedSheet
    contact: Clock


class SignatureReminder(Letter):
    template: Literal["signature_reminder"] = "signature_reminder"
    sheet: IssuedSheet
    signing: Signing


class TermsReopened(Letter):
    template: Literal["terms_reopened"] = "terms_reopened"
    modification: Modification


class ContractSigned(Letter):
    template: Literal["contract_signed"] = "contract_signed"
    sheet: IssuedSheet
    signing: Signing
    start: ContractStart


class StartDateAmended(Letter):
    template: Literal["start_date_amended"] = "start_date_amended"
    sheet: IssuedSheet
    amendment: Amendment
    start: ContractStart


class AccessDelayed(Letter):
    template: Literal["access_delayed"] = "access_delayed"
    missing: tuple[str, ...]


class AccessGranted(Letter):
    template: Literal["access_granted"] = "access_granted"
    covered_uids: tuple[str, ...]


class ApplicationRejected(Letter):
    template: Literal["application_rejected"] = "application_rejected"
    rejection: Rejection


class ApplicationWithdrawn(Letter):
    template: Literal["application_withdrawn"] = "application_withdrawn"
    expiry: Clock


class ApplicationCancelled(Letter):
    template: Literal["application_cancelled"] = "application_cancelled"
    closing: Closing


class ApplicationExpired(Letter):
    template: Literal["application_expired"] = "application_expired"
    closing: Closing


# To BD


class ReviewRequested(ToBd):
    template: Literal["review_requested"] = "review_requested"
    form: ApplicationForm
    form_revision: int
    warnings: tuple[str, ...]
    review: Clock


class ReviewReminder(ToBd):
    template: Literal["review_reminder"] = "review_reminder"
    review: Clock


class JustificationAnswered(ToBd):
    template: Literal["justification_answered"] = "justification_answered"
    justification: Justification
    review: Clock


class SheetReminder(ToBd):
    template: Literal["sheet_reminder"] = "sheet_reminder"
    modification: Modification | None


class ModificationRequested(ToBd):
    template: Literal["modification_requested"] = "modification_requested"
    sheet: IssuedSheet
    modification: Modification


class TermsConfirmedToBd(ToBd):
    template: Literal["terms_confirmed_to_bd"] = "terms_confirmed_to_bd"
    sheet: IssuedSheet
    contact: Clock


class SignatureReminderToBd(ToBd):
    template: Literal["signature_reminder_to_bd"] = "signature_reminder_to_bd"
    sheet: IssuedSheet
    signing: Signing


class WithdrawnToBd(ToBd):
    template: Literal["withdrawn_to_bd"] = "withdrawn_to_bd"


class ClosedToBd(ToBd):
    template: Literal["closed_to_bd"] = "closed_to_bd"
    closing: Closing


class AssignedToBd(ToBd):
    template: Literal["assigned_to_bd"] = "assigned_to_bd"
    deadline: Clock | None


class AccessAlert(ToBd):
    template: Literal["access_alert"] = "access_alert"
    missing: tuple[str, ...]


class EmailFailed(ToBd):
    template: Literal["email_failed"] = "email_failed"
    failed_emails: tuple[FailedEmail, ...]


class EmailToBdFailed(ToBdLead):
    template: Literal["email_to_bd_failed"] = "email_to_bd_failed"
    failed_emails: tuple[FailedEmail, ...]


class ReviewOverdue(ToBdLead):
    template: Literal["review_overdue"] = "review_overdue"
    review: Clock


class ContactOverdue(ToBdLead):
    template: Literal["contact_overdue"] = "contact_overdue"
    contact: Clock


AnyLetter = Annotated[
    ApplicationReceived | JustificationRequested | ApplicationApproved | SheetToConfirm | TermsReminder
    | TermsConfirmed | SignatureReminder | TermsReopened | ContractSigned | StartDateAmended | AccessDelayed
    | AccessGranted | ApplicationRejected | ApplicationWithdrawn | ApplicationCancelled | ApplicationExpired
    | ReviewRequested | ReviewReminder | JustificationAnswered | SheetReminder | ModificationRequested
    | TermsConfirmedToBd | SignatureReminderToBd | WithdrawnToBd | ClosedToBd | AssignedToBd | AccessAlert
    | EmailFailed | EmailToBdFailed | ReviewOverdue | ContactOverdue,
    Field(discriminator="template"),
]  # fmt: skip
"""Every letter there is, told apart by ``template``."""


_AUDIENCES: Final[dict[str, Audience]] = {
    letter.model_fields["template"].default: letter.audience for letter in get_args(get_args(AnyLetter)[0])
}


class Facts:
    """What a letter may say about an application; a letter's field names choose from here."""

    def __init__(self, application: Application, warnings: tuple[str, ...]) -> None:
        self.application = application
        self.warnings = warnings

    def __getattr__(self, name: str) -> Any:
        if name in _CLOCKS:
            return self.application.clock(_CLOCKS[name])
        return getattr(self.application, name)

    @property
    def amendment(self) -> Amendment:
        """The latest amendment of the start date."""
        return self.application.amendments[-1]

    @property
    def start(self) -> ContractStart:
        """The start date in force."""
        clock = self.application.clock(ClockKind.START_DATE)
        return ContractStart.model_validate(
            {
                "day": self.application.start_date,
                "time_zone": self.application.start_zone,
                "at": clock and clock.due_at,
            }
        )

    @property
    def missing(self) -> tuple[str, ...]:
        """What keeps access closed though the contract is in effect."""
        return self.application.access_missing

    @property
    def covered_uids(self) -> tuple[str, ...]:
        """The accounts access is for."""
        return self.application.form.covered_uids if self.application.form else ()

    @property
    def deadline(self) -> Clock | None:
        """The next thing due."""
        running = [clock for clock in self.application.clocks if clock.next_at]
        return min(running, key=lambda clock: clock.due_at, default=None)


_CLOCKS: Final = {
    "review": ClockKind.REVIEW,
    "contact": ClockKind.CONTACT,
    "expiry": ClockKind.EXPIRY,
}


def audience_of(template: str) -> Audience:
    """Whose mailbox letters of this template are for."""
    return _AUDIENCES[template]


def recipient(audience: Audience, application: Application) -> Person:
    """Who in this audience gets the application's mails now."""
    match audience:
        case Audience.PARTNER:
            return application.recipient
        case Audience.BD:
            return application.bd
        case Audience.BD_LEAD:
            return application.bd_lead


def addressed_again(letter: AnyLetter, application: Application, *, sequence: int, now: Instant) -> AnyLetter:
    """The same letter to who gets such letters now: another message, under a key of its own."""
    return letter.model_copy(
        update={
            "key": f"{sequence}.{letter.template}",
            "to": recipient(letter.audience, application),
            "at": now,
        }
    )


def compose(
    letter: type[Letter],
    application: Application,
    *,
    sequence: int,
    now: Instant,
    status_text: str,
    warnings: tuple[str, ...] = (),
) -> AnyLetter:
    """Write a letter about the application as it stands; ``sequence`` numbers the transition it belongs to.

    A letter that asks for a fact the application does not have is a bug and raises ``ValidationError``.
    """
    facts = Facts(application, warnings)
    template = letter.model_fields["template"].default
    common = {
        "template": template,
        "key": f"{sequence}.{template}",
        "sequence": sequence,
        "application_id": application.application_id,
        "to": recipient(letter.audience, application),
        "locale": application.locale,
        "at": now,
        "time_zone": application.policy.time_zone,
        "company_master_uid": application.company_master_uid,
        "company_name": application.company_name,
        "status_text": status_text,
        "bd": application.bd,
    }
    own = {name: getattr(facts, name) for name in letter.model_fields if name not in common}
    return cast("AnyLetter", letter.model_validate(common | own))
