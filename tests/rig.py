"""The whole service on real parts: Temporal server with time skipping, SQL database, SMTP conversation.

One `Service` is shared by the tests of a process; every test has an `Applicant` of its own.
"""

import asyncio
import email
import email.message
import email.policy
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast
from uuid import uuid4

from aiosmtpd.smtp import SMTP, Envelope, Session
from pydantic import SecretStr
from temporalio.api.common.v1 import Payload
from temporalio.client import (
    WorkflowHandle,
    WorkflowHistory,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
)
from temporalio.common import RawValue, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

from activities.db.accounts import SqlAccountDirectory
from activities.db.engine import Database
from domain.contract import QUERY_NAME, TASK_QUEUE, UPDATE_NAME, WORKFLOW_TYPE, workflow_id
from domain.inquiry import Account
from domain.status import Company, Status
from domain.values import instant_text
from settings import Settings
from tests import payloads
from tests.temporal_env import fast_forward, now
from worker import running_worker
from workflows.reset import ASK_AGAIN

SENDER: Final = "Reseller Onboarding <onboarding@vendor.example.com>"
OPS_EMAIL: Final = "ops@vendor.example.com"
_RUN_CLOSED: Final = "aborted by closing workflow"
"""The server's words for an update that came in while its run was being continued as new."""
PATIENCE: Final = timedelta(seconds=4)
"""What a look-up waits for: the machine may be slow, the service is not."""
_numbers = itertools.count(5_000_000_000_000_001)


@dataclass
class Mailbox:
    """An SMTP server's memory: every message it has accepted, in order; ``unknown`` addresses bounce."""

    messages: list[email.message.EmailMessage] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)
    before_accepting: Callable[[bytes], Awaitable[None]] | None = None
    _texts: list[str] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.unknown:
            return "550 5.1.1 No such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        content = cast("bytes", envelope.content)
        if self.before_accepting:
            await self.before_accepting(content)
        self.messages.append(email.message_from_bytes(content, policy=email.policy.default))
        return "250 OK"

    def of(self, company_master_uid: str) -> list[email.message.EmailMessage]:
        """The mails about one applicant: each names the Company Master UID in its text."""
        for message in self.messages[len(self._texts) :]:
            body = message.get_body(("plain",))
            self._texts.append(body.get_content() if body else "")
        return [
            message
            for message, text in zip(self.messages, self._texts, strict=True)
            if company_master_uid in text
        ]


@dataclass
class Service:
    """A running service: worker, database and mail server behind one task queue."""

    env: WorkflowEnvironment
    database: Database
    directory: SqlAccountDirectory
    mailbox: Mailbox

    async def applicant(self, *, verified: bool = True, start: bool = True, **changes: Any) -> "Applicant":
        """A new applicant with an account of its own; it has joined unless ``start`` is false."""
        uid = str(next(_numbers))
        await self.account(uid, verified=verified)
        applicant = Applicant(self, uid)
        if start:
            await applicant.join(**changes)
        return applicant

    async def account(self, uid: str, *, verified: bool = True, **changes: Any) -> None:
        """Enter an account of `payloads.ENTERPRISE` into the directory."""
        enterprise = {
            "legal_name": payloads.ENTERPRISE,
            "registration_number": payloads.REGISTRATION,
            "country": "SG",
            "verified": verified,
        } | changes.pop("enterprise", {})
        await self.directory.put(
            Account.model_validate({"uid": uid, "enterprise": Company.model_validate(enterprise), **changes})
        )


