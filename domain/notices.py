"""The e-mails of the process: which there are, and what each one says (guide §2.2 to §2.5).

A notice is what a mail says beyond what every mail says, taken when the transition happened; however late
it leaves, it says what was true then. Form and decision sheet are named by revision: they are stored beside
it. Which notice is sent is a matter of the tables and so of the edition; how it is worded
(`activities/emails/`) is not.
"""

from typing import Annotated, Final, Literal, get_args

from pydantic import Field, TypeAdapter

from domain.clocks import Clock
from domain.contract import Stage
from domain.notice import ContractStart, Notice, ToBd, ToBdLead
from domain.notices_of_assignments import AssignedToBd, AssignedToLead, HandedOver, LeadHandedOver
from domain.notices_of_questions import PartnerAnswered, PartnerAsked, QuestionReminder, QuestionUnanswered
from domain.sheets import Modification
from domain.signatures import RefusedSignature
from domain.status import (
    Amendment,
    Closing,
    CoverageChanged,
    FailedEmail,
    Justification,
    Missing,
    Rejection,
    Signing,
    Warned,
)
from domain.values import Day, Instant, TimeZone, says_nothing

# To the partner


class ApplicationReceived(Notice):
    """The form has been submitted."""

    template: Literal["application_received"] = "application_received"
    review: Clock
    form_revision: int
    warnings: tuple[Warned, ...]


class JustificationRequested(Notice):
    """BD asks for a justification."""

    template: Literal["justification_requested"] = "justification_requested"
    justification: Justification
    expiry: Clock


class JustificationReminder(Notice):
    """The justification BD has asked for is not there; again and again."""

    template: Literal["justification_reminder"] = "justification_reminder"
    justification: Justification
    expiry: Clock


class ApplicationApproved(Notice):
    """BD has approved."""

    template: Literal["application_approved"] = "application_approved"


class SheetToConfirm(Notice):
    """A decision sheet is issued; from revision 2 with the differences."""

    template: Literal["sheet_to_confirm"] = "sheet_to_confirm"
    sheet_revision: int
    expiry: Clock


class TermsReminder(Notice):
    """The terms are not confirmed; again and again."""

    template: Literal["terms_reminder"] = "terms_reminder"
    sheet_revision: int
    expiry: Clock


class TermsConfirmed(Notice):
    """The terms are confirmed; signing comes next."""

    template: Literal["terms_confirmed"] = "terms_confirmed"
    sheet_revision: int
    contact: Clock


class SignatureReminder(Notice):
    """It is the partner's turn to sign; again and again."""

    template: Literal["signature_reminder"] = "signature_reminder"
    sheet_revision: int
    signing: Signing


class TermsReopened(Notice):
    """BD has reopened the terms; signatures are void."""

    template: Literal["terms_reopened"] = "terms_reopened"
    modification: Modification


class ContractSigned(Notice):
    """Both parties have signed."""

    template: Literal["contract_signed"] = "contract_signed"
    sheet_revision: int
    signing: Signing
    start: ContractStart


class StartDateAmended(Notice):
    """The contract start date has moved."""

    template: Literal["start_date_amended"] = "start_date_amended"
    sheet_revision: int
    amendment: Amendment
    start: ContractStart


class ContractStartMoved(Notice):
    """The rules of the contract's time zone have changed: its start is another instant."""

    template: Literal["contract_start_moved"] = "contract_start_moved"
    start: ContractStart


class AccessDelayed(Notice):
    """The contract is in effect, but something is missing for access; again when something else is."""

    template: Literal["access_delayed"] = "access_delayed"
    missing: tuple[Missing, ...]


class AccessGranted(Notice):
    """Access is granted; with the link."""

    template: Literal["access_granted"] = "access_granted"
    covered_uids: tuple[str, ...]


class AssociatedUidChanged(Notice):
    """An Associated UID has been added, or taken away, after access was given."""

    template: Literal["associated_uid_changed"] = "associated_uid_changed"
    coverage_change: CoverageChanged
    covered_uids: tuple[str, ...]


class ContractEnded(Notice):
    """BD has ended the signed contract before its start, or before access that another application kept from
    being given."""

    template: Literal["contract_ended"] = "contract_ended"
    closing: Closing
    start_date: Day
    start_zone: TimeZone
    missing: tuple[Missing, ...] = Field(default=(), exclude_if=says_nothing)


class ApplicationRejected(Notice):
    """BD has rejected; with the reason and what would fix it."""

    template: Literal["application_rejected"] = "application_rejected"
    rejection: Rejection


class ApplicationWithdrawn(Notice):
    """The partner has withdrawn the form."""

    template: Literal["application_withdrawn"] = "application_withdrawn"
    expiry: Clock


class ApplicationCancelled(Notice):
    """The application is cancelled or declined."""

    template: Literal["application_cancelled"] = "application_cancelled"
    closing: Closing


class ExpiryWarning(Notice):
    """The application expires soon: as many days before as the policy says."""

    template: Literal["expiry_warning"] = "expiry_warning"
    stage: Stage
    expiry: Clock


class ApplicationExpired(Notice):
    """Nothing was heard from the partner for too long."""

    template: Literal["application_expired"] = "application_expired"
    closing: Closing


# To BD


class ReviewRequested(ToBd):
    """A form has been submitted; with the deadline of its review."""

    template: Literal["review_requested"] = "review_requested"
    form_revision: int
    warnings: tuple[Warned, ...]
    review: Clock


