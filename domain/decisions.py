"""What the tables of `lifecycle.py` say about a command, or a clock, in the application as it stands.

Pure functions: nothing here reads a clock, and what the outside knows comes in as facts.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from domain import effects, letters, rules
from domain.audit import Verdict
from domain.clocks import Clock, ClockKind, ClockRequest
from domain.contract import (
    Actor,
    CancelApplication,
    Command,
    ErrorType,
    Party,
    ResendEmail,
    Role,
    SignContract,
    Stage,
    SubmitApplication,
    WaitingOn,
)
from domain.facts import AccessOutcome, AccountFacts, AccountQuery
from domain.letters import Audience, Letter
from domain.lifecycle import (
    ALERTS,
    BOTH_SIGNED,
    MOMENTS,
    STAGES,
    STEPS,
    Moment,
    SetClock,
    Step,
    access_clock,
)
from domain.records import Settled
from domain.rules import RefusedError
from domain.state import Application
from domain.status import FailedEmail
from domain.values import Instant

_STEP_OF: Final = {step.command: step for step in STEPS}


@dataclass(frozen=True)
class Decision:
    """What is to be carried out: the application as it will be, the clocks to set, the letters to send.

    ``resends``: keys of failed e-mails to be sent once more.
    """

    application: Application
    verdict: Verdict = Verdict.ACCEPTED
    letters: tuple[type[Letter], ...] = ()
    requests: tuple[ClockRequest, ...] = ()
    resends: tuple[str, ...] = ()


def status_text(application: Application) -> str:
    """What the applicant reads, exactly as the guide has it."""
    return STAGES[application.stage].status_text


def waiting_on(application: Application) -> WaitingOn:
    """Whose move it is; while signatures are awaited, whoever has to sign next."""
    if application.stage is not Stage.AWAITING_SIGNATURES:
        return STAGES[application.stage].waiting_on
    turn = rules.parties_to_sign(application.signing)
    if len(turn) > 1:
        return WaitingOn.BOTH
    return WaitingOn.PARTNER if turn == (Party.PARTNER,) else WaitingOn.BD


def allowed_commands(application: Application) -> tuple[str, ...]:
    """The commands possible in the application's stage, whoever may send them."""
    return tuple(
        step.name
        for step in STEPS
        if application.stage in step.where and not (step.before_signatures and application.signing.begun)
    )


def opening(application: Application) -> Decision:
    """JOIN NOW: a new application begins to wait."""
    return enter(application, application.stage, ())


def accounts_needed(application: Application, command: Command) -> AccountQuery | None:
    """What the command needs from the account directory; ``None`` when it can be judged without."""
    step = _STEP_OF[type(command)]
    try:
        verdict = _admit(step, application, command)
    except RefusedError:
        return None
    if verdict is Verdict.NO_OP or step.asks is None:
        return None
    uids = command.application.covered_uids if isinstance(command, SubmitApplication) else ()
    return AccountQuery(company_master_uid=application.company_master_uid, uids=uids)


def decide(
    application: Application, command: Command, now: Instant, facts: AccountFacts | None = None
) -> Decision:
    """Judge a command in the order of design §3: role, effect in place, stage, revision, rules.

    Raises `RefusedError`. ``facts`` is the account directory's answer to `accounts_needed`, ``None`` when it
    could not be had.
    """
    step = _STEP_OF[type(command)]
    if _admit(step, application, command) is Verdict.NO_OP:
        return Decision(application, Verdict.NO_OP)
    if step.asks:
        if facts is None:
            raise RefusedError(
                ErrorType.UNAVAILABLE, "The account directory does not answer just now: send it again later."
            )
        step.asks(application, command, facts)
        changed = step.changes(application, command, now, facts)
    else:
        if step.rules:
            step.rules(application, command)
        changed = step.changes(application, command, now)
    stage, to, signed_letters = BOTH_SIGNED
    if changed.stage is stage and changed.signing.complete:
        return enter(changed, to, signed_letters)
    if step.to:
        return enter(changed, step.to, step.letters)
    resends = (command.key,) if isinstance(command, ResendEmail) else ()
    return replace(_stay(changed, step.letters, step.restarts, step.stops), resends=resends)


def _admit(step: Step, application: Application, command: Command) -> Verdict:
    if command.actor.role not in step.by or not _signs_for_itself(command):
        raise RefusedError(
            ErrorType.FORBIDDEN,
            f"Role '{command.actor.role}' may not send '{step.name}'"
            f"{_for_party(command)}; it is for: {', '.join(step.by)}.",
        )
    if application.ended:
        raise RefusedError(ErrorType.CLOSED, f"The application has ended: {status_text(application)}.")
    if step.done(application, command):
        return Verdict.NO_OP
    if step.name not in allowed_commands(application):
        raise RefusedError(
            ErrorType.WRONG_STAGE,
            f"'{step.name}' is not possible in stage '{application.stage}' ({status_text(application)})"
            f"{_because_signed(step, application)}. Possible now: "
            f"{', '.join(allowed_commands(application))}.",
        )
    if step.revision:
        step.revision(application, command)
    return Verdict.ACCEPTED


def _signs_for_itself(command: Command) -> bool:
    if not isinstance(command, SignContract) or command.actor.role is Role.ESIGN:
        return True
    return command.actor.role.value == command.party.value


def _for_party(command: Command) -> str:
    return f" for party '{command.party}'" if isinstance(command, SignContract) else ""


