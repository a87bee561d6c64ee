"""The e-mail ledger: what waits to be sent, was sent, or has failed for good.

A notice gets into it with the event it tells of, in one transaction (`trail.py`), and leaves from here. A
row is unique on application and key, so that a retry after a recorded send sends nothing. ``sent`` and
``failed`` are final.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Update,
    and_,
    bindparam,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
    update,
)

from activities.db.documents import form_rows, sheet_rows, with_changes
from activities.db.engine import AnyRow, Database
from activities.db.queued import QueuedNotice
from activities.db.tables import AuditHeadRow, EmailRow, UtcInstant
from activities.db.webhook_endpoints import an_endpoint_sleeps
from activities.emails.addressed import AddressedNotice
from activities.smtp_replies import Proof
from domain.audiences import templates_for
from domain.contract import Role
from domain.documents import ApplicationForm
from domain.notice import Audience
from domain.publication import Lineage, Receipt
from domain.readers import OUTSIDE, may_read_mail
from domain.sheets import IssuedSheet
from domain.state import Application
from domain.status import FailedEmail
from domain.values import Contract, Instant


class LedgerState(StrEnum):
    """What became of an e-mail.

    ``withdrawn``: what it told of was undone by Temporal's Reset before it left, or its run was terminated.
    """

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


class LedgerRow(Contract):
    """An e-mail of the ledger. Times are workflow time.

    ``reason``: why it failed; of a pending one, why its recipient was refused for now.
    """

    key: str
    template: str
    locale: str
    recipient: str
    subject: str
    message_id: str
    state: LedgerState
    attempts: int
    reason: str | None
    queued_at: Instant
    sent_at: Instant | None
    failed_at: Instant | None


def mails_for(mails: Iterable[LedgerRow], role: Role) -> list[LedgerRow]:
    """The e-mails as this role reads the list of them; why one was withdrawn is the operators' affair."""
    mine = (mail for mail in mails if may_read_mail(mail.template, role))
    if role not in OUTSIDE:
        return list(mine)
    withdrawn = LedgerState.WITHDRAWN
    return [mail.model_copy(update={"reason": None}) if mail.state is withdrawn else mail for mail in mine]


SHOWN_REASON: Final = 500
"""Characters of a mail server's answer that a workflow is told."""
REPORTED_FAILURES: Final = 20
"""How many failures one receipt tells of; the rest comes with the next."""


@dataclass(frozen=True)
class Refusals:
    """How long a recipient has been refused.

    ``times``: how often. ``since``: from when on, in whatever way; ``denied_since``: from when on "for good"
    without a break, if the latest was.
    """

    times: int
    since: datetime
    denied_since: datetime | None


@dataclass(frozen=True)
class Waiting:
    """The rows of e-mails that wait, and of the documents they speak of, as `read_waiting` has read them."""

    rows: Sequence[AnyRow]
    sheets: Sequence[AnyRow] = ()
    forms: Sequence[AnyRow] = ()

    def mails(self) -> tuple[AddressedNotice, ...]:
        """The e-mails."""
        sheets = {row.revision: sheet for row, sheet in with_changes(self.sheets)}
        forms = {row.revision: ApplicationForm.model_validate(row.content) for row in self.forms}
        return tuple(_mail(row, sheets, forms) for row in self.rows)


