"""The workflows by which signatures that providers report come to their applications.

They are short, and hold nothing personal: what was signed is in the database, and each run names it by the ID
of the command it becomes.
"""

from datetime import timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.common import RetryPolicy

from domain.signatures import (
    SIGNATURE_TYPE,
    SWEEP_TYPE,
    CarriedSignature,
    CarrySignature,
    Sweep,
    Swept,
    signature_id,
)
from workflows.calls import UNTIL_IT_WORKS

CARRY_SIGNATURE: Final = "carry_signature"
SWEEP_SIGNATURES: Final = "sweep_signatures"
NAMES: Final = (CARRY_SIGNATURE, SWEEP_SIGNATURES)


@workflow.defn(name=SIGNATURE_TYPE)
class SignatureReceived:
    """One signature (workflow ID ``reseller-onboarding-signature-{command_id}``), until its application has
    judged it, however long that takes."""

    @workflow.run
    async def run(self, *_arguments: Any) -> CarriedSignature:
        """How it was judged."""
        command_id = workflow.info().workflow_id.removeprefix(signature_id(""))
        carried: CarriedSignature = await workflow.execute_activity(
            CARRY_SIGNATURE,
            CarrySignature(command_id=command_id),
            result_type=CarriedSignature,
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=UNTIL_IT_WORKS,
            summary="Carry the signature to its application",
        )
        return carried


@workflow.defn(name=SWEEP_TYPE)
class SignatureSweep:
    """One look at what waits, and at the providers; a Temporal Schedule starts it."""

    @workflow.run
    async def run(self, *_arguments: Any) -> Swept:
        """What it did."""
        swept: Swept = await workflow.execute_activity(
            SWEEP_SIGNATURES,
            Sweep(),
            result_type=Swept,
            start_to_close_timeout=timedelta(minutes=30),
            heartbeat_timeout=timedelta(minutes=1),
            # The next one comes by itself.
            retry_policy=RetryPolicy(maximum_attempts=3),
            summary="Take up what waits, and ask the providers",
        )
        return swept
