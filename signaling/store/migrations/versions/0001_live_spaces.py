"""Accounts, live Spaces, their stage, open asks and bans."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("user", sa.String(64), nullable=False),
        sa.Column("name", sa.String(50), nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("user", name="pk_accounts"),
        sa.CheckConstraint('length("user") BETWEEN 1 AND 64', name=op.f("ck_accounts_user_length")),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 50", name=op.f("ck_accounts_name_length")),
    )
    op.create_table(
        "spaces",
        sa.Column("space", sa.LargeBinary(16), nullable=False),
        sa.Column("title", sa.String(1000), nullable=False),
        sa.Column("host", sa.String(64), nullable=False),
        sa.Column("host_name", sa.String(50), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("opened_us", sa.BigInteger, nullable=False),
        sa.Column("ended_us", sa.BigInteger),
        sa.Column("ended_reason", sa.String(64)),
        sa.PrimaryKeyConstraint("space", name="pk_spaces"),
        sa.ForeignKeyConstraint(["host"], ["accounts.user"], name="fk_spaces_host"),
        sa.CheckConstraint("length(space) = 16", name=op.f("ck_spaces_space_length")),
        sa.CheckConstraint("state IN ('live', 'ended')", name=op.f("ck_spaces_state_known")),
        sa.CheckConstraint("(state = 'ended') = (ended_us IS NOT NULL)", name=op.f("ck_spaces_ended_when")),
        sa.CheckConstraint(
            "(state = 'ended') = (ended_reason IS NOT NULL)", name=op.f("ck_spaces_ended_why")
        ),
    )
    op.create_index("ix_spaces_state_opened_us_space", "spaces", ["state", "opened_us", "space"])
    live = sa.text("state = 'live'")
    op.create_index(
        "uq_spaces_live_host", "spaces", ["host"], unique=True, sqlite_where=live, postgresql_where=live
    )
    op.create_table(
        "stage",
        sa.Column("space", sa.LargeBinary(16), nullable=False),
        sa.Column("user", sa.String(64), nullable=False),
        sa.Column("seat", sa.SmallInteger, nullable=False),
        sa.Column("role", sa.SmallInteger, nullable=False),
        sa.Column("muted", sa.SmallInteger, nullable=False),
        sa.Column("since_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("space", "user", name="pk_stage"),
        sa.ForeignKeyConstraint(["space"], ["spaces.space"], name="fk_stage_space"),
        sa.ForeignKeyConstraint(["user"], ["accounts.user"], name="fk_stage_user"),
        sa.UniqueConstraint("space", "seat", name="uq_stage_space_seat"),
        sa.CheckConstraint("seat BETWEEN 0 AND 255", name=op.f("ck_stage_seat_range")),
        sa.CheckConstraint("role IN (1, 2)", name=op.f("ck_stage_role_known")),
        sa.CheckConstraint("muted IN (0, 1)", name=op.f("ck_stage_muted_known")),
    )
    op.create_table(
        "asks",
        sa.Column("ask", sa.Integer, nullable=False),
        sa.Column("space", sa.LargeBinary(16), nullable=False),
        sa.Column("user", sa.String(64), nullable=False),
        sa.Column("asked_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("ask", name="pk_asks"),
        sa.ForeignKeyConstraint(["space"], ["spaces.space"], name="fk_asks_space"),
        sa.ForeignKeyConstraint(["user"], ["accounts.user"], name="fk_asks_user"),
        sa.UniqueConstraint("space", "user", name="uq_asks_space_user"),
    )
    op.create_table(
        "bans",
        sa.Column("space", sa.LargeBinary(16), nullable=False),
        sa.Column("user", sa.String(64), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("banned_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("space", "user", name="pk_bans"),
        sa.ForeignKeyConstraint(["space"], ["spaces.space"], name="fk_bans_space"),
        sa.ForeignKeyConstraint(["user"], ["accounts.user"], name="fk_bans_user"),
        sa.ForeignKeyConstraint(["by"], ["accounts.user"], name="fk_bans_by"),
    )


def downgrade() -> None:
    for table in ("bans", "asks", "stage", "spaces", "accounts"):
        op.drop_table(table)
