"""The tables of the ledger, payouts, and what makes each happen once. As in `tables`.

Amounts are integers in minor units. The ledger is only added to: triggers refuse to change or delete it.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    event,
    text,
)

from signaling.store.tables import COUNTING, METADATA, user_column
from signaling.store.tables_sales import CODE_CHARS, flag_column, id_column, number_column, word_column

payouts = Table(
    "payouts",
    METADATA,
    id_column("payout", key=True),
    user_column("host"),
    number_column("amount_minor"),
    word_column("currency", 3),
    word_column("provider", 32),
    number_column("at_us"),
    word_column("state", 16),
    # Of the provider: the account it went to, its own name of it, and why it failed.
    word_column("account", 255, ""),
    word_column("ref", 255, ""),
    word_column("failure", CODE_CHARS, ""),
    Column("attempts", Integer, nullable=False, server_default="0"),
    number_column("next_us", 0),
    CheckConstraint("length(payout) = 16", name="payout_length"),
    CheckConstraint("amount_minor > 0", name="amount_positive"),
    CheckConstraint("state IN ('sent', 'paid', 'failed')", name="state_known"),
    Index("ix_payouts_host_at_us_payout", "host", "at_us", "payout"),
    Index(
        "uq_payouts_sent_host",
        "host",
        unique=True,
        sqlite_where=text("state = 'sent'"),
        postgresql_where=text("state = 'sent'"),
    ),
)

payout_accounts = Table(
    "payout_accounts",
    METADATA,
    user_column(key=True),
    word_column("provider", 32, key=True),
    word_column("ref", 255),
    word_column("state", 16),
    number_column("changed_us"),
    CheckConstraint("state IN ('none', 'pending', 'verified')", name="state_known"),
)

# What a host earned in all, net of fees and refunds: by it sales are split.
sellers = Table(
    "sellers",
    METADATA,
    user_column("host", key=True),
    Column("sandbox", SmallInteger, primary_key=True),
    number_column("lifetime_minor", 0),
    CheckConstraint("sandbox IN (0, 1)", name="sandbox_known"),
    CheckConstraint("lifetime_minor >= 0", name="lifetime_positive"),
)

keys = Table(
    "keys",
    METADATA,
    user_column("account", key=True),
    Column("key", LargeBinary(64), primary_key=True),
    Column("request", LargeBinary(32), nullable=False),
    # Empty while the answer is not known.
    Column("response", LargeBinary),
    number_column("made_us"),
    CheckConstraint("length(key) BETWEEN 1 AND 64", name="key_length"),
    CheckConstraint("length(request) = 32", name="request_length"),
    Index("ix_keys_made_us", "made_us"),
)

provider_events = Table(
    "provider_events",
    METADATA,
    word_column("provider", 32, key=True),
    word_column("event", 255, key=True),
    number_column("at_us"),
    Index("ix_provider_events_at_us", "at_us"),
)

ledger_transactions = Table(
    "ledger_transactions",
    METADATA,
    Column("entry", COUNTING, primary_key=True),
    word_column("kind", 32),
    # The id of the sale or payout, and the Space it is of.
    id_column("ref"),
    Column("space", LargeBinary(16), ForeignKey("spaces.space")),
    word_column("currency", 3),
    flag_column("sandbox"),
    number_column("at_us"),
    CheckConstraint("sandbox IN (0, 1)", name="sandbox_known"),
    CheckConstraint("length(currency) = 3", name="currency_length"),
    Index("ix_ledger_transactions_ref", "ref"),
)

postings = Table(
    "postings",
    METADATA,
    Column("posting", COUNTING, primary_key=True),
    Column("entry", BigInteger, ForeignKey("ledger_transactions.entry"), nullable=False),
    word_column("account", 96),
    number_column("amount_minor"),
    word_column("kind", 32),
    CheckConstraint("amount_minor <> 0", name="amount_moves"),
    Index("ix_postings_entry", "entry"),
    Index("ix_postings_account_posting", "account", "posting"),
)

# The sum of the postings of each account, changed with them in the same transaction.
balances = Table(
    "balances",
    METADATA,
    word_column("account", 96, key=True),
    word_column("currency", 3, key=True),
    Column("sandbox", SmallInteger, primary_key=True),
    number_column("amount_minor"),
    CheckConstraint("sandbox IN (0, 1)", name="sandbox_known"),
)

_IMMUTABLE: Final = ("ledger_transactions", "postings")
_REFUSAL: Final = "the ledger is only added to; post the opposite"
_FUNCTION: Final = f"""
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'restrict_violation'; END $$
"""


def _on_sqlite(table: str) -> list[str]:
    """The statements that make rows of a table immutable on SQLite."""
    return [
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
        for verb in ("UPDATE", "DELETE")
    ]


def _on_postgres(table: str) -> list[str]:
    """The statements that make rows of a table immutable on PostgreSQL; _FUNCTION comes before."""
    return [
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    ]


def immutable(dialect: str) -> list[str]:
    """The statements that make the ledger immutable on a kind of database; the tables are there."""
    if dialect == "sqlite":
        return [each for table in _IMMUTABLE for each in _on_sqlite(table)]
    return [_FUNCTION, *(each for table in _IMMUTABLE for each in _on_postgres(table))]


@event.listens_for(METADATA, "after_create")
def _make_immutable(_: object, connection: Connection, **options: object) -> None:
    for statement in immutable(connection.dialect.name):
        connection.exec_driver_sql(statement)


# With those of `tables` and `tables_sales`, which are imported here.
ALL_TABLES: Final = METADATA
