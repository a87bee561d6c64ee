"""The publishing activities as the worker has them, with a mail server of the test's."""

from datetime import timedelta
from typing import Final

from temporalio.testing import ActivityEnvironment

from activities.acpn_access import AcpnAccess
from activities.db.access import SqlAcpnAccess
from activities.db.applications import ApplicationRecords
from activities.db.email_ledger import EmailLedger
from activities.db.engine import Database
from activities.db.trail import AuditTrail
from activities.db.webhook_endpoints import WebhookEndpoints
from activities.delivering import Deliverer
from activities.emails.message import MessageFactory
from activities.emails.render import Links, Renderer
from activities.publishing import PublishingActivities
from activities.smtp import SmtpTransport
from domain.contract import Stage
from domain.inquiry import Head
from domain.publication import Delivery, Publication, Receipt, TakeUp
from tests.activities.examples import (
    LINEAGE,
    RECEIVED,
    REQUESTED,
    application,
    issued,
    publication,
    submitted,
    to_confirm,
    with_form,
    with_sheet,
)

LINKS: Final = Links(
    portal_url="https://portal.example.com",
    acpn_url="https://acpn.example.com",
    verify_url="https://verify.example.com",
)
MEI: Final = "mei@partner.example"
LI: Final = "li@vendor.example"
ON_A_BUSY_MACHINE: Final = timedelta(minutes=1)
"""For tests in which the mail server is there: whether it is in time is not what they are about."""
UNDER_REVIEW: Final = with_form(application(stage=Stage.UNDER_REVIEW), 1)
CONFIRMING: Final = with_sheet(UNDER_REVIEW.but(stage=Stage.CONFIRMING_TERMS), 1)
FIRST: Final = publication(UNDER_REVIEW, submitted(1, 1, RECEIVED, REQUESTED))
SECOND: Final = publication(CONFIRMING, issued(2, 1, to_confirm(1)), after=UNDER_REVIEW)
WAITING: Final = Delivery(lineage=LINEAGE)
BACK_TO_1: Final = TakeUp(application_id="run-1", company_master_uid="1001", sequence=1)
RENDERER: Final = Renderer(LINKS)
"""Its templates are compiled once."""
NOWHERE: Final = "smtp://127.0.0.1:1"


def activities(
    database: Database,
    url: str,
    *,
    timeout: float = 30.0,
    access: AcpnAccess | None = None,
    renderer: Renderer | None = None,
    send_within: timedelta = ON_A_BUSY_MACHINE,
) -> PublishingActivities:
    """Mails go to ``url``; ``timeout``: seconds for each answer of that server."""
    ledger = EmailLedger(database)
    messages = MessageFactory("Onboarding <onboarding@example.com>")
    transport = SmtpTransport(url, timeout=timeout)
    return PublishingActivities(
        AuditTrail(database),
        ledger,
        Deliverer(ledger, transport, renderer or RENDERER, messages),
        access or SqlAcpnAccess(database),
        ApplicationRecords(database),
        WebhookEndpoints(database),
        send_within=send_within,
        heartbeat_seconds=0.01,
    )


async def publish(
    publishing: PublishingActivities, what: Publication, environment: ActivityEnvironment | None = None
) -> Receipt:
    """Run the activity `publish`."""
    receipt: Receipt = await (environment or ActivityEnvironment()).run(publishing.publish, what)
    return receipt


async def deliver(publishing: PublishingActivities, what: Delivery = WAITING) -> Receipt:
    """Run the activity `deliver`."""
    receipt: Receipt = await ActivityEnvironment().run(publishing.deliver, what)
    return receipt


async def take_up(publishing: PublishingActivities, request: TakeUp = BACK_TO_1) -> Head:
    """Run the activity `take_up`."""
    head: Head = await ActivityEnvironment().run(publishing.take_up, request)
    return head


async def stored(database: Database) -> tuple[int, int]:
    """The newest event, and the mails that wait, as a reader sees them."""
    newest = await ApplicationRecords(database).newest("1001")
    return (newest.sequence, newest.status.pending_emails) if newest else (0, 0)
