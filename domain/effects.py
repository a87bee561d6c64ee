"""What each command changes in the application, and how to tell that it has done so already.

Pure functions; the stage itself, its clocks and its letters are set by `lifecycle.py`.
"""

from domain.clocks import ClockKind, PausedClock
from domain.contract import (
    AmendStartDate,
    ApproveApplication,
    CancelApplication,
    ChooseSigningPath,
    ConfirmCompany,
    ConfirmTerms,
    CorrectContact,
    Decline,
    IssueDecisionSheet,
    ModifyTerms,
    Party,
    Person,
    ProvideJustification,
    ReassignBd,
    RecordContact,
    RejectApplication,
    ReopenTerms,
    RequestJustification,
    ResendEmail,
    Role,
    SignContract,
    Stage,
    SubmitApplication,
    WithdrawApplication,
)
from domain.documents import sheet_hash
from domain.facts import AccountFacts
from domain.rules import amendment_changes_something
from domain.state import Application
from domain.status import (
    Amendment,
    Closing,
    FailedEmail,
    IssuedSheet,
    Justification,
    Modification,
    Rejection,
    Signature,
    field_changes,
)
from domain.values import Instant

KEPT_FAILED_EMAILS = 50
BEFORE_APPROVAL = frozenset({Stage.DRAFTING, Stage.UNDER_REVIEW, Stage.JUSTIFYING, Stage.WITHDRAWN})
AFTER_CONFIRMATION = frozenset({Stage.AWAITING_SIGNATURES, Stage.SIGNED, Stage.ACTIVATING})


def company_confirmed(application: Application, command: ConfirmCompany) -> bool:
    return application.company_confirmed


def confirm_company(
    application: Application, command: ConfirmCompany, now: Instant, facts: AccountFacts
) -> Application:
    master = facts.account(application.company_master_uid)
    return application.but(company=master and master.enterprise, company_confirmed=True)


def form_submitted(application: Application, command: SubmitApplication) -> bool:
    editable = application.stage in (Stage.DRAFTING, Stage.WITHDRAWN)
    return not editable and command.application == application.form


def submit_application(
    application: Application, command: SubmitApplication, now: Instant, facts: AccountFacts
) -> Application:
    master = facts.account(application.company_master_uid)
    return application.but(
        company=master and master.enterprise,
        form=command.application,
        form_revision=application.form_revision or 1,
        justification=None,
        paused_review=None,
        corrected_contact=None,
    )


def withdrawn(application: Application, command: WithdrawApplication) -> bool:
    return application.stage is Stage.WITHDRAWN


def withdraw_application(application: Application, command: WithdrawApplication, now: Instant) -> Application:
    return application.but(form_revision=application.form_revision + 1, paused_review=None)


def justification_requested(application: Application, command: RequestJustification) -> bool:
    asked = application.justification
    return application.stage is Stage.JUSTIFYING and asked is not None and asked.question == command.question


def request_justification(
    application: Application, command: RequestJustification, now: Instant
) -> Application:
    review = application.clock(ClockKind.REVIEW)
    return application.but(
        justification=Justification(question=command.question),
        paused_review=PausedClock(days_counted=review.days_counted if review else (), paused_at=now),
    )


def justification_provided(application: Application, command: ProvideJustification) -> bool:
    asked = application.justification
    return application.stage is not Stage.JUSTIFYING and asked is not None and asked.answer == command.answer


def provide_justification(
    application: Application, command: ProvideJustification, now: Instant
) -> Application:
    asked = application.justification
    return application.but(justification=asked and asked.model_copy(update={"answer": command.answer}))


def approved(application: Application, command: ApproveApplication) -> bool:
    return application.stage not in BEFORE_APPROVAL and application.approved_revision == command.form_revision


def approve_application(application: Application, command: ApproveApplication, now: Instant) -> Application:
    return application.but(approved_revision=command.form_revision, paused_review=None)


def reject_application(application: Application, command: RejectApplication, now: Instant) -> Application:
    return application.but(
        rejection=Rejection(reason_code=command.reason_code, explanation=command.explanation),
        closing=Closing(by=command.actor.role, reason=command.explanation),
    )


def sheet_issued(application: Application, command: IssueDecisionSheet) -> bool:
    sheet = application.sheet
    in_force = application.stage is Stage.CONFIRMING_TERMS or application.stage in AFTER_CONFIRMATION
    return in_force and sheet is not None and sheet.hash == sheet_hash(command.sheet)


def issue_decision_sheet(application: Application, command: IssueDecisionSheet, now: Instant) -> Application:
    before = application.sheet
    changes = (
        field_changes(before.content.model_dump(mode="json"), command.sheet.model_dump(mode="json"))
        if before
        else ()
    )
    return application.but(
        sheet=IssuedSheet(
            revision=before.revision + 1 if before else 1,
            hash=sheet_hash(command.sheet),
            content=command.sheet,
            changes=changes,
        ),
        modification=None,
    )


def terms_confirmed(application: Application, command: ConfirmTerms) -> bool:
    sheet = application.sheet
    return (
        sheet is not None
        and application.confirmed_revision == command.sheet_revision
        and sheet.hash == command.sheet_hash.lower()
    )


