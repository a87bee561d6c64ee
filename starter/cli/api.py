"""The running service and what is stored of it, by way of the HTTP API: who acts, the access token says."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, Never

from httpx import AsyncBaseTransport
from pydantic import BaseModel, TypeAdapter

from activities.acpn_access import Grant
from activities.db.applications import StoredApplication, StoredSheet
from activities.db.email_ledger import LedgerRow
from activities.db.lists import ListedApplication
from domain.audit import AuditEvent, Verdict
from domain.contract import Actor, Command, ErrorType, OnboardingInput, Role, Stage, WaitingOn, workflow_id
from domain.coverage import AnyCoverageCommand, CoverageAnswer
from domain.inquiry import Account
from domain.state import OUTCOMES
from domain.status import Access, CommandResult, Status
from onboarding_client import AsyncOnboardingClient, NoAnswerError, RefusedError
from onboarding_client.requests import KEY, given, path_of
from starter.cli.session import ApiRefusedError, NotInApiError
from starter.client.errors import OnboardingError
from starter.client.joining import Joined
from starter.client.listed import Listed

APPLICATIONS: Final = "/api/v1/applications"
RETRY_FOR: Final = 10.0
"""Seconds for which a person waits for a service that is busy or gone."""
Ledger = list[LedgerRow]
_PAGE: Final = 200
_EVENTS: Final[TypeAdapter[tuple[AuditEvent, ...]]] = TypeAdapter(tuple[AuditEvent, ...])
_SHEETS: Final[TypeAdapter[tuple[StoredSheet, ...]]] = TypeAdapter(tuple[StoredSheet, ...])
_MAILS: Final[TypeAdapter[Ledger]] = TypeAdapter(Ledger)


_TOKEN: Final = "(token)"  # noqa: S105  # no token


class Api:
    """`starter.cli.session.Service` and `Archive`, as far as the API has them.

    Raises `OnboardingError`, `ApiRefusedError`, and `NotInApiError` for what it does not have.
    """

    def __init__(self, url: str, token: str, *, transport: AsyncBaseTransport | None = None) -> None:
        self.name: Final = url
        self._token = token
        self._transport = transport
        self._uids: dict[str, str] = {}

    @staticmethod
    def token_says(role: Role) -> Actor:
        """Whoever the token says; ``role``: the one the command is for, until the answer tells."""
        return Actor(role=role, id=_TOKEN)

    async def join(self, joining: OnboardingInput) -> Joined:
        """Start an application, or enter the one that runs."""
        async with self._client() as client:
            # What is not named is known there: it is left out, and checked there, too.
            body = given(joining.model_dump(exclude_unset=True, warnings=False))
            response = await client.request("POST", APPLICATIONS, body=body)
        status = Status.model_validate_json(response.content)
        return Joined(
            started=response.status_code == 201,
            workflow_id=workflow_id(status.company_master_uid),
            application_id=status.application_id,
            status=status,
        )

    async def send(self, uid: str, command: Command) -> Status:
        """Send a command; the answer is the whole status."""
        return Status.model_validate_json(await self._sent(uid, command))

    async def change_coverage(self, command: AnyCoverageCommand) -> CoverageAnswer:
        """Add an Associated UID, or take one away, after access is given."""
        answer = await self._sent(command.company_master_uid, command, {"company_master_uid"})
        return CoverageAnswer.model_validate_json(answer)

    async def status(self, uid: str) -> Status:
        """The status, as far as it is stored."""
        return Status.model_validate_json(await self._read("/{uid}", uid))

    async def access(self, uid: str) -> Access:
        """What the gate of the ACPN platform answers."""
        return Access.model_validate_json(await self._read("/{uid}/access", uid))

    async def list(
        self, *, stage: Stage | None = None, waiting_on: WaitingOn | None = None, overdue: bool | None = None
    ) -> AsyncIterator[Listed]:
        """The running applications the caller may see; with an outcome as ``stage`` the ended ones."""
        wanted = {"stage": stage, "waiting_on": waiting_on, "overdue": overdue}
        async for each in self._listed(**wanted):
            if stage is not None or each.stage not in OUTCOMES:
                yield Listed(
                    uid=each.company_master_uid,
                    **each.model_dump(include={"stage", "waiting_on", "due_at", "overdue"}),
                    started_at=each.created_at,
                )

    async def newest(self, uid: str) -> StoredApplication | None:
        """The applicant's latest application."""
        async for each in self._listed(q=uid):
            if each.company_master_uid == uid:
                self._uids[each.application_id] = uid
                return StoredApplication(
                    **each.model_dump(exclude={"bd"}),
                    workflow_id=workflow_id(uid),
                    status=await self.status(uid),
                )
        return None

    async def audit(self, application_id: str) -> tuple[AuditEvent, ...]:
        """Every command and every due deadline the caller may read, accepted or refused."""
        return _EVENTS.validate_json(await self._of(application_id, "audit"))

    async def sheets(self, application_id: str) -> tuple[StoredSheet, ...]:
        """The revisions of the decision sheet."""
        return _SHEETS.validate_json(await self._of(application_id, "sheets"))

    async def mails(self, application_id: str) -> Ledger:
        """The e-mails the caller may read, in the order they were queued."""
        return _MAILS.validate_json(await self._of(application_id, "mails"))

    async def grant(self, uid: str) -> Grant | None:
        """Grants are not given; `access` says what follows from them."""
        raise NotInApiError("the grants")

    async def accounts(self, uids: Sequence[str] | None = None) -> tuple[Account, ...]:
        """The API has none."""
        _no_accounts()

    async def put_accounts(self, accounts: Sequence[Account]) -> None:
        """The API has none."""
        _no_accounts()

    async def delete_account(self, uid: str) -> bool:
        """The API has none."""
        _no_accounts()

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[AsyncOnboardingClient]:
        client = AsyncOnboardingClient(self.name, self._token, retry_for=RETRY_FOR, transport=self._transport)
        async with client:
            with _told():
                yield client

    async def _sent(
        self, uid: str, command: Command, in_address: frozenset[str] | set[str] = frozenset()
    ) -> bytes:
        envelope = {"command_id", "kind", "via", "if_sequence", *in_address}
        actor = {"actor"} if command.actor.id == _TOKEN else set()
        body = given(command.model_dump(mode="json", exclude=envelope | actor, exclude_none=True))
        headers = {KEY: command.command_id}
        if command.if_sequence is not None:
            headers["If-Match"] = f'"{command.if_sequence}"'
        path = path_of(f"{APPLICATIONS}/{{uid}}/commands/{{kind}}", uid=uid, kind=command.kind)
        async with self._client() as client:
            return (await client.request("POST", path, headers=headers, body=body)).content

    async def _read(self, path: str, uid: str, **query: Any) -> bytes:
        async with self._client() as client:
            path = path_of(f"{APPLICATIONS}{path}", uid=uid)
            return (await client.request("GET", path, query=given(query))).content

    async def _of(self, application_id: str, what: str) -> bytes:
        return await self._read(f"/{{uid}}/{what}", self._uids[application_id], application=application_id)

    async def _listed(self, **wanted: Any) -> AsyncIterator[ListedApplication]:
        cursor: str | None = None
        async with self._client() as client:
            while True:
                query = given({**wanted, "limit": _PAGE, "cursor": cursor})
                page = _Page.model_validate_json(
                    (await client.request("GET", APPLICATIONS, query=query)).content
                )
                for each in page.items:
                    yield each
                cursor = page.next
                if cursor is None:
                    return


class _Page(BaseModel):
    items: tuple[ListedApplication, ...]
    next: str | None = None


def _no_accounts() -> Never:
    raise NotInApiError("the account directory")


@contextmanager
def _told() -> Iterator[None]:
    """What the API refuses, as the console tells it."""
    try:
        yield
    except NoAnswerError as error:
        raise OnboardingError(ErrorType.UNAVAILABLE, f"{error}") from None
    except RefusedError as error:
        if error.type not in set(ErrorType):
            raise ApiRefusedError(error.type, error.detail) from None
        kind = ErrorType(error.type)
        judged = (
            CommandResult(verdict=Verdict.REFUSED, stage=Stage(error.stage), sequence=0)
            if error.stage
            else None
        )
        raise OnboardingError.from_detail(kind, error.detail, _fields(error), judged) from None


def _fields(error: RefusedError) -> str:
    return "; ".join(f"{each.field}: {each.message}" for each in error.errors)
