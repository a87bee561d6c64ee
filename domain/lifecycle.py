"""The process, as three tables: stages, steps and moments. Pure: no Temporal, no I/O, no clock.

`STAGES` says what the applicant reads and whose move it is; `STEPS` what each command does, who may send
it and where; `MOMENTS` what happens when time is up. `decisions.py` reads the tables; all that is
peculiar to one command stands in `rules.py` (may it?) and `effects.py` (what changes?).
"""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import cleandoc
from typing import Any, Final

from domain import effects, letters, rules
from domain.clocks import ClockKind, ClockRequest
from domain.contract import (
    AmendStartDate,
    ApproveApplication,
    CancelApplication,
    ChooseSigningPath,
    Command,
    ConfirmCompany,
    ConfirmTerms,
    CorrectContact,
    Decline,
    IssueDecisionSheet,
    ModifyTerms,
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
    WaitingOn,
    WithdrawApplication,
)
from domain.facts import AccountFacts
from domain.letters import Audience, Letter
from domain.policy import access_recheck_after
from domain.state import OUTCOMES, Application

SetClock = Callable[[Application], ClockRequest]


def review_clock(application: Application) -> ClockRequest:
    """Three working days for BD (guide §2.2); after a justification, the whole days that were left."""
    if application.paused_review:
        return ClockRequest(kind=ClockKind.REVIEW, resume=application.paused_review)
    return ClockRequest(kind=ClockKind.REVIEW, working_days=application.policy.review_working_days)


def contact_clock(application: Application) -> ClockRequest:
    """Three working days for BD to contact the partner about signing (guide §2.3)."""
    return ClockRequest(kind=ClockKind.CONTACT, working_days=application.policy.contact_working_days)


def reminder_clock(application: Application) -> ClockRequest:
    """Working days until whoever has to move is reminded."""
    return ClockRequest(kind=ClockKind.REMINDER, working_days=application.policy.reminder_working_days)


def expiry_clock(application: Application) -> ClockRequest:
    """Calendar days a partner's silence may last."""
    return ClockRequest(kind=ClockKind.EXPIRY, calendar_days=application.policy.partner_expiry_days)


def start_date_clock(application: Application) -> ClockRequest:
    """The start of the contract start date in the contract's time zone (guide §2.4)."""
    return ClockRequest(
        kind=ClockKind.START_DATE, on=application.start_date, time_zone=application.start_zone
    )


def access_clock(application: Application) -> ClockRequest:
    """When access is tried (again)."""
    attempts = application.access_attempts
    wait = access_recheck_after(attempts) if attempts else access_recheck_after(1) * 0
    return ClockRequest(kind=ClockKind.ACCESS_CHECK, after=wait)


@dataclass(frozen=True)
class StageRow:
    """A stage: what the applicant reads, whose move it is, and the clocks that start on entering it."""

    status_text: str
    waiting_on: WaitingOn
    clocks: tuple[SetClock, ...] = ()


STAGES: Final[dict[Stage, StageRow]] = {
    Stage.DRAFTING: StageRow(
        "Signing Process: Alibaba Cloud Reseller Partner", WaitingOn.PARTNER, (expiry_clock,)
    ),
    Stage.UNDER_REVIEW: StageRow(
        "Please be patient and wait for the approval", WaitingOn.BD, (review_clock,)
    ),
    Stage.JUSTIFYING: StageRow("Please justify your qualification", WaitingOn.PARTNER, (expiry_clock,)),
    Stage.WITHDRAWN: StageRow("Application withdrawn", WaitingOn.PARTNER, (expiry_clock,)),
    Stage.QUALIFIED: StageRow(
        "Congratulations on passing the qualification", WaitingOn.BD, (reminder_clock,)
    ),
    Stage.CONFIRMING_TERMS: StageRow(
        "Please confirm the following business terms", WaitingOn.PARTNER, (reminder_clock, expiry_clock)
    ),
    Stage.CORRECTING_TERMS: StageRow("Your modification is being processed", WaitingOn.BD, (reminder_clock,)),
    Stage.AWAITING_SIGNATURES: StageRow("Waiting for signing contract", WaitingOn.BOTH, (contact_clock,)),
    Stage.SIGNED: StageRow(
        "You have successfully signed the contract", WaitingOn.PLATFORM, (start_date_clock,)
    ),
    Stage.ACTIVATING: StageRow(
        "Your contract is in effect; access is being opened", WaitingOn.PLATFORM, (access_clock,)
    ),
    Stage.ACTIVE: StageRow("ACPN access granted", WaitingOn.NONE),
    Stage.REJECTED: StageRow("Application rejected", WaitingOn.NONE),
    Stage.CANCELLED: StageRow("Application cancelled", WaitingOn.NONE),
    Stage.EXPIRED: StageRow("Application expired", WaitingOn.NONE),
}

