"""The decision sheet (guide §2.3): issued by BD, confirmed or modified by the partner, as many rounds as it
takes."""

from datetime import datetime
from typing import Final, Literal

from pydantic import Field

from domain import notices
from domain.account_rules import accounts_of_the_application, no_other_comes_first
from domain.clocks import ClockKind, When
from domain.contract import Command, ErrorType, Role, SheetCommand, Stage
from domain.documents import SHEET_FIELDS, DecisionSheet, path_of, sheet_hash
from domain.inquiry import About, AccountAnswers, Table, TableEntry
from domain.periods import oldest_start, reminder_clock
from domain.refusal import RefusedError
from domain.sheets import IssuedSheet, Modification, field_changes
from domain.state import Application
from domain.status import Status
from domain.steps import BD, PARTNER, Moment, Step
from domain.values import Day, Digest, HeaderText, Text

AFTER_CONFIRMATION: Final = frozenset({Stage.AWAITING_SIGNATURES, Stage.SIGNED, Stage.ACTIVATING})
NO_HASH: Final = "0" * 64
"""What a person names who has seen no sheet: the workflow says that there is none."""


class IssueDecisionSheet(Command):
    """BD: these are the terms as agreed, for the partner to confirm (guide §2.3)."""

    kind: Literal["issue_decision_sheet"] = "issue_decision_sheet"
    sheet: DecisionSheet = Field(description="The decision sheet.")


def _sheet_issued(application: Application, command: IssueDecisionSheet) -> bool:
    sheet = application.sheet
    in_force = application.stage is Stage.CONFIRMING_TERMS or application.stage in AFTER_CONFIRMATION
    return in_force and sheet is not None and sheet.hash == sheet_hash(command.sheet)


def _entries_of_the_sheet(command: IssueDecisionSheet) -> tuple[TableEntry, ...]:
    basic = command.sheet.basic
    return (
        TableEntry(field="sheet.basic.currency", table=Table.CURRENCY, value=basic.currency),
        TableEntry(field="sheet.basic.time_zone", table=Table.TIME_ZONE, value=basic.time_zone),
    )


def sheet_fits_application(application: Application, command: IssueDecisionSheet) -> None:
    """The sheet is for the business type applied for (FAQ Q5)."""
    applied = application.form.business_type if application.form else None
    offered = command.sheet.basic.business_type
    if offered is not applied:
        raise RefusedError(
            ErrorType.INVALID,
            f"sheet.basic.business_type: must be '{applied}' as in the application, not '{offered}'.",
        )


def start_is_not_long_past(application: Application, command: IssueDecisionSheet, now: datetime) -> None:
    """The contract start date lies no more than five years back."""
    check_start("sheet.basic.contract_start_date", command.sheet.basic.contract_start_date, application, now)


def check_start(field: str, day: Day, application: Application, now: datetime) -> None:
    """A date in the past is a warning (`warnings.py`); one of long ago is a slip of the pen."""
    oldest = oldest_start(application, now)
    if day < oldest:
        raise RefusedError(
            ErrorType.INVALID,
            f"{field}: {day} lies more than five years back; the earliest possible is {oldest}: "
            "correct the date.",
        )


def level_is_that_of_the_accounts(
    application: Application, command: IssueDecisionSheet, accounts: AccountAnswers
) -> None:
    """The sheet's partner level is that of the Main and Associated UIDs (FAQ Q5); one with none set matches
    any."""
    offered = command.sheet.basic.partner_level
    for uid in application.covered_uids:
        account = accounts.account(uid)
        if account and account.partner_level not in (None, offered):
            raise RefusedError(
                ErrorType.UID_MISMATCH,
                f"sheet.basic.partner_level: UID {uid} has partner level {account.partner_level}, the sheet "
                f"says {offered}: correct the sheet, or have the account's level changed first.",
            )


