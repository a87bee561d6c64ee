"""Signatures in: the deliveries of signature providers, and what was signed"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

PHASE = "expand"


def upgrade() -> None:
    op.create_table(
        "signature_deliveries",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body_hash", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "event", name=op.f("pk_signature_deliveries")),
    )
    op.create_table(
        "signatures",
        sa.Column("command_id", sa.Text(), nullable=False),
        sa.Column("application_id", sa.Text(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("command_id", name=op.f("pk_signatures")),
    )
    op.create_index(op.f("ix_signatures_state"), "signatures", ["state", "received_at"])
    op.create_index(op.f("ix_signatures_application_id"), "signatures", ["application_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_signatures_application_id"), "signatures")
    op.drop_index(op.f("ix_signatures_state"), "signatures")
    op.drop_table("signatures")
    op.drop_table("signature_deliveries")
