"""What the tables of `lifecycle.py` say about a command, or a clock, in the application as it stands.

Pure functions: nothing here reads a clock, and what the outside knows comes in as answers.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from domain import anytime, notices
from domain.audit import Verdict
from domain.clocks import RECHECKS, Clock, ClockKind, ClockRequest
from domain.contract import Command, ErrorType, Role, Stage, WaitingOn
from domain.counting import counted, with_clocks, without_recheck
from domain.editions import UnknownEditionError, in_force, of_edition
from domain.inquiry import AccessOutcome, AccountAnswers, Answers, Inquiry
from domain.lifecycle import NEWEST, STAGES, attempts_of, moment_for, rows_of
from domain.notice import Notice
from domain.periods import UNANSWERED_REMINDERS, SetClock
from domain.possible import has_ended, in_words
from domain.refusal import RefusedError
from domain.signing import SignContract, turn_to_sign
from domain.state import OUTCOMES, Application
from domain.status import Closing, ClosingCode, FailedEmail
from domain.steps import Concerns, Moment, Notices, SetClocks, Step

OPERATOR_CANCEL = "Cancelled by an operator in Temporal."
_RUN_ENDED = "Its run in Temporal {how}, without an outcome."
_NOTHING_KNOWN = AccountAnswers()
_CONCERN_ALL: Concerns = {}
REMINDERS: Final[Mapping[ClockKind, str]] = {
    ClockKind.REMINDER: "reminders",
    ClockKind.QUESTION: "question_reminders",
}
"""The field that counts how many of these nobody has answered."""


@dataclass(frozen=True)
class Decision:
    """What is to be carried out: the application as it will be, the clocks to ask for, the notices to send.

    ``resend``: the key of an e-mail to be sent once more. ``close_access``: access that an attempt may have
    given, whose answer was lost, is taken back. ``if_start_moves``: notices to send, too, if the calendar's
    answer moves the start of the contract.
    """

    application: Application
    verdict: Verdict = Verdict.ACCEPTED
    notices: tuple[type[Notice], ...] = ()
    requests: tuple[ClockRequest, ...] = ()
    resend: str | None = None
    close_access: bool = False
    if_start_moves: tuple[type[Notice], ...] = ()


def check_edition(application: Application) -> None:
    """Raises `UnknownEditionError` for an application of an edition this code does not have."""
    if application.edition > NEWEST:
        raise UnknownEditionError(
            f"The application is of edition {application.edition} of the process; this worker knows"
            f" editions up to {NEWEST}: run the release that began it, or a newer one."
        )


def status_text(application: Application) -> str:
    """What the applicant reads, exactly as the guide has it."""
    return STAGES[application.stage].status_text


def waiting_on(application: Application) -> WaitingOn:
    """Whose move it is; while signatures are awaited, whoever has to sign next."""
    if application.stage is Stage.AWAITING_SIGNATURES:
        return turn_to_sign(application)
    return STAGES[application.stage].waiting_on


def opening(application: Application, now: datetime) -> Decision:
    """JOIN NOW: a new application begins to wait."""
    return _enter(application, application.stage, (), now)


def first_clocks(application: Application, now: datetime) -> tuple[ClockRequest, ...]:
    """What the `opening` will ask for, as a new application is of the newest edition."""
    return opening(application.but(edition=NEWEST), now).requests


def inquiry(application: Application, command: Command, now: datetime, sequence: int) -> Inquiry:
    """What has to be known before the command can be decided on; `Inquiry.empty` when nothing.

    Raises `RefusedError` where it is refused whatever the outside says.
    """
    return inquiry_by(_step_for(application, command), application, command, now, sequence)


def inquiry_by(
    step: Step, application: Application, command: Command, now: datetime, sequence: int
) -> Inquiry:
    """The `inquiry` of this row, whose sender may send it."""
    if _admit(step, application, command, sequence) is Verdict.NO_OP:
        return Inquiry(at=now)
    _check_rules(step, application, command, now)
    tentative = _carry_through(step, application, command, now, _NOTHING_KNOWN)
    return Inquiry(
        at=now,
        application_id=application.application_id,
        policy=application.policy,
        accounts=step.query(application, command),
        entries=step.entries(command),
        clocks=tentative.requests,
    )


def decide(
    application: Application, command: Command, now: datetime, sequence: int, answers: Answers
) -> Decision:
    """Judge a command: role, effect in place, stage, revision, rules; ``answers`` are those to its `inquiry`.

    Raises `RefusedError`.
    """
    return decide_by(_step_for(application, command), application, command, now, sequence, answers)


def decide_by(
    step: Step, application: Application, command: Command, now: datetime, sequence: int, answers: Answers
) -> Decision:
    """Judge a command by this row, whose sender may send it. Raises `RefusedError`."""
    if _admit(step, application, command, sequence) is Verdict.NO_OP:
        return Decision(application, Verdict.NO_OP)
    _check_rules(step, application, command, now)
    if answers.problems:
        told = "; ".join(f"{problem.field}: {problem.message}" for problem in answers.problems)
        raise RefusedError(ErrorType.INVALID, told)
    accounts = answers.accounts or _NOTHING_KNOWN
    if step.asks_directory and answers.accounts is None:
        raise RefusedError(
            ErrorType.UNAVAILABLE, "The account directory does not answer just now: send it again later."
        )
    for account_rule in step.account_rules:
        account_rule(application, command, accounts)
    return completed(_carry_through(step, application, command, now, accounts), answers, now)


def _step_for(application: Application, command: Command) -> Step:
    """The row of the command; it is refused where it has none in the application's edition, once it is known
    that its sender may send it."""
    newest, mine = rows_of(type(command), application.edition)
    may_send(mine or newest, command)
    if application.ended:
        raise RefusedError(ErrorType.CLOSED, has_ended(application.stage))
    if mine is None:
        raise RefusedError(
            ErrorType.WRONG_STAGE,
            f"'{command.kind}' is not part of the process this application goes by (edition "
            f"{application.edition}). {in_words(application, command.actor.role)}",
        )
    return mine


def may_send(step: Step, command: Command) -> None:
    """Raises `RefusedError` where the actor's role may not send the command."""
    if command.actor.role not in step.by or not step.speaks_for(command):
        party = f" for party '{command.party}'" if isinstance(command, SignContract) else ""
        raise RefusedError(
            ErrorType.FORBIDDEN,
            f"Role '{command.actor.role}' may not send '{step.name}'{party}; it is for: "
            f"{', '.join(step.senders(command))}.",
        )