def _issue_decision_sheet(
    application: Application, command: IssueDecisionSheet, now: datetime, accounts: AccountAnswers
) -> Application:
    before = application.sheet
    changes = (
        field_changes(before.content.model_dump(mode="json"), command.sheet.model_dump(mode="json"))
        if before
        else ()
    )
    revision = application.sheets_used + 1
    return application.but(
        sheet=IssuedSheet(
            revision=revision,
            hash=sheet_hash(command.sheet),
            issued_at=now,
            content=command.sheet,
            changes=changes,
        ),
        sheets_used=revision,
        modification=None,
    )


def sheet_is_current(application: Application, sheet_revision: int, named_hash: str | None) -> None:
    """Terms are confirmed, modified and signed by revision, and by hash where the command has one."""
    sheet = application.sheet
    if sheet is None:
        raise RefusedError(ErrorType.STALE_REVISION, "No decision sheet has been issued yet.")
    named = f"revision {sheet_revision}"
    current = f"revision {sheet.revision}"
    if sheet_revision == sheet.revision:
        if named_hash is None or named_hash.lower() == sheet.hash:
            return
        named, current = f"hash {named_hash}", f"{current} with hash {sheet.hash}"
    raise RefusedError(
        ErrorType.STALE_REVISION,
        f"The decision sheet is at {current}, not {named}: "
        "read the current sheet, then send the command for that one.",
    )


class ConfirmTerms(Command):
    """Partner: everything in this revision of the sheet is correct ("Confirm", guide §2.3)."""

    kind: Literal["confirm_terms"] = "confirm_terms"
    sheet_revision: int = Field(ge=1, le=1_000_000, description="The revision of the sheet meant.")
    sheet_hash: Digest = Field(description="Its hash.")

    @property
    def about_sheet(self) -> int:
        """The revision of the decision sheet it names."""
        return self.sheet_revision


def _terms_confirmed(application: Application, command: ConfirmTerms) -> bool:
    sheet = application.sheet
    return (
        sheet is not None
        and application.confirmed_revision == command.sheet_revision
        and sheet.hash == command.sheet_hash.lower()
    )


def _confirmed_sheet_is_current(application: Application, command: ConfirmTerms) -> None:
    sheet_is_current(application, command.sheet_revision, command.sheet_hash)


def _confirm_terms(
    application: Application, command: ConfirmTerms, now: datetime, accounts: AccountAnswers
) -> Application:
    return application.but(confirmed_revision=command.sheet_revision, contacted_at=None, contact_note=None)


class ModifyTerms(Command):
    """Partner: what is wrong in this revision of the sheet ("Modify", guide §2.3)."""

    kind: Literal["modify_terms"] = "modify_terms"
    sheet_revision: int = Field(ge=1, le=1_000_000, description="The revision of the sheet meant.")
    description: Text = Field(description="What is wrong, in detail.", examples=["We agreed on 24 months"])
    fields: tuple[HeaderText, ...] = Field(
        default=(),
        max_length=200,
        description="A field in question, as `basic.term_months`.",
        examples=[("basic.term_months",)],
    )

    @property
    def about_sheet(self) -> int:
        """The revision of the decision sheet it names."""
        return self.sheet_revision


def _modification_asked(application: Application, command: ModifyTerms) -> bool:
    return application.stage is Stage.CORRECTING_TERMS and application.modification == _modification(command)


def _modified_sheet_is_current(application: Application, command: ModifyTerms) -> None:
    sheet_is_current(application, command.sheet_revision, None)


def fields_are_of_a_sheet(application: Application, command: ModifyTerms) -> None:
    """The fields in question are fields of a decision sheet; the refusal names those there are."""
    unknown = [field for field in command.fields if path_of(field) not in SHEET_FIELDS]
    if unknown:
        raise RefusedError(
            ErrorType.INVALID,
            f"fields: no field of a decision sheet is called '{unknown[0]}'; there are: "
            f"{', '.join(SHEET_FIELDS)}.",
        )


def _modify_terms(
    application: Application, command: ModifyTerms, now: datetime, accounts: AccountAnswers
) -> Application:
    return application.but(modification=_modification(command))


def _modification(command: ModifyTerms) -> Modification:
    return Modification(
        sheet_revision=command.sheet_revision, description=command.description, fields=command.fields
    )


