"""Desks: who is in charge of an application, and whose desk it is, as columns with an index"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

PHASE = "expand"

_IN_CHARGE = {
    "sqlite": "UPDATE applications SET bd = lower(json_extract(state, '$.bd.email')),"
    " bd_lead = lower(json_extract(state, '$.bd_lead.email')) WHERE state IS NOT NULL",
    "postgresql": "UPDATE applications SET bd = lower(state -> 'bd' ->> 'email'),"
    " bd_lead = lower(state -> 'bd_lead' ->> 'email') WHERE state IS NOT NULL",
}


def upgrade() -> None:
    for column in ("bd", "bd_lead", "desk"):
        op.add_column("applications", sa.Column(column, sa.Text(), nullable=True))
    op.execute(_IN_CHARGE[op.get_bind().dialect.name])
    op.create_index(op.f("ix_applications_desk"), "applications", ["desk", "created_at"])
    op.create_index(op.f("ix_applications_bd"), "applications", ["bd"])


def downgrade() -> None:
    op.drop_index(op.f("ix_applications_bd"), "applications")
    op.drop_index(op.f("ix_applications_desk"), "applications")
    for column in ("desk", "bd_lead", "bd"):
        op.drop_column("applications", column)
