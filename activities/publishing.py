"""The activities by which what was decided leaves: stored, mailed, taken up after a reset."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Final

from temporalio import activity

from activities.acpn_access import AcpnAccess, Grant
from activities.db.applications import ApplicationRecords
from activities.db.email_ledger import EmailLedger, Waiting, read_waiting
from activities.db.trail import AuditTrail, Written
from activities.db.webhook_endpoints import WebhookEndpoints
from activities.delivering import HEARTBEAT_SECONDS, Deliverer, heartbeats
from activities.lost_runs import close, lost
from activities.patience import Asked
from activities.webhooks.waking import wake
from domain.inquiry import Head
from domain.publication import Delivery, Lineage, Publication, Receipt, TakeUp

SEND_WITHIN: Final = timedelta(seconds=20)
"""How long what comes next waits for the mail server; then e-mails become an activity of their own."""
BEGIN_WITHIN: Final = 0.75
"""The part of that time in which e-mails are begun; the one under way then has the rest to be finished, and
if it is not, it is sent again under the same Message-ID."""


class PublishingActivities:
    """One way out for everything an application brings."""

    def __init__(
        self,
        trail: AuditTrail,
        ledger: EmailLedger,
        deliverer: Deliverer,
        access: AcpnAccess,
        records: ApplicationRecords,
        endpoints: WebhookEndpoints,
        *,
        send_within: timedelta = SEND_WITHIN,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._trail = trail
        self._ledger = ledger
        self._deliverer = deliverer
        self._access = access
        self._records = records
        self._endpoints = endpoints
        self._send_within = send_within
        self._heartbeat_seconds = heartbeat_seconds

    @activity.defn(name="publish")
    async def publish(self, publication: Publication) -> Receipt:
        """Store the entries and the state; then send what waits, unless told to hold it, as far as it leaves.

        Raises:
            sqlalchemy.exc.SQLAlchemyError, httpx.HTTPError, RPCError: the database is down, the platform that
                is to close access, or Temporal; to be tried again, as often as it takes.
        """
        lineage = publication.lineage
        async with heartbeats(self._heartbeat_seconds):
            if publication.hold:
                written, waiting = await self._trail.publish(publication), None
            else:
                # Who was refused is tried again in good time by `deliver`; but that waits for this to end.
                read = partial(read_waiting, lineage=lineage, put_off=activity.info().attempt > 1)
                written, waiting = await self._trail.publish_and_read(publication, read)
            if written is not Written.STORED:
                return Receipt(superseded=written is Written.SUPERSEDED, behind=written is Written.BEHIND)
            if waiting and waiting.rows:
                await self._send(lineage, waiting)
            # Last, so that a platform that is down holds up no e-mail.
            for entry in publication.entries:
                if entry.close_access_of:
                    await self._access.take_back(entry.close_access_of, lineage.application_id)
            if any(entry.event.sequence == 1 for entry in publication.entries):
                await self._close_earlier(publication)
            receipt, to_wake = await self._ledger.after_publishing(lineage, publication.failed_through)
            if to_wake:
                await wake(activity.client(), await self._endpoints.asleep(), activity.info().task_queue)
            return receipt

    async def _close_earlier(self, publication: Publication) -> None:
        """With a new application, end what is stored of the applicant's earlier ones that were terminated."""
        uid = str(publication.changes["company_master_uid"])
        begun = publication.lineage.application_id
        earlier = [each for each in await self._records.open(uid) if each.application_id != begun]
        if earlier:
            await close(await lost(activity.client(), earlier), self._trail, self._access)

    async def _send(self, lineage: Lineage, waiting: Waiting) -> None:
        begin_within = self._send_within.total_seconds() * BEGIN_WITHIN
        begin_until = asyncio.get_running_loop().time() + begin_within
        asked = Asked(self._deliverer.send_waiting(lineage, waiting, begin_until=begin_until))
        # Nobody else sends before this has ended.
        answered = await asked.ended(self._send_within)
        error = TimeoutError() if not answered else asked.task.exception()
        # Whatever it is, `deliver` meets it again, and shows it to ops until it is over. What it says may be
        # personal: mail servers quote addresses.
        if error is not None:
            activity.logger.warning("E-mails wait: %s", type(error).__name__)

    @activity.defn(name="deliver")
    async def deliver(self, delivery: Delivery) -> Receipt:
        """Send what waits; what waits afterwards is put off, because its recipient is refused for now.

        Raises:
            activities.smtp.TemporaryDeliveryError: the mail server can't take any e-mail now.
            sqlalchemy.exc.SQLAlchemyError: the database is down.
        """
        async with heartbeats(self._heartbeat_seconds):
            await self._deliverer.send_waiting(delivery.lineage)
            return await self._ledger.standing(delivery.lineage, delivery.failed_through)

    @activity.defn(name="take_up")
    async def take_up(self, request: TakeUp) -> Head:
        """Where to go on after a reset; access is what it was then, with what was changed since.

        Raises:
            sqlalchemy.exc.SQLAlchemyError, httpx.HTTPError: database or platform are down.
        """
        head = await self._trail.take_up(request)
        company, application_id = request.company_master_uid, request.application_id
        uids = request.uids
        if not uids:
            taken_back = await self._access.take_back(company, application_id)
            return head.model_copy(update={"access_taken_back": taken_back})
        if head.associated_uids is not None:
            uids = (uids[0], *head.associated_uids)
        at = activity.info().current_attempt_scheduled_time
        grants = [
            Grant(uid=uid, application_id=application_id, company_master_uid=company, granted_at=at)
            for uid in dict.fromkeys(uids)
        ]
        # It may have been taken back on a way that has been left, or more been given.
        await self._access.give(grants)
        given = await self._access.grants(company)
        more = [
            grant.uid for grant in given if grant.application_id == application_id and grant.uid not in uids
        ]
        taken_back = bool(more) and await self._access.take_back(company, application_id, more)
        return head.model_copy(update={"access_taken_back": taken_back})