class ReviewReminder(ToBd):
    """The last working day of the review; in its morning."""

    template: Literal["review_reminder"] = "review_reminder"
    review: Clock


class JustificationAnswered(ToBd):
    """The partner has answered; with the deadline of the review."""

    template: Literal["justification_answered"] = "justification_answered"
    justification: Justification
    review: Clock


class SheetReminder(ToBd):
    """There is no decision sheet yet, or no corrected one; again and again."""

    template: Literal["sheet_reminder"] = "sheet_reminder"
    modification: Modification | None = None


class ModificationRequested(ToBd):
    """The partner asks for a modification of the terms."""

    template: Literal["modification_requested"] = "modification_requested"
    sheet_revision: int
    modification: Modification


class TermsConfirmedToBd(ToBd):
    """The terms are confirmed: contact the partner by the deadline."""

    template: Literal["terms_confirmed_to_bd"] = "terms_confirmed_to_bd"
    sheet_revision: int
    contact: Clock


class SignatureReminderToBd(ToBd):
    """The vendor's signature is due, or both; again and again."""

    template: Literal["signature_reminder_to_bd"] = "signature_reminder_to_bd"
    sheet_revision: int
    signing: Signing


class SignatureRefused(ToBd):
    """A signature that the e-signature service reports is refused: given on other terms, say."""

    template: Literal["signature_refused"] = "signature_refused"
    refused_signature: RefusedSignature


class WithdrawnToBd(ToBd):
    """The partner has withdrawn the form: stop reviewing."""

    template: Literal["withdrawn_to_bd"] = "withdrawn_to_bd"


class ClosedToBd(ToBd):
    """Declined, expired, or cancelled by another than BD, if BD has heard of it before; or by Temporal's own
    Cancel."""

    template: Literal["closed_to_bd"] = "closed_to_bd"
    closing: Closing


class ContractEndedToBd(ToBd):
    """With `contract_ended`."""

    template: Literal["contract_ended_to_bd"] = "contract_ended_to_bd"
    closing: Closing
    start_date: Day
    start_zone: TimeZone
    missing: tuple[Missing, ...] = Field(default=(), exclude_if=says_nothing)


class AccessAlert(ToBd):
    """With `access_delayed`: what is missing."""

    template: Literal["access_alert"] = "access_alert"
    missing: tuple[Missing, ...]


class AssociatedUidChangedToBd(ToBd):
    """With `associated_uid_changed`."""

    template: Literal["associated_uid_changed_to_bd"] = "associated_uid_changed_to_bd"
    coverage_change: CoverageChanged
    covered_uids: tuple[str, ...]


class EmailFailed(ToBd):
    """An e-mail to the partner can't be delivered."""

    template: Literal["email_failed"] = "email_failed"
    failed_emails: tuple[FailedEmail, ...]


class EmailToBdFailed(ToBdLead):
    """An e-mail to BD can't be delivered."""

    template: Literal["email_to_bd_failed"] = "email_to_bd_failed"
    failed_emails: tuple[FailedEmail, ...]


class DeadlineEstimated(ToBdLead):
    """A deadline is estimated until its calendar or zone is known to the release; once."""

    template: Literal["deadline_estimated"] = "deadline_estimated"
    estimates: tuple[Clock, ...]


class AccessStillDelayed(ToBdLead):
    """Access is held up for `access_delay_working_days`; then every `reminder_working_days`."""

    template: Literal["access_still_delayed"] = "access_still_delayed"
    missing: tuple[Missing, ...]
    in_effect_since: Instant


class RemindersUnanswered(ToBdLead):
    """With the third reminder in a row that nobody has answered; once."""

    template: Literal["reminders_unanswered"] = "reminders_unanswered"
    stage: Stage
    reminders: int
    signing: Signing


class ReviewOverdue(ToBdLead):
    """The deadline of the review was missed; in the morning after."""

    template: Literal["review_overdue"] = "review_overdue"
    review: Clock


class ContactOverdue(ToBdLead):
    """The deadline to contact the partner was missed; in the morning after."""

    template: Literal["contact_overdue"] = "contact_overdue"
    contact: Clock


AnyNotice = Annotated[
    ApplicationReceived | JustificationRequested | ApplicationApproved | SheetToConfirm | TermsReminder
    | TermsConfirmed | SignatureReminder | TermsReopened | ContractSigned | StartDateAmended
    | ContractStartMoved | AccessDelayed | AccessGranted | AssociatedUidChanged | AssociatedUidChangedToBd
    | ApplicationRejected | ApplicationWithdrawn | ApplicationCancelled | ExpiryWarning | ApplicationExpired
    | ReviewRequested | ReviewReminder | JustificationAnswered | SheetReminder | ModificationRequested
    | TermsConfirmedToBd | SignatureReminderToBd | WithdrawnToBd | ClosedToBd | AssignedToBd | AccessAlert
    | EmailFailed | EmailToBdFailed | DeadlineEstimated | AccessStillDelayed | RemindersUnanswered
    | ReviewOverdue | ContactOverdue | PartnerAsked | PartnerAnswered | ContractEnded | ContractEndedToBd
    | HandedOver | AssignedToLead | LeadHandedOver | JustificationReminder | QuestionReminder
    | QuestionUnanswered | SignatureRefused,
    Field(discriminator="template"),
]  # fmt: skip
"""Every notice there is, told apart by ``template``."""

NOTICE_ADAPTER: Final[TypeAdapter[AnyNotice]] = TypeAdapter(AnyNotice)
NOTICES: Final[tuple[type[Notice], ...]] = get_args(get_args(AnyNotice)[0])
