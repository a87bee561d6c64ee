"""One write path: heads, chained events, forms of their own, notices in the ledger; who may run on it"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Release 0.1.0 refuses every schema but its own, and its histories end with it.
PHASE = "break"


def upgrade() -> None:
    op.create_table(
        "schema_revision",
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("runs_from", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_schema_revision")),
    )
    op.create_table(
        "audit_heads",
        sa.Column("application_id", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("application_id", name=op.f("pk_audit_heads")),
    )
    op.create_table(
        "forms",
        sa.Column("application_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("void", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("application_id", "revision", name=op.f("pk_forms")),
    )
    for table, columns in {
        "applications": (sa.Column("state", sa.JSON(), nullable=True),),
        "audit_events": (
            sa.Column("form_revision", sa.Integer(), nullable=True),
            sa.Column("via", sa.JSON(), nullable=True),
            sa.Column("previous_hash", sa.Text(), nullable=True),
            sa.Column("salt", sa.Text(), nullable=True),
            sa.Column("commitment", sa.Text(), nullable=True),
            sa.Column("hash", sa.Text(), nullable=True),
        ),
        "decision_sheets": (
            sa.Column("sequence", sa.Integer(), nullable=True),
            sa.Column("replaces", sa.Integer(), nullable=True),
            sa.Column("void", sa.Boolean(), nullable=False, server_default=sa.false()),
        ),
        "emails": (
            sa.Column("sequence", sa.Integer(), nullable=True),
            sa.Column("notice", sa.JSON(), nullable=True),
            sa.Column("refused_at", sa.DateTime(timezone=True), nullable=True),
            sa.Column("denied_at", sa.DateTime(timezone=True), nullable=True),
        ),
    }.items():
        for column in columns:
            op.add_column(table, column)
    op.create_table(
        "covered_accounts",
        sa.Column("application_id", sa.Text(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("application_id", "uid", name=op.f("pk_covered_accounts")),
    )
    op.create_index(op.f("ix_covered_accounts_uid"), "covered_accounts", ["uid"])
    op.execute(
        "INSERT INTO covered_accounts (application_id, uid) SELECT application_id, uid FROM access_grants"
    )
    # Until now a revision replaced the one before it.
    op.execute("UPDATE decision_sheets SET replaces = revision - 1 WHERE revision > 1")
    op.create_index(op.f("ix_emails_state"), "emails", ["application_id", "state"])
    op.create_index(op.f("ix_emails_sent_at"), "emails", ["sent_at"])
    op.create_index(op.f("ix_emails_refused_at"), "emails", ["state", "refused_at"])


def downgrade() -> None:
    for index in ("ix_emails_refused_at", "ix_emails_sent_at", "ix_emails_state"):
        op.drop_index(op.f(index), "emails")
    for table, names in {
        "emails": ("denied_at", "refused_at", "notice", "sequence"),
        "decision_sheets": ("void", "replaces", "sequence"),
        "applications": ("state",),
        "audit_events": ("hash", "commitment", "salt", "previous_hash", "via", "form_revision"),
    }.items():
        for name in names:
            op.drop_column(table, name)
    op.drop_table("covered_accounts")
    op.drop_table("forms")
    op.drop_table("audit_heads")
    op.drop_table("schema_revision")
