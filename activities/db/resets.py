"""What Temporal's Reset of an application does to what is stored of it.

Nothing is removed. Which events still count follows from the trail: after an event ``reset`` goes on what
stood after the event it led back to. Changes of what an active application covers come by runs of their own,
and count in any case.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Connection, func, not_, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute

from activities.db.email_ledger import REPORTED_FAILURES, LedgerState, failed_email
from activities.db.tables import ApplicationRow, AuditEventRow, DecisionSheetRow, EmailRow, FormRow
from domain import coverage
from domain.audit import Verdict
from domain.contract import Stage
from domain.inquiry import Head
from domain.publication import TakeUp, TurnedBack
from domain.status import CoverageChanged

_CHANGES: Final = TypeAdapter(tuple[CoverageChanged, ...])
UNDONE: Final = "Undone by a reset in Temporal."
Ranges = Sequence[tuple[int, int]]
"""Numbers of events, each range from its first to its last."""


def turned_back(connection: Connection, request: TakeUp, head: Head) -> Head:
    """Withdraw e-mails that have not left, and mark documents; the head with what the run has to know.

    Both go by what counts for who stands after the event of the request. What an earlier reset has undone
    and what counts again, as when an older run is reset, is void no more, and its e-mails leave.
    """
    counting = counting_events(connection, request.application_id, request.sequence, request.resets)
    emails = EmailRow.application_id == request.application_id
    counts = within(EmailRow.sequence, counting)
    for state, becomes, reason, which in (
        (LedgerState.PENDING, LedgerState.WITHDRAWN, UNDONE, not_(counts)),
        (LedgerState.WITHDRAWN, LedgerState.PENDING, None, counts),
    ):
        changed = update(EmailRow).where(emails, EmailRow.state == state, which)
        connection.execute(changed.values(state=becomes, reason=reason))
    for table in (FormRow, DecisionSheetRow):
        mine = table.application_id == request.application_id, table.sequence.is_not(None)
        void = not_(within(table.sequence, counting))
        connection.execute(update(table).where(*mine).values(void=void))
    withdrawn = emails, EmailRow.state == LedgerState.WITHDRAWN, not_(counts)
    failed = emails, EmailRow.state == LedgerState.FAILED
    unknown = (
        select(EmailRow.__table__)
        .where(*failed, counts, EmailRow.position > request.failed_through)
        .order_by(EmailRow.position.desc())
        .limit(REPORTED_FAILURES)
    )
    failures = connection.execute(unknown).all()
    return head.model_copy(
        update={
            "forms_used": _used(connection, FormRow, request.application_id),
            "sheets_used": _used(connection, DecisionSheetRow, request.application_id),
            "failed": tuple(failed_email(row) for row in reversed(failures)),
            "failed_through": _number(connection, func.max(EmailRow.position), *failed),
            "access_given": _has_been_active(connection, request.application_id),
            "emails_withdrawn": _number(connection, func.count(), *withdrawn),
            **_changed_coverage(connection, request.application_id),
        }
    )


def _has_been_active(connection: Connection, application_id: str) -> bool:
    """Whether access was ever given, whatever resets have undone since."""
    given = (
        AuditEventRow.application_id == application_id,
        AuditEventRow.verdict == Verdict.ACCEPTED,
        AuditEventRow.to_stage == Stage.ACTIVE,
    )
    return _number(connection, func.count(), *given) > 0


def _changed_coverage(connection: Connection, application_id: str) -> dict[str, Any]:
    """The fields of the head by which accounts stay that were added after access was given, and those away
    that were taken away."""
    query = select(ApplicationRow.state).where(ApplicationRow.application_id == application_id)
    state = connection.execute(query).scalar_one_or_none()
    if not state or state.get("associated_uids") is None:
        return {}
    return {
        "associated_uids": tuple(state["associated_uids"]),
        "coverage_changes": _CHANGES.validate_python(state.get("coverage_changes", ())),
    }


def counting_events(
    connection: Connection,
    application_id: str,
    last: int,
    resets: Iterable[TurnedBack] = (),
) -> Ranges:
    """The events that count for who stands after the event ``last``; ``resets``: more than are stored."""
    query = select(AuditEventRow.sequence, AuditEventRow.details).where(
        AuditEventRow.application_id == application_id,
        AuditEventRow.command == "reset",
        AuditEventRow.verdict == Verdict.ACCEPTED,
        AuditEventRow.sequence <= last,
    )
    led_back = {reset.sequence: reset.details["back_to"] for reset in connection.execute(query)}
    led_back |= {reset.sequence: reset.back_to for reset in resets}
    ranges: list[tuple[int, int]] = []
    for reset in sorted(led_back, reverse=True):
        if reset <= last:
            ranges.append((reset, last))
            last = led_back[reset]
    changes = select(AuditEventRow.sequence).where(
        AuditEventRow.application_id == application_id, AuditEventRow.command.in_(coverage.CHANGES)
    )
    counting = [*ranges, (1, last)]
    for number in connection.scalars(changes.order_by(AuditEventRow.sequence)):
        first, newest = counting[-1]
        counting[-1:] = [(first, number)] if newest + 1 == number else [(first, newest), (number, number)]
    return counting


def within(number: InstrumentedAttribute[Any], ranges: Ranges) -> ColumnElement[bool]:
    """Whether the number is in one of the ranges."""
    return or_(*(number.between(first, last) for first, last in ranges))


def _used(connection: Connection, table: type[FormRow] | type[DecisionSheetRow], application_id: str) -> int:
    """The highest revision there has been."""
    return _number(connection, func.max(table.revision), table.application_id == application_id)


def _number(connection: Connection, number: ColumnElement[int], *where: ColumnElement[bool]) -> int:
    """A count, or a maximum, which is 0 of nothing."""
    return int(connection.execute(select(func.coalesce(number, 0)).where(*where)).scalar_one())
