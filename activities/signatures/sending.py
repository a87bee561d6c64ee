"""Sends a signature to the run of its application, and tells how it was judged."""

from typing import Any, Final, Protocol
from uuid import uuid4

from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from domain.audit import Verdict
from domain.contract import UPDATE_NAME, ErrorType, workflow_id
from domain.refusal import RefusedError
from domain.signing import SignContract

_RUN_CLOSED: Final = "aborted by closing workflow"
"""The server's words for an update that came in while its run was closing, or continued as new."""


class SignatureSender(Protocol):
    """What carries a signature to its application."""

    async def send(self, company_master_uid: str, application_id: str, command: SignContract) -> Verdict:
        """Send it, and return how it was judged.

        Raises:
            RefusedError: it was refused; ``closed`` where that application has ended.
        """


class UpdateSender:
    """Sends it as an update. Whatever else it raises is to be tried again."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def send(self, company_master_uid: str, application_id: str, command: SignContract) -> Verdict:
        """Send it to the run of this application, not of one the company may have begun since."""
        handle = self._client.get_workflow_handle(
            workflow_id(company_master_uid), first_execution_run_id=application_id
        )
        try:
            answer: dict[str, Any] = await handle.execute_update(
                UPDATE_NAME,
                command.model_dump(mode="json", exclude_none=True),
                # The run knows the command by its own ID. Under the same update ID `unavailable` came again.
                id=f"{command.command_id}~{uuid4()}",
                result_type=dict,
            )
        except WorkflowUpdateFailedError as error:
            cause = error.cause
            if isinstance(cause, ApplicationError) and cause.type in set(ErrorType):
                if cause.type == ErrorType.UNAVAILABLE:
                    raise
                raise RefusedError(ErrorType(cause.type), cause.message) from None
            raise
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND or _RUN_CLOSED in error.message:
                raise
            raise RefusedError(ErrorType.CLOSED, "The application has ended.") from None
        return Verdict(answer["answered"]["verdict"])
