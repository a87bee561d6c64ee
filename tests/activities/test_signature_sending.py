"""What a run's answer to a signature means, and which of them are to be tried again."""

from typing import Any, cast

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.signatures.sending import UpdateSender
from domain.audit import Verdict
from domain.contract import Actor, ErrorType, Party, Role
from domain.refusal import RefusedError
from domain.signing import SignContract
from tests.activities.examples import NOON

COMMAND = SignContract(
    command_id="docuseal:17:51:ab",
    actor=Actor(role=Role.ESIGN, id="docuseal"),
    party=Party.PARTNER,
    signer_name="Mei Lin",
    sheet_revision=1,
    sheet_hash="ab" * 32,
    signed_at=NOON,
)


class Runs:
    """A client whose runs answer this."""

    def __init__(self, answer: Exception | str) -> None:
        self.answer = answer
        self.asked: list[tuple[Any, ...]] = []
        self.update_ids: set[str] = set()

    def get_workflow_handle(self, workflow_id: str, *, first_execution_run_id: str) -> "Runs":
        self.asked.append((workflow_id, first_execution_run_id))
        return self

    async def execute_update(self, name: str, command: Any, *, id: str, result_type: type) -> Any:
        self.asked.append((name, command["command_id"]))
        self.update_ids.add(id)
        if isinstance(self.answer, Exception):
            raise self.answer
        return {"answered": {"verdict": self.answer, "stage": "signed", "sequence": 9}}

    async def send(self) -> Verdict:
        return await UpdateSender(cast("Client", self)).send("1001", "run-1", COMMAND)


def refused(error: str) -> Exception:
    return WorkflowUpdateFailedError(ApplicationError("No.", type=error))


def rpc(status: RPCStatusCode, message: str) -> RPCError:
    return RPCError(message, status, b"")


@pytest.mark.parametrize("verdict", [Verdict.ACCEPTED, Verdict.NO_OP])
async def test_how_it_was_judged(verdict: Verdict) -> None:
    """By the run of this application; each time under an update ID of its own."""
    runs = Runs(verdict)
    for _ in range(2):
        assert await runs.send() is verdict
    assert runs.asked[:2] == [
        ("reseller-onboarding-1001", "run-1"),
        ("submit_command", COMMAND.command_id),
    ]
    assert len(runs.update_ids) == 2


@pytest.mark.parametrize("error", [error for error in ErrorType if error is not ErrorType.UNAVAILABLE])
async def test_why_it_was_refused(error: ErrorType) -> None:
    with pytest.raises(RefusedError, match="No") as refusal:
        await Runs(refused(error)).send()
    assert refusal.value.error is error


async def test_that_the_application_has_ended() -> None:
    with pytest.raises(RefusedError) as refusal:
        await Runs(rpc(RPCStatusCode.NOT_FOUND, "workflow execution already completed")).send()
    assert refusal.value.error is ErrorType.CLOSED


@pytest.mark.parametrize(
    "outage",
    [
        refused("unavailable"),
        refused("SomethingElse"),
        rpc(RPCStatusCode.NOT_FOUND, "workflow update was aborted by closing workflow"),
        rpc(RPCStatusCode.UNAVAILABLE, "no"),
        rpc(RPCStatusCode.RESOURCE_EXHAUSTED, "ten updates are under way"),
    ],
)
async def test_what_is_to_be_tried_again(outage: Exception) -> None:
    with pytest.raises(type(outage)):
        await Runs(outage).send()
