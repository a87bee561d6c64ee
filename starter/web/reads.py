"""What is read of applications: from the database, each reader his own."""

import base64
import json
from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from pydantic import AfterValidator, TypeAdapter, ValidationError
from starlette.responses import Response

from activities.db.applications import StoredSheet
from activities.db.email_ledger import EmailLedger, LedgerRow, mails_for
from activities.db.lists import ListedApplication, Position, Sight, Wanted
from domain.audit import AuditEvent
from domain.contract import ErrorType, Stage, WaitingOn
from domain.readers import audit_for
from domain.status import Access, Status
from domain.values import Contract, Instant, without_control_characters
from starter.client.stored import StoredArchive
from starter.terminal.gate import gate_of, granted
from starter.terminal.times import zone_of
from starter.web.callers import SEES_ALL, Caller, CallerRole
from starter.web.door import (
    API,
    CallerDependency,
    FrontDoor,
    UidInPath,
    WhichDependency,
    authenticated_route,
    shown,
)
from starter.web.problems import ApiError

MOST_LISTED: Final = 200
_LISTED: Final = 50
_ONE_LINE: Final = AfterValidator(without_control_characters)
_AUDIT: Final[TypeAdapter[Sequence[AuditEvent]]] = TypeAdapter(Sequence[AuditEvent])
_MAILS: Final[TypeAdapter[Sequence[LedgerRow]]] = TypeAdapter(Sequence[LedgerRow])
_SHEETS: Final[TypeAdapter[Sequence[StoredSheet]]] = TypeAdapter(Sequence[StoredSheet])

Cursor = Annotated[str | None, Query(description="``next`` of the page before.", max_length=400)]
Limit = Annotated[int, Query(description="The most on a page.", ge=1, le=MOST_LISTED)]
NOT_MODIFIED: Final[dict[int | str, dict[str, Any]]] = {
    304: {"description": "Nothing that is shown has changed since `If-None-Match`."}
}


class Page(Contract):
    """A page of a list; ``next``: the cursor of the page after it."""

    items: tuple[ListedApplication, ...]
    next: str | None = None


