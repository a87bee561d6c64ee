"""What is looked at after a change of the accounts an application covers."""

from email.message import EmailMessage

from temporalio.worker import Replayer

from activities.db.access import SqlAcpnAccess
from domain.chain import broken_at
from domain.contract import coverage_id
from tests.rig import Applicant
from tests.service.evidence import BD, PARTNER, records, row
from worker import WORKFLOWS
from workflows.plugin import OnboardingPlugin

CHANGED = [("associated_uid_changed", PARTNER), ("associated_uid_changed_to_bd", BD)]


async def grants(applicant: Applicant) -> set[str]:
    """The accounts that have access."""
    given = await SqlAcpnAccess(applicant.service.database).grants(applicant.uid)
    return {grant.uid for grant in given}


def text_of(mail: EmailMessage) -> str:
    """What a mail says."""
    body = mail.get_body(("plain",))
    assert body
    return str(body.get_content())


async def intact(applicant: Applicant) -> None:
    """No number is missing, none is used twice, and the chain holds."""
    application_id = (await row(applicant)).application_id
    trail = await (await records(applicant)).trail(application_id)
    assert [stored.event.sequence for stored in trail] == list(range(1, len(trail) + 1))
    assert broken_at(application_id, trail) is None


async def replays(applicant: Applicant) -> None:
    """Every change of the company replays as it was written."""
    client = applicant.service.env.client
    replayer = Replayer(workflows=WORKFLOWS, plugins=[OnboardingPlugin()])
    runs = [run async for run in client.list_workflows(f"WorkflowId = '{coverage_id(applicant.uid)}'")]
    assert runs
    for run in runs:
        handle = client.get_workflow_handle(run.id, run_id=run.run_id)
        await replayer.replay_workflow(await handle.fetch_history())