def _admit(step: Step, application: Application, command: Command, sequence: int) -> Verdict:
    if step.done(application, command):
        return Verdict.NO_OP
    if not step.possible(application):
        raise RefusedError(
            ErrorType.WRONG_STAGE,
            f"'{step.name}' is not possible in stage '{application.stage}' ({status_text(application)})"
            f"{_otherwise(step, application)}. {in_words(application, command.actor.role)}",
        )
    if command.if_sequence is not None and command.if_sequence != sequence:
        raise RefusedError(
            ErrorType.STALE_REVISION,
            f"The application has moved on: its newest event is {sequence}, not {command.if_sequence}: "
            "read the status, then decide again.",
        )
    if step.revision:
        step.revision(application, command)
    return Verdict.ACCEPTED


def _check_rules(step: Step, application: Application, command: Command, now: datetime) -> None:
    for rule in of_edition(step.rules, application.edition, now):
        rule(application, command)
    for timed_rule in of_edition(step.timed_rules, application.edition, now):
        timed_rule(application, command, now)


def _carry_through(
    step: Step, application: Application, command: Command, now: datetime, accounts: AccountAnswers
) -> Decision:
    changed = step.changes(application, command, now, accounts)
    branch = step.branch
    if branch and branch.when(changed):
        return _enter(changed, branch.to, _notices(branch.notices, changed), now)
    told = _notices(step.notices, changed, step.concerns)
    if step.to:
        return _enter(changed, step.to, told, now)
    decision = _stay(changed, told, step.restarts, now, stops=step.stops)
    return replace(decision, resend=step.resends(command)) if step.resends else decision


