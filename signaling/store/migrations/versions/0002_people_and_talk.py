"""People's graph, plans, settings and roles of Spaces, invitations, talk, reports, audit and the outbox."""

from __future__ import annotations

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COUNTING = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _alter_accounts()
    _alter_spaces()
    _alter_stage()
    _people()
    _spaces()
    _talk()
    _records()


def downgrade() -> None:
    raise NotImplementedError("revision 0001 cannot hold what 0002 keeps; restore a copy made before it")


def _small(name: str, default: str) -> sa.Column[int]:
    return sa.Column(name, sa.SmallInteger, nullable=False, server_default=default)


def _alter_accounts() -> None:
    with op.batch_alter_table("accounts") as table:
        table.add_column(sa.Column("handle", sa.String(30)))
        table.add_column(sa.Column("skeleton", sa.Text))
        table.add_column(sa.Column("followers", sa.Integer, nullable=False, server_default="0"))
        table.add_column(sa.Column("following", sa.Integer, nullable=False, server_default="0"))
        table.create_unique_constraint("uq_accounts_handle", ["handle"])
        table.create_unique_constraint("uq_accounts_skeleton", ["skeleton"])
        table.create_check_constraint(
            op.f("ck_accounts_handle_whole"), "(handle IS NULL) = (skeleton IS NULL)"
        )
        table.create_check_constraint(
            op.f("ck_accounts_counts_positive"), "followers >= 0 AND following >= 0"
        )


def _alter_spaces() -> None:
    with op.batch_alter_table("spaces") as table:
        for check in ("state_known", "ended_when", "ended_why"):
            table.drop_constraint(op.f(f"ck_spaces_{check}"), type_="check")
        table.alter_column("opened_us", existing_type=sa.BigInteger, nullable=True)
        # Filled below, and never empty from then on.
        table.add_column(sa.Column("founder", sa.String(64)))
        table.add_column(sa.Column("kind", sa.String(16), nullable=False, server_default=""))
        table.add_column(_small("who_may_speak", "0"))
        table.add_column(_small("queue_order", "0"))
        table.add_column(_small("locked", "0"))
        table.add_column(sa.Column("starts_us", sa.BigInteger))
        table.add_column(sa.Column("notice_us", sa.BigInteger))
        table.add_column(sa.Column("news_us", sa.BigInteger))
        table.add_column(sa.Column("title_folded", sa.Text))
    _fill_spaces()
    known = "('scheduled', 'live', 'ended', 'cancelled', 'timed_out')"
    checks = {
        "state_known": f"state IN {known}",
        "opened_when": "(state IN ('scheduled', 'cancelled')) = (opened_us IS NULL)",
        "ended_when": "(state IN ('scheduled', 'live')) = (ended_us IS NULL)",
        "ended_why": "(state IN ('scheduled', 'live')) = (ended_reason IS NULL)",
        "planned_when": "opened_us IS NOT NULL OR starts_us IS NOT NULL",
        "who_may_speak_known": "who_may_speak BETWEEN 0 AND 2",
        "queue_order_known": "queue_order IN (0, 1)",
        "locked_known": "locked IN (0, 1)",
    }
    with op.batch_alter_table("spaces") as table:
        table.alter_column("founder", existing_type=sa.String(64), nullable=False)
        table.alter_column("title_folded", existing_type=sa.Text, nullable=False)
        table.create_foreign_key("fk_spaces_founder", "accounts", ["founder"], ["user"])
        for name, check in checks.items():
            table.create_check_constraint(op.f(f"ck_spaces_{name}"), check)
        table.create_index("ix_spaces_state_starts_us_space", ["state", "starts_us", "space"])
        table.create_index("ix_spaces_host_state", ["host", "state"])


def _fill_spaces() -> None:
    connection = op.get_bind()
    spaces = sa.table(
        "spaces", sa.column("space"), sa.column("title"), sa.column("host"), *map(sa.column, _FILLED)
    )
    for space, title, host in connection.execute(sa.select(spaces.c.space, spaces.c.title, spaces.c.host)):
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", title).casefold())
        connection.execute(
            spaces.update().where(spaces.c.space == space).values(founder=host, title_folded=folded)
        )


_FILLED = ("founder", "title_folded")


def _alter_stage() -> None:
    with op.batch_alter_table("stage") as table:
        table.add_column(_small("held", "0"))
        table.add_column(_small("volume_pct", "100"))
        table.drop_constraint(op.f("ck_stage_role_known"), type_="check")
        table.create_check_constraint(op.f("ck_stage_role_known"), "role IN (1, 2, 3)")
        table.create_check_constraint(op.f("ck_stage_held_known"), "held IN (0, 1)")
        table.create_check_constraint(op.f("ck_stage_volume_range"), "volume_pct BETWEEN 0 AND 100")


