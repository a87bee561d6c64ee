"""What the commands of the console script work with: the running service, and what is stored of it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Final, Protocol

from rich.console import Console
from temporalio.client import Client

from domain.audit import AuditEvent
from domain.contract import Command, OnboardingInput, Stage, WaitingOn
from domain.coverage import AnyCoverageCommand, CoverageAnswer
from domain.inquiry import Account
from domain.status import Status
from runtime.errors import unconnected
from settings import Settings, SettingsError, TemporalSettings, load_settings, load_temporal_settings
from starter.client.joining import Joined
from starter.client.listed import Listed
from starter.client.onboarding_client import OnboardingClient, connect

if TYPE_CHECKING:
    from activities.acpn_access import Grant
    from activities.db.applications import StoredApplication, StoredSheet
    from activities.db.email_ledger import LedgerRow
    from starter.cli.api import Api


class Service(Protocol):
    """The running service; `OnboardingClient` is it."""

    async def join(self, joining: OnboardingInput) -> Joined:
        """Start an application, or enter the one that runs."""

    async def send(self, uid: str, command: Command) -> Status:
        """Send a command."""

    async def status(self, uid: str) -> Status:
        """The whole status."""

    async def change_coverage(self, command: AnyCoverageCommand) -> CoverageAnswer:
        """Add an Associated UID, or take one away, after access is given."""

    def list(
        self,
        *,
        stage: Stage | None = None,
        waiting_on: WaitingOn | None = None,
        overdue: bool | None = None,
    ) -> AsyncIterator[Listed]:
        """Applications by what they wait for."""


class Archive(Protocol):
    """What is stored; it lags behind the workflow by a moment, or for as long as the database was down."""

    async def newest(self, uid: str) -> "StoredApplication | None":
        """The applicant's latest application."""

    async def audit(self, application_id: str) -> tuple[AuditEvent, ...]:
        """Every command and every due deadline, accepted or refused."""

    async def sheets(self, application_id: str) -> "tuple[StoredSheet, ...]":
        """The revisions of the decision sheet."""

    async def mails(self, application_id: str) -> "list[LedgerRow]":
        """The e-mails in the order they were queued."""

    async def grant(self, uid: str) -> "Grant | None":
        """The access an account has."""

    @property
    def name(self) -> str:
        """Which database it is, without a password."""

    async def accounts(self, uids: Sequence[str] | None = None) -> tuple[Account, ...]:
        """The accounts in the embedded directory: those with these UIDs, or all of them."""

    async def put_accounts(self, accounts: Sequence[Account]) -> None:
        """Enter accounts into the embedded directory, or replace them: all or none."""

    async def delete_account(self, uid: str) -> bool:
        """Delete an account from the embedded directory; false: it was not there."""


class Session(Protocol):
    """Where a command prints, and what it may open; it closes it when done."""

    @property
    def console(self) -> Console:
        """Standard output."""

    @property
    def api(self) -> "Api | None":
        """The API, if service and archive are reached through it: it knows who calls, and what he may."""

    def service(self) -> AbstractAsyncContextManager[Service]:
        """The running service."""

    def archive(self) -> AbstractAsyncContextManager[Archive]:
        """What is stored."""


class UnreachableError(Exception):
    """Temporal does not answer; the message names where, and why."""

    def __init__(self, address: str, error: Exception) -> None:
        problem, self.remedy = unconnected(error)
        super().__init__(f"{address} ({problem})")


async def reach(temporal: TemporalSettings, settings: Settings) -> Client:
    """A connection to Temporal.

    Raises:
        UnreachableError: nothing answers there, or something else.
    """
    try:
        return await connect(temporal, settings.codec)
    except RuntimeError as error:
        raise UnreachableError(temporal.address, error) from None


class ApiRefusedError(Exception):
    """The API has refused what the process has not heard of, as for a token that has expired."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")


class NotInApiError(Exception):
    """The console has no way through the API to what was asked for; ``what``: to what it has none."""

    def __init__(self, what: str) -> None:
        super().__init__(f"The console does not go through the API to {what}.")
        self.remedy: Final = (
            "Run it where Temporal and the database are reached, without ONBOARDING_API_URL, which is set."
        )


def beside_the_api(settings: Settings, what: str) -> None:
    """Refuse what needs Temporal or the database where the console goes through the API.

    Raises:
        NotInApiError: it does.
    """
    if settings.api_url is not None:
        raise NotInApiError(what)


class SettingsSession:
    """The `Session` the environment describes.

    What it opens raises `settings.SettingsError` when a setting is wrong.
    """

    def __init__(self) -> None:
        self.console: Console = Console(highlight=False)

    @cached_property
    def api(self) -> "Api | None":
        """The API at ``ONBOARDING_API_URL``."""
        settings = load_settings()
        if settings.api_url is None:
            return None
        if settings.api_token is None:
            raise SettingsError(
                "ONBOARDING_API_TOKEN: must be set to an access token, as ONBOARDING_API_URL is set"
            )
        # Who goes to Temporal starts faster without the API's client.
        from starter.cli.api import Api

        return Api(settings.api_url, settings.api_token.get_secret_value())

    @asynccontextmanager
    async def service(self) -> AsyncIterator[Service]:
        """The service at ``TEMPORAL_ADDRESS``, or as the API gives it.

        Raises:
            UnreachableError: nothing answers there.
        """
        if self.api is not None:
            yield self.api
            return
        temporal = load_temporal_settings()
        try:
            client = await OnboardingClient.connect(load_settings(), temporal)
        except RuntimeError as error:
            raise UnreachableError(temporal.address, error) from None
        yield client

    @asynccontextmanager
    async def archive(self) -> "AsyncIterator[Archive]":
        """The database at ``ONBOARDING_DATABASE_URL``, or what the API gives of it.

        Raises:
            ArchiveError: it can't be used; it is never made here.
        """
        if self.api is not None:
            yield self.api
            return
        # Most commands need no database, and start faster without its libraries.
        from starter.client.stored import open_archive

        async with open_archive(load_settings().database) as archive:
            yield archive