def _otherwise(step: Step, application: Application) -> str:
    return f" {step.only.otherwise}" if step.only and application.stage in step.where else ""


def cancelled_by_operator(application: Application, now: datetime) -> Decision:
    """Temporal's own Cancel: the operators' last resort, in every stage before an end."""
    closing = Closing(by=Role.SYSTEM, reason=OPERATOR_CANCEL, code=ClosingCode.CANCELLED_IN_TEMPORAL)
    cancelled = application.but(closing=closing)
    told = (notices.ApplicationCancelled, notices.ClosedToBd)
    return _enter(cancelled, Stage.CANCELLED, told, now)


def run_ended(application: Application, how: str) -> Application:
    """An application whose run Temporal has ended without an outcome, as by Terminate: nobody goes on with
    it."""
    return application.but(
        stage=Stage.CANCELLED,
        clocks=(),
        overdue=False,
        closing=ended_without_outcome(how),
    )


def ended_without_outcome(how: str) -> Closing:
    """Why an application whose run is gone has ended."""
    return Closing(by=Role.SYSTEM, reason=_RUN_ENDED.format(how=how), code=ClosingCode.RUN_ENDED)


def next_clock(application: Application) -> Clock | None:
    """The clock that has something to say next."""
    running = [clock for clock in application.clocks if clock.next_at]
    return min(running, key=lambda clock: clock.next_at or clock.due_at, default=None)


def moment_of(application: Application, clock: Clock, now: datetime) -> Moment:
    """The row for what has come of this clock, in the application's stage."""
    return moment_for(application.edition, clock.kind, application.stage, clock.come(now))


def time_is_up(application: Application, clock: Clock, now: datetime) -> Decision:
    """A clock of the application is due (or it is to be reminded of, or its e-mails leave)."""
    moment = moment_of(application, clock, now)
    if moment.counts_again:
        return _count_again(application)
    told = with_clocks(application, (clock.said(now),))
    counter, sent = REMINDERS.get(moment.clock), 0
    if counter:
        sent = getattr(told, counter) + 1
        told = told.but(**{counter: sent})
    if moment.to:
        closed = _closed_by_time(told, moment)
        return _enter(closed, moment.to, _notices(moment.notices, closed, moment.concerns), now)
    leave = _notices(moment.notices, told, moment.concerns)
    if counter and sent == in_force(UNANSWERED_REMINDERS, told.edition):
        leave += _notices(moment.unanswered, told)
    decision = _stay(
        told.but(overdue=application.overdue or moment.overdue),
        leave,
        moment.restarts,
        now,
        since=_day_just_ended(clock, now),
    )
    return replace(decision, if_start_moves=_notices(moment.if_start_moves, told))


def _count_again(application: Application) -> Decision:
    """Ask the calendar again for what could only be estimated, counting from when it did first."""
    counting = without_recheck(application)
    requests = tuple(clock.request for clock in counting.clocks if clock.request and not clock.passed)
    return Decision(counting, requests=requests)


def _day_just_ended(clock: Clock, now: datetime) -> datetime | None:
    """A clock is due at midnight: the day that has just ended is day 0 of the next, not the one that begins,
    nor that on whose morning it is told.

    Long after it had something to say (nobody worked meanwhile) the count starts from now instead.
    """
    late = now - (clock.next_at or clock.due_at)
    return clock.due_at - timedelta(microseconds=1) if late < timedelta(days=1) else None


def _closed_by_time(application: Application, moment: Moment) -> Application:
    if moment.to is not Stage.EXPIRED:
        return application
    return application.but(closing=anytime.expired(application.policy.partner_expiry_days))


def mails_bounced(application: Application, failed: tuple[FailedEmail, ...]) -> Decision:
    """Mails that can't be delivered are told to BD; those to BD, to the lead; those to the lead are shown."""
    missed = anytime.missed_emails(failed)
    return Decision(anytime.emails_failed(application, missed), notices=anytime.alerts(missed))


