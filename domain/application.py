"""The application (guide §2.2): company information, the form, its review, and the justification of the
qualification.

One command, one place: what it carries, who may send it and where, its rules, what it changes, and how to
tell that it has done so already. The rows at the end are this part of the process.
"""

import re
from datetime import datetime
from typing import ClassVar, Final, Literal

from pydantic import Field

from domain import notices
from domain.account_rules import (
    access_by_another,
    accounts_of_the_application,
    has_access_by_another,
    no_other_comes_first,
    not_a_partner,
    not_covered_elsewhere,
    own_name,
    same_business,
    same_enterprise,
    verified,
)
from domain.clocks import ClockKind, PausedClock, When
from domain.contract import Command, ErrorType, FormCommand, Stage
from domain.documents import FILES, ApplicationForm, EvidenceFiles
from domain.inquiry import About, AccountAnswers, AccountQuery, Table, TableEntry
from domain.periods import reminder_clock
from domain.refusal import RefusedError
from domain.state import Application
from domain.status import Closing, Company, Justification, Rejection, Status
from domain.steps import BD, PARTNER, Moment, Step, known_to_bd
from domain.values import Code, Digest, Text, says_nothing

BEFORE_APPROVAL: Final = frozenset({Stage.DRAFTING, Stage.UNDER_REVIEW, Stage.JUSTIFYING, Stage.WITHDRAWN})


# Step 1: confirm the company information


class ConfirmCompany(Command):
    """Partner: the company information shown is ours (guide §2.2, Step 1)."""

    kind: Literal["confirm_company"] = "confirm_company"
    conditions: ClassVar[frozenset[str]] = Command.conditions | {"company_hash"}
    company_hash: Digest | None = Field(
        default=None, description="Only if this is still the hash of the company shown."
    )


def _company_confirmed(application: Application, command: ConfirmCompany) -> bool:
    company = application.company
    named = command.company_hash
    return application.company_confirmed and (named is None or (company is not None and _is(named, company)))


def _applicant(application: Application, command: ConfirmCompany) -> AccountQuery:
    uid = application.company_master_uid
    return AccountQuery(company_master_uid=uid, uids=(uid,))


def company_can_be_confirmed(
    application: Application, command: ConfirmCompany, accounts: AccountAnswers
) -> None:
    """There is a verified company to confirm, the one that was shown, and it has no access yet, nor has its
    account by another company's application (guide §2.1, §2.2 Step 1).

    The one shown is the one the command names or, where it names none, the one the status shows, if any.
    """
    not_a_partner(application, accounts)
    if has_access_by_another(application.company_master_uid, accounts):
        raise access_by_another(application.company_master_uid)
    found = verified(application.company_master_uid, accounts).enterprise
    shown = application.company
    named = command.company_hash or (shown.digest if shown else None)
    if found is None or named is None or _is(named, found):
        return
    raise RefusedError(
        ErrorType.STALE_REVISION,
        "The account directory has another company now than the one to be confirmed: read the status, then "
        "confirm the company it shows.",
        company=_news(shown, found),
    )


def _is(named: str, company: Company) -> bool:
    return named.lower() == company.digest


def _news(shown: Company | None, found: Company) -> Company | None:
    return None if shown and shown.digest == found.digest else found


def _confirm_company(
    application: Application, command: ConfirmCompany, now: datetime, accounts: AccountAnswers
) -> Application:
    master = accounts.account(application.company_master_uid)
    return application.but(
        company=master and master.enterprise,
        company_confirmed=True,
        account_unknown=False,
        account_covered=False,
    )


# Step 2: complete and submit the form

_WEB_ADDRESS: Final = re.compile(
    r"https?://[^\s/?#@:\\.]+(\.[^\s/?#@:\\.]+)+\.?(:[0-9]{1,5})?([/?#]\S*)?", re.IGNORECASE
)
"""A host with a dot, as others have to find it; no user before an ``@``: what looks like the host there is
not."""


class SubmitApplication(Command):
    """Partner: here is the completed form; please review it (guide §2.2, Step 2)."""

    kind: Literal["submit_application"] = "submit_application"
    application: ApplicationForm = Field(description="The form.")


def _form_submitted(application: Application, command: SubmitApplication) -> bool:
    editable = application.stage in (Stage.DRAFTING, Stage.WITHDRAWN)
    return not editable and command.application == application.form


def _accounts_of_the_form(application: Application, command: SubmitApplication) -> AccountQuery:
    return AccountQuery(
        company_master_uid=application.company_master_uid,
        uids=command.application.covered_uids,
        legal_name=command.application.legal_name,
    )


def _entries_of_the_form(command: SubmitApplication) -> tuple[TableEntry, ...]:
    form = command.application
    return (
        TableEntry(field="application.country", table=Table.COUNTRY, value=form.country),
        TableEntry(field="application.contact.email", table=Table.EMAIL, value=form.contact.email),
    )


