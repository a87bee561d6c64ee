"""How an application is shown: the status callers read, the gate's answer, and what ops see in the Web UI."""

from collections.abc import Sequence
from typing import Literal

from domain import decisions, possible, warnings
from domain.access import in_words
from domain.anytime import REMEDIES
from domain.audiences import audience_of
from domain.clocks import Clock, ClockKind
from domain.contract import Role, Stage
from domain.lifecycle import STAGES
from domain.signatures import Terms
from domain.state import Application
from domain.status import Access, Closing, Company, CompanyShown, Deadline, Missing, Refusal, Status
from domain.values import day_text

SHOWN_FAILED_EMAILS = 5
_BY_WEIGHT = (
    ClockKind.REVIEW,
    ClockKind.CONTACT,
    ClockKind.START_DATE,
    ClockKind.EXPIRY,
    ClockKind.ACCESS_CHECK,
    ClockKind.REMINDER,
    ClockKind.QUESTION,
    ClockKind.ACCESS_DELAY,
    ClockKind.START_RECOUNT,
    ClockKind.CALENDAR_CHECK,
)
AFTERWARDS = (ClockKind.REMINDER, ClockKind.QUESTION, ClockKind.ACCESS_DELAY)
"""What is no deadline for anybody, but happens when the days are over."""


def describe(
    application: Application,
    *,
    sequence: int,
    refusals: Sequence[Refusal] = (),
    pending_emails: int = 0,
) -> Status:
    """The whole status; ``sequence`` is the number of the newest audit event."""
    clock = shown_clock(application)
    modification = application.modification
    warned = warnings.of(application)
    return Status(
        application_id=application.application_id,
        company_master_uid=application.company_master_uid,
        sequence=sequence,
        stage=application.stage,
        status_text=decisions.status_text(application),
        waiting_on=decisions.waiting_on(application),
        allowed_commands=possible.allowed_commands(application),
        allowed_for=possible.allowed_for(application),
        due_at=clock.due_at if clock else None,
        overdue=application.overdue,
        deadline=_deadline(clock) if clock else None,
        time_zone=application.policy.time_zone,
        form_revision=application.form_revision,
        contact_email=application.recipient.email,
        bd=application.bd,
        bd_lead=application.bd_lead,
        desk=application.desk,
        company=company_shown(application.company) if application.company else None,
        company_confirmed=application.company_confirmed,
        application=application.form,
        warnings=tuple(map(warnings.in_english, warned)),
        warned=warned,
        justification=application.justification,
        questions=application.questions,
        sheet=application.sheet,
        modification=modification.description if modification else None,
        modification_fields=modification.fields if modification else (),
        confirmed_revision=application.confirmed_revision,
        signing=application.signing,
        external_id=_external_id(application),
        contacted_at=application.contacted_at,
        contract_start_at=application.contract_start_at,
        amendments=application.amendments,
        access=gate(application),
        coverage_changes=application.coverage_changes,
        last_refusals=tuple(refusals),
        pending_emails=pending_emails,
        failed_emails=application.failed_emails,
        rejection=application.rejection,
        closing=application.closing,
        outcome=application.stage if application.ended else None,
    )


def _external_id(application: Application) -> str | None:
    sheet = application.sheet
    if sheet is None or application.stage is not Stage.AWAITING_SIGNATURES:
        return None
    return Terms.on(application.application_id, sheet).external_id


def company_shown(company: Company) -> CompanyShown:
    """The company with the hash by which it is confirmed."""
    return CompanyShown(**dict(company), hash=company.digest)


def shown_clock(application: Application) -> Clock | None:
    """The clock that answers "until when": a deadline or expiry before a mere reminder."""
    return min(application.clocks, key=lambda clock: _BY_WEIGHT.index(clock.kind), default=None)


def _deadline(clock: Clock) -> Deadline:
    return Deadline(
        kind=clock.kind,
        due_at=clock.due_at,
        calendar=clock.calendar,
        time_zone=clock.time_zone,
        days_counted=clock.days_counted,
        provisional=clock.provisional,
        estimate=clock.estimate,
        unknown=clock.unknown,
    )


def gate(application: Application) -> Access:
    """What a log-in to the ACPN platform gets, and the text of the error box (guide §2.4, §2.5)."""
    match application.stage:
        case Stage.ACTIVE:
            return Access(
                granted=True,
                reason="granted",
                message="ACPN access granted.",
                covered_uids=application.covered_uids,
            )
        case Stage.ACTIVATING:
            missing = application.access_missing
            waits = f" {in_words(missing)}" if missing else ""
            message = f"Your contract is in effect; access is being opened.{waits}"
            return _under_contract(application, "being_opened", message, missing)
        case Stage.SIGNED:
            day = day_text(application.start_date) if application.start_date else "a date to be agreed"
            if _begun_already(application):
                return _under_contract(
                    application,
                    "being_opened",
                    f"Your contract is in effect since {day} ({application.start_zone}); access to the "
                    "ACPN platform is being opened, and you will get an e-mail.",
                )
            return _under_contract(
                application,
                "before_start_date",
                f"Your contract starts on {day} ({application.start_zone}); "
                "access to the ACPN platform is opened then, and you will get an e-mail.",
            )
        case Stage.REJECTED | Stage.CANCELLED | Stage.EXPIRED:
            return Access(
                reason="closed", message=f"{decisions.status_text(application)}: there is no access."
            )
        case _:
            return Access(
                reason="not_signed",
                message=f"The contract is not signed yet. Status: {decisions.status_text(application)}.",
            )


