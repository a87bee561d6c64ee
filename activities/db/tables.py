"""The tables. The schema itself is made by the migrations beside this file, never from here."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Index, MetaData, Text, TypeDecorator, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from activities.db.storable import plain


class UtcInstant(TypeDecorator[datetime]):
    """An instant: aware and in UTC on both databases (SQLite itself keeps no zone)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store in UTC; a naive datetime is a bug and raises ``ValueError``."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Read in UTC, whatever the zone of the session."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class ForeignText(TypeDecorator[str]):
    """Text that came from outside unchecked, such as what a mail server answers."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Replace what a database can't store."""
        return None if value is None else plain(value)


class Base(DeclarativeBase):
    """Base of all tables; constraints have names, so that migrations can change them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    # JSON, not JSONB: it keeps the order of fields, and escapes such as \u0000 that refused input may have.
    type_annotation_map: ClassVar[dict[Any, Any]] = {dict[str, Any]: JSON, datetime: UtcInstant, str: Text}


class SchemaRow(Base):
    """What a release that does not know the schema's ``revision`` has to know to run on it all the same.

    ``runs_from`` is the newest step that ended the compatibility with the code before it; the only row.
    """

    __tablename__ = "schema_revision"

    revision: Mapped[str] = mapped_column(primary_key=True)
    runs_from: Mapped[str]


class ApplicationRow(Base):
    """The newest stored state of an application; the workflow is the truth, a row may lag.

    ``state`` is the `domain.state.Application` without its documents, which have tables of their own;
    ``status`` is what follows from it, for who reads by SQL. Rows of release 0.1.0 have no ``state``.
    ``bd`` and ``bd_lead`` are who is in charge, by e-mail address in small letters; ``desk`` is that of the
    state.
    """

    __tablename__ = "applications"
    __table_args__ = (
        Index("ix_applications_desk", "desk", "created_at"),
        # As lists go by it.
        Index("ix_applications_created_at", "created_at", "application_id"),
        # No column that changes with each event: an update that touches no index is a cheaper one.
        Index("ix_applications_bd", "bd"),
    )

    application_id: Mapped[str] = mapped_column(primary_key=True)
    workflow_id: Mapped[str]
    company_master_uid: Mapped[str] = mapped_column(index=True)
    company_name: Mapped[str]
    stage: Mapped[str]
    waiting_on: Mapped[str]
    due_at: Mapped[datetime | None]
    overdue: Mapped[bool]
    sequence: Mapped[int]
    status: Mapped[dict[str, Any]]
    state: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    bd: Mapped[str | None]
    bd_lead: Mapped[str | None]
    desk: Mapped[str | None]


class AuditHeadRow(Base):
    """Where the audit trail of an application ends.

    ``generation``: how often Temporal's Reset has turned the application back. Only who knows the newest
    one writes, and whoever writes holds this row until he has done so. ``logged``: up to which event the log
    has its events.
    """

    __tablename__ = "audit_heads"
    __table_args__ = (
        Index(
            "ix_audit_heads_logged",
            "application_id",
            postgresql_where=text("logged < sequence"),
            sqlite_where=text("logged < sequence"),
        ),
    )

    application_id: Mapped[str] = mapped_column(primary_key=True)
    generation: Mapped[int]
    sequence: Mapped[int]
    hash: Mapped[str | None]
    logged: Mapped[int] = mapped_column(server_default="0")


class AuditEventRow(Base):
    """One event of the audit trail, accepted or refused; never changed. Chained as `domain/chain.py` says."""

    __tablename__ = "audit_events"

    application_id: Mapped[str] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    command: Mapped[str] = mapped_column(ForeignText)
    verdict: Mapped[str]
    command_id: Mapped[str | None] = mapped_column(ForeignText)
    actor: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    occurred_at: Mapped[datetime | None]
    from_stage: Mapped[str]
    to_stage: Mapped[str]
    error: Mapped[str | None]
    message: Mapped[str | None] = mapped_column(ForeignText)
    form_revision: Mapped[int | None]
    sheet_revision: Mapped[int | None]
    via: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    details: Mapped[dict[str, Any]]
    previous_hash: Mapped[str | None]
    salt: Mapped[str | None]
    commitment: Mapped[str | None]
    hash: Mapped[str | None]


class FormRow(Base):
    """One submitted revision of the application form, by the event ``sequence``; ``void``: before a reset."""

    __tablename__ = "forms"

    application_id: Mapped[str] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sequence: Mapped[int]
    content: Mapped[dict[str, Any]]
    submitted_at: Mapped[datetime]
    void: Mapped[bool]


class DecisionSheetRow(Base):
    """One immutable revision of a decision sheet, issued by the event ``sequence``; ``void``: before a reset.

    The differences follow from the revision it ``replaces``.
    """

    __tablename__ = "decision_sheets"

    application_id: Mapped[str] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hash: Mapped[str]
    content: Mapped[dict[str, Any]]
    issued_at: Mapped[datetime]
    sequence: Mapped[int | None]
    replaces: Mapped[int | None]
    void: Mapped[bool]


class EmailRow(Base):
    """One e-mail in the ledger, from the transition it tells of; ``position`` orders those of an application.

    ``notice``: what it will say; ``subject`` and ``message_id`` are empty until the first attempt.
    ``refused_at``: when its recipient was first refused; ``denied_at``: the same, but "for good" and ever
    since.
    """

    __tablename__ = "emails"
    __table_args__ = (
        Index("ix_emails_state", "application_id", "state"),
        Index("ix_emails_sent_at", "sent_at"),
        Index("ix_emails_refused_at", "state", "refused_at"),
    )

    application_id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    template: Mapped[str]
    locale: Mapped[str]
    recipient: Mapped[str]
    subject: Mapped[str]
    message_id: Mapped[str]
    state: Mapped[str]
    attempts: Mapped[int]
    deferrals: Mapped[int]
    reason: Mapped[str | None] = mapped_column(ForeignText)
    queued_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    sequence: Mapped[int | None]
    notice: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    refused_at: Mapped[datetime | None]
    denied_at: Mapped[datetime | None]


class AccessGrantRow(Base):
    """ACPN access of one account, by one application."""

    __tablename__ = "access_grants"

    application_id: Mapped[str] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(primary_key=True)
    company_master_uid: Mapped[str] = mapped_column(index=True)
    granted_at: Mapped[datetime]


class CoveredAccountRow(Base):
    """An account that an application which runs, or is active, is for: found by UID, whoever the applicant
    is."""

    __tablename__ = "covered_accounts"

    application_id: Mapped[str] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(primary_key=True, index=True)


class AccountRow(Base):
    """An account of the embedded account directory; without ``legal_name`` no enterprise is known for it."""

    __tablename__ = "accounts"

    uid: Mapped[str] = mapped_column(primary_key=True)
    legal_name: Mapped[str | None]
    registration_number: Mapped[str | None]
    country: Mapped[str | None]
    verified: Mapped[bool]
    business_type: Mapped[str | None]
    partner_level: Mapped[str | None]
    credit_control: Mapped[bool]


class EventLogRow(Base):
    """Where an event stands among the events of all applications (`event_log.py`)."""

    __tablename__ = "event_log"
    __table_args__ = (Index("ix_event_log_event", "application_id", "sequence", unique=True),)

    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    application_id: Mapped[str]
    sequence: Mapped[int]


class EventLogEndRow(Base):
    """The last position of the log; the only row. Who numbers events holds it until he has done so."""

    __tablename__ = "event_log_end"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(BigInteger)


class WebhookEndpointRow(Base):
    """Where events are delivered to (`webhook_endpoints.py`).

    ``types``: which, ``NULL`` for all. ``secrets``: those that sign, the newest first, an older one ``until``
    some time. ``position``: up to where in the log there are rows of what is to be delivered.
    ``at_work_until``: until then nobody needs to wake who delivers. ``told_at``: when the operators were told
    that it is off.
    """

    __tablename__ = "webhook_endpoints"

    endpoint_id: Mapped[str] = mapped_column(primary_key=True)
    url: Mapped[str]
    types: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    secrets: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    state: Mapped[str]
    position: Mapped[int] = mapped_column(BigInteger)
    at_work_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    switched_off_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(ForeignText)
    told_at: Mapped[datetime | None]


class WebhookDeliveryRow(Base):
    """What is to be delivered to an endpoint, or was (`webhook_deliveries.py`).

    ``place``: among the deliveries of its event. ``tried_since``: the first attempt of those that count for
    switching the endpoint off. ``answer``: the HTTP status of the latest, ``reason``: why it did not do.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index("ix_webhook_deliveries_state", "endpoint_id", "state", "application_id", "sequence", "place"),
    )

    endpoint_id: Mapped[str] = mapped_column(primary_key=True)
    webhook_id: Mapped[str] = mapped_column(primary_key=True)
    application_id: Mapped[str]
    sequence: Mapped[int]
    place: Mapped[int]
    type: Mapped[str]
    state: Mapped[str]
    attempts: Mapped[int]
    queued_at: Mapped[datetime]
    tried_since: Mapped[datetime | None]
    next_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]
    answer: Mapped[int | None]
    reason: Mapped[str | None] = mapped_column(ForeignText)


class SignatureDeliveryRow(Base):
    """A verified delivery of a signature provider, by what tells its event from others; it is stored once.

    ``state``: what was in it. Of its body only the SHA-256 is kept.
    """

    __tablename__ = "signature_deliveries"

    provider: Mapped[str] = mapped_column(primary_key=True)
    event: Mapped[str] = mapped_column(primary_key=True)
    received_at: Mapped[datetime]
    body_hash: Mapped[str]
    state: Mapped[str]


class SignatureRow(Base):
    """A signature that a provider has reported, by the ID of the command it becomes.

    ``content`` is the `domain.signatures.ReceivedSignature` as it came first; ``state``: whether it waits to
    be carried to its application, or what became of it there.
    """

    __tablename__ = "signatures"
    __table_args__ = (Index("ix_signatures_state", "state", "received_at"),)

    command_id: Mapped[str] = mapped_column(primary_key=True)
    application_id: Mapped[str] = mapped_column(index=True)
    content: Mapped[dict[str, Any]]
    received_at: Mapped[datetime]
    state: Mapped[str]
    error: Mapped[str | None]
    message: Mapped[str | None] = mapped_column(ForeignText)
    settled_at: Mapped[datetime | None]