def website_is_a_web_address(application: Application, command: SubmitApplication) -> None:
    """The website, if there is one, is an address of http or https: readers of the form may click on it."""
    website = command.application.website
    if website is not None and not _WEB_ADDRESS.fullmatch(website):
        raise RefusedError(
            ErrorType.INVALID,
            "application.website: must be a web address that begins with https:// or http://, such as"
            " https://acme.example.",
        )


def form_is_acceptable(
    application: Application, command: SubmitApplication, accounts: AccountAnswers
) -> None:
    """Enterprise verified (FAQ Q1), company confirmed (§2.2 Step 1), UIDs that belong together (Q3, Q5)
    and that no other application covers, running or active, which comes first."""
    form = command.application
    not_a_partner(application, accounts)
    master = verified(application.company_master_uid, accounts)
    if not application.company_confirmed:
        raise RefusedError(
            ErrorType.COMPANY_NOT_CONFIRMED,
            "The company information is not confirmed yet: send confirm_company first.",
        )
    if master.enterprise and (news := _news(application.company, master.enterprise)):
        raise RefusedError(
            ErrorType.COMPANY_NOT_CONFIRMED,
            "The account directory has another company now than the one that was confirmed: read the status, "
            "confirm the company it shows, then submit the form again.",
            company=news,
        )
    covered = [verified(uid, accounts) for uid in form.covered_uids]
    same_enterprise(master, covered)
    own_name(master, form, accounts)
    same_business(covered, form)
    not_covered_elsewhere(application, command, form.covered_uids, accounts)


def _submit_application(
    application: Application, command: SubmitApplication, now: datetime, accounts: AccountAnswers
) -> Application:
    master = accounts.account(application.company_master_uid)
    revision = max(application.form_revision, application.forms_used + 1)
    return application.but(
        company=master and master.enterprise,
        form=command.application,
        associated_uids=None,
        form_revision=revision,
        submitted_revision=revision,
        forms_used=revision,
        justification=None,
        paused_review=None,
        corrected_contact=None,
    )


def form_is_current(application: Application, command: Command) -> None:
    """Who names a revision of the form means the one he has read, not one that replaced it meanwhile."""
    if command.about_form not in (None, application.form_revision):
        raise RefusedError(
            ErrorType.STALE_REVISION,
            f"The form is at revision {application.form_revision}, not {command.about_form}: "
            "read the current form, then send the command for that one.",
        )


class WithdrawApplication(FormCommand):
    """Partner: give the form back to me, I have to modify it (guide §2.2, Step 2)."""

    kind: Literal["withdraw_application"] = "withdraw_application"
    reason: Text | None = Field(default=None, description="Why.", examples=["The address is outdated"])


def _withdrawn(application: Application, command: WithdrawApplication) -> bool:
    return application.stage is Stage.WITHDRAWN


def _withdraw_application(
    application: Application, command: WithdrawApplication, now: datetime, accounts: AccountAnswers
) -> Application:
    return application.but(form_revision=application.forms_used + 1, paused_review=None)


# BD reviews


class RequestJustification(FormCommand):
    """BD: please justify your qualification; the review clock is paused (guide §2.2, Step 2)."""

    kind: Literal["request_justification"] = "request_justification"
    question: Text = Field(
        description="What the partner has to justify.", examples=["Which customers do you serve?"]
    )


def _justification_requested(application: Application, command: RequestJustification) -> bool:
    asked = application.justification
    return application.stage is Stage.JUSTIFYING and asked is not None and asked.question == command.question


def _request_justification(
    application: Application, command: RequestJustification, now: datetime, accounts: AccountAnswers
) -> Application:
    review = application.clock(ClockKind.REVIEW)
    return application.but(
        justification=Justification(question=command.question),
        paused_review=PausedClock(days_counted=review.days_counted if review else (), paused_at=now),
    )


class ProvideJustification(FormCommand):
    """Partner: the answer to BD's question; the review clock goes on."""

    kind: Literal["provide_justification"] = "provide_justification"
    answer: Text = Field(description="The answer to BD's question.", examples=["Forty in retail"])
    evidence: EvidenceFiles = Field(default=(), description=FILES, exclude_if=says_nothing)


def _justification_provided(application: Application, command: ProvideJustification) -> bool:
    asked = application.justification
    given = (command.answer, command.evidence)
    return (
        application.stage is not Stage.JUSTIFYING
        and asked is not None
        and (asked.answer, asked.evidence) == given
    )


def _provide_justification(
    application: Application, command: ProvideJustification, now: datetime, accounts: AccountAnswers
) -> Application:
    asked = application.justification
    given = {"answer": command.answer, "evidence": command.evidence}
    return application.but(justification=asked and asked.model_copy(update=given))


class ApproveApplication(Command):
    """BD: the application, as in this revision of the form, qualifies (guide §2.3)."""

    kind: Literal["approve_application"] = "approve_application"
    form_revision: int = Field(ge=1, le=1_000_000, description="The revision of the form meant.")

    @property
    def about_form(self) -> int:
        """The revision of the form it names."""
        return self.form_revision