def _because_signed(step: Step, application: Application) -> str:
    return " after a signature" if step.before_signatures and application.stage in step.where else ""


def cancelled_by_operator(application: Application, now: Instant) -> Decision:
    """Temporal's own Cancel: the operators' last resort, in every stage before an end (design §2)."""
    command = CancelApplication(
        command_id="temporal-cancel",
        actor=Actor(role=Role.SYSTEM, id="temporal"),
        reason="Cancelled by an operator in Temporal.",
    )
    return enter(
        effects.cancel_application(application, command, now),
        Stage.CANCELLED,
        (letters.ApplicationCancelled, letters.ClosedToBd),
    )


def next_clock(application: Application) -> Clock | None:
    """The clock that has something to say next."""
    running = [clock for clock in application.clocks if clock.next_at]
    return min(running, key=lambda clock: clock.next_at or clock.due_at, default=None)


def moment_of(application: Application, clock: Clock, now: Instant) -> Moment:
    """The row for this clock in the application's stage; no reminder of a deadline that is past."""
    early = clock.remind_at is not None and now < clock.due_at
    return next(
        moment
        for moment in MOMENTS
        if moment.clock is clock.kind and application.stage in moment.where and moment.early is early
    )


def time_is_up(application: Application, clock: Clock, now: Instant) -> Decision:
    """A clock of the application is due (or its reminder is)."""
    moment = moment_of(application, clock, now)
    spent = {"remind_at": None, "passed": not moment.early}
    told = with_clocks(application, (clock.model_copy(update=spent),))
    if moment.to:
        return enter(_closed_by_time(told, moment), moment.to, moment.letters)
    return _stay(
        told.but(overdue=application.overdue or moment.overdue),
        tuple(letter for letter in moment.letters if _concerns(letter, told)),
        moment.restarts,
        (),
        since=_day_just_ended(clock, now),
    )


def _day_just_ended(clock: Clock, now: Instant) -> Instant | None:
    """A clock is due at midnight: the day that has just ended is day 0 of the next, not the one that begins.

    Long after the deadline (nobody worked meanwhile) the count starts from now instead.
    """
    return clock.due_at - timedelta(microseconds=1) if now - clock.due_at < timedelta(days=1) else None


def _closed_by_time(application: Application, moment: Moment) -> Application:
    if moment.to is not Stage.EXPIRED:
        return application
    days = application.policy.partner_expiry_days
    return application.but(closing=effects.expired(days))


def _concerns(letter: type[Letter], application: Application) -> bool:
    """A reminder to sign goes to those whose turn it is."""
    turn = waiting_on(application)
    return not (
        (letter is letters.SignatureReminder and turn is WaitingOn.BD)
        or (letter is letters.SignatureReminderToBd and turn is WaitingOn.PARTNER)
    )


def emails_failed(application: Application, failed: tuple[FailedEmail, ...]) -> Decision:
    """Mails that can't be delivered are told to BD; those to BD, to the lead; those to the lead are shown."""
    audiences = {letters.audience_of(email.template) for email in failed}
    told = tuple(ALERTS[audience] for audience in Audience if audience in audiences and audience in ALERTS)
    return _stay(effects.emails_failed(application, failed), told, (), ())


def access_answered(application: Application, outcome: AccessOutcome) -> Decision:
    """ACPN was asked to open: granted ends the process; what is missing is told once, and asked again.

    An outage is told only when it is still there at the second attempt.
    """
    if outcome.granted:
        return enter(application.but(access_missing=()), Stage.ACTIVE, (letters.AccessGranted,))
    tell = not application.access_delay_told and not (outcome.outage and application.access_attempts == 0)
    waiting = application.but(
        access_missing=outcome.missing,
        access_attempts=application.access_attempts + 1,
        access_delay_told=application.access_delay_told or tell,
    )
    told = (letters.AccessDelayed, letters.AccessAlert) if tell else ()
    return _stay(waiting, told, (access_clock,), ())


def settled(application: Application, answer: Settled) -> Application:
    """The application with the clocks the calendar has set, under the policy they were counted by."""
    start = next((clock.due_at for clock in answer.clocks if clock.kind is ClockKind.START_DATE), None)
    return with_clocks(application, answer.clocks).but(
        contract_start_at=start or application.contract_start_at,
        policy=answer.policy or application.policy,
    )


def with_clocks(application: Application, clocks: tuple[Clock, ...]) -> Application:
    """The application with these clocks in the place of those of the same kind."""
    replaced = {clock.kind for clock in clocks}
    kept = tuple(clock for clock in application.clocks if clock.kind not in replaced)
    return application.but(clocks=(*kept, *clocks))


def enter(application: Application, stage: Stage, told: tuple[type[Letter], ...]) -> Decision:
    """The decision to enter this stage: its clocks start anew, and these letters leave."""
    entered = application.but(stage=stage, clocks=(), overdue=False)
    requests = tuple(set_clock(entered) for set_clock in STAGES[stage].clocks)
    return Decision(entered, letters=told, requests=requests)


def _stay(
    application: Application,
    told: tuple[type[Letter], ...],
    restarts: tuple[SetClock, ...],
    stops: tuple[ClockKind, ...],
    since: Instant | None = None,
) -> Decision:
    running = application.but(clocks=tuple(c for c in application.clocks if c.kind not in stops))
    requests = tuple(set_clock(running).model_copy(update={"since": since}) for set_clock in restarts)
    return Decision(running, letters=told, requests=requests)
