"""Refunds keep the fee that came back with them and the host's note; charges, why they were declined."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("refunds") as table:
        table.add_column(sa.Column("fee_returned_minor", sa.BigInteger, nullable=False, server_default="0"))
        table.add_column(sa.Column("note", sa.String(100), nullable=False, server_default=""))
        table.create_check_constraint(op.f("ck_refunds_fee_returned_positive"), "fee_returned_minor >= 0")
    with op.batch_alter_table("charges") as table:
        table.add_column(sa.Column("decline_code", sa.String(64), nullable=False, server_default=""))


def downgrade() -> None:
    raise NotImplementedError("revision 0004 cannot hold what 0005 keeps; restore a copy made before it")