def _approved(application: Application, command: ApproveApplication) -> bool:
    return application.stage not in BEFORE_APPROVAL and application.approved_revision == command.form_revision


def _approve_application(
    application: Application, command: ApproveApplication, now: datetime, accounts: AccountAnswers
) -> Application:
    return application.but(approved_revision=command.form_revision, paused_review=None)


class RejectApplication(FormCommand):
    """BD: the application does not qualify, and what would fix it."""

    kind: Literal["reject_application"] = "reject_application"
    reason_code: Code = Field(description="Why, as a code.", examples=["no-local-team"])
    explanation: Text = Field(
        description="Why, and what would fix it.",
        examples=["Apply again with a sales team in the territory"],
    )


def _reject_application(
    application: Application, command: RejectApplication, now: datetime, accounts: AccountAnswers
) -> Application:
    return application.but(
        rejection=Rejection(reason_code=command.reason_code, explanation=command.explanation),
        closing=Closing(by=command.actor.role, reason=command.explanation),
    )


def _hash_shown(status: Status) -> str | None:
    return status.company.hash if status.company else None


def _shown_revision(status: Status) -> int:
    return max(status.form_revision, 1)


CURRENT_FORM: Final = {"form_revision": _shown_revision}
"""The form a person means who names none."""

# fmt: off
STEPS: Final[tuple[Step, ...]] = (
    Step(ConfirmCompany, PARTNER, (Stage.DRAFTING, Stage.WITHDRAWN), None,
         done=_company_confirmed, asks=_applicant, account_rules=(company_can_be_confirmed,),
         changes=_confirm_company, current={"company_hash": _hash_shown}),
    Step(SubmitApplication, PARTNER, (Stage.DRAFTING, Stage.WITHDRAWN), Stage.UNDER_REVIEW,
         (notices.ApplicationReceived, notices.ReviewRequested),
         done=_form_submitted, rules=(website_is_a_web_address,), entries=_entries_of_the_form,
         asks=_accounts_of_the_form, account_rules=(form_is_acceptable,), changes=_submit_application),
    Step(WithdrawApplication, PARTNER, (Stage.UNDER_REVIEW, Stage.JUSTIFYING), Stage.WITHDRAWN,
         (notices.ApplicationWithdrawn, notices.WithdrawnToBd),
         done=_withdrawn, revision=form_is_current, changes=_withdraw_application, current=CURRENT_FORM),
    Step(RequestJustification, BD, (Stage.UNDER_REVIEW,), Stage.JUSTIFYING, (notices.JustificationRequested,),
         done=_justification_requested, revision=form_is_current, changes=_request_justification,
         current=CURRENT_FORM),
    Step(ProvideJustification, PARTNER, (Stage.JUSTIFYING,), Stage.UNDER_REVIEW,
         (notices.JustificationAnswered,),
         done=_justification_provided, revision=form_is_current, changes=_provide_justification,
         current=CURRENT_FORM),
    Step(ApproveApplication, BD, (Stage.UNDER_REVIEW,), Stage.QUALIFIED, (notices.ApplicationApproved,),
         done=_approved, revision=form_is_current, asks=accounts_of_the_application,
         about=(About.COVERAGE,), account_rules=(no_other_comes_first,), changes=_approve_application,
         current=CURRENT_FORM),
    Step(RejectApplication, BD, (Stage.UNDER_REVIEW, Stage.JUSTIFYING), Stage.REJECTED,
         (notices.ApplicationRejected,),
         revision=form_is_current, changes=_reject_application, current=CURRENT_FORM),
)
MOMENTS: Final[tuple[Moment, ...]] = (
    Moment("justification_reminder", ClockKind.REMINDER, (Stage.JUSTIFYING,),
           None, (notices.JustificationReminder,), when=When.MORNING,
           unanswered=(notices.RemindersUnanswered,), restarts=(reminder_clock,)),
    Moment("expiry_warning", ClockKind.EXPIRY, (Stage.DRAFTING, Stage.JUSTIFYING, Stage.WITHDRAWN),
           None, (notices.ExpiryWarning,), when=When.BEFORE),
    Moment("expiry", ClockKind.EXPIRY, (Stage.DRAFTING, Stage.JUSTIFYING, Stage.WITHDRAWN),
           Stage.EXPIRED, (notices.ApplicationExpired, notices.ClosedToBd),
           concerns={notices.ClosedToBd: known_to_bd}),
    Moment("review_reminder", ClockKind.REVIEW, (Stage.UNDER_REVIEW,),
           None, (notices.ReviewReminder,), when=When.BEFORE),
    Moment("review_overdue", ClockKind.REVIEW, (Stage.UNDER_REVIEW,), overdue=True),
    Moment("review_escalation", ClockKind.REVIEW, (Stage.UNDER_REVIEW,),
           None, (notices.ReviewOverdue,), when=When.MORNING),
)
# fmt: on