@dataclass
class Applicant:
    """One applicant, driven by plain JSON as an outside service would."""

    service: Service
    uid: str
    handle: WorkflowHandle[Any, Status] = field(init=False)

    async def join(self, **changes: Any) -> None:
        """JOIN NOW; the application waits in ``drafting`` afterwards."""
        await self.start(payloads.join(self.uid, **changes))
        await self.settled()

    async def start(self, *arguments: Any) -> None:
        """Start the workflow with these raw arguments."""
        with self.service.env.with_time_skipping_disabled():
            self.handle = await self.service.env.client.start_workflow(
                WORKFLOW_TYPE,
                args=arguments,
                id=workflow_id(self.uid),
                task_queue=TASK_QUEUE,
                result_type=Status,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            )

    async def signal(self, kind: str, **payload: Any) -> Status:
        """Send a command as a signal; the status once everything it set going is done."""
        await self.handle.signal(kind, payloads.command(kind, **payload))
        return await self.settled()

    async def update(self, kind: str, **payload: Any) -> Status:
        """Send a command as an update; raises `ApplicationError` when it is refused."""
        return await self.submit({"kind": kind, **payloads.command(kind, **payload)})

    async def submit(self, *arguments: Any, update_id: str | None = None) -> Status:
        """Send raw arguments to the update, again under its ID where a run continued as new meanwhile."""
        update_id = update_id or str(uuid4())
        while True:
            try:
                status: Status = await self.handle.execute_update(
                    UPDATE_NAME, args=arguments, id=update_id, result_type=Status
                )
            except WorkflowUpdateFailedError as error:
                raise cast("ApplicationError", error.cause) from None
            except RPCError as error:
                went_on = error.status is RPCStatusCode.NOT_FOUND and _RUN_CLOSED in error.message
                if error.status is not RPCStatusCode.FAILED_PRECONDITION and not went_on:
                    raise
            else:
                return status

    async def status(self) -> Status:
        """The query's answer."""
        while True:
            try:
                status: Status = await self.handle.query(QUERY_NAME, result_type=Status)
            except WorkflowQueryFailedError as error:
                if ASK_AGAIN not in str(error):
                    raise
            else:
                return status

    async def settled(self) -> Status:
        """Wait until nothing is under way any more: no workflow task, no activity; then the status."""
        before = (-1, -1)
        while True:
            description = await self.handle.describe()
            raw = description.raw_description
            busy = len(raw.pending_activities) + raw.HasField("pending_workflow_task")
            state = (description.history_length, busy)
            if state == before and not busy:
                return await self.status()
            before = state
            await asyncio.sleep(0.03)

    async def stored(self) -> None:
        """Wait until the database has what an update led to, which is stored once history has it."""
        while True:
            raw = (await self.handle.describe()).raw_description
            # Between two of them there is the workflow task that learns of the first and asks for the second.
            storing = any(activity.activity_type.name == "publish" for activity in raw.pending_activities)
            if not storing and not raw.HasField("pending_workflow_task"):
                return
            await asyncio.sleep(0.03)

    async def pass_time(self, duration: timedelta) -> Status:
        """Let time pass on the application's clock, and settle."""
        await fast_forward(self.service.env, self.handle, duration)
        return await self.settled()

    async def pass_until(self, instant: datetime) -> Status:
        """Let time pass until a little after ``instant``."""
        return await self.pass_time(instant - await self.now() + timedelta(seconds=2))

    async def now(self) -> datetime:
        """The time on the application's clock."""
        return await now(self.service.env, self.handle)

    async def result(self) -> Status:
        """The outcome."""
        return await self.handle.result()

    async def history(self) -> WorkflowHistory:
        """The run's history so far."""
        return await self.handle.fetch_history()

    def templates(self) -> list[str]:
        """The templates of the mails that have left, in order."""
        return [str(mail["X-Onboarding-Template"]) for mail in self.service.mailbox.of(self.uid)]

    # The way to a stage, each step by the role it belongs to.

    async def to_review(self, **changes: Any) -> Status:
        """Company confirmed, form submitted."""
        await self.signal("confirm_company")
        return await self.signal("submit_application", application=payloads.form(self.uid, **changes))

    async def to_qualified(self) -> Status:
        """…and approved."""
        await self.to_review()
        return await self.signal("approve_application", form_revision=1)

    async def to_confirming(self, **terms: str) -> Status:
        """…and the first decision sheet issued."""
        await self.to_qualified()
        return await self.signal("issue_decision_sheet", sheet=payloads.sheet(**terms))

    async def to_signatures(self, **terms: str) -> Status:
        """…and the terms confirmed."""
        await self.to_confirming(**terms)
        return await self.signal("confirm_terms", **await self.named_sheet())

    async def to_signed(self, **terms: str) -> Status:
        """…and signed by both."""
        await self.to_signatures(**terms)
        await self.sign("partner")
        return await self.sign("vendor")

    async def sign(self, party: str, **changes: Any) -> Status:
        """A party signs the current sheet."""
        return await self.signal("sign_contract", **await self.signature(party, **changes))

    async def signature(self, party: str, **changes: Any) -> payloads.Json:
        """What a party's signature carries."""
        return {
            "role": party,
            "party": party,
            "signer_name": f"Signer of {party}",
            "signed_at": await self.issued_at(),
            **await self.named_sheet(),
            **changes,
        }

    async def issued_at(self) -> str:
        """When the current sheet was issued: the earliest it can have been signed."""
        sheet = (await self.status()).sheet
        assert sheet is not None
        assert sheet.issued_at is not None
        return instant_text(sheet.issued_at)

    async def named_sheet(self) -> payloads.Json:
        """Revision and hash of the current sheet, as confirmation and signatures name it."""
        sheet = (await self.status()).sheet
        assert sheet is not None
        return {"sheet_revision": sheet.revision, "sheet_hash": sheet.hash}


@asynccontextmanager
async def serve(
    env: WorkflowEnvironment, folder: Path, *, smtp_url: str | None = None, database_url: str | None = None
) -> AsyncIterator[Service]:
    """Run a service in ``folder``; with ``smtp_url`` or ``database_url``, on a server of the test's own."""
    mailbox = Mailbox()
    loop = asyncio.get_running_loop()
    smtp = await loop.create_server(lambda: SMTP(mailbox, enable_SMTPUTF8=True), "127.0.0.1", 0)
    try:
        # Constructed, not validated: the tests must not touch what the developer's environment names.
        settings = Settings.model_construct(
            data=folder,
            database_url=SecretStr(database_url or f"sqlite:///{folder / 'onboarding.db'}"),
            smtp_url=SecretStr(smtp_url or f"smtp://127.0.0.1:{smtp.sockets[0].getsockname()[1]}"),
            email_from=SENDER,
            ops_email=OPS_EMAIL,
            webhook_allow="127.0.0.1",
        )
        database = Database(settings.database)
        async with running_worker(env.client, settings, answer_within=PATIENCE):
            yield Service(env, database, SqlAccountDirectory(database), mailbox)
        await database.dispose()
    finally:
        smtp.close()


def answered(status: Status) -> Status:
    """What of a status the sender of a command, or who waits for the outcome, is told."""
    return Status.model_validate(status.answer())


def unchanged(status: Status) -> Status:
    """All of a status but the refusals it lists, and the number of the newest event."""
    return status.model_copy(update={"last_refusals": (), "sequence": 0})


def undecodable(data: bytes, encoding: str = "json/plain") -> RawValue:
    """A payload that arrives exactly as given."""
    return RawValue(Payload(metadata={"encoding": encoding.encode()}, data=data))