class ReopenTerms(SheetCommand):
    """BD: the confirmed terms have to change; signatures given so far are void."""

    kind: Literal["reopen_terms"] = "reopen_terms"
    reason: Text = Field(description="Why.", examples=["The discount was not approved"])


def _terms_reopened(application: Application, command: ReopenTerms) -> bool:
    asked = application.modification
    return (
        application.stage is Stage.CORRECTING_TERMS
        and asked is not None
        and (asked.by, asked.description) == (Role.BD, command.reason)
    )


def _reopened_sheet_is_current(application: Application, command: ReopenTerms) -> None:
    if command.sheet_revision is not None:
        sheet_is_current(application, command.sheet_revision, None)


def _reopen_terms(
    application: Application, command: ReopenTerms, now: datetime, accounts: AccountAnswers
) -> Application:
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


def _shown_revision(status: Status) -> int:
    return status.sheet.revision if status.sheet else 1


def _shown_hash(status: Status) -> str:
    return status.sheet.hash if status.sheet else NO_HASH


CURRENT_SHEET: Final = {"sheet_revision": _shown_revision, "sheet_hash": _shown_hash}
"""The sheet a person means who names none."""

# fmt: off
STEPS: Final[tuple[Step, ...]] = (
    Step(IssueDecisionSheet, BD, (Stage.QUALIFIED, Stage.CORRECTING_TERMS, Stage.CONFIRMING_TERMS),
         Stage.CONFIRMING_TERMS, (notices.SheetToConfirm,),
         done=_sheet_issued, rules=(sheet_fits_application,), timed_rules=(start_is_not_long_past,),
         entries=_entries_of_the_sheet,
         asks=accounts_of_the_application, about=(About.LEVELS, About.COVERAGE),
         account_rules=(level_is_that_of_the_accounts, no_other_comes_first),
         changes=_issue_decision_sheet),
    Step(ConfirmTerms, PARTNER, (Stage.CONFIRMING_TERMS,), Stage.AWAITING_SIGNATURES,
         (notices.TermsConfirmed, notices.TermsConfirmedToBd),
         done=_terms_confirmed, revision=_confirmed_sheet_is_current,
         asks=accounts_of_the_application, about=(About.COVERAGE,), account_rules=(no_other_comes_first,),
         changes=_confirm_terms, current=CURRENT_SHEET),
    Step(ModifyTerms, PARTNER, (Stage.CONFIRMING_TERMS,), Stage.CORRECTING_TERMS,
         (notices.ModificationRequested,),
         done=_modification_asked, revision=_modified_sheet_is_current, rules=(fields_are_of_a_sheet,),
         changes=_modify_terms,
         current={"sheet_revision": _shown_revision}),
    Step(ReopenTerms, BD, (Stage.AWAITING_SIGNATURES,), Stage.CORRECTING_TERMS, (notices.TermsReopened,),
         done=_terms_reopened, revision=_reopened_sheet_is_current, changes=_reopen_terms,
         current={"sheet_revision": _shown_revision}),
)
MOMENTS: Final[tuple[Moment, ...]] = (
    Moment("sheet_reminder", ClockKind.REMINDER, (Stage.QUALIFIED, Stage.CORRECTING_TERMS),
           None, (notices.SheetReminder,), when=When.MORNING,
           unanswered=(notices.RemindersUnanswered,), restarts=(reminder_clock,)),
    Moment("terms_reminder", ClockKind.REMINDER, (Stage.CONFIRMING_TERMS,),
           None, (notices.TermsReminder,), when=When.MORNING,
           unanswered=(notices.RemindersUnanswered,), restarts=(reminder_clock,)),
    Moment("expiry_warning", ClockKind.EXPIRY, (Stage.CONFIRMING_TERMS,),
           None, (notices.ExpiryWarning,), when=When.BEFORE),
    Moment("expiry", ClockKind.EXPIRY, (Stage.CONFIRMING_TERMS,),
           Stage.EXPIRED, (notices.ApplicationExpired, notices.ClosedToBd)),
)
# fmt: on