def reads(door: FrontDoor) -> APIRouter:
    """The routes by which applications are read."""
    router = APIRouter(prefix=API, route_class=authenticated_route(door), tags=["Applications"])
    ledger, archive = EmailLedger(door.database), StoredArchive(door.database)

    @router.get("/applications", response_model=Page, operation_id="list_applications")
    async def applications(
        request: Request,
        caller: CallerDependency,
        stage: Annotated[Stage | None, Query(description="Only in this stage.")] = None,
        waiting_on: Annotated[WaitingOn | None, Query(description="Only what waits on these.")] = None,
        overdue: Annotated[bool | None, Query(description="Only what is overdue, or is not.")] = None,
        bd: Annotated[
            str | None, Query(description="Only of the BD with this e-mail.", max_length=254), _ONE_LINE
        ] = None,
        desk: Annotated[
            str | None, Query(description="Only of the desk with this name.", max_length=200), _ONE_LINE
        ] = None,
        due_before: Annotated[Instant | None, Query(description="Only what is due before that.")] = None,
        q: Annotated[
            str | None,
            Query(description="Part of the company's name, or the beginning of its UID.", max_length=200),
            _ONE_LINE,
        ] = None,
        limit: Limit = _LISTED,
        cursor: Cursor = None,
    ) -> Response:
        """The applications one may see, the latest first."""
        wanted = Wanted(
            stage=stage,
            waiting_on=waiting_on,
            overdue=overdue,
            bd=bd,
            desk=desk,
            due_before=due_before,
            q=q,
        )
        after = None if cursor is None else _position(cursor)
        found = await door.lists.page(sight_of(caller), wanted, limit=limit + 1, after=after)
        page = Page(items=found[:limit], next=_cursor(found[limit - 1]) if len(found) > limit else None)
        return shown(request, page.model_dump_json().encode())

    @router.get(
        "/applications/{uid}", response_model=Status, operation_id="get_status", responses=NOT_MODIFIED
    )
    async def status(
        request: Request, uid: UidInPath, caller: CallerDependency, which: WhichDependency
    ) -> Response:
        """What an application waits for, on whom, and until when."""
        seen = await door.seen(caller, uid, which)
        return shown(request, seen.status.model_dump_json().encode())

    @router.get(
        "/applications/{uid}/audit",
        response_model=list[AuditEvent],
        operation_id="get_audit",
        responses=NOT_MODIFIED,
    )
    async def audit(
        request: Request, uid: UidInPath, caller: CallerDependency, which: WhichDependency
    ) -> Response:
        """Every command and every due deadline, accepted or refused."""
        found, reader = await door.found(caller, uid, which)
        events = await door.records.audit(found.application_id)
        return shown(request, _AUDIT.dump_json(audit_for(events, reader.role)))

    @router.get(
        "/applications/{uid}/mails",
        response_model=list[LedgerRow],
        operation_id="get_mails",
        responses=NOT_MODIFIED,
    )
    async def mails(
        request: Request, uid: UidInPath, caller: CallerDependency, which: WhichDependency
    ) -> Response:
        """The e-mails, in the order they were queued: sent, waiting, failed, withdrawn."""
        found, reader = await door.found(caller, uid, which)
        rows = await ledger.of(found.application_id)
        return shown(request, _MAILS.dump_json(mails_for(rows, reader.role)))

    @router.get(
        "/applications/{uid}/sheets",
        response_model=list[StoredSheet],
        operation_id="get_sheets",
        responses=NOT_MODIFIED,
    )
    async def sheets(
        request: Request, uid: UidInPath, caller: CallerDependency, which: WhichDependency
    ) -> Response:
        """Every revision of the decision sheet, each with what it changed."""
        found, _ = await door.found(caller, uid, which)
        return shown(request, _SHEETS.dump_json(await door.records.sheets(found.application_id)))

    @router.get(
        "/applications/{uid}/sheets/{revision}",
        response_model=StoredSheet,
        operation_id="get_sheet",
        responses=NOT_MODIFIED,
    )
    async def sheet(
        request: Request,
        uid: UidInPath,
        revision: Annotated[int, Path(description="Its number.", ge=1, le=1_000_000)],
        caller: CallerDependency,
        which: WhichDependency,
    ) -> Response:
        """One revision of the decision sheet."""
        found, _ = await door.found(caller, uid, which)
        for each in await door.records.sheets(found.application_id):
            if each.sheet.revision == revision:
                return shown(request, each.model_dump_json().encode())
        raise ApiError(
            ErrorType.NOT_FOUND,
            f"The application has no decision sheet of revision {revision}. Read the list of its sheets.",
        )

    @router.get(
        "/applications/{uid}/access",
        response_model=Access,
        operation_id="get_access",
        responses=NOT_MODIFIED,
    )
    async def access(
        request: Request, uid: UidInPath, caller: CallerDependency, which: WhichDependency
    ) -> Response:
        """What the gate of the ACPN platform answers: may the company's account log in?"""
        seen = await door.seen(caller, uid, which)
        grant = None if which.application else await archive.grant(uid)
        status = seen.status
        found = granted(grant, zone_of(status)) if grant else gate_of(status, uid)
        return shown(request, found.model_dump_json().encode())

    return router


def sight_of(caller: Caller) -> Sight:
    """What the caller may see, as a list is asked for it; the same as `roles_on`."""
    roles = set(caller.roles)
    uids, addresses = tuple(sorted(caller.uids)), tuple(sorted(caller.addresses))
    desks = caller.desks if CallerRole.BD in roles else frozenset()
    desks |= caller.leads if CallerRole.BD_LEAD in roles else frozenset()
    return Sight(
        all=not roles.isdisjoint(SEES_ALL),
        uids=uids if CallerRole.PARTNER in roles else (),
        vendor=CallerRole.VENDOR in roles,
        bd=addresses if CallerRole.BD in roles else (),
        bd_lead=addresses if CallerRole.BD_LEAD in roles else (),
        desks=tuple(sorted(desks)),
        never=uids,
    )


def _cursor(last: ListedApplication) -> str:
    position = Position(created_at=last.created_at, application_id=last.application_id)
    return base64.urlsafe_b64encode(position.model_dump_json().encode()).decode().rstrip("=")


def _position(cursor: str) -> Position:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        told = json.loads(base64.urlsafe_b64decode(padded))
        found = Position.model_validate(told, extra="forbid")
        without_control_characters(found.application_id)
    except (ValueError, ValidationError, RecursionError):
        raise ApiError(
            ErrorType.INVALID,
            "Begin again, without a cursor.",
            errors=[("cursor", "must be next of a page before, as it came")],
        ) from None
    return found