def access_answered(application: Application, outcome: AccessOutcome, now: datetime) -> Decision:
    """ACPN was asked to open; may be asked of the same application again, with the same answer."""
    row = next(row for row in attempts_of(application.edition) if row.when(application, outcome, now))
    tried = row.changes(application, outcome, now)
    told = _notices(row.notices, tried)
    if row.to:
        return _enter(tried, row.to, told, now)
    return _stay(tried, told, row.restarts, now, stops=row.stops)


def only_rechecked(before: Application, decision: Decision) -> bool:
    """Whether nothing has come of it but that what was counted will be counted again: nothing to record."""
    after = decision.application
    return not decision.notices and _without_rechecks(before) == _without_rechecks(after)


def _without_rechecks(application: Application) -> Application:
    return application.but(clocks=tuple(c for c in application.clocks if c.kind not in RECHECKS))


def clocks_wanted(decision: Decision, now: datetime) -> Inquiry:
    """What has to be asked for the clocks of a decision."""
    application = decision.application
    return Inquiry(
        at=now,
        application_id=application.application_id,
        policy=application.policy,
        clocks=decision.requests,
    )


def completed(decision: Decision, answers: Answers, now: datetime) -> Decision:
    """The decision with the clocks the calendar has set.

    What it could only estimate is told to the lead until it can be counted: once.
    """
    before, after = decision.application, counted(decision.application, answers.clocks, now)
    moved = decision.if_start_moves if after.contract_start_at != before.contract_start_at else ()
    estimated = set(after.estimates_told) - set(before.estimates_told)
    alarm = (notices.DeadlineEstimated,) if estimated else ()
    return replace(decision, application=after, notices=(*decision.notices, *moved, *alarm))


def _notices(
    rows: Notices, application: Application, concerns: Concerns = _CONCERN_ALL
) -> tuple[type[Notice], ...]:
    return tuple(
        notice
        for notice in of_edition(rows, application.edition)
        if notice not in concerns or concerns[notice](application)
    )


def _enter(application: Application, stage: Stage, told: tuple[type[Notice], ...], now: datetime) -> Decision:
    """The decision to enter this stage: its clocks start anew, and these notices leave."""
    # What the partner has asked goes on waiting, whatever else has moved, and is counted again where that was
    # only estimated.
    question = application.clock(ClockKind.QUESTION)
    check = application.clock(ClockKind.CALENDAR_CHECK) if question and question.estimated else None
    waits = () if stage in OUTCOMES else tuple(clock for clock in (question, check) if clock)
    entered = application.but(stage=stage, clocks=waits, overdue=False, reminders=0)
    decision = _clocked(entered, told, of_edition(STAGES[stage].clocks, application.edition), now)
    # An attempt to open access may have succeeded though its answer never came.
    ends_without = application.stage is Stage.ACTIVATING and stage is not Stage.ACTIVE
    return replace(decision, close_access=ends_without)


def _stay(
    application: Application,
    told: tuple[type[Notice], ...],
    restarts: SetClocks,
    now: datetime,
    *,
    stops: tuple[ClockKind, ...] = (),
    since: datetime | None = None,
) -> Decision:
    running = application.but(clocks=tuple(c for c in application.clocks if c.kind not in stops))
    return _clocked(running, told, of_edition(restarts, application.edition), now, since)


def _clocked(
    application: Application,
    told: tuple[type[Notice], ...],
    clocks: Iterable[SetClock],
    now: datetime,
    since: datetime | None = None,
) -> Decision:
    asked = tuple(set_clock(application, now) for set_clock in clocks)
    known = tuple(clock for clock in asked if isinstance(clock, Clock))
    requests = tuple(request for request in asked if isinstance(request, ClockRequest))
    return Decision(
        with_clocks(application, known),
        notices=told,
        requests=tuple(request.counted_from(since or now) for request in requests),
    )
