"""JOIN NOW: how a run begins, and how one of the same applicant that runs, or has just ended, is met."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, NamedTuple

from temporalio.client import (
    Client,
    RPCTimeoutOrCancelledError,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from domain.contract import TASK_QUEUE, WORKFLOW_TYPE, OnboardingInput, Stage, WaitingOn, workflow_id
from domain.policy import Policy
from domain.possible import has_ended
from domain.state import OUTCOMES
from domain.status import Status
from domain.values import Contract
from runtime.errors import keep_cancellation
from workflows.search_attributes import OVERDUE, STAGE, WAITING_ON


class Standing(NamedTuple):
    """What is known of a UID before JOIN NOW; ``None``: nobody says.

    ``known``: the account directory has it. ``has_access_by_another``: another company's application has
    given it access. ``is_partner``: its own latest application has.
    """

    known: bool | None = None
    has_access_by_another: bool | None = None
    is_partner: bool | None = None


TellsStanding = Callable[[str], Awaitable[Standing]]


class Joined(Contract):
    """The answer to JOIN NOW. ``started`` is false for who enters an application that runs already."""

    started: bool
    workflow_id: str
    application_id: str
    status: Status


async def begin(client: Client, joining: OnboardingInput) -> tuple[WorkflowHandle[Any, Any], bool]:
    """The applicant's run, and whether it has been started, as none was open.

    The policy is written into the input, so that the application keeps it whatever the default becomes.
    """
    uid = joining.company_master_uid
    if joining.policy is None:
        joining = joining.model_copy(update={"policy": Policy()})
    try:
        started = await client.start_workflow(
            WORKFLOW_TYPE,
            joining,
            id=workflow_id(uid),
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            search_attributes=TypedSearchAttributes(
                [
                    SearchAttributePair(STAGE, Stage.DRAFTING),
                    SearchAttributePair(WAITING_ON, WaitingOn.PARTNER),
                    SearchAttributePair(OVERDUE, False),
                ]
            ),
            static_summary=f"Reseller onboarding of UID {uid}",
            static_details=f"From JOIN NOW to ACPN access. All about it: `onboarding status {uid}`",
        )
    except WorkflowAlreadyStartedError:
        return client.get_workflow_handle(workflow_id(uid)), False
    return started, True


async def runs(client: Client, uid: str) -> bool:
    """Whether the applicant's run is open."""
    try:
        described = await client.get_workflow_handle(workflow_id(uid)).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return False
    return described.status is WorkflowExecutionStatus.RUNNING


def why_closed(uid: str, run: WorkflowExecutionDescription) -> str:
    """That the application has ended, and how, as far as the run says so."""
    whose, stage = f"The application of UID {uid}", run.typed_search_attributes.get(STAGE)
    if stage in OUTCOMES:
        return has_ended(Stage(stage), whose)
    # Of the rest, only a run that found access given completes.
    if run.status is WorkflowExecutionStatus.COMPLETED:
        return has_ended(Stage.ACTIVE, whose)
    return f"{whose} has ended."


async def closes(run: WorkflowHandle[Any, Any], within: timedelta) -> bool:
    """Whether a run closes in this time; how is no matter."""
    try:
        async with asyncio.timeout(within.total_seconds()):
            await run.result()
    except WorkflowFailureError:
        return True
    # The SDK reports a cancellation of its call, the timeout's included, as an error of its own.
    except (TimeoutError, RPCTimeoutOrCancelledError):
        keep_cancellation()
        return False
    return True
