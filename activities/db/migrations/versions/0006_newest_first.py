"""Newest first: an index that lists of all applications go by, page by page"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

PHASE = "expand"


def upgrade() -> None:
    op.create_index(op.f("ix_applications_created_at"), "applications", ["created_at", "application_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_applications_created_at"), "applications")
