"""The model: the process without Temporal, database and mail server, under a clock of its own.

It takes the same messages at the same times as the workflow, and says what has to come of them: status,
answers, audit trail and mails. What is decided is not repeated here: the pure modules decide, as they do in
the workflow; deadlines are counted by the calendar the activity counts them by.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from activities import tables
from activities.clocks import set_clocks
from activities.emails.addressed import AddressedNotice
from domain import decisions, intake, view
from domain.audit import AuditEvent, Verdict
from domain.clocks import Clock, ClockKind
from domain.contract import Command, ErrorType, OnboardingInput
from domain.decisions import Decision
from domain.inquiry import AccessOutcome, Account, AccountAnswers, AccountQuery, Answers, Inquiry
from domain.lifecycle import NEWEST
from domain.policy import Policy
from domain.publication import Receipt
from domain.refusal import RefusedError
from domain.state import Application
from domain.status import AccessCause, CommandResult, Missing, Status
from tests.model.mailing import addressed
from tests.payloads import Json
from workflows.memory import RunMemory
from workflows.onboarding import BACKLOG_FULL


@dataclass(frozen=True)
class Answer:
    """What a command is answered with: the status, or why it is refused. ``verdict``: what became of it;
    ``answered``: the first time."""

    verdict: Verdict
    status: Status
    answered: CommandResult
    refusal: RefusedError | None = None


class Process:
    """One application, as far as it has come at ``now``. ``stores``: whether the database can be written."""

    def __init__(self, application_id: str, joined: Json, account: Account, now: datetime) -> None:
        """JOIN NOW at this time, by a company with one ``account``, which may change later."""
        start = OnboardingInput.model_validate(joined)
        self.account: Account = account
        self.now: datetime = now
        self.stores: bool = True
        self.mails: list[AddressedNotice] = []
        self.trail: list[AuditEvent] = []
        begun = Application.joined(application_id, start, start.policy or Policy())
        application = begun.but(edition=NEWEST)
        self._memory: RunMemory = RunMemory.of(application)
        opening = decisions.opening(application.but(company=account.enterprise), now)
        self._carry_out(self._counted(opening), "join")
        self._delivered()

    def copy(self) -> "Process":
        """Another process that has come as far."""
        other = object.__new__(Process)
        other.account, other.now, other.stores = self.account, self.now, self.stores
        other.mails, other.trail = list(self.mails), list(self.trail)
        other._memory = RunMemory(self._memory.memory())
        return other

    @property
    def application(self) -> Application:
        """What the workflow remembers."""
        return self._memory.application

    @property
    def memory(self) -> RunMemory:
        """The run's working memory."""
        return self._memory

    @property
    def status(self) -> Status:
        """What a caller reads."""
        memory = self._memory
        recorded = {
            "sequence": memory.sequence,
            "last_refusals": tuple(memory.refusals),
            "pending_emails": memory.pending_emails,
        }
        return _described(memory.application).model_copy(update=recorded)

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
        memory = self._memory
        try:
            before = memory.answered_before(command)
            if before is not None:
                verdict = Verdict.REFUSED if before.refusal else Verdict.NO_OP
                return Answer(verdict, self.status, before.answered, before.refusal)
            if memory.backlog_full:
                raise RefusedError(ErrorType.UNAVAILABLE, BACKLOG_FULL)
            asked = decisions.inquiry(self.application, command, self.now, memory.sequence)
            answers = self._answers(asked)
            decision = decisions.decide(self.application, command, self.now, memory.sequence, answers)
        except RefusedError as refusal:
            return self._refuse(command.kind, command, refusal)
        self._carry_out(decision, command.kind, command)
        memory.remember(command, no_op=decision.verdict is Verdict.NO_OP)
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
            decision = self._counted(decisions.access_answered(self.application, self._access(), self.now))
        else:
            decision = self._counted(decisions.time_is_up(self.application, clock, self.now))
        if decisions.only_rechecked(self.application, decision):
            self._memory.application = decision.application
        else:
            self._carry_out(decision, moment.name)
        self._delivered()

    def _access(self) -> AccessOutcome:
        unverified = Missing(cause=AccessCause.ENTERPRISE_NOT_VERIFIED, uids=(self.account.uid,))
        missing = () if self.account.verified else (unverified,)
        return AccessOutcome(granted=not missing, missing=missing)

    def _answers(self, asked: Inquiry) -> Answers:
        return Answers(
            accounts=self._facts(asked.accounts) if asked.accounts else None,
            problems=tables.problems(asked.entries),
            clocks=set_clocks(
                asked.clocks, asked.at, self.application.policy, self.application.application_id
            ),
        )

    def _facts(self, query: AccountQuery) -> AccountAnswers:
        enterprise = self.account.enterprise
        named = query.legal_name and enterprise and tables.same_name(query.legal_name, enterprise.legal_name)
        return AccountAnswers(accounts=(self.account,), name_matches=bool(named))

    def _counted(self, decision: Decision) -> Decision:
        asked = decisions.clocks_wanted(decision, self.now)
        return decisions.completed(decision, self._answers(asked), self.now)

    def _refuse(
        self, name: str, command: Command | None, refusal: RefusedError, arguments: tuple[Json, ...] = ()
    ) -> Answer:
        memory = self._memory
        memory.refuse(self.now, refusal, command, name=name, arguments=arguments)
        return self._answer(Verdict.REFUSED, refusal)

    def _answer(self, verdict: Verdict, refusal: RefusedError | None = None) -> Answer:
        answer = Answer(verdict, self.status, self._memory.answered(verdict), refusal)
        self._delivered()
        return answer

    def _carry_out(self, decision: Decision, name: str, command: Command | None = None) -> None:
        memory = self._memory
        event = memory.event(self.now, name, decision.verdict, decision.application, command=command)
        memory.carry_out(decision, event)

    def _delivered(self) -> None:
        """Everything is stored and has left by the time anything else happens, if the database takes it."""
        memory = self._memory
        while self.stores and memory.backlog:
            entries = memory.publication(hold=False).entries
            self.trail += [entry.event for entry in entries]
            self.mails += [
                addressed(notice, memory.application, entry.event.sequence, entry.event.at)
                for entry in entries
                for notice in entry.notices
            ]
            memory.published(entries, self.now)
        if self.stores:
            memory.received(Receipt())


# Thousands of orders come to the same application.
@lru_cache(maxsize=1024)
def _described(application: Application) -> Status:
    return view.describe(application, sequence=0)