OPEN: Final = tuple(stage for stage in Stage if stage not in OUTCOMES)
BEFORE_SIGNED: Final = OPEN[: OPEN.index(Stage.SIGNED)]
WITH_TERMS: Final = OPEN[OPEN.index(Stage.QUALIFIED) : OPEN.index(Stage.SIGNED)]
PARTNER: Final = (Role.PARTNER,)
BD: Final = (Role.BD, Role.BD_LEAD)
PARTNER_OR_BD: Final = (*PARTNER, *BD)
BD_LEAD: Final = (Role.BD_LEAD,)
SIGNATORIES: Final = (Role.PARTNER, Role.VENDOR, Role.ESIGN)


@dataclass(frozen=True)
class Step:
    """A row of the process: this command, by one of these roles, in one of these stages.

    ``to``: the stage it enters (its clocks start anew); ``None``: it stays, the clocks run on. ``letters``
    leave when it is done. ``asks``: it needs the account directory. ``done``: its effect is in place
    already. ``rules`` and ``changes`` are its own. ``revision``: it names a revision that must be current.
    ``restarts``: clocks it sets while staying; ``stops``: clocks it ends.
    """

    command: type[Command]
    by: tuple[Role, ...]
    where: tuple[Stage, ...]
    to: Stage | None
    letters: tuple[type[Letter], ...] = ()
    done: Callable[[Application, Any], bool] = lambda application, command: False
    revision: Callable[[Application, Any], None] | None = None
    asks: Callable[[Any, Any, AccountFacts], None] | None = None
    rules: Callable[[Application, Any], None] | None = None
    changes: Callable[..., Application] = lambda application, command, now: application
    restarts: tuple[SetClock, ...] = ()
    stops: tuple[ClockKind, ...] = ()
    before_signatures: bool = False

    @property
    def name(self) -> str:
        """The command's name: signal name and tag ``kind``."""
        return str(self.command.model_fields["kind"].default)

    @property
    def description(self) -> str:
        """Who says what with the command, as the Web UI shows it."""
        return cleandoc(self.command.__doc__ or "").replace("``", "`")


# fmt: off
STEPS: Final[tuple[Step, ...]] = (
    # 2.2 Submit the Application
    Step(ConfirmCompany, PARTNER, (Stage.DRAFTING,), None,
         done=effects.company_confirmed, asks=rules.company_can_be_confirmed,
         changes=effects.confirm_company),
    Step(SubmitApplication, PARTNER, (Stage.DRAFTING, Stage.WITHDRAWN), Stage.UNDER_REVIEW,
         (letters.ApplicationReceived, letters.ReviewRequested),
         done=effects.form_submitted, asks=rules.form_is_acceptable, changes=effects.submit_application),
    Step(WithdrawApplication, PARTNER, (Stage.UNDER_REVIEW, Stage.JUSTIFYING), Stage.WITHDRAWN,
         (letters.ApplicationWithdrawn, letters.WithdrawnToBd),
         done=effects.withdrawn, changes=effects.withdraw_application),
    Step(RequestJustification, BD, (Stage.UNDER_REVIEW,), Stage.JUSTIFYING, (letters.JustificationRequested,),
         done=effects.justification_requested, changes=effects.request_justification),
    Step(ProvideJustification, PARTNER, (Stage.JUSTIFYING,), Stage.UNDER_REVIEW,
         (letters.JustificationAnswered,),
         done=effects.justification_provided, changes=effects.provide_justification),
    Step(ApproveApplication, BD, (Stage.UNDER_REVIEW,), Stage.QUALIFIED, (letters.ApplicationApproved,),
         done=effects.approved, revision=rules.reviewed_form_is_current, changes=effects.approve_application),
    Step(RejectApplication, BD, (Stage.UNDER_REVIEW, Stage.JUSTIFYING), Stage.REJECTED,
         (letters.ApplicationRejected,), changes=effects.reject_application),
    # 2.3 Complete Decision Sheet Process
    Step(IssueDecisionSheet, BD, (Stage.QUALIFIED, Stage.CORRECTING_TERMS, Stage.CONFIRMING_TERMS),
         Stage.CONFIRMING_TERMS, (letters.SheetToConfirm,),
         done=effects.sheet_issued, rules=rules.sheet_fits_application, changes=effects.issue_decision_sheet),
    Step(ConfirmTerms, PARTNER, (Stage.CONFIRMING_TERMS,), Stage.AWAITING_SIGNATURES,
         (letters.TermsConfirmed, letters.TermsConfirmedToBd),
         done=effects.terms_confirmed, revision=rules.sheet_is_current, changes=effects.confirm_terms),
    Step(ModifyTerms, PARTNER, (Stage.CONFIRMING_TERMS,), Stage.CORRECTING_TERMS,
         (letters.ModificationRequested,),
         done=effects.modification_asked, revision=rules.sheet_is_current, changes=effects.modify_terms),
    Step(RecordContact, BD, (Stage.AWAITING_SIGNATURES,), None,
         done=effects.contact_recorded, changes=effects.record_contact,
         stops=(ClockKind.CONTACT,), restarts=(reminder_clock,)),
    # 2.4 Complete the Contract-signing Process
    Step(ChooseSigningPath, BD, (Stage.AWAITING_SIGNATURES,), None, before_signatures=True,
         done=effects.path_chosen, changes=effects.choose_signing_path),
    Step(SignContract, SIGNATORIES, (Stage.AWAITING_SIGNATURES,), None,
         done=effects.contract_signed, revision=rules.sheet_is_current, rules=rules.signature_is_in_order,
         changes=effects.sign_contract, stops=(ClockKind.CONTACT,), restarts=(reminder_clock,)),
    Step(ReopenTerms, BD, (Stage.AWAITING_SIGNATURES,), Stage.CORRECTING_TERMS, (letters.TermsReopened,),
         done=effects.terms_reopened, changes=effects.reopen_terms),
    Step(AmendStartDate, BD, (Stage.SIGNED,), None, (letters.StartDateAmended,),
         done=effects.start_date_amended, changes=effects.amend_start_date, restarts=(start_date_clock,)),
    # At any time
    Step(ReassignBd, BD_LEAD, OPEN, None, (letters.AssignedToBd,),
         done=effects.bd_reassigned, changes=effects.reassign_bd),
    Step(CorrectContact, PARTNER_OR_BD, OPEN, None,
         done=effects.contact_corrected, changes=effects.correct_contact),
    Step(ResendEmail, PARTNER_OR_BD, OPEN, None,
         done=effects.email_resent, rules=rules.email_has_failed, changes=effects.resend_email),
    Step(Decline, PARTNER, WITH_TERMS, Stage.CANCELLED, (letters.ApplicationCancelled, letters.ClosedToBd),
         changes=effects.decline),
    Step(CancelApplication, BD, BEFORE_SIGNED, Stage.CANCELLED, (letters.ApplicationCancelled,),
         changes=effects.cancel_application),
)
# fmt: on