def confirm_terms(application: Application, command: ConfirmTerms, now: Instant) -> Application:
    return application.but(confirmed_revision=command.sheet_revision, contacted_at=None, contact_note=None)


def modification_asked(application: Application, command: ModifyTerms) -> bool:
    return application.stage is Stage.CORRECTING_TERMS and application.modification == _modification(command)


def modify_terms(application: Application, command: ModifyTerms, now: Instant) -> Application:
    return application.but(modification=_modification(command))


def _modification(command: ModifyTerms) -> Modification:
    return Modification(
        sheet_revision=command.sheet_revision, description=command.description, fields=command.fields
    )


def contact_recorded(application: Application, command: RecordContact) -> bool:
    return application.contacted_at is not None and command.note in (None, application.contact_note)


def record_contact(application: Application, command: RecordContact, now: Instant) -> Application:
    return application.but(
        contacted_at=application.contacted_at or now, contact_note=command.note, overdue=False
    )


def path_chosen(application: Application, command: ChooseSigningPath) -> bool:
    signing = application.signing
    return application.stage in AFTER_CONFIRMATION and (signing.path, signing.order) == (
        command.path,
        command.order,
    )


def choose_signing_path(application: Application, command: ChooseSigningPath, now: Instant) -> Application:
    return application.but(
        signing=application.signing.model_copy(update={"path": command.path, "order": command.order})
    )


def contract_signed(application: Application, command: SignContract) -> bool:
    existing, sheet = application.signing.by(command.party), application.sheet
    return (
        existing is not None
        and sheet is not None
        and (existing.signer_name, sheet.revision, sheet.hash)
        == (command.signer_name, command.sheet_revision, command.sheet_hash.lower())
    )


def sign_contract(application: Application, command: SignContract, now: Instant) -> Application:
    signature = Signature(
        signer_name=command.signer_name, signed_at=command.signed_at, document_ref=command.document_ref
    )
    side = "partner" if command.party is Party.PARTNER else "vendor"
    return application.but(
        signing=application.signing.model_copy(update={side: signature}),
        # Who has a signature has been in contact (guide §2.3, last step).
        contacted_at=application.contacted_at or now,
        overdue=False,
    )


def terms_reopened(application: Application, command: ReopenTerms) -> bool:
    asked = application.modification
    return (
        application.stage is Stage.CORRECTING_TERMS
        and asked is not None
        and (asked.by, asked.description) == (Role.BD, command.reason)
    )


def reopen_terms(application: Application, command: ReopenTerms, now: Instant) -> Application:
    signing = application.signing.model_copy(update={"partner": None, "vendor": None})
    return application.but(
        signing=signing,
        confirmed_revision=None,
        contacted_at=None,
        contact_note=None,
        modification=Modification(
            sheet_revision=application.sheet.revision if application.sheet else 0,
            description=command.reason,
            by=Role.BD,
        ),
    )


def start_date_amended(application: Application, command: AmendStartDate) -> bool:
    in_force = application.stage in (Stage.SIGNED, Stage.ACTIVATING)
    return in_force and not amendment_changes_something(application, command)


def amend_start_date(application: Application, command: AmendStartDate, now: Instant) -> Application:
    amendment = Amendment(
        start_date=command.start_date,
        time_zone=command.time_zone,
        reason=command.reason,
        at=now,
        by=command.actor,
    )
    return application.but(amendments=(*application.amendments, amendment))


def bd_reassigned(application: Application, command: ReassignBd) -> bool:
    return application.bd == command.bd


def reassign_bd(application: Application, command: ReassignBd, now: Instant) -> Application:
    return application.but(bd=command.bd)


def contact_corrected(application: Application, command: CorrectContact) -> bool:
    recipient = application.recipient
    return recipient.email == command.email and command.name in (None, recipient.name)


def correct_contact(application: Application, command: CorrectContact, now: Instant) -> Application:
    name = command.name or application.recipient.name
    return application.but(corrected_contact=Person(name=name, email=command.email))


def email_resent(application: Application, command: ResendEmail) -> bool:
    return command.key in application.resent_emails


def resend_email(application: Application, command: ResendEmail, now: Instant) -> Application:
    still_failed = tuple(failed for failed in application.failed_emails if failed.key != command.key)
    return application.but(
        failed_emails=still_failed,
        resent_emails=(*application.resent_emails, command.key)[-KEPT_FAILED_EMAILS:],
    )


def emails_failed(application: Application, failed: tuple[FailedEmail, ...]) -> Application:
    """These mails can't be delivered; the latest `KEPT_FAILED_EMAILS` are kept, to be sent again if asked."""
    return application.but(failed_emails=(*application.failed_emails, *failed)[-KEPT_FAILED_EMAILS:])


def decline(application: Application, command: Decline, now: Instant) -> Application:
    return application.but(closing=Closing(by=Role.PARTNER, reason=command.reason))


def cancel_application(application: Application, command: CancelApplication, now: Instant) -> Application:
    return application.but(closing=Closing(by=command.actor.role, reason=command.reason))


def expired(days: int) -> Closing:
    """Why an application nobody went on with has ended."""
    return Closing(by=Role.SYSTEM, reason=f"Nothing was heard from the partner for {days} days.")