def _people() -> None:
    for table, one, other in (("follows", "follower", "followed"), ("blocks", "blocker", "blocked")):
        op.create_table(
            table,
            sa.Column(one, sa.String(64), nullable=False),
            sa.Column(other, sa.String(64), nullable=False),
            sa.Column("since_us", sa.BigInteger, nullable=False),
            sa.PrimaryKeyConstraint(one, other, name=f"pk_{table}"),
            sa.ForeignKeyConstraint([one], ["accounts.user"], name=f"fk_{table}_{one}"),
            sa.ForeignKeyConstraint([other], ["accounts.user"], name=f"fk_{table}_{other}"),
            sa.CheckConstraint(f"{one} <> {other}", name=op.f(f"ck_{table}_another")),
            sqlite_with_rowid=False,
        )
        op.create_index(f"ix_{table}_{other}_{one}", table, [other, one])


def _of_space(table: str, key: str, *columns: sa.schema.SchemaItem, users: tuple[str, ...] = ()) -> None:
    """A table of what belongs to a Space and is known in it by `key`; `users` are columns with an account."""
    op.create_table(
        table,
        sa.Column("space", sa.LargeBinary(16), nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("space", key, name=f"pk_{table}"),
        sa.ForeignKeyConstraint(["space"], ["spaces.space"], name=f"fk_{table}_space"),
        *(sa.ForeignKeyConstraint([user], ["accounts.user"], name=f"fk_{table}_{user}") for user in users),
    )


def _text(name: str, chars: int | None = 64, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text if chars is None else sa.String(chars), nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable)


def _spaces() -> None:
    _of_space(
        "space_topics",
        "place",
        sa.Column("place", sa.SmallInteger, nullable=False),
        _text("topic"),
        sa.UniqueConstraint("space", "topic", name="uq_space_topics_space_topic"),
    )
    op.create_index("ix_space_topics_topic_space", "space_topics", ["topic", "space"])
    _of_space("spoke", "user", _text("user"), users=("user",))
    _of_space(
        "invites",
        "user",
        *(_text("user"), _text("by"), _number("invited_us"), _number("expires_us")),
        users=("user", "by"),
    )
    _of_space(
        "links",
        "digest",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        *(_text("by"), _number("made_us"), _number("expires_us"), _text("used_by", nullable=True)),
        sa.CheckConstraint("length(digest) = 32", name=op.f("ck_links_digest_length")),
        users=("by", "used_by"),
    )
    _of_space("reminders", "user", _text("user"), _number("told_us"), users=("user",))
    op.create_index("ix_reminders_user_space", "reminders", ["user", "space"])


def _talk() -> None:
    for table, key in (("posts", "post"), ("notes", "note"), ("pins", "pin")):
        _of_space(
            table,
            key,
            *(_number(key), _text("user"), _text("text", None), _number("at_us")),
            *((_number("reply_to", nullable=True),) if table == "posts" else ()),
            sa.CheckConstraint(f"{key} >= 1", name=op.f(f"ck_{table}_{key}_positive")),
            users=("user",),
        )


def _records() -> None:
    op.create_table(
        "reports",
        sa.Column("report", _COUNTING, nullable=False),
        sa.Column("space", sa.LargeBinary(16), nullable=False),
        *(_text("by"), _text("target"), _text("reason"), _text("text", None), _number("at_us")),
        *(_text("title", 1000), _text("evidence", None)),
        sa.PrimaryKeyConstraint("report", name="pk_reports"),
        sa.ForeignKeyConstraint(["space"], ["spaces.space"], name="fk_reports_space"),
    )
    op.create_index("ix_reports_space_report", "reports", ["space", "report"])
    _of_space(
        "audit",
        "entry",
        *(_number("entry"), _number("at_us"), _text("actor"), _text("action"), _text("target")),
        _text("detail", None),
        sa.CheckConstraint("entry >= 1", name=op.f("ck_audit_entry_positive")),
    )
    op.create_table(
        "outbox",
        sa.Column("serial", _COUNTING, nullable=False),
        sa.Column("space", sa.LargeBinary(16), nullable=False),
        *(_text("receiver", 200), _text("event_id")),
        sa.Column("body", sa.LargeBinary, nullable=False),
        _number("made_us"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        _number("next_us"),
        sa.PrimaryKeyConstraint("serial", name="pk_outbox"),
        sa.UniqueConstraint("receiver", "event_id", name="uq_outbox_receiver_event_id"),
    )
    op.create_index("ix_outbox_receiver_space_serial", "outbox", ["receiver", "space", "serial"])
    op.create_index("ix_outbox_next_us_serial", "outbox", ["next_us", "serial"])
