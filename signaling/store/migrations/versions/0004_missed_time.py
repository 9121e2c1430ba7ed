"""What a ticket missed of the time on air, in place of what it got of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_READ = (
    "SELECT deliveries.sale, offers.on_air_us - deliveries.delivered_us AS missed_us FROM deliveries "
    "JOIN sales ON sales.sale = deliveries.sale JOIN offers ON offers.space = sales.space"
)


def upgrade() -> None:
    kept = [
        {"sale": row.sale, "missed_us": max(0, row.missed_us)}
        for row in op.get_bind().execute(sa.text(_READ))
    ]
    op.drop_table("deliveries")
    made = op.create_table(
        "deliveries",
        sa.Column("sale", sa.LargeBinary(length=16), nullable=False),
        sa.Column("missed_us", sa.BigInteger, nullable=False),
        sa.CheckConstraint("missed_us >= 0", name=op.f("ck_deliveries_missed_positive")),
        sa.ForeignKeyConstraint(["sale"], ["sales.sale"], name="fk_deliveries_sale"),
        sa.PrimaryKeyConstraint("sale", name="pk_deliveries"),
    )
    if kept:
        op.bulk_insert(made, kept)


def downgrade() -> None:
    raise NotImplementedError(
        "revision 0003 cannot say what a ticket missed; restore a copy made before 0004"
    )
