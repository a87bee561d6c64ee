"""Lists of applications, page by page: whole and without doubles while their rows change."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy import ColumnElement, Select, and_, bindparam, false, func, not_, or_, select, true

from activities.db.engine import Database
from activities.db.tables import ApplicationRow
from domain.contract import Stage, WaitingOn
from domain.state import OUTCOMES
from domain.values import Contract, Instant

_OPEN_OF: Final = (
    select(ApplicationRow.bd, func.count().label("open"))
    .where(
        ApplicationRow.bd.in_(bindparam("bds", expanding=True)),
        ApplicationRow.stage.not_in(sorted(OUTCOMES)),
    )
    .group_by(ApplicationRow.bd)
)
"""Made once: making a statement takes SQLAlchemy longer than sending it."""


class ListedApplication(Contract):
    """An application in a list; ``sequence`` is the number of its newest audit event, ``bd`` who looks after
    it, by e-mail address, ``desk`` the one that serves the company."""

    application_id: str
    company_master_uid: str
    company_name: str
    stage: Stage
    waiting_on: WaitingOn
    due_at: Instant | None = None
    overdue: bool
    bd: str | None = None
    desk: str | None = None
    sequence: int
    created_at: Instant
    updated_at: Instant


class Brief(Contract):
    """Which application it is, how far it is stored, and who looks after it: people by e-mail address, in
    small letters, and the desk."""

    application_id: str
    sequence: int
    bd: str | None = None
    bd_lead: str | None = None
    desk: str | None = None


class Sight(Contract):
    """What somebody may see: all, or what is his: of these companies, that he is BD or lead of, by any of
    these addresses, or of these desks.

    ``never``: companies whose applications he does not see as BD, lead or vendor.
    """

    all: bool = False
    uids: tuple[str, ...] = ()
    vendor: bool = False
    bd: tuple[str, ...] = ()
    bd_lead: tuple[str, ...] = ()
    desks: tuple[str, ...] = ()
    never: tuple[str, ...] = ()


class Wanted(Contract):
    """Which applications; ``q``: a part of the company's name, or the beginning of its UID."""

    stage: Stage | None = None
    waiting_on: WaitingOn | None = None
    overdue: bool | None = None
    bd: str | None = None
    desk: str | None = None
    due_before: Instant | None = None
    q: str | None = None


class Position(Contract):
    """Where a page ended."""

    created_at: Instant
    application_id: str


class ApplicationLists:
    """All applications. Every method raises `sqlalchemy.exc.SQLAlchemyError` on an outage."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, sight: Sight, wanted: Wanted, *, limit: int, after: Position | None = None
    ) -> tuple[ListedApplication, ...]:
        """At most ``limit`` applications, the latest first; what begins meanwhile is on a page before."""
        query = _columns(*ListedApplication.model_fields).where(_seen(sight), *_terms(wanted))
        if after is not None:
            query = query.where(
                or_(
                    ApplicationRow.created_at < after.created_at,
                    and_(
                        ApplicationRow.created_at == after.created_at,
                        ApplicationRow.application_id < after.application_id,
                    ),
                )
            )
        query = query.order_by(ApplicationRow.created_at.desc(), ApplicationRow.application_id.desc())
        rows = await self._database.rows(query.limit(limit), {})
        return tuple(ListedApplication.model_validate(row, from_attributes=True) for row in rows)

    async def brief(self, company_master_uid: str, application_id: str | None = None) -> Brief | None:
        """The applicant's latest application, or the one of this ID."""
        query = _LATEST if application_id is None else _NAMED
        rows = await self._database.rows(query, {"uid": company_master_uid, "application": application_id})
        return Brief.model_validate(rows[0], from_attributes=True) if rows else None

    async def in_charge(self, application_ids: Collection[str]) -> Mapping[str, Brief]:
        """Who looks after these applications, by their IDs."""
        query = _columns(*Brief.model_fields).where(ApplicationRow.application_id.in_(application_ids))
        rows = await self._database.rows(query, {})
        return {row.application_id: Brief.model_validate(row, from_attributes=True) for row in rows}

    async def open_of(self, bds: Iterable[str]) -> Mapping[str, int]:
        """How many open applications each BD with these addresses, in small letters, looks after."""
        asked = tuple(bds)
        rows = await self._database.rows(_OPEN_OF, {"bds": asked})
        return dict.fromkeys(asked, 0) | {row.bd: row.open for row in rows}


def _columns(*names: str) -> Select[tuple[object, ...]]:
    return select(*(getattr(ApplicationRow, name) for name in names))


_LATEST: Final = (
    _columns(*Brief.model_fields)
    .where(ApplicationRow.company_master_uid == bindparam("uid"))
    .order_by(ApplicationRow.created_at.desc(), ApplicationRow.updated_at.desc())
    .limit(1)
)
_NAMED: Final = _LATEST.where(ApplicationRow.application_id == bindparam("application"))


def _seen(sight: Sight) -> ColumnElement[bool]:
    if sight.all:
        return true()
    company = ApplicationRow.company_master_uid
    for_vendor: list[ColumnElement[bool]] = [true()] if sight.vendor else []
    for column, values in (
        (ApplicationRow.bd, sight.bd),
        (ApplicationRow.bd_lead, sight.bd_lead),
        (ApplicationRow.desk, sight.desks),
    ):
        for_vendor += [column.in_(values)] if values else []
    own = company.in_(sight.uids) if sight.uids else false()
    if not for_vendor:
        return own
    not_own = not_(company.in_(sight.never)) if sight.never else true()
    return or_(own, and_(not_own, or_(*for_vendor)))


def _terms(wanted: Wanted) -> Sequence[ColumnElement[bool]]:
    terms: list[ColumnElement[bool]] = []
    if wanted.stage is not None:
        terms.append(ApplicationRow.stage == wanted.stage)
    if wanted.waiting_on is not None:
        terms.append(ApplicationRow.waiting_on == wanted.waiting_on)
    if wanted.overdue is not None:
        terms.append(ApplicationRow.overdue.is_(wanted.overdue))
    if wanted.bd is not None:
        terms.append(ApplicationRow.bd == wanted.bd.lower())
    if wanted.desk is not None:
        terms.append(ApplicationRow.desk == wanted.desk)
    if wanted.due_before is not None:
        terms.append(ApplicationRow.due_at < wanted.due_before)
    if wanted.q is not None:
        terms.append(
            or_(
                ApplicationRow.company_name.icontains(wanted.q, autoescape=True),
                ApplicationRow.company_master_uid.startswith(wanted.q, autoescape=True),
            )
        )
    return terms
