"""The typed client of the onboarding service; the only place that touches workflow handles."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Final, Self
from uuid import uuid4

from temporalio.client import (
    Client,
    RPCTimeoutOrCancelledError,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
)
from temporalio.common import QueryRejectCondition
from temporalio.converter import PayloadCodec
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from domain import view
from domain.account_rules import access_by_another
from domain.contract import (
    QUERY_NAME,
    UPDATE_NAME,
    Command,
    ErrorType,
    OnboardingInput,
    Stage,
    WaitingOn,
    workflow_id,
)
from domain.coverage import AnyCoverageCommand, CoverageAnswer
from domain.state import OUTCOMES
from domain.status import CommandResult, Status
from runtime.errors import keep_cancellation, no_namespace
from runtime.search_attributes import check_set_up
from settings import Settings, TemporalSettings
from starter.client import coverage
from starter.client.commands import Commands
from starter.client.errors import OnboardingError
from starter.client.joining import Joined, Standing, TellsStanding, begin, closes, runs, why_closed
from starter.client.listed import Listed, list_filter, listed
from starter.client.retries import PASSING, PAUSE_BETWEEN_TRIES, RUN_WENT_ON, pauses
from workflows.hand_over import LAST_MAILS_WITHIN
from workflows.plugin import OnboardingPlugin
from workflows.reset import ASK_AGAIN
from workflows.search_attributes import STAGE

ANSWER_WITHIN: Final = timedelta(seconds=30)
NO_WORKER: Final = (
    "Start a worker (`onboarding up`, `python worker.py`); `onboarding doctor` says what is missing."
)
_WITHOUT_OUTCOME: Final = {
    WorkflowExecutionStatus.TERMINATED: "was terminated",
    WorkflowExecutionStatus.TIMED_OUT: "timed out",
}
"""How Temporal may have ended the run of an application before its outcome."""


async def connect(temporal: TemporalSettings, codec: PayloadCodec | None = None) -> Client:
    """A connection that speaks this project's payloads, encrypted by ``codec`` (`settings.Settings.codec`).

    Raises:
        RuntimeError: nothing answers at that address.
    """
    return await Client.connect(**temporal.options, plugins=[OnboardingPlugin(codec)])


class OnboardingClient(Commands):
    """Onboarding as a service calls it.

    Every method that asks or commands raises `OnboardingError` with the contract's error type: ``not_found``
    where the UID never joined, ``closed`` where its application has ended, ``unavailable`` where no answer
    came within ``answer_within``. Errors of the connection itself, a namespace that does not exist included,
    come as `temporalio.service.RPCError`.

    Args:
        client: a connection made with `connect`.
        verify_url: the "Go to Verify" link of remedies (guide, FAQ Q1).
        answer_within: how long a call waits for its answer.
        standing: tells what is known of a UID, asked before an application is started.
    """

    def __init__(
        self,
        client: Client,
        *,
        verify_url: str = "",
        answer_within: timedelta = ANSWER_WITHIN,
        standing: TellsStanding | None = None,
    ) -> None:
        self._client = client
        self._standing = standing
        self._verify_url = verify_url
        self._answer_within = answer_within

    @classmethod
    async def connect(cls, settings: Settings, temporal: TemporalSettings) -> Self:
        """A client for the service the settings name.

        Raises:
            RuntimeError: nothing answers at that address.
        """
        return cls.over(await connect(temporal, settings.codec), settings)

    @classmethod
    def over(cls, client: Client, settings: Settings) -> Self:
        """A client for the service the settings name, over a connection of `connect`."""

        # What does not join starts faster without the libraries of a database.
        async def standing(uid: str) -> Standing:
            from starter.client import accounts

            return await accounts.standing(settings, uid)

        return cls(client, verify_url=settings.verify_url, standing=standing)

    async def join(self, joining: OnboardingInput) -> Joined:
        """Start an application, or enter the one that runs (guide §2.1 Step 3, §2.2 Step 2).

        While the last e-mails of one that has ended are leaving, for `LAST_MAILS_WITHIN` at most, it is
        waited for.

        Raises:
            OnboardingError: ``already_partner``, an earlier application ended in access; ``not_found``, the
                account directory has no such account; ``uid_mismatch``, it has access by another company's
                application (while nobody can tell, one can join); ``invalid``; ``unavailable``, no worker
                has taken up the application, which has started all the same, or one that has ended is
                still open and none has started.
        """
        uid = joining.company_master_uid
        await self._check_account(uid)
        while True:
            run, started = await begin(self._client, joining)
            try:
                status = await self._first_status(uid, run)
            except OnboardingError as error:
                if error.type is not ErrorType.UNAVAILABLE:
                    raise
                raise self._not_taken_up(uid, error, started=started) from None
            if started or status.outcome is None:
                return Joined(
                    started=started,
                    workflow_id=run.id,
                    application_id=status.application_id,
                    status=status,
                )
            if status.outcome is Stage.ACTIVE:
                raise self._already_partner(uid)
            if not await closes(run, self._answer_within):
                raise self._still_leaving(uid, status)

    async def status(self, uid: str) -> Status:
        """The whole status; of an ended application too, as long as Temporal keeps its run."""
        handle = self._client.get_workflow_handle(workflow_id(uid))
        found: Status | None = None
        try:
            found = await self._ask(handle, uid, reject_condition=QueryRejectCondition.NOT_OPEN)
        except WorkflowQueryRejectedError as rejected:
            # What failed at once is no application: its start was none.
            if rejected.status is not WorkflowExecutionStatus.FAILED:
                found = await self._ask(handle, uid)
                if rejected.status in _WITHOUT_OUTCOME and found.outcome is None:
                    found = view.run_ended(found, _WITHOUT_OUTCOME[rejected.status])
        # Neither is it one where a partner joined again.
        if found is None or found.outcome is ErrorType.ALREADY_PARTNER:
            found = await self._ask(await self._last_application(uid), uid)
        return found

    async def change_coverage(self, command: AnyCoverageCommand) -> CoverageAnswer:
        """Add an Associated UID, or take one away, after access is given (`domain.coverage`).

        The answer comes once ACPN has done it.

        Raises:
            OnboardingError: refused; ``unavailable``, no answer yet: it goes on all the same, and sent again
                under its ``command_id`` it is answered.
        """
        try:
            async with asyncio.timeout(self._answer_within.total_seconds()):
                answer = await coverage.change(self._client, command)
        except WorkflowFailureError as error:
            raise self._refusal(error.cause) from None
        except (TimeoutError, RPCTimeoutOrCancelledError):
            raise self._no_answer(f"{command.kind} (command ID {command.command_id})") from None
        if answer.error is not None:
            raise self._error(answer.error, answer.message or "")
        return answer

    async def list(
        self,
        *,
        stage: Stage | None = None,
        waiting_on: WaitingOn | None = None,
        overdue: bool | None = None,
    ) -> AsyncIterator[Listed]:
        """The running applications; with an outcome as ``stage`` the ended ones. It lags by a moment.

        Raises:
            NotSetUpError: there are none, and the namespace is not set up.
        """
        none = True
        async for execution in self._client.list_workflows(list_filter(stage, waiting_on, overdue)):
            none = False
            yield listed(execution)
        if none:
            await check_set_up(self._client)

    async def send(self, uid: str, command: Command, *, update_id: str | None = None) -> Status:
        """Send a command and return the status it led to, without documents; `status` has the whole.

        With a lost connection, a run that continued as new, or a look-up that was down a moment ago, it is
        sent again under its ``command_id``: the workflow answers as it did the first time. ``update_id``:
        instead of that, what Temporal knows a repeated call by, before the workflow sees it.
        """
        first_id = update_id or command.command_id
        handle = self._client.get_workflow_handle(workflow_id(uid))
        try:
            async with asyncio.timeout(self._answer_within.total_seconds()):
                update_id = first_id
                waits = pauses()
                while True:
                    try:
                        answer: Status = await handle.execute_update(
                            UPDATE_NAME, command, id=update_id, result_type=Status
                        )
                        return answer
                    except WorkflowUpdateFailedError as error:
                        cause = error.cause
                        kind = cause.type if isinstance(cause, ApplicationError) else None
                        if kind == ErrorType.UNAVAILABLE and update_id == first_id:
                            # Temporal answers an update ID it knows as it did before; the command's own ID,
                            # which the workflow goes by, stays the same.
                            update_id = f"{first_id}~{uuid4()}"
                        elif kind != RUN_WENT_ON:
                            raise self._refusal(cause) from None
                    except RPCError as error:
                        await self._may_pass(error, uid, handle)
                    await asyncio.sleep(next(waits))
        # The SDK reports a cancellation of its call, the timeout's included, as an error of its own.
        except (TimeoutError, RPCTimeoutOrCancelledError):
            raise self._no_answer(f"{command.kind} (command ID {command.command_id})") from None

    async def _check_account(self, uid: str) -> None:
        """Raises `OnboardingError` for a UID that is no account's, or has access by another company's
        application or its own, and has no application running."""
        standing = await self._standing(uid) if self._standing else Standing()
        if standing.known is not False and not standing.has_access_by_another and not standing.is_partner:
            return
        if not await runs(self._client, uid):
            if standing.is_partner:
                # A run that only says so would become Temporal's current one, which a reset is of.
                raise self._already_partner(uid)
            if standing.has_access_by_another:
                raise self._error(ErrorType.UID_MISMATCH, access_by_another(uid).message)
            raise self._error(ErrorType.NOT_FOUND, f"The account directory has no account of UID {uid}.")

    async def _first_status(self, uid: str, handle: WorkflowHandle[Any, Any]) -> Status:
        """The status once JOIN NOW is carried out, which is the application's first event."""
        while True:
            status = await self._ask(handle, uid)
            if status.outcome is ErrorType.ALREADY_PARTNER:
                raise self._already_partner(uid)
            if status.sequence:
                return status
            if (await handle.describe()).status is WorkflowExecutionStatus.FAILED:
                try:
                    await handle.result()
                except WorkflowFailureError as error:
                    raise self._refusal(error.cause) from None
            await asyncio.sleep(PAUSE_BETWEEN_TRIES.total_seconds() / 4)

    def _not_taken_up(self, uid: str, error: OnboardingError, *, started: bool) -> OnboardingError:
        begun = "has started" if started else "had started before"
        return OnboardingError(
            ErrorType.UNAVAILABLE,
            f"The application of UID {uid} {begun}; no worker has taken it up yet. {error.message}",
            remedy=f"Nothing is lost, and joining again starts nothing twice. {NO_WORKER}",
        )

    def _already_partner(self, uid: str) -> OnboardingError:
        told = f"Company Master UID {uid} already has access to the ACPN platform."
        return self._error(ErrorType.ALREADY_PARTNER, told)

    def _still_leaving(self, uid: str, status: Status) -> OnboardingError:
        return OnboardingError(
            ErrorType.UNAVAILABLE,
            f"The last application of UID {uid} has ended ({status.status_text}), and its e-mails are still "
            "leaving; no new one has begun.",
            remedy=f"Join again {LAST_MAILS_WITHIN.total_seconds():g} s after its end: what has not left by "
            f"then leaves without it. {NO_WORKER}",
        )

    async def _last_application(self, uid: str) -> WorkflowHandle[Any, Any]:
        """The run of the UID's last application; what JOIN NOW refused never came to an outcome."""
        outcomes = ", ".join(f"'{stage}'" for stage in sorted(OUTCOMES))
        query = f"WorkflowId = '{workflow_id(uid)}' AND {STAGE.name} IN ({outcomes})"
        async for execution in self._client.list_workflows(query, limit=1):
            return self._client.get_workflow_handle(execution.id, run_id=execution.run_id)
        raise self._never_joined(uid)

    async def _ask(
        self,
        handle: WorkflowHandle[Any, Any],
        uid: str,
        reject_condition: QueryRejectCondition | None = None,
    ) -> Status:
        try:
            async with asyncio.timeout(self._answer_within.total_seconds()):
                while True:
                    try:
                        status: Status = await handle.query(
                            QUERY_NAME, result_type=Status, reject_condition=reject_condition
                        )
                        return status
                    except RPCError as error:
                        if error.status is RPCStatusCode.NOT_FOUND and not no_namespace(error):
                            raise self._never_joined(uid) from None
                        if error.status not in PASSING:
                            raise
                    except WorkflowQueryFailedError as error:
                        if ASK_AGAIN not in str(error):
                            told = f"The status can't be read: {error}"
                            raise self._error(ErrorType.UNAVAILABLE, told) from None
                    await asyncio.sleep(PAUSE_BETWEEN_TRIES.total_seconds())
        except (TimeoutError, RPCTimeoutOrCancelledError):
            raise self._no_answer(QUERY_NAME, NO_WORKER) from None

    async def _may_pass(self, error: RPCError, uid: str, handle: WorkflowHandle[Any, Any]) -> None:
        """Return if sending again may succeed.

        Raises:
            OnboardingError: it can't.
            RPCError: the connection's own affair.
        """
        if no_namespace(error):
            raise error
        if error.status is RPCStatusCode.NOT_FOUND:
            try:
                described = await handle.describe()
            except RPCError as missing:
                if missing.status is RPCStatusCode.NOT_FOUND:
                    raise self._never_joined(uid) from None
                raise
            if described.status is not WorkflowExecutionStatus.RUNNING:
                raise self._error(ErrorType.CLOSED, why_closed(uid, described)) from None
        elif error.status is RPCStatusCode.INVALID_ARGUMENT:
            raise self._error(ErrorType.INVALID, error.message) from None
        elif error.status not in PASSING:
            raise error

    def _refusal(self, cause: BaseException | None) -> OnboardingError:
        if isinstance(cause, ApplicationError) and cause.type in set(ErrorType):
            answered = CommandResult.model_validate(cause.details[0]) if cause.details else None
            return OnboardingError(
                ErrorType(cause.type), cause.message, verify_url=self._verify_url, answered=answered
            )
        return self._error(ErrorType.UNAVAILABLE, f"The workflow could not answer: {cause}")

    def _never_joined(self, uid: str) -> OnboardingError:
        return self._error(ErrorType.NOT_FOUND, f"UID {uid} has no application.")

    def _no_answer(self, asked: str, remedy: str | None = None) -> OnboardingError:
        keep_cancellation()
        return OnboardingError(
            ErrorType.UNAVAILABLE,
            f"No answer to {asked} within {self._answer_within.total_seconds():g} s: does a worker run?",
            remedy=remedy,
        )

    def _error(self, error: ErrorType, message: str) -> OnboardingError:
        return OnboardingError(error, message, verify_url=self._verify_url)
