"""The workflow: one application, from JOIN NOW to its outcome.

It takes the next command or the next due clock, lets the tables decide, and carries out what they decided.
What may happen stands in `domain/lifecycle.py`; what is remembered, in `memory.py`; what leaves, leaves by
`outbox.py`.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, assert_never

from temporalio import workflow
from temporalio.common import RawValue

from domain import access, decisions, intake, view
from domain.audit import Verdict
from domain.clocks import Clock, ClockKind
from domain.contract import (
    QUERY_NAME,
    UPDATE_NAME,
    WORKFLOW_TYPE,
    Command,
    ErrorType,
)
from domain.decisions import Decision
from domain.inquiry import Answers, Inquiry
from domain.publication import Receipt
from domain.refusal import RefusedError
from domain.status import CommandResult, FailedEmail, Status
from workflows import calls, search_attributes, start
from workflows.encryption import Reader
from workflows.hand_over import LAST_MAILS_WITHIN, hand_over
from workflows.inbox import EmailsFailed, Item, Message, OperatorCancel, OperatorReset, Reply
from workflows.outbox import Outbox
from workflows.resets import Resets
from workflows.signals import takes_every_command
from workflows.start import failure, has_memory, memory_of
from workflows.timer import Timer

BACKLOG_FULL: Final = (
    "What was decided can't be stored just now, and no more of it can be kept: send it again later."
)
_NOTHING_ASKED: Final = Answers()


@workflow.defn(name=WORKFLOW_TYPE)
@takes_every_command
class ResellerOnboarding:
    """One application of one applicant (workflow ID ``reseller-onboarding-{company_master_uid}``).

    Arguments: `OnboardingInput`, and after continue-as-new the `Memory` of the run before. Every handler
    takes whatever comes, so that no message can wedge a run or get lost.
    """

    @workflow.init
    def __init__(self, *arguments: Any) -> None:
        self._inbox: deque[Item] = deque()
        self._quiet = False
        self._timer = Timer()
        self._cancel_requested = False
        self._last_mails_until: datetime | None = None
        self._continued = has_memory(workflow.info()) and len(arguments) > 1
        self._refused_start: RefusedError | None = None
        self._already_partner = False
        self._reader = Reader()
        try:
            arguments = self._reader.read(arguments, own=self._continued)
            self._input = intake.parse_start(arguments[:1] if self._continued else arguments)
            self._memory = memory_of(self._input, arguments)
        except RefusedError as refusal:
            self._refused_start = refusal
            return
        decisions.check_edition(self._memory.application)
        self._resets = Resets()

    @workflow.run
    async def run(self, *arguments: Any) -> dict[str, Any]:
        """The application's status at its outcome (`Status.answer`); `Status.outcome` ``already_partner``:
        the applicant has access.

        Fails with type ``invalid`` for a start input that is none, or another workflow ID than the
        applicant's.
        """
        if self._refused_start:
            raise failure(self._refused_start)
        process = asyncio.create_task(self._process(), name="process")
        while not process.done():
            try:
                await workflow.wait([process])
            except asyncio.CancelledError:
                # Eviction from the cache cancels every task as well; only a Cancel request has a reason.
                if self._cancel_requested or workflow.cancellation_reason() is None:
                    raise
                self._cancel_requested = True
                self._inbox.append(OperatorCancel())
        return process.result().answer()

    @workflow.update(
        name=UPDATE_NAME, description="Any command, as the tagged union; returns the new status."
    )
    async def submit_command(self, *arguments: Any) -> dict[str, Any]:
        """Put a command in the inbox and answer (`Status.answer`) when it is finished."""
        if self._refused_start:
            raise failure(self._refused_start)
        reply = await self.receive(None, arguments).reply
        if reply.refusal:
            raise failure(reply.refusal, reply.status.answered)
        return reply.status.answer()

    @workflow.query(name=QUERY_NAME, description="The whole status of the application.")
    def get_status(self, *arguments: Any) -> dict[str, Any]:
        """The status as it stands, unset fields as ``null``; whatever arguments come are ignored."""
        if self._refused_start:
            raise failure(self._refused_start)
        return self._status().model_dump(mode="json")

    @workflow.signal(dynamic=True, description="Refuses, on record, a signal of an unknown name.")
    def unknown_signal(self, name: str, arguments: Sequence[RawValue]) -> None:
        """Temporal would keep a signal nobody handles in silence."""
        self.receive(name, tuple(arguments))

    def receive(self, name: str | None, arguments: tuple[Any, ...]) -> Message:
        """Put a command at the end of the inbox."""
        message = Message(name, arguments)
        self._inbox.append(message)
        return message

    async def _process(self) -> Status:
        if not self._continued and not await self._open():
            return self._status()
        while True:
            outbox = Outbox(
                self._memory, lambda: self._quiet and not self._resets.waiting, self._receipt_came
            )
            await self._work()
            while self._ended and await self._last_mails():
                await self._work()
            await outbox.stop()
            # The handler of an update that came meanwhile waits for the next round: don't wait for it here.
            await workflow.wait_condition(lambda: self._called or workflow.all_handlers_finished())
            if not self._ended:
                await self._told_of_a_cancel()
            if self._called:
                continue
            self._show()
            if self._ended:
                if self._memory.unpublished:
                    await hand_over(self._memory)
                if self._resets.waiting:
                    continue
                return self._status()
            workflow.continue_as_new(args=[self._input, self._memory.memory()])

    async def _told_of_a_cancel(self) -> None:
        """Let a Cancel that came with the last signals reach this run before it continues as new.

        The SDK tells of signals first and lets the run go as far as it can before it tells of the Cancel, and
        the server does not hand the Cancel on to the next run. With an activity's answer everything has been
        told.
        """
        await calls.look_up(Inquiry(at=workflow.now()))

    async def _work(self) -> None:
        """Take the next command or due clock, until the application has ended or its history is long."""
        while (event := await self._next()) is not None:
            match event:
                case Message():
                    event.reply.set_result(await self._obey(event))
                case Clock():
                    await self._time_is_up(event)
                case EmailsFailed():
                    self._mails_bounced(event.failed)
                case OperatorCancel():
                    self._cancelled_by_operator()
                case OperatorReset():
                    await self._take_up()
                case _:
                    assert_never(event)

    async def _next(self) -> Item | Clock | None:
        while True:
            if self._resets.waiting:
                return OperatorReset()
            if self._inbox:
                return self._inbox.popleft()
            clock = decisions.next_clock(self._memory.application)
            if clock and clock.next_at and clock.next_at <= workflow.now():
                return clock
            if self._ended or workflow.info().is_continue_as_new_suggested():
                return None
            self._timer.set(clock.next_at if clock else None)
            self._show()
            self._quiet = True
            await workflow.wait_condition(self._something_to_do)
            self._quiet = False

    @property
    def _ended(self) -> bool:
        return self._memory.application.ended

    @property
    def _called(self) -> bool:
        """Whether anything came from outside, which an ended application answers, too."""
        return bool(self._inbox) or self._resets.waiting

    def _something_to_do(self) -> bool:
        return self._called or self._timer.fired or workflow.info().is_continue_as_new_suggested()

    async def _open(self) -> bool:
        """JOIN NOW; false where the applicant has access already."""
        memory, now = self._memory, workflow.now()
        answers = await self._look_up(start.inquiry(self._input, memory.application, now))
        if answers.accounts and answers.accounts.already_partner:
            self._already_partner = True
            return False
        memory.application = start.begun(memory.application, answers)
        opening = decisions.completed(decisions.opening(memory.application, now), answers, now)
        self._carry_out(opening, "join", now)
        return True

    async def _obey(self, message: Message) -> Reply:
        """Judge a command and carry it out, or refuse it on record."""
        memory, now = self._memory, workflow.now()
        command: Command | None = None
        # What may not be read is not kept either.
        arguments, message.arguments = message.arguments, ()
        try:
            message.arguments = self._reader.read(arguments)
            command = intake.parse_command(message.name, message.arguments)
            if before := memory.answered_before(command):
                return self._reply(before.answered, before.refusal)
            verdict = await self._judge(command, now)
        except RefusedError as refusal:
            arguments = message.arguments
            memory.refuse(now, refusal, command, name=message.name, arguments=arguments, again=message.again)
            return self._reply(memory.answered(Verdict.REFUSED), refusal)
        return self._reply(memory.answered(verdict))

    async def _judge(self, command: Command, now: datetime) -> Verdict:
        memory = self._memory
        if memory.backlog_full:
            raise RefusedError(ErrorType.UNAVAILABLE, BACKLOG_FULL)
        asked = decisions.inquiry(memory.application, command, now, memory.sequence)
        answers = _NOTHING_ASKED if asked.empty else await self._look_up(asked)
        decision = decisions.decide(memory.application, command, now, memory.sequence, answers)
        self._carry_out(decision, command.kind, now, command)
        memory.remember(command, no_op=decision.verdict is Verdict.NO_OP)
        return decision.verdict

    def _reply(self, answered: CommandResult, refusal: RefusedError | None = None) -> Reply:
        return Reply(self._status().model_copy(update={"answered": answered}), refusal)

    async def _time_is_up(self, clock: Clock) -> None:
        application, now = self._memory.application, workflow.now()
        name = decisions.moment_of(application, clock, now).name
        if clock.kind is ClockKind.ACCESS_CHECK:
            request = access.access_request(application, now, self._memory.generation)
            outcome = await calls.open_access(request)
            if self._resets.waiting:
                # That takes back what was opened. The clock is still due: it is asked for again.
                return
            now = workflow.now()
            decided = await self._counted(
                lambda: decisions.access_answered(self._memory.application, outcome, now), now
            )
        else:
            decided = await self._counted(
                lambda: decisions.time_is_up(self._memory.application, clock, now), now
            )
        if decisions.only_rechecked(self._memory.application, decided):
            self._memory.application = decided.application
        else:
            self._carry_out(decided, name, now)

    def _mails_bounced(self, failed: tuple[FailedEmail, ...]) -> None:
        application = self._memory.application
        # After a reset, taking up and an activity that was under way may tell of the same.
        known = {*application.resent_emails, *(email.key for email in application.failed_emails)}
        if news := tuple(email for email in failed if email.key not in known):
            bounced = decisions.mails_bounced(application, news)
            self._carry_out(bounced, "email_failed", workflow.now())

    def _cancelled_by_operator(self) -> None:
        if not self._ended:
            now = workflow.now()
            cancelled = decisions.cancelled_by_operator(self._memory.application, now)
            self._carry_out(cancelled, "cancel_application", now)

    async def _take_up(self) -> None:
        """Go on after Temporal's Reset: what has been stored stays, and no number is used twice."""
        for item in self._inbox:
            if isinstance(item, Message):
                item.again = True
        head = await self._resets.take_up(self._memory)
        self._last_mails_until = None
        if head.failed:
            self._inbox.appendleft(EmailsFailed(head.failed))

    async def _look_up(self, inquiry: Inquiry) -> Answers:
        """What the outside knows. A reset, if there was one, is taken up before anything is decided by it."""
        while True:
            while self._resets.waiting:
                await self._take_up()
            answers = await calls.look_up(inquiry)
            if not self._resets.waiting:
                return answers

    async def _counted(self, decide: Callable[[], Decision], now: datetime) -> Decision:
        """The decision with the clocks it asks for."""
        decision = decide()
        if not decision.requests:
            return decision
        asked = decisions.clocks_wanted(decision, now)
        answers = await self._look_up(asked)
        # Decided once more: a reset may have been taken up meanwhile, and other numbers be in use.
        return decisions.completed(decide(), answers, now)

    def _carry_out(
        self, decision: Decision, name: str, now: datetime, command: Command | None = None
    ) -> None:
        event = self._memory.event(now, name, decision.verdict, decision.application, command=command)
        self._memory.carry_out(decision, event)

    async def _last_mails(self) -> bool:
        """Give the last mails, and a database that was down, a little time; whether something came first."""
        memory, now = self._memory, workflow.now()
        # Set once, or commands that come too late could keep an ended run open.
        self._last_mails_until = self._last_mails_until or now + LAST_MAILS_WITHIN
        self._quiet = True
        try:
            await workflow.wait_condition(
                lambda: self._called or not memory.unpublished,
                timeout=max(self._last_mails_until - now, timedelta()),
                timeout_summary="Last e-mails",
            )
        except TimeoutError:
            pass
        finally:
            self._quiet = False
        return self._called

    def _receipt_came(self, receipt: Receipt) -> None:
        if receipt.superseded:
            self._resets.superseded()
            return
        self._memory.received(receipt)
        if receipt.failed:
            self._inbox.append(EmailsFailed(receipt.failed))
        # What is being decided on is shown with its decision, whichever of the two is told of first.
        if self._quiet:
            self._show()

    def _status(self) -> Status:
        status = self._memory.status()
        if self._already_partner:
            over = {"outcome": ErrorType.ALREADY_PARTNER, "allowed_commands": (), "allowed_for": {}}
            return status.model_copy(update=over)
        return status

    def _show(self) -> None:
        """Bring search attributes and current details up to date; costs nothing when nothing changed."""
        memory = self._memory
        changed = search_attributes.updates(memory.application, workflow.info().typed_search_attributes)
        if changed:
            workflow.upsert_search_attributes(changed)
        workflow.set_current_details(
            view.details(memory.application, refusals=memory.refusals, pending_emails=memory.pending_emails)
        )
