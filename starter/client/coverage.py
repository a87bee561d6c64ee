"""Changes of what a company's access covers, as runs of their own."""

import asyncio

from temporalio.client import Client, WorkflowFailureError
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from domain.contract import COVERAGE_TYPE, TASK_QUEUE, coverage_id
from domain.coverage import AnyCoverageCommand, CoverageAnswer
from starter.client.retries import PASSING_OF_A_START, pauses


async def change(client: Client, command: AnyCoverageCommand) -> CoverageAnswer:
    """Start the change, behind the one of the same company that runs, and wait for its answer.

    Raises:
        WorkflowFailureError: its run failed, or was ended by an operator.
        RPCError: the connection's own affair.
    """
    uid, waits = command.company_master_uid, pauses()
    while True:
        try:
            handle = await client.start_workflow(
                COVERAGE_TYPE,
                command,
                id=coverage_id(uid),
                task_queue=TASK_QUEUE,
                result_type=CoverageAnswer,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                static_summary=f"Change of the accounts covered for UID {uid}",
                static_details=f"{command.kind}; what is covered: `onboarding status {uid}`",
            )
            answer: CoverageAnswer = await handle.result()
            return answer
        except WorkflowAlreadyStartedError:
            await _ended(client, uid)
        except RPCError as error:
            if error.status not in PASSING_OF_A_START:
                raise
            # Sent again under its command ID, it is answered as it was the first time.
            await asyncio.sleep(next(waits))


async def _ended(client: Client, uid: str) -> None:
    try:
        await client.get_workflow_handle(coverage_id(uid)).result()
    except WorkflowFailureError:
        # How another change ended is no matter of this one.
        return
