"""The workflow by which an Associated UID is added, or taken away, after access was given.

It goes on with the application from where its own run has left it, lets the row of `domain/coverage.py`
decide, asks ACPN, and publishes what was decided the way a run does.
"""

import asyncio
from datetime import timedelta
from typing import Any, Final

from temporalio import workflow

from domain import coverage, decisions
from domain.access import access_request
from domain.audit import Verdict
from domain.contract import COVERAGE_TYPE, ErrorType, coverage_id
from domain.coverage import AddAssociatedUid, AnyCoverageCommand, CoverageAnswer, Recall, Recalled
from domain.decisions import Decision
from domain.inquiry import Answers, Head
from domain.refusal import RefusedError
from domain.state import Application
from workflows import calls
from workflows.bounced import tell_of
from workflows.encryption import Reader
from workflows.hand_over import hand_over
from workflows.memory import Memory, RunMemory
from workflows.start import failure, has_memory

FIRST_PAUSE: Final = timedelta(seconds=1)
LONGEST_PAUSE: Final = timedelta(minutes=5)
_NOTHING_ASKED: Final = Answers()
_WAITS: Final = (
    "ACPN or the account directory does not answer, or the application was reset: tried again until it works."
)


@workflow.defn(name=COVERAGE_TYPE)
class CoverageChange:
    """One change (workflow ID ``reseller-onboarding-coverage-{company_master_uid}``): so a company's changes
    run one after the other.

    Argument: a command of `domain.coverage`.
    """

    @workflow.init
    def __init__(self, *arguments: Any) -> None:
        self._continued = has_memory(workflow.info())
        # From the first attempt on, ACPN may have done it though its answer got lost.
        self._begun = self._continued
        self._refused_start: RefusedError | None = None
        try:
            arguments = Reader().read(arguments, own=self._continued)
            self._command: AnyCoverageCommand = coverage.parse(arguments)
            wanted = coverage_id(self._command.company_master_uid)
            if workflow.info().workflow_id != wanted:
                # Two changes of one company could run at once.
                raise RefusedError(
                    ErrorType.INVALID, f"the workflow ID must be '{wanted}', the company's own"
                )
        except RefusedError as refusal:
            self._refused_start = refusal

    @workflow.run
    async def run(self, *arguments: Any) -> dict[str, Any]:
        """What became of the change (`CoverageAnswer`): also of one that is refused, which is no failure.

        Fails with type ``invalid`` for a start input that is none, or another workflow ID than the company's.
        Temporal's Cancel ends it until ACPN has been asked; what may be done by then is carried to its end.
        """
        if self._refused_start:
            raise failure(self._refused_start)
        change = asyncio.create_task(self._change(), name="change")
        while not change.done():
            try:
                await workflow.wait([change])
            except asyncio.CancelledError:
                # Eviction from the cache cancels every task as well; only a Cancel request has a reason.
                if workflow.cancellation_reason() is None or not self._begun:
                    raise
        return change.result().model_dump(mode="json", exclude_none=True)

    async def _change(self) -> CoverageAnswer:
        command, pause = self._command, FIRST_PAUSE
        while True:
            recalled = await calls.recall(
                Recall(company_master_uid=command.company_master_uid, command_id=command.command_id)
            )
            if answer := await self._try(recalled):
                return answer
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(command)
            workflow.set_current_details(_WAITS)
            await workflow.sleep(pause, summary="Pause before it is tried again")
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _try(self, recalled: Recalled) -> CoverageAnswer | None:
        """The answer; ``None`` where it has to be tried again, from the start."""
        command, application = self._command, recalled.application
        if application is None or recalled.head is None:
            return _refused(coverage.no_access(command, application))
        decisions.check_edition(application)
        memory = _memory_of(application, recalled.head)
        now = workflow.now()
        try:
            if recalled.before:
                return coverage.answer_before(application, command, recalled.before)
            decision = await self._decided(memory)
            if decision is None:
                return None
            if decision.verdict is Verdict.ACCEPTED and not await self._carried_out(memory):
                return None
            now = workflow.now()
            event = memory.event(now, command.kind, decision.verdict, decision.application, command=command)
            memory.carry_out(decision, event)
            answer = CoverageAnswer(verdict=decision.verdict, sequence=event.sequence)
        except RefusedError as refusal:
            memory.refuse(now, refusal, command)
            answer = _refused(refusal, memory.sequence)
        if recalled.head.failed:
            tell_of(memory, recalled.head.failed)
        if not await self._published(memory):
            return None
        return answer.model_copy(update={"covered_uids": memory.application.covered_uids})

    async def _decided(self, memory: RunMemory) -> Decision | None:
        command, application, now = self._command, memory.application, workflow.now()
        asked = coverage.inquiry(application, command, now, memory.sequence)
        answers = _NOTHING_ASKED if asked.empty else await calls.look_up(asked)
        if asked.accounts and answers.accounts is None:
            return None
        return coverage.decide(application, command, now, memory.sequence, answers)

    async def _carried_out(self, memory: RunMemory) -> bool:
        """Whether ACPN has done it; asked again, it does nothing twice.

        Raises `RefusedError` where something is missing.
        """
        self._begun = True
        # The generation is raised only with what is published.
        generation = memory.generation - 1
        uids = (self._command.associated_uid,)
        request = access_request(memory.application, workflow.now(), generation, uids)
        if not isinstance(self._command, AddAssociatedUid):
            return await calls.close_access(request)
        outcome = await calls.open_access(request)
        if not outcome.granted and not outcome.outage:
            raise coverage.not_opened(outcome)
        return outcome.granted

    async def _published(self, memory: RunMemory) -> bool:
        """Store what was decided, and send its mails or leave them to a child; whether it is stored."""
        takes_over = True
        while memory.backlog:
            publication = memory.publication(hold=False, takes_over=takes_over)
            receipt = await calls.publish(publication)
            if not memory.take_in(publication, receipt, workflow.now()):
                return False
            takes_over = False
            memory.received(receipt)
            memory.undelivered = receipt.pending > 0
            if receipt.failed:
                tell_of(memory, receipt.failed)
        if memory.undelivered:
            await hand_over(memory)
        return True


def _memory_of(application: Application, head: Head) -> RunMemory:
    """Under the next generation: who writes, and mails, for the application until now does no more then."""
    return RunMemory(
        Memory(
            application=application,
            sequence=head.sequence,
            generation=head.generation + 1,
            failed_through=head.failed_through,
        )
    )


def _refused(refusal: RefusedError, sequence: int = 0) -> CoverageAnswer:
    return CoverageAnswer(
        verdict=Verdict.REFUSED, sequence=sequence, error=refusal.error, message=refusal.message
    )