STEP_OF: Final = {step.command: step for step in STEPS}
BOTH_SIGNED: Final = (Stage.AWAITING_SIGNATURES, Stage.SIGNED, (letters.ContractSigned,))
"""Once both parties have signed: from this stage to that one, with these letters (guide §2.4)."""


ALERTS: Final[dict[Audience, type[Letter]]] = {
    Audience.PARTNER: letters.EmailFailed,
    Audience.BD: letters.EmailToBdFailed,
}
"""Who is told when a mail to this audience can't be delivered."""


@dataclass(frozen=True)
class Moment:
    """What happens by itself when a clock is due in one of these stages (``early``: one working day before).

    ``to``: the stage it enters. ``overdue``: BD has missed the deadline; it escalates and decides nothing.
    ``restarts``: clocks it sets.
    """

    name: str
    clock: ClockKind
    where: tuple[Stage, ...]
    to: Stage | None = None
    letters: tuple[type[Letter], ...] = ()
    early: bool = False
    overdue: bool = False
    restarts: tuple[SetClock, ...] = ()


# fmt: off
MOMENTS: Final[tuple[Moment, ...]] = (
    Moment("expiry", ClockKind.EXPIRY, (Stage.DRAFTING,),
           Stage.EXPIRED, (letters.ApplicationExpired,)),
    Moment("expiry", ClockKind.EXPIRY, (Stage.JUSTIFYING, Stage.WITHDRAWN, Stage.CONFIRMING_TERMS),
           Stage.EXPIRED, (letters.ApplicationExpired, letters.ClosedToBd)),
    Moment("review_reminder", ClockKind.REVIEW, (Stage.UNDER_REVIEW,),
           None, (letters.ReviewReminder,), early=True),
    Moment("review_overdue", ClockKind.REVIEW, (Stage.UNDER_REVIEW,),
           None, (letters.ReviewOverdue,), overdue=True),
    Moment("sheet_reminder", ClockKind.REMINDER, (Stage.QUALIFIED, Stage.CORRECTING_TERMS),
           None, (letters.SheetReminder,), restarts=(reminder_clock,)),
    Moment("terms_reminder", ClockKind.REMINDER, (Stage.CONFIRMING_TERMS,),
           None, (letters.TermsReminder,)),
    Moment("contact_overdue", ClockKind.CONTACT, (Stage.AWAITING_SIGNATURES,),
           None, (letters.ContactOverdue,), overdue=True, restarts=(reminder_clock,)),
    Moment("signature_reminder", ClockKind.REMINDER, (Stage.AWAITING_SIGNATURES,),
           None, (letters.SignatureReminder, letters.SignatureReminderToBd), restarts=(reminder_clock,)),
    Moment("start_date", ClockKind.START_DATE, (Stage.SIGNED,), Stage.ACTIVATING),
    Moment("access_check", ClockKind.ACCESS_CHECK, (Stage.ACTIVATING,)),
)
# fmt: on
