"""Changes of what an active application covers, by plain JSON as an outside service would send them."""

from typing import Any, Final

from temporalio.client import WorkflowHandle
from temporalio.common import WorkflowIDReusePolicy

from domain.contract import COVERAGE_TYPE, TASK_QUEUE, coverage_id
from domain.coverage import CoverageAnswer
from tests.payloads import Json
from tests.rig import Applicant

ADD: Final = "add_associated_uid"
REMOVE: Final = "remove_associated_uid"


def wanted(applicant: Applicant, kind: str, uid: str, **said: Any) -> Json:
    """The start input of a change."""
    return {
        "kind": kind,
        "company_master_uid": applicant.uid,
        "associated_uid": uid,
        "command_id": said.pop("command_id", f"{kind}-{uid}"),
        "actor": {"role": said.pop("role", "partner"), "id": "p-1"},
        **said,
    }


async def started(applicant: Applicant, *arguments: Any, name: str | None = None) -> WorkflowHandle[Any, Any]:
    """A run with these raw arguments, of the company's workflow ID unless another is named."""
    env = applicant.service.env
    with env.with_time_skipping_disabled():
        return await env.client.start_workflow(
            COVERAGE_TYPE,
            args=arguments,
            id=name or coverage_id(applicant.uid),
            task_queue=TASK_QUEUE,
            result_type=CoverageAnswer,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        )


async def changed(applicant: Applicant, kind: str, uid: str, **said: Any) -> CoverageAnswer:
    """What becomes of a change."""
    run = await started(applicant, wanted(applicant, kind, uid, **said))
    answer: CoverageAnswer = await run.result()
    return answer
