"""The workflow: one application, from JOIN NOW to its outcome.

It takes the next command or the next due clock, lets the tables decide, and carries out what they
decided. What may happen stands in `lifecycle.py`; what is remembered, in `desk.py`.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError, FailureError

from domain import decisions, intake, rules, view
from domain.audit import Verdict
from domain.clocks import Clock, ClockKind
from domain.contract import (
    QUERY_NAME,
    SYSTEM,
    UPDATE_NAME,
    WORKFLOW_TYPE,
    Command,
    ErrorType,
    IssueDecisionSheet,
    OnboardingInput,
)
from domain.decisions import Decision
from domain.emails import EmailReceipt
from domain.facts import AccessRequest, AccountQuery
from domain.letters import AnyLetter
from domain.policy import Policy
from domain.records import Transition
from domain.rules import RefusedError
from domain.state import Application
from domain.status import Status
from workflows import calls, search_attributes
from workflows.delivery import OutstandingDelivery
from workflows.encryption import Reader
from workflows.inbox import EmailsFailed, Message, OperatorCancel
from workflows.memory import Desk, Memory
from workflows.outbox import Courier
from workflows.signals import takes_every_command

LAST_ERRANDS_WITHIN: Final = timedelta(seconds=30)
"""How long an ended application waits for its last mails before a child workflow takes them over."""


@workflow.defn(name=WORKFLOW_TYPE)
@takes_every_command
class ResellerOnboarding:
    """One application of one applicant (workflow ID ``reseller-onboarding-{company_master_uid}``).

    Arguments: `OnboardingInput`, and after continue-as-new the `Memory` of the run before. Every handler
    takes whatever comes (design §8, "Messages"), so that no message can wedge a run or get lost.
    """

    @workflow.init
    def __init__(self, *arguments: Any) -> None:
        self._inbox: deque[Message | OperatorCancel | EmailsFailed] = deque()
        self._quiet = False
        self._timer: asyncio.Task[None] | None = None
        self._timer_at: datetime | None = None
        self._cancel_requested = False
        self._mails_returned = False
        self._uncommitted = False
        self._last_errands_until: datetime | None = None
        self._continued = _has_memory(workflow.info()) and len(arguments) > 1
        self._refused_start: RefusedError | None = None
        self._reader = Reader()
        try:
            arguments = self._reader.read(arguments, own=self._continued)
            self._input = intake.parse_start(arguments[:1] if self._continued else arguments)
            self._desk = _desk_of(self._input, arguments)
        except RefusedError as refusal:
            self._refused_start = refusal

    @workflow.run
    async def run(self, *arguments: Any) -> Status:
        """The application's status at its outcome.

        Fails with type ``invalid`` (the start input) or ``already_partner`` (the applicant has access).
        """
        if self._refused_start:
            raise _failure(self._refused_start)
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
        return process.result()

    @workflow.update(
        name=UPDATE_NAME, description="Any command, as the tagged union; returns the new status."
    )
    async def submit_command(self, *arguments: Any) -> Status:
        """Put a command in the inbox and answer when it is finished."""
        if self._refused_start:
            raise _failure(self._refused_start)
        answer = await self.receive(None, arguments).answer
        if isinstance(answer, RefusedError):
            raise _failure(answer)
        return answer

    @workflow.query(name=QUERY_NAME, description="The whole status of the application.")
    def get_status(self, *arguments: Any) -> Status:
        """The status as it stands; whatever arguments come are ignored."""
        if self._refused_start:
            raise _failure(self._refused_start)
        return view.describe(self._desk.record(workflow.now()))

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
        if not self._continued:
            await self._open()
        while True:
            courier = Courier(self._desk, lambda: self._quiet, self._mails_have_returned)
            await self._work()
            ended = self._desk.application.ended
            while ended and await self._last_errands():
                await self._work()
            await courier.stop()
            # The handler of an update that came meanwhile waits for the next round: don't wait for it here.
            await workflow.wait_condition(lambda: bool(self._inbox) or workflow.all_handlers_finished())
            if ended and not self._inbox:
                await self._leave_nothing()
            if self._inbox:
                continue
            self._show()
            if ended:
                return view.describe(self._desk.record(workflow.now()))
            workflow.continue_as_new(args=[self._input, self._desk.memory()])

    async def _work(self) -> None:
        """Take the next command or due clock, until the application has ended or its history is long."""
        while (event := await self._next()) is not None:
            match event:
                case Message():
                    event.answer.set_result(await self._obey(event))
                case OperatorCancel():
                    await self._cancelled_by_operator()
                case EmailsFailed():
                    await self._carry_out(
                        decisions.emails_failed(self._desk.application, event.failed), "email_failed"
                    )
                    self._desk.keep_failed(event.letters)
                case Clock():
                    await self._time_is_up(event)

    async def _next(self) -> Message | OperatorCancel | EmailsFailed | Clock | None:
        while not self._inbox:
            application = self._desk.application
            clock = decisions.next_clock(application)
            if clock and clock.next_at and clock.next_at <= workflow.now():
                return clock
            if application.ended or workflow.info().is_continue_as_new_suggested():
                return None
            self._wind_timer(clock)
            self._show()
            self._quiet = True
            await workflow.wait_condition(self._something_to_do)
            self._quiet = False
            self._uncommitted = False
        return self._inbox.popleft()

    def _something_to_do(self) -> bool:
        rung = self._timer is not None and self._timer.done()
        return bool(self._inbox) or rung or workflow.info().is_continue_as_new_suggested()

    def _wind_timer(self, clock: Clock | None) -> None:
        """One timer at a time, for the nearest clock; it is left alone while that stays the same."""
        at = clock.next_at if clock else None
        if self._timer and not self._timer.done():
            if self._timer_at == at:
                return
            self._timer.cancel()
        self._timer_at, self._timer = at, None
        if clock and at:
            what = f"{clock.kind} {'reminder' if clock.remind_at else 'due'}"
            self._timer = asyncio.create_task(workflow.sleep(at - workflow.now(), summary=what))

    async def _open(self) -> None:
        """JOIN NOW. With the directory down, the look-up is made up for when the form is submitted."""
        facts = await calls.look_up(
            AccountQuery(company_master_uid=self._desk.application.company_master_uid)
        )
        application = self._desk.application
        if facts:
            if facts.already_partner:
                raise _failure(rules.already_partner(application))
            account = facts.account(application.company_master_uid)
            application = application.but(company=account and account.enterprise)
        try:
            await self._carry_out(decisions.opening(application), "join")
        except FailureError as error:
            raise _failure(RefusedError(ErrorType.INVALID, f"policy.calendar: {error.message}")) from error

    async def _obey(self, message: Message) -> Status | RefusedError:
        """Judge a command and carry it out, or refuse it on record."""
        command: Command | None = None
        # An update is in history only once its workflow task is: should the worker die first, it may never
        # have been. A signal is there before its task begins. Until then, nothing leaves this run.
        self._uncommitted = self._uncommitted or message.name is None
        # What may not be read is not kept either.
        arguments, message.arguments = message.arguments, ()
        try:
            message.arguments = self._reader.read(arguments)
            command = intake.parse_command(message.name, message.arguments)
            answer = self._desk.answered_before(command)
            if answer is None:
                query = decisions.accounts_needed(self._desk.application, command)
                facts = await calls.look_up(query) if query else None
                decision = decisions.decide(self._desk.application, command, workflow.now(), facts)
                await self._carry_out(decision, command.kind, command)
                self._desk.remember(command)
            elif answer.refusal:
                return answer.refusal
        except RefusedError as refusal:
            await self._refuse(message, command, refusal)
            return refusal
        return self.get_status()

    async def _refuse(self, message: Message, command: Command | None, refusal: RefusedError) -> None:
        name = command.kind if command else intake.claimed_name(message.name, message.arguments)
        unchanged = Decision(self._desk.application, Verdict.REFUSED)
        await self._carry_out(unchanged, name, command, refusal=refusal, arguments=message.arguments)
        if command:
            self._desk.remember(command, refusal)

    async def _cancelled_by_operator(self) -> None:
        if not self._desk.application.ended:
            decision = decisions.cancelled_by_operator(self._desk.application, workflow.now())
            await self._carry_out(decision, "cancel_application")

    async def _time_is_up(self, clock: Clock) -> None:
        application = self._desk.application
        moment = decisions.moment_of(application, clock, workflow.now())
        if clock.kind is ClockKind.ACCESS_CHECK:
            request = _access_request(application, workflow.now())
            outcome = await calls.open_access(request, committed=not self._uncommitted)
            await self._carry_out(decisions.access_answered(application, outcome), moment.name)
        else:
            await self._carry_out(decisions.time_is_up(application, clock, workflow.now()), moment.name)

    async def _carry_out(
        self,
        decision: Decision,
        name: str,
        command: Command | None = None,
        *,
        refusal: RefusedError | None = None,
        arguments: tuple[Any, ...] = (),
    ) -> None:
        """The one place where the stage changes, is recorded, and its mails are queued."""
        desk, now = self._desk, workflow.now()
        store = not (desk.unstored or self._uncommitted)
        desk.note(
            now,
            name,
            decision.verdict,
            decision.application.stage,
            command=command,
            actor=None if refusal else SYSTEM,
            arguments=arguments,
            refusal=refusal,
            sheet_revision=_issued_revision(decision, command),
        )
        record = desk.record(now, decision.application, len(decision.letters) + len(decision.resends))
        # Who does not store needs no events: handed over again and again while the database is down, a few
        # hundred of them would keep the workflow task from ever ending.
        handed = record if store else record.model_copy(update={"events": ()})
        transition = Transition.model_construct(record=handed, requests=decision.requests, store=store)
        settled = await calls.settle(transition)
        if settled.stored:
            desk.stored(record)
        desk.application = decisions.settled(decision.application, settled)
        desk.write(decision, now)

    async def _last_errands(self) -> bool:
        """Give the last mails, and a database that was down, a little time; whether a command came first."""
        desk, now = self._desk, workflow.now()
        # Set once, or commands that come too late could keep an ended run open.
        self._last_errands_until = self._last_errands_until or now + LAST_ERRANDS_WITHIN
        self._quiet = True
        try:
            await workflow.wait_condition(
                lambda: bool(self._inbox) or not (desk.outbox or desk.unstored),
                timeout=max(self._last_errands_until - now, timedelta()),
                timeout_summary="Last e-mails",
            )
        except TimeoutError:
            pass
        finally:
            self._quiet = False
        return bool(self._inbox)

    async def _leave_nothing(self) -> None:
        """Store how the mails went; what could not leave is handed to a child that outlives this run."""
        desk, now = self._desk, workflow.now()
        if self._mails_returned and not desk.unstored:
            self._mails_returned = False
            await calls.settle(Transition.model_construct(record=desk.record(now)))
        if desk.outbox or desk.unstored:
            await workflow.start_child_workflow(
                OutstandingDelivery.run,
                desk.memory(),
                id=f"{workflow.info().workflow_id}-delivery-{desk.application.application_id}-{desk.sequence}",
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                static_summary="E-mails and records an ended onboarding could not deliver in time",
            )
            desk.outbox.clear()
            desk.unstored.clear()

    def _mails_have_returned(self, sent: tuple[AnyLetter, ...], receipt: EmailReceipt) -> None:
        self._mails_returned = True
        if receipt.failed:
            keys = {failed.key for failed in receipt.failed}
            letters_failed = tuple(letter for letter in sent if letter.key in keys)
            self._inbox.append(EmailsFailed(receipt.failed, letters_failed))
        self._show()

    def _show(self) -> None:
        """Bring search attributes and current details up to date; costs nothing when nothing changed."""
        changed = search_attributes.updates(self._desk.application, workflow.info().typed_search_attributes)
        if changed:
            workflow.upsert_search_attributes(changed)
        workflow.set_current_details(view.details(self._desk.record(workflow.now())))


def _has_memory(run: workflow.Info) -> bool:
    """Whether the run before handed this one its memory; whoever starts a run can send a second argument.

    By a cron schedule or a retry Temporal also starts one run after another, with what the starter sent.
    """
    return run.continued_run_id is not None and run.cron_schedule is None and run.attempt == 1


def _desk_of(joined: OnboardingInput, arguments: tuple[Any, ...]) -> Desk:
    if len(arguments) > 1:
        return Desk(Memory.model_validate(arguments[1]))
    application_id = workflow.info().first_execution_run_id
    return Desk.of(Application.joined(application_id, joined, joined.policy or Policy()))


def _issued_revision(decision: Decision, command: Command | None) -> int | None:
    issued = isinstance(command, IssueDecisionSheet) and decision.verdict is Verdict.ACCEPTED
    return decision.application.sheet.revision if issued and decision.application.sheet else None


def _access_request(application: Application, at: datetime) -> AccessRequest:
    return AccessRequest(
        application_id=application.application_id,
        company_master_uid=application.company_master_uid,
        uids=application.form.covered_uids if application.form else (),
        require_credit_control=application.policy.require_credit_control,
        at=at,
    )


def _failure(refusal: RefusedError) -> ApplicationError:
    return ApplicationError(refusal.message, type=refusal.error, non_retryable=True)
