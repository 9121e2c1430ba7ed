"""The tables as they are now. `migrations/` is how a database gets there; a test holds the two together.

Times are integer microseconds since the epoch, Space ids 16 bytes, users the subjects of tokens, yes and no
1 and 0. What is evidence (`reports`, `audit`) names people without asking for their accounts.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

# Named by rule, so that later migrations can name what they drop, on any database.
METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

# A number that counts up; SQLite makes those of INTEGER columns only.
COUNTING = BigInteger().with_variant(Integer(), "sqlite")


def _space() -> Column[bytes]:
    return Column("space", LargeBinary(16), ForeignKey("spaces.space"), primary_key=True)


def user_column(name: str = "user", *, key: bool = False) -> Column[str]:
    return Column(name, String(64), ForeignKey("accounts.user"), primary_key=key, nullable=False)


accounts = Table(
    "accounts",
    METADATA,
    Column("user", String(64), primary_key=True),
    Column("name", String(50), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("handle", String(30)),
    # What the handle looks like: two that look alike are one (UTS #39).
    Column("skeleton", Text),
    # How many rows `follows` has for them, changed in the same transaction.
    Column("followers", Integer, nullable=False, server_default="0"),
    Column("following", Integer, nullable=False, server_default="0"),
    UniqueConstraint("handle"),
    UniqueConstraint("skeleton"),
    CheckConstraint('length("user") BETWEEN 1 AND 64', name="user_length"),
    CheckConstraint("length(name) BETWEEN 1 AND 50", name="name_length"),
    CheckConstraint("(handle IS NULL) = (skeleton IS NULL)", name="handle_whole"),
    CheckConstraint("followers >= 0 AND following >= 0", name="counts_positive"),
)

follows = Table(
    "follows",
    METADATA,
    user_column("follower", key=True),
    user_column("followed", key=True),
    Column("since_us", BigInteger, nullable=False),
    CheckConstraint("follower <> followed", name="another"),
    Index("ix_follows_followed_follower", "followed", "follower"),
    sqlite_with_rowid=False,
)

blocks = Table(
    "blocks",
    METADATA,
    user_column("blocker", key=True),
    user_column("blocked", key=True),
    Column("since_us", BigInteger, nullable=False),
    CheckConstraint("blocker <> blocked", name="another"),
    Index("ix_blocks_blocked_blocker", "blocked", "blocker"),
    sqlite_with_rowid=False,
)

spaces = Table(
    "spaces",
    METADATA,
    Column("space", LargeBinary(16), primary_key=True),
    Column("title", String(1000), nullable=False),
    user_column("host"),
    Column("host_name", String(50), nullable=False),
    Column("state", String(16), nullable=False),
    Column("opened_us", BigInteger),
    Column("ended_us", BigInteger),
    Column("ended_reason", String(64)),
    user_column("founder"),
    Column("kind", String(16), nullable=False, server_default=""),
    Column("who_may_speak", SmallInteger, nullable=False, server_default="0"),
    Column("queue_order", SmallInteger, nullable=False, server_default="0"),
    Column("locked", SmallInteger, nullable=False, server_default="0"),
    # When a scheduled one begins, and when its host was told that it soon will.
    Column("starts_us", BigInteger),
    Column("notice_us", BigInteger),
    # When there was last something to tell those with a reminder: started, moved, cancelled.
    Column("news_us", BigInteger),
    # The title as it is searched: without differences of case and of form.
    Column("title_folded", Text, nullable=False),
    CheckConstraint("length(space) = 16", name="space_length"),
    CheckConstraint("state IN ('scheduled', 'live', 'ended', 'cancelled', 'timed_out')", name="state_known"),
    CheckConstraint("(state IN ('scheduled', 'cancelled')) = (opened_us IS NULL)", name="opened_when"),
    CheckConstraint("(state IN ('scheduled', 'live')) = (ended_us IS NULL)", name="ended_when"),
    CheckConstraint("(state IN ('scheduled', 'live')) = (ended_reason IS NULL)", name="ended_why"),
    CheckConstraint("opened_us IS NOT NULL OR starts_us IS NOT NULL", name="planned_when"),
    CheckConstraint("who_may_speak BETWEEN 0 AND 2", name="who_may_speak_known"),
    CheckConstraint("queue_order IN (0, 1)", name="queue_order_known"),
    CheckConstraint("locked IN (0, 1)", name="locked_known"),
    Index("ix_spaces_state_opened_us_space", "state", "opened_us", "space"),
    Index("ix_spaces_state_starts_us_space", "state", "starts_us", "space"),
    Index("ix_spaces_host_state", "host", "state"),
    # Two requests at once cannot make one person the host of two live Spaces.
    Index(
        "uq_spaces_live_host",
        "host",
        unique=True,
        sqlite_where=text("state = 'live'"),
        postgresql_where=text("state = 'live'"),
    ),
)

space_topics = Table(
    "space_topics",
    METADATA,
    _space(),
    Column("place", SmallInteger, primary_key=True),
    Column("topic", String(64), nullable=False),
    UniqueConstraint("space", "topic"),
    Index("ix_space_topics_topic_space", "topic", "space"),
)

stage = Table(
    "stage",
    METADATA,
    _space(),
    user_column(key=True),
    Column("seat", SmallInteger, nullable=False),
    Column("role", SmallInteger, nullable=False),
    Column("muted", SmallInteger, nullable=False),
    Column("since_us", BigInteger, nullable=False),
    Column("held", SmallInteger, nullable=False, server_default="0"),
    Column("volume_pct", SmallInteger, nullable=False, server_default="100"),
    UniqueConstraint("space", "seat"),
    CheckConstraint("seat BETWEEN 0 AND 255", name="seat_range"),
    CheckConstraint("role IN (1, 2, 3)", name="role_known"),
    CheckConstraint("muted IN (0, 1)", name="muted_known"),
    CheckConstraint("held IN (0, 1)", name="held_known"),
    CheckConstraint("volume_pct BETWEEN 0 AND 100", name="volume_range"),
)

asks = Table(
    "asks",
    METADATA,
    # Order of asking; two asks may bear the same microsecond.
    Column("ask", Integer, primary_key=True),
    Column("space", LargeBinary(16), ForeignKey("spaces.space"), nullable=False),
    user_column(),
    Column("asked_us", BigInteger, nullable=False),
    UniqueConstraint("space", "user"),
)

# Who was on stage before: in a fair queue they stand behind those who were not.
spoke = Table("spoke", METADATA, _space(), user_column(key=True))

bans = Table(
    "bans",
    METADATA,
    _space(),
    user_column(key=True),
    user_column("by"),
    Column("banned_us", BigInteger, nullable=False),
)

invites = Table(
    "invites",
    METADATA,
    _space(),
    user_column(key=True),
    user_column("by"),
    Column("invited_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
)

# Links to speak, by the SHA-256 of their secret: who reads the store cannot use them.
links = Table(
    "links",
    METADATA,
    _space(),
    Column("digest", LargeBinary(32), primary_key=True),
    user_column("by"),
    Column("made_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("used_by", String(64), ForeignKey("accounts.user")),
    CheckConstraint("length(digest) = 32", name="digest_length"),
)

reminders = Table(
    "reminders",
    METADATA,
    _space(),
    user_column(key=True),
    # What was news after this they have not been told.
    Column("told_us", BigInteger, nullable=False),
    Index("ix_reminders_user_space", "user", "space"),
)

posts = Table(
    "posts",
    METADATA,
    _space(),
    Column("post", BigInteger, primary_key=True),
    user_column(),
    Column("text", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    # The number of another post, also of one that is gone since.
    Column("reply_to", BigInteger),
    CheckConstraint("post >= 1", name="post_positive"),
)

notes = Table(
    "notes",
    METADATA,
    _space(),
    Column("note", BigInteger, primary_key=True),
    user_column(),
    Column("text", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    CheckConstraint("note >= 1", name="note_positive"),
)

pins = Table(
    "pins",
    METADATA,
    _space(),
    Column("pin", BigInteger, primary_key=True),
    user_column(),
    Column("text", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    CheckConstraint("pin >= 1", name="pin_positive"),
)

reports = Table(
    "reports",
    METADATA,
    Column("report", COUNTING, primary_key=True),
    Column("space", LargeBinary(16), ForeignKey("spaces.space"), nullable=False),
    Column("by", String(64), nullable=False),
    Column("target", String(64), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("text", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    # What the Space was called, and who was on stage and inside, as JSON.
    Column("title", String(1000), nullable=False),
    Column("evidence", Text, nullable=False),
    Index("ix_reports_space_report", "space", "report"),
)

audit = Table(
    "audit",
    METADATA,
    _space(),
    Column("entry", BigInteger, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("target", String(64), nullable=False),
    Column("detail", Text, nullable=False),
    CheckConstraint("entry >= 1", name="entry_positive"),
)

# What receivers of webhooks have not acknowledged yet.
outbox = Table(
    "outbox",
    METADATA,
    Column("serial", COUNTING, primary_key=True),
    Column("space", LargeBinary(16), nullable=False),
    Column("receiver", String(200), nullable=False),
    Column("event_id", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("made_us", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_us", BigInteger, nullable=False),
    UniqueConstraint("receiver", "event_id"),
    Index("ix_outbox_receiver_space_serial", "receiver", "space", "serial"),
    Index("ix_outbox_next_us_serial", "next_us", "serial"),
)