class EmailLedger:
    """The ledger of all applications. Every method raises `sqlalchemy.exc.SQLAlchemyError` on an outage."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def waiting(self, lineage: Lineage, *, put_off: bool = True) -> tuple[AddressedNotice, ...]:
        """The e-mails that wait, in order; none for a writer whose application has been reset since.

        ``put_off``: also those to a recipient who is refused for now.
        """
        return await self._database.read(
            lambda connection: read_waiting(connection, lineage, put_off=put_off).mails()
        )

    async def attempt(self, lineage: Lineage, mail: AddressedNotice, message_id: str, subject: str) -> bool:
        """Record, before sending, that the e-mail is about to be sent; false if it does not wait any more."""
        values = {
            "application": mail.application_id,
            "mail": mail.key,
            "own": lineage.generation,
            "id": message_id,
            "said": subject,
        }
        return await self._database.change(_ATTEMPT, values) is not None

    async def standing(self, lineage: Lineage, failed_through: int) -> Receipt:
        """How many e-mails wait, and which have failed after the one at the position ``failed_through``."""
        return (await self.after_publishing(lineage, failed_through))[0]

    async def after_publishing(self, lineage: Lineage, failed_through: int) -> tuple[Receipt, bool]:
        """As `standing`; also whether there is an endpoint of webhooks to wake, asked along with it."""
        values = {"application": lineage.application_id, "through": failed_through, "now": datetime.now(UTC)}
        rows = await self._database.rows(_STANDING, values)
        return self._receipt(lineage, failed_through, rows), any(row.to_wake for row in rows[:1])

    def _receipt(self, lineage: Lineage, failed_through: int, rows: Sequence[AnyRow]) -> Receipt:
        pending = [row for row in rows if row.state == LedgerState.PENDING]
        failures = [row for row in rows if row.state == LedgerState.FAILED][:REPORTED_FAILURES]
        refused = _refused(pending)
        return Receipt(
            pending=len(pending),
            put_off=sum(row.recipient in refused for row in pending),
            failed=tuple(failed_email(row) for row in failures),
            failed_through=failures[-1].position if failures else failed_through,
            superseded=not rows or rows[0].generation != lineage.generation,
        )

    async def refused(
        self, mail: AddressedNotice, reason: str, at: datetime, *, denied: bool
    ) -> Refusals | None:
        """Record that the mail server refused the recipient for now, and why; how long it has by now.

        That holds for all e-mails that wait for him. ``denied``: it said "for good". Of an e-mail that has
        been closed meanwhile nothing changes, and nothing is returned.
        """
        times = {
            "refused_at": func.coalesce(EmailRow.refused_at, literal(at, UtcInstant)),
            "denied_at": func.coalesce(EmailRow.denied_at, literal(at, UtcInstant)) if denied else None,
        }
        behind = _waiting_for(mail.application_id, mail.to.email).where(EmailRow.key != mail.key)
        statement = (
            _in_state(mail.application_id, mail.key, LedgerState.PENDING)
            .values({"deferrals": EmailRow.deferrals + 1, "reason": reason} | times)
            .returning(EmailRow.deferrals, EmailRow.refused_at, EmailRow.denied_at)
        )

        def write(connection: Connection) -> Row[int, datetime | None, datetime | None] | None:
            row = connection.execute(statement).one_or_none()
            if row:
                connection.execute(behind.values(times))
            return row

        row = await self._database.write(write)
        return Refusals(row.deferrals, row.refused_at or at, row.denied_at) if row else None

    async def proves(self, proof: Proof, mail: AddressedNotice, since: datetime) -> bool:
        """Whether this is shown of the mail server: that it takes the e-mails of others.

        No time of sending is later than that at which the server took it.
        """
        if proof is Proof.NOTHING:
            return True
        of_partner = EmailRow.template.in_(templates_for(Audience.PARTNER))
        other = EmailRow.recipient != mail.to.email
        taken = (other, EmailRow.state == LedgerState.SENT, EmailRow.sent_at >= since)
        alike = exists().where(*taken, of_partner)
        anybody = exists().where(*taken)
        fellow = exists().where(
            other, EmailRow.state == LedgerState.PENDING, EmailRow.refused_at.is_not(None), of_partner
        )
        shown: ColumnElement[bool]
        if mail.audience is not Audience.PARTNER:
            shown = anybody
        elif proof is Proof.ALIKE:
            shown = alike
        else:
            shown = or_(alike, and_(anybody, not_(fellow)))
        [[found]] = await self._database.rows(select(shown), {})
        return bool(found)

    async def sent(self, application_id: str, key: str, at: datetime) -> None:
        """Record that the mail server took the e-mail, also one withdrawn while it was on its way.

        Its recipient is not refused any more.
        """
        values = {"application": application_id, "mail": key, "at": at}
        if await self._database.change(_SENT_AT_FIRST, values):
            return

        def write(connection: Connection) -> None:
            row = connection.execute(_SENT, values).one_or_none()
            # What is refused is marked with all that waits behind it, so nothing waits behind what is not.
            if row and row.refused_at:
                waiting = _waiting_for(application_id, row.recipient)
                connection.execute(waiting.values(refused_at=None, denied_at=None))

        await self._database.write(write)

    async def failed(self, application_id: str, key: str, reason: str, at: datetime) -> None:
        """Record that the e-mail will never be delivered, and why."""
        values = {"state": LedgerState.FAILED, "failed_at": at, "reason": reason}
        statement = _in_state(application_id, key, LedgerState.PENDING).values(values)
        await self._database.write(lambda connection: connection.execute(statement))

    async def untold(self, application: Application) -> tuple[tuple[FailedEmail, ...], int]:
        """The newest e-mails that could not be delivered and of which the application does not know; and the
        position of the newest failed one there is."""
        known = (*application.resent_emails, *(email.key for email in application.failed_emails))
        failed = EmailRow.application_id == application.application_id, EmailRow.state == LedgerState.FAILED
        unknown = (
            select(EmailRow.__table__)
            .where(*failed, EmailRow.key.not_in(known))
            .order_by(EmailRow.position.desc())
            .limit(REPORTED_FAILURES)
        )

        def read(connection: Connection) -> tuple[tuple[FailedEmail, ...], int]:
            rows = connection.execute(unknown).all()
            newest = connection.scalar(select(func.max(EmailRow.position)).where(*failed))
            return tuple(failed_email(row) for row in reversed(rows)), newest or 0

        return await self._database.read(read)

    async def of(self, application_id: str) -> list[LedgerRow]:
        """The e-mails of an application in the order they were queued."""
        rows = await self._database.rows(_OF, {"application": application_id})
        return [LedgerRow.model_validate(row, from_attributes=True) for row in rows]


def _in_state(application_id: str, key: str, *states: LedgerState) -> Update:
    """A change of this e-mail's row, as long as it is in one of these states."""
    one = EmailRow.application_id == application_id, EmailRow.key == key
    return update(EmailRow).where(*one, EmailRow.state.in_(states))


