"""A service and an archive in memory, for the console script to work with."""

import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from typer.testing import CliRunner, Result

from activities.acpn_access import Grant
from activities.db.applications import StoredApplication, StoredSheet
from activities.db.email_ledger import LedgerRow
from domain.audit import AuditEvent, Verdict
from domain.contract import Command, ErrorType, OnboardingInput, Stage, WaitingOn, workflow_id
from domain.coverage import AnyCoverageCommand, CoverageAnswer
from domain.documents import DecisionSheet, sheet_hash
from domain.inquiry import Account
from domain.sheets import IssuedSheet
from domain.status import CommandResult, Status
from starter.cli.api import Api
from starter.cli.main import app
from starter.cli.session import UnreachableError
from starter.client.errors import OnboardingError
from starter.client.joining import Joined
from starter.client.listed import Listed

UID = "5123456789"
AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def status(stage: Stage = Stage.DRAFTING, **changes: Any) -> Status:
    """A status as the service would give it."""
    fields = {
        "application_id": "run-1",
        "company_master_uid": UID,
        "stage": stage,
        "status_text": "Signing Process: Alibaba Cloud Reseller Partner",
        "waiting_on": WaitingOn.PARTNER,
    }
    return Status.model_validate(fields | changes)


def issued(content: DecisionSheet, revision: int = 1, **changes: Any) -> IssuedSheet:
    """A revision of the decision sheet."""
    return IssuedSheet(revision=revision, hash=sheet_hash(content), content=content, **changes)


def stored(current: Status) -> StoredApplication:
    """An application as the database has it."""
    return StoredApplication(
        application_id=current.application_id,
        workflow_id=workflow_id(UID),
        company_master_uid=UID,
        company_name="Lin Cloud Ltd",
        stage=current.stage,
        waiting_on=current.waiting_on,
        due_at=current.due_at,
        overdue=current.overdue,
        sequence=1,
        status=current,
        created_at=AT,
        updated_at=AT,
    )


@dataclass
class FakeService:
    """Keeps what it is sent; gives ``statuses`` one after the other, the last one for ever.

    A command is answered without documents, as the workflow does.
    """

    statuses: list[Status] = field(default_factory=lambda: [status()])
    answer: CoverageAnswer = field(
        default_factory=lambda: CoverageAnswer(verdict=Verdict.ACCEPTED, sequence=20, covered_uids=("1", "2"))
    )
    applications: list[Listed] = field(default_factory=list)
    refusal: OnboardingError | None = None
    started: bool = True
    answered: CommandResult | None = None
    sent: list[tuple[str, Command]] = field(default_factory=list)
    joins: list[OnboardingInput] = field(default_factory=list)
    asked: dict[str, Any] = field(default_factory=dict)

    async def join(self, joining: OnboardingInput) -> Joined:
        self.joins.append(joining)
        return Joined(
            started=self.started,
            workflow_id=workflow_id(joining.company_master_uid),
            application_id="run-1",
            status=self.statuses[0],
        )

    async def send(self, uid: str, command: Command) -> Status:
        self.sent.append((uid, command))
        if self.refusal:
            raise self.refusal
        return self.statuses[-1].without_documents().model_copy(update={"answered": self.answered})

    async def change_coverage(self, command: AnyCoverageCommand) -> CoverageAnswer:
        self.sent.append((command.company_master_uid, command))
        if self.refusal:
            raise self.refusal
        return self.answer

    async def status(self, uid: str) -> Status:
        if self.refusal:
            raise self.refusal
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]

    async def list(
        self,
        *,
        stage: Stage | None = None,
        waiting_on: WaitingOn | None = None,
        overdue: bool | None = None,
    ) -> AsyncIterator[Listed]:
        self.asked = {"stage": stage, "waiting_on": waiting_on, "overdue": overdue}
        for application in self.applications:
            yield application


@dataclass
class FakeArchive:
    """What is stored."""

    application: StoredApplication | None = None
    events: tuple[AuditEvent, ...] = ()
    ledger: list[LedgerRow] = field(default_factory=list)
    revisions: tuple[StoredSheet, ...] = ()
    granted: Grant | None = None
    directory: dict[str, Account] = field(default_factory=dict)
    written: int = 0
    name: str = "sqlite:///onboarding.db"

    async def newest(self, uid: str) -> StoredApplication | None:
        return self.application

    async def audit(self, application_id: str) -> tuple[AuditEvent, ...]:
        return self.events

    async def sheets(self, application_id: str) -> tuple[StoredSheet, ...]:
        return self.revisions

    async def mails(self, application_id: str) -> list[LedgerRow]:
        return self.ledger

    async def grant(self, uid: str) -> Grant | None:
        return self.granted if self.granted and self.granted.uid == uid else None

    async def accounts(self, uids: Sequence[str] | None = None) -> tuple[Account, ...]:
        return tuple(account for account in self.directory.values() if uids is None or account.uid in uids)

    async def put_accounts(self, accounts: Sequence[Account]) -> None:
        self.written += len(accounts)
        self.directory |= {account.uid: account for account in accounts}

    async def delete_account(self, uid: str) -> bool:
        return self.directory.pop(uid, None) is not None


@dataclass
class Cli:
    """The console script on these fakes; to a pipe, or to a terminal when told so."""

    running: FakeService = field(default_factory=FakeService)
    archived: FakeArchive = field(default_factory=FakeArchive)
    reachable: bool = True
    terminal: bool = False
    columns: int = 200
    api: Api | None = None

    @property
    def console(self) -> Console:
        return Console(
            file=self.screen if self.terminal else None,
            force_terminal=self.terminal,
            highlight=False,
            width=self.columns,
        )

    screen: io.StringIO = field(default_factory=io.StringIO)

    @asynccontextmanager
    async def service(self) -> AsyncIterator[FakeService]:
        if not self.reachable:
            raise UnreachableError("localhost:7233", RuntimeError("ConnectionRefused"))
        yield self.running

    @asynccontextmanager
    async def archive(self) -> AsyncIterator[FakeArchive]:
        yield self.archived

    def run(self, *arguments: str, stdin: str | None = None) -> Result:
        """Run a command line."""
        return CliRunner().invoke(app, list(arguments), input=stdin, obj=self)

    def sent(self) -> Command:
        """The one command that was sent."""
        [(uid, command)] = self.running.sent
        assert uid == UID
        return command


NOT_FOUND = OnboardingError(ErrorType.NOT_FOUND, f"UID {UID} has no application.")
