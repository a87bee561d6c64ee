"""The model: the process without Temporal, database and mail server, under a clock of its own.

It takes the same messages at the same times as the workflow, and says what has to come of them: status,
answers, audit trail and mails. What is decided is not repeated here: the pure modules decide, as they do in
the workflow; deadlines are counted by the calendar the activity counts them by.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from activities.records import set_clocks
from domain.records import Settled

from domain import decisions, intake, view
from domain.audit import AuditEvent, Verdict
from domain.clocks import Clock, ClockKind
from domain.contract import SYSTEM, Command, OnboardingInput
from domain.decisions import Decision
from domain.inquiry import AccessOutcome, Account, AccountFacts
from domain.letters import AnyLetter
from domain.policy import Policy
from domain.refusal import RefusedError
from domain.state import Application
from domain.status import Status
from domain.terms import IssueDecisionSheet
from tests.payloads import Json
from workflows.memory import Desk

_ANY_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Answer:
    """What a command is answered with: the status, or why it is refused. ``verdict``: what became of it."""

    verdict: Verdict
    status: Status
    refusal: RefusedError | None = None


class Process:
    """One application, as far as it has come at ``now``."""

    def __init__(self, application_id: str, joined: Json, account: Account, now: datetime) -> None:
        """JOIN NOW at this time, by a company with one ``account``, which may change later."""
        start = OnboardingInput.model_validate(joined)
        self.account: Account = account
        self.now: datetime = now
        self.mails: list[AnyLetter] = []
        self.trail: list[AuditEvent] = []
        application = Application.joined(application_id, start, start.policy or Policy())
        self._desk: Desk = Desk.of(application)
        self._carry_out(decisions.opening(application.but(company=account.enterprise)), "join")
        self._delivered()

    def copy(self) -> "Process":
        """Another process that has come as far."""
        other = object.__new__(Process)
        other.account, other.now = self.account, self.now
        other.mails, other.trail = list(self.mails), list(self.trail)
        other._desk = Desk(self._desk.memory())
        return other

    @property
    def application(self) -> Application:
        """What the workflow remembers."""
        return self._desk.application

    @property
    def status(self) -> Status:
        """What a caller reads."""
        desk = self._desk
        recorded = {"last_refusals": tuple(desk.refusals), "pending_emails": len(desk.outbox)}
        return _described(desk.application).model_copy(update=recorded)

    @property
    def next_at(self) -> datetime | None:
        """When time has something to say next."""
        clock = decisions.next_clock(self.application)
        return clock.next_at if clock else None

    def say(self, signal: str | None, message: Json) -> Answer:
        """What an update (``None``) or a signal of this name says, as it is sent.

        What is due by ``now`` comes after it, and not before `pass_until` is called.
        """
        try:
            command = intake.parse_command(signal, (message,))
        except RefusedError as refusal:
            return self._refuse(intake.claimed_name(signal, (message,)), None, refusal, (message,))
        return self.obey(command)

    def obey(self, command: Command) -> Answer:
        """A command that has been understood."""
        try:
            before = self._desk.answered_before(command)
            if before is not None:
                verdict = Verdict.REFUSED if before.refusal else Verdict.NO_OP
                return Answer(verdict, self.status, before.refusal)
            query = decisions.accounts_needed(self.application, command)
            facts = AccountFacts(accounts=(self.account,)) if query else None
            decision = decisions.decide(self.application, command, self.now, facts)
        except RefusedError as refusal:
            return self._refuse(command.kind, command, refusal)
        self._carry_out(decision, command.kind, command)
        self._desk.remember(command)
        return self._answer(decision.verdict)

    def pass_until(self, then: datetime) -> None:
        """Let time pass; everything that is due until then has happened afterwards."""
        while (clock := decisions.next_clock(self.application)) and clock.next_at and clock.next_at <= then:
            self.now = max(self.now, clock.next_at)
            self._time_is_up(clock)
        self.now = max(self.now, then)

    def _time_is_up(self, clock: Clock) -> None:
        moment = decisions.moment_of(self.application, clock, self.now)
        if clock.kind is ClockKind.ACCESS_CHECK:
            decision = decisions.access_answered(self.application, self._access())
        else:
            decision = decisions.time_is_up(self.application, clock, self.now)
        self._carry_out(decision, moment.name)
        self._delivered()

    def _access(self) -> AccessOutcome:
        missing = () if self.account.verified else (f"enterprise verification of {self.account.uid}",)
        return AccessOutcome(granted=not missing, missing=missing)

    def _refuse(
        self, name: str, command: Command | None, refusal: RefusedError, arguments: tuple[Json, ...] = ()
    ) -> Answer:
        unchanged = Decision(self.application, Verdict.REFUSED)
        self._carry_out(unchanged, name, command, refusal=refusal, arguments=arguments)
        if command:
            self._desk.remember(command, refusal)
        return self._answer(Verdict.REFUSED, refusal)

    def _answer(self, verdict: Verdict, refusal: RefusedError | None = None) -> Answer:
        answer = Answer(verdict, self.status, refusal)
        self._delivered()
        return answer

    def _carry_out(
        self,
        decision: Decision,
        name: str,
        command: Command | None = None,
        *,
        refusal: RefusedError | None = None,
        arguments: tuple[Json, ...] = (),
    ) -> None:
        desk = self._desk
        desk.note(
            self.now,
            name,
            decision.verdict,
            decision.application.stage,
            command=command,
            actor=None if refusal else SYSTEM,
            arguments=arguments,
            refusal=refusal,
            sheet_revision=_issued_revision(decision, command),
        )
        policy = decision.application.policy
        clocks = set_clocks(decision.requests, self.now, policy)
        desk.application = decisions.settled(decision.application, Settled(clocks=clocks, policy=policy))
        desk.write(decision, self.now)

    def _delivered(self) -> None:
        """Everything has left and is stored by the time anything else happens."""
        self.mails += self._desk.outbox
        self.trail += self._desk.unstored
        self._desk.outbox.clear()
        self._desk.unstored.clear()


# Thousands of orders come to the same application.
@lru_cache(maxsize=1024)
def _described(application: Application) -> Status:
    return view.describe(Desk.of(application).record(_ANY_TIME))


def _issued_revision(decision: Decision, command: Command | None) -> int | None:
    issued = isinstance(command, IssueDecisionSheet) and decision.verdict is Verdict.ACCEPTED
    return decision.application.sheet.revision if issued and decision.application.sheet else None