def _under_contract(
    application: Application,
    reason: Literal["before_start_date", "being_opened"],
    message: str,
    missing: tuple[Missing, ...] = (),
) -> Access:
    return Access(
        reason=reason,
        message=message,
        available_at=application.contract_start_at,
        start_date=application.start_date,
        time_zone=application.start_zone,
        missing=missing,
    )


def _begun_already(application: Application) -> bool:
    """Whether the contract had begun before it was signed, or before its start was amended."""
    signatures = (application.signing.partner, application.signing.vendor)
    recorded = [one.recorded_at for one in signatures if one and one.recorded_at]
    amended = [application.amendments[-1].at] if application.amendments else []
    start = application.contract_start_at
    return start is not None and any(start <= at for at in (*recorded, *amended))


def run_ended(status: Status, how: str) -> Status:
    """The status of an application whose run Temporal has ended without an outcome: it has ended, too."""
    stage = Stage.CANCELLED
    text = STAGES[stage].status_text
    return status.model_copy(
        update={
            "stage": stage,
            "outcome": stage,
            "status_text": text,
            "waiting_on": STAGES[stage].waiting_on,
            "allowed_commands": (),
            "allowed_for": {},
            "due_at": None,
            "deadline": None,
            "overdue": False,
            "closing": decisions.ended_without_outcome(how),
            "access": Access(reason="closed", message=f"{text}: there is no access."),
        }
    )


def summary(application: Application) -> str:
    """One line for lists of runs; nothing personal, since codecs do not cover it."""
    return f"Reseller onboarding of Company Master UID {application.company_master_uid}"


def details(application: Application, *, refusals: Sequence[Refusal] = (), pending_emails: int = 0) -> str:
    """Markdown for the Web UI: what a person must know at three in the morning."""
    clock = shown_clock(application)
    lines = [
        f"**{application.stage}** – {decisions.status_text(application)}",
        f"- Waiting on: **{decisions.waiting_on(application)}**"
        + (" – **OVERDUE**" if application.overdue else ""),
    ]
    if clock:
        days = f", days counted {', '.join(map(str, clock.days_counted))}" if clock.days_counted else ""
        predicted = ", holidays only predicted" if clock.provisional else ""
        lines.append(f"- Due: {clock.kind.replace('_', ' ')}, {_until(clock, application)}{days}{predicted}")
        if clock.estimate:
            lines.append(f"- **Deadline only estimated**: {clock.estimate}")
    lines.extend(
        f"- Possible now for {role}: {', '.join(f'`{name}`' for name in names)}"
        for role, names in possible.allowed_for(application).items()
    )
    if application.account_unknown:
        lines.append("- **No account of this UID** in the account directory when it began")
    if application.account_covered:
        lines.append("- **This UID had access** by another company's application when it began")
    if application.access_taken_back and not application.ended:
        lines.append("- **Access was taken back** by a reset to before it was given")
    if application.access_missing:
        held_up = ", ".join(" ".join((each.cause, *each.uids)) for each in application.access_missing)
        lines.append(f"- **Access is held up**: {held_up}")
    if application.closing:
        lines.append(f"- Ended by {_ended_by(application.closing)}")
    if pending_emails:
        lines.append(f"- E-mails waiting to leave: {pending_emails}")
    lines.extend(
        f"- **E-mail failed**: `{failed.key}`; after `{REMEDIES[audience_of(failed.template)]}`, "
        f"`onboarding resend {application.company_master_uid} {failed.key}`"
        for failed in application.failed_emails[-SHOWN_FAILED_EMAILS:]
    )
    if refusals:
        last = refusals[-1]
        lines.append(
            f"- Last refusal: `{last.command}` at {last.at:%Y-%m-%d %H:%M} (UTC): "
            f"**{last.error}** – {last.message}"
        )
    # Without an empty line Markdown takes no list after a text.
    return "\n".join((lines[0], "", *lines[1:]))


def _until(clock: Clock, application: Application) -> str:
    """Until when, as the mails say it; in UTC where it is no day that ends.

    Workflow code has no tables of zones, so an hour is told in the one zone that needs none.
    """
    if clock.kind is ClockKind.START_DATE and application.start_date:
        return f"at the start of {day_text(application.start_date)} ({application.start_zone})"
    if clock.ends_on:
        when = "after" if clock.kind in AFTERWARDS else "by"
        return f"{when} the end of {day_text(clock.ends_on)} ({clock.time_zone or 'UTC'})"
    return f"at {clock.due_at:%Y-%m-%d %H:%M} (UTC)"


def _ended_by(closing: Closing) -> str:
    who = "the service" if closing.by is Role.SYSTEM else str(closing.by)
    return f"{who}: {closing.reason}" if closing.reason else who
