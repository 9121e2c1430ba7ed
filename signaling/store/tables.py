"""The tables as they are now. `migrations/` is how a database gets there; a test holds the two together.

Times are integer microseconds since the epoch, Space ids 16 bytes, users the subjects of tokens.
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

accounts = Table(
    "accounts",
    METADATA,
    Column("user", String(64), primary_key=True),
    Column("name", String(50), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    CheckConstraint('length("user") BETWEEN 1 AND 64', name="user_length"),
    CheckConstraint("length(name) BETWEEN 1 AND 50", name="name_length"),
)

spaces = Table(
    "spaces",
    METADATA,
    Column("space", LargeBinary(16), primary_key=True),
    Column("title", String(1000), nullable=False),
    Column("host", String(64), ForeignKey("accounts.user"), nullable=False),
    Column("host_name", String(50), nullable=False),
    Column("state", String(16), nullable=False),
    Column("opened_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    Column("ended_reason", String(64)),
    CheckConstraint("length(space) = 16", name="space_length"),
    CheckConstraint("state IN ('live', 'ended')", name="state_known"),
    CheckConstraint("(state = 'ended') = (ended_us IS NOT NULL)", name="ended_when"),
    CheckConstraint("(state = 'ended') = (ended_reason IS NOT NULL)", name="ended_why"),
    Index("ix_spaces_state_opened_us_space", "state", "opened_us", "space"),
    # Two requests at once cannot make one person the host of two live Spaces.
    Index(
        "uq_spaces_live_host",
        "host",
        unique=True,
        sqlite_where=text("state = 'live'"),
        postgresql_where=text("state = 'live'"),
    ),
)

stage = Table(
    "stage",
    METADATA,
    Column("space", LargeBinary(16), ForeignKey("spaces.space"), primary_key=True),
    Column("user", String(64), ForeignKey("accounts.user"), primary_key=True),
    Column("seat", SmallInteger, nullable=False),
    Column("role", SmallInteger, nullable=False),
    Column("muted", SmallInteger, nullable=False),
    Column("since_us", BigInteger, nullable=False),
    UniqueConstraint("space", "seat"),
    CheckConstraint("seat BETWEEN 0 AND 255", name="seat_range"),
    CheckConstraint("role IN (1, 2)", name="role_known"),
    CheckConstraint("muted IN (0, 1)", name="muted_known"),
)

asks = Table(
    "asks",
    METADATA,
    # Order of asking; two asks may bear the same microsecond.
    Column("ask", Integer, primary_key=True),
    Column("space", LargeBinary(16), ForeignKey("spaces.space"), nullable=False),
    Column("user", String(64), ForeignKey("accounts.user"), nullable=False),
    Column("asked_us", BigInteger, nullable=False),
    UniqueConstraint("space", "user"),
)

bans = Table(
    "bans",
    METADATA,
    Column("space", LargeBinary(16), ForeignKey("spaces.space"), primary_key=True),
    Column("user", String(64), ForeignKey("accounts.user"), primary_key=True),
    Column("by", String(64), ForeignKey("accounts.user"), nullable=False),
    Column("banned_us", BigInteger, nullable=False),
)