_OF: Final = (
    select(EmailRow.__table__)
    .where(EmailRow.application_id == bindparam("application"))
    .order_by(EmailRow.position)
)
_ONE: Final = EmailRow.application_id == bindparam("application"), EmailRow.key == bindparam("mail")
_WAITING: Final = (
    select(
        *(EmailRow.application_id, EmailRow.key, EmailRow.sequence, EmailRow.locale, EmailRow.queued_at),
        *(EmailRow.recipient, EmailRow.refused_at, EmailRow.notice),
    )
    .join(AuditHeadRow, AuditHeadRow.application_id == EmailRow.application_id)
    .where(
        EmailRow.application_id == bindparam("application"),
        EmailRow.state == LedgerState.PENDING,
        AuditHeadRow.generation == bindparam("own"),
    )
    .order_by(EmailRow.position)
)
_ATTEMPT: Final = (
    update(EmailRow)
    .where(
        *_ONE,
        EmailRow.state == LedgerState.PENDING,
        select(AuditHeadRow.generation)
        .where(AuditHeadRow.application_id == bindparam("application"))
        .scalar_subquery()
        == bindparam("own"),
    )
    .values(attempts=EmailRow.attempts + 1, message_id=bindparam("id"), subject=bindparam("said"))
    .returning(EmailRow.key)
)
_SENT: Final = (
    update(EmailRow)
    .where(*_ONE, EmailRow.state.in_((LedgerState.PENDING, LedgerState.WITHDRAWN)))
    .values(state=LedgerState.SENT, sent_at=bindparam("at"), reason=None)
    .returning(EmailRow.recipient, EmailRow.refused_at)
)
_SENT_AT_FIRST: Final = _SENT.where(EmailRow.refused_at.is_(None))
_STANDING: Final = (
    select(
        *(AuditHeadRow.generation, EmailRow.key, EmailRow.template, EmailRow.recipient, EmailRow.state),
        *(EmailRow.position, EmailRow.reason, EmailRow.refused_at, EmailRow.queued_at, EmailRow.failed_at),
        an_endpoint_sleeps().label("to_wake"),
    )
    .outerjoin(
        EmailRow,
        and_(
            EmailRow.application_id == AuditHeadRow.application_id,
            or_(
                EmailRow.state == LedgerState.PENDING,
                and_(EmailRow.state == LedgerState.FAILED, EmailRow.position > bindparam("through")),
            ),
        ),
    )
    .where(AuditHeadRow.application_id == bindparam("application"))
    .order_by(EmailRow.position)
)


def _waiting_for(application_id: str, recipient: str) -> Update:
    """A change of the rows of all that waits for this recipient."""
    return update(EmailRow).where(
        EmailRow.application_id == application_id,
        EmailRow.recipient == recipient,
        EmailRow.state == LedgerState.PENDING,
    )


def _refused(rows: Iterable[AnyRow]) -> set[str]:
    """The recipients who are refused for now."""
    return {row.recipient for row in rows if row.refused_at}


def read_waiting(connection: Connection, lineage: Lineage, *, put_off: bool) -> Waiting:
    """What `EmailLedger.waiting` is made from."""
    application_id = lineage.application_id
    values = {"application": application_id, "own": lineage.generation}
    rows = connection.execute(_WAITING, values).all()
    if not put_off:
        refused = _refused(rows)
        rows = [row for row in rows if row.recipient not in refused]
    notices = [row.notice["notice"] for row in rows if row.notice]
    forms = {notice["form_revision"] for notice in notices if notice.get("form_revision")}
    return Waiting(
        rows,
        # All of them: each shows how it differs from the one before.
        sheet_rows(connection, application_id)
        if any(notice.get("sheet_revision") for notice in notices)
        else (),
        form_rows(connection, application_id, forms) if forms else (),
    )


def _mail(
    row: AnyRow, sheets: Mapping[int, IssuedSheet], forms: Mapping[int, ApplicationForm]
) -> AddressedNotice:
    queued = QueuedNotice.model_validate(row.notice)
    notice = queued.notice
    return AddressedNotice(
        key=row.key,
        sequence=row.sequence or 0,
        application_id=row.application_id,
        locale=row.locale,
        at=row.queued_at,
        to=queued.to,
        bd=queued.bd,
        time_zone=queued.time_zone,
        company_master_uid=queued.company_master_uid,
        company_name=queued.company_name,
        status_text=queued.status_text,
        notice=notice,
        sheet=sheets.get(getattr(notice, "sheet_revision", 0)),
        form=forms.get(getattr(notice, "form_revision", 0)),
    )


def failed_email(row: AnyRow) -> FailedEmail:
    """What a workflow is told of an e-mail that could not be delivered."""
    return FailedEmail(
        key=row.key,
        template=row.template,
        to=row.recipient,
        reason=(row.reason or "")[:SHOWN_REASON],
        at=row.failed_at or row.queued_at,
    )
