"""The running service as the demo drives it: by client, by raw signals, and with a clock that skips."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Final

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from activities.db.access import SqlAcpnAccess
from activities.db.applications import ApplicationRecords
from activities.db.engine import Database
from domain.contract import workflow_id
from domain.inquiry import Account
from domain.status import Access, Company, Status
from domain.values import Contract
from settings import Settings
from starter.client.onboarding_client import OnboardingClient
from starter.client.stored import StoredArchive
from starter.local.mail_sink import KeptMail, MailSink

_PAUSE: Final = timedelta(milliseconds=20)
_SETTLES_WITHIN: Final = timedelta(seconds=60)
# A timer is started a little after the instant it counts from.
_A_LITTLE: Final = timedelta(seconds=2)
# Past the server's default of 200 skips in one fast-forward it stalls without a word.
_TIME_SKIPPING: Final = TimeSkippingConfig(max_session_skip_count=100_000)


class HistoryCost(Contract):
    """What a run costs: events and workflow tasks are billed, and bound its life."""

    events: int
    workflow_tasks: int


class DemoService:
    """Worker, database and mail sink behind one Temporal client."""

    def __init__(self, client: Client, settings: Settings, database: Database, sink: MailSink) -> None:
        self.onboarding: Final = OnboardingClient(client, verify_url=settings.verify_url)
        self.verify_url: Final = settings.verify_url
        self.archive: Final = StoredArchive(database)
        self.records: Final = ApplicationRecords(database)
        self.access: Final = SqlAcpnAccess(database)
        self._client = client
        self._skipper = TimeSkipper(client, config=_TIME_SKIPPING)
        self._sink = sink
        self._seen_mails = 0

    async def account(self, uid: str, company: Company, *, verified: bool = True) -> None:
        """Enter an account of a company into the account directory."""
        enterprise = company.model_copy(update={"verified": verified})
        await self.archive.put_accounts([Account.model_validate({"uid": uid, "enterprise": enterprise})])

    async def signal(self, uid: str, kind: str, payload: dict[str, Any]) -> None:
        """Send a command by plain signal, as a service without our client does."""
        await self._handle(uid).signal(kind, payload)

    async def settled(self, uid: str) -> Status:
        """Wait until nothing is under way any more, mails included; then the status.

        Raises:
            TimeoutError: something is under way for a minute; all parts are on this machine.
        """
        handle, before = self._handle(uid), -1
        async with asyncio.timeout(_SETTLES_WITHIN.total_seconds()):
            while True:
                raw = (await handle.describe()).raw_description
                length = raw.workflow_execution_info.history_length
                busy = bool(raw.pending_activities) or raw.HasField("pending_workflow_task")
                if not busy and length == before:
                    return await self.onboarding.status(uid)
                before = length
                await asyncio.sleep(_PAUSE.total_seconds())

    async def now(self, uid: str) -> datetime:
        """The time on the application's clock."""
        return await self._skipper.get_current_time(self._handle(uid))

    async def pass_until(self, uid: str, instant: datetime) -> None:
        """Let time pass on the application's clock until a little after ``instant``."""
        await self._skipper.fast_forward(self._handle(uid), instant - await self.now(uid) + _A_LITTLE)

    async def mails(self) -> list[KeptMail]:
        """Every mail that has arrived, in order."""
        return await asyncio.to_thread(self._sink.messages)

    async def new_mails(self) -> list[KeptMail]:
        """The mails that have arrived since this was asked last."""
        mails = await self.mails()
        new, self._seen_mails = mails[self._seen_mails :], len(mails)
        return new

    async def log_in(self, uid: str) -> Access:
        """What a log-in to the ACPN platform gets: the platform's grant, else the reason in the status."""
        if await self.archive.grant(uid) is not None:
            return Access(granted=True, reason="granted", message="ACPN access granted.")
        return (await self.onboarding.status(uid)).access

    async def history_cost(self, uid: str) -> HistoryCost:
        """Counted in the history of the applicant's latest run."""
        history = await self._handle(uid).fetch_history()
        kinds = Counter(event.event_type for event in history.events)
        return HistoryCost(
            events=len(history.events),
            workflow_tasks=kinds[EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED],
        )

    def _handle(self, uid: str) -> WorkflowHandle[Any, Any]:
        return self._client.get_workflow_handle(workflow_id(uid))
