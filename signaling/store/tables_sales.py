"""The tables of sales: what is on sale, who holds, bought or waits, and what became of it. As in `tables`.

Amounts are integers in minor units.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from signaling.store.tables import METADATA, user_column

CODE_CHARS: Final = 64
"""Of a provider's word for why something failed; the rest of a longer one is left out."""
NOTE_CHARS: Final = 100
"""Of what a host says to a refund, as the protocol bounds it."""

OPEN: Final = "state IN ('held', 'paying')"
KEEPS_SEAT: Final = "ticket IN ('valid', 'revoked')"
# A charge of which the provider may still say something else.
UNDER_WAY: Final = "state IN ('intended', 'unknown', 'needs_action', 'pending')"


def id_column(name: str, *, key: bool = False, nullable: bool = False) -> Column[bytes]:
    return Column(name, LargeBinary(16), primary_key=key, nullable=nullable)


def number_column(name: str, default: int | None = None, *, nullable: bool = False) -> Column[int]:
    given = None if default is None else str(default)
    return Column(name, BigInteger, nullable=nullable, server_default=given)


def word_column(name: str, chars: int, default: str | None = None, *, key: bool = False) -> Column[str]:
    return Column(name, String(chars), primary_key=key, nullable=False, server_default=default)


def flag_column(name: str) -> Column[int]:
    return Column(name, SmallInteger, nullable=False, server_default="0")


# A Space with a row here is ticketed. `held` and `sold` are the seats taken now; `on_air_us` is how long it
# was on air when that was last written down.
offers = Table(
    "offers",
    METADATA,
    Column("space", LargeBinary(16), ForeignKey("spaces.space"), primary_key=True),
    user_column("host"),
    number_column("price_minor"),
    word_column("currency", 3),
    Column("capacity", Integer, nullable=False),
    number_column("promised_us"),
    number_column("sale_from_us"),
    number_column("sale_until_us"),
    Column("held", Integer, nullable=False, server_default="0"),
    Column("sold", Integer, nullable=False, server_default="0"),
    flag_column("ever_sold"),
    number_column("on_air_us", 0),
    number_column("checkpoint_us", nullable=True),
    CheckConstraint("price_minor > 0", name="price_positive"),
    CheckConstraint("length(currency) = 3", name="currency_length"),
    CheckConstraint("capacity >= 1", name="capacity_positive"),
    CheckConstraint("promised_us > 0", name="promised_positive"),
    CheckConstraint("sale_from_us < sale_until_us", name="window_forward"),
    CheckConstraint("held >= 0 AND sold >= 0 AND held + sold <= capacity", name="seats_within_capacity"),
    CheckConstraint("ever_sold = 1 OR (ever_sold = 0 AND sold = 0)", name="ever_sold_known"),
    CheckConstraint("on_air_us >= 0", name="on_air_positive"),
    Index("ix_offers_host", "host"),
)

# The columns are the fields of `rules.Sale`; an id that is not there yet is NULL.
sales = Table(
    "sales",
    METADATA,
    id_column("sale", key=True),
    Column("space", LargeBinary(16), ForeignKey("offers.space"), nullable=False),
    user_column("host"),
    user_column("buyer"),
    number_column("amount_minor"),
    word_column("currency", 3),
    number_column("promised_us"),
    word_column("provider", 32),
    flag_column("sandbox"),
    word_column("prefix", 64),
    number_column("held_us"),
    number_column("held_until_us"),
    number_column("expires_us"),
    flag_column("offered"),
    word_column("state", 16),
    Column("ticket", String(16)),
    id_column("charge", nullable=True),
    Column("attempts", Integer, nullable=False, server_default="0"),
    number_column("sold_us", nullable=True),
    number_column("fee_minor", nullable=True),
    *(number_column(name, 0) for name in ("host_minor", "platform_minor", "refunded_minor")),
    *(number_column(name, 0) for name in ("refunded_by_host_minor", "refund_paid_minor")),
    *(number_column(name, 0) for name in ("charged_back_minor", "dispute_fee_minor")),
    flag_column("disputed"),
    *(number_column(name, 0) for name in ("fee_returned_minor", "fee_returned_to_host_minor")),
    Column("payout", LargeBinary(16), ForeignKey("payouts.payout")),
    CheckConstraint("length(sale) = 16", name="sale_length"),
    CheckConstraint("amount_minor > 0", name="amount_positive"),
    CheckConstraint("state IN ('held', 'paying', 'sold', 'released', 'failed')", name="state_known"),
    CheckConstraint("ticket IS NULL OR ticket IN ('valid', 'refunded', 'revoked')", name="ticket_known"),
    CheckConstraint("(state = 'sold') = (ticket IS NOT NULL)", name="ticket_when"),
    CheckConstraint("(state = 'sold') = (sold_us IS NOT NULL)", name="sold_when"),
    CheckConstraint("state <> 'paying' OR charge IS NOT NULL", name="paying_by"),
    CheckConstraint("sandbox IN (0, 1) AND offered IN (0, 1) AND disputed IN (0, 1)", name="flags_known"),
    CheckConstraint("attempts >= 0", name="attempts_positive"),
    CheckConstraint("refunded_minor BETWEEN 0 AND amount_minor", name="refunded_within_paid"),
    CheckConstraint("refunded_by_host_minor BETWEEN 0 AND refunded_minor", name="by_host_within_refunded"),
    CheckConstraint("refund_paid_minor BETWEEN 0 AND refunded_minor", name="paid_within_refunded"),
    CheckConstraint("charged_back_minor >= 0 AND dispute_fee_minor >= 0", name="disputed_positive"),
    CheckConstraint("fee_returned_to_host_minor BETWEEN 0 AND fee_returned_minor", name="fee_returned_whole"),
    CheckConstraint("host_minor >= 0", name="host_positive"),
    CheckConstraint("fee_minor IS NULL OR fee_minor >= 0", name="fee_positive"),
    CheckConstraint(
        "host_minor + platform_minor = COALESCE(amount_minor - fee_minor, 0)",
        name="split_whole",
    ),
    CheckConstraint(
        "state = 'sold' OR (fee_minor IS NULL AND refunded_minor = 0 AND charged_back_minor = 0)",
        name="money_when_sold",
    ),
    CheckConstraint("payout IS NULL OR (fee_minor IS NOT NULL AND sandbox = 0)", name="payable"),
    Index("ix_sales_space_state", "space", "state"),
    Index("ix_sales_buyer_sold_us_sale", "buyer", "sold_us", "sale"),
    Index("ix_sales_host_state", "host", "state"),
    Index("ix_sales_payout", "payout"),
    # Where servers share a database these hold also for what two of them do at once.
    Index(
        "uq_sales_open_buyer",
        "buyer",
        unique=True,
        sqlite_where=text(OPEN),
        postgresql_where=text(OPEN),
    ),
    Index(
        "uq_sales_ticket",
        "space",
        "buyer",
        unique=True,
        sqlite_where=text(KEEPS_SEAT),
        postgresql_where=text(KEEPS_SEAT),
    ),
    Index("ix_sales_open_expires", "expires_us", sqlite_where=text(OPEN), postgresql_where=text(OPEN)),
    Index("ix_sales_open_prefix", "prefix", sqlite_where=text(OPEN), postgresql_where=text(OPEN)),
)

# Each attempt to pay for a sale: written before the provider is asked.
charges = Table(
    "charges",
    METADATA,
    id_column("charge", key=True),
    Column("sale", LargeBinary(16), ForeignKey("sales.sale"), nullable=False),
    word_column("provider", 32),
    word_column("state", 16),
    word_column("ref", 255, ""),
    Column("action_url", Text, nullable=False, server_default=""),
    number_column("made_us"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    number_column("next_us", 0),
    # The provider's word for why it was declined.
    word_column("decline_code", CODE_CHARS, ""),
    CheckConstraint("length(charge) = 16", name="charge_length"),
    CheckConstraint(
        "state IN ('intended', 'unknown', 'needs_action', 'pending', 'succeeded', 'declined')",
        name="state_known",
    ),
    Index("ix_charges_sale", "sale"),
    Index("ix_charges_provider_ref", "provider", "ref"),
    Index("ix_charges_under_way", "next_us", sqlite_where=text(UNDER_WAY), postgresql_where=text(UNDER_WAY)),
)

refunds = Table(
    "refunds",
    METADATA,
    id_column("refund", key=True),
    Column("sale", LargeBinary(16), ForeignKey("sales.sale"), nullable=False),
    number_column("amount_minor"),
    word_column("reason", 32),
    number_column("at_us"),
    word_column("state", 16),
    word_column("ref", 255, ""),
    word_column("failure", CODE_CHARS, ""),
    Column("attempts", Integer, nullable=False, server_default="0"),
    number_column("next_us", 0),
    # What of its fee the provider gave back with it, and what the host said to it.
    number_column("fee_returned_minor", 0),
    word_column("note", NOTE_CHARS, ""),
    CheckConstraint("fee_returned_minor >= 0", name="fee_returned_positive"),
    CheckConstraint("length(refund) = 16", name="refund_length"),
    CheckConstraint("amount_minor > 0", name="amount_positive"),
    CheckConstraint("state IN ('owed', 'paid')", name="state_known"),
    Index("ix_refunds_sale", "sale"),
    Index(
        "ix_refunds_owed",
        "next_us",
        sqlite_where=text("state = 'owed'"),
        postgresql_where=text("state = 'owed'"),
    ),
)

disputes = Table(
    "disputes",
    METADATA,
    word_column("provider", 32, key=True),
    word_column("ref", 255, key=True),
    Column("sale", LargeBinary(16), ForeignKey("sales.sale"), nullable=False),
    word_column("state", 16),
    number_column("amount_minor"),
    number_column("fee_minor"),
    number_column("at_us"),
    CheckConstraint("state IN ('opened', 'won', 'lost')", name="state_known"),
    CheckConstraint("amount_minor >= 0 AND fee_minor >= 0", name="amounts_positive"),
    Index("ix_disputes_sale", "sale"),
)

waiting = Table(
    "waiting",
    METADATA,
    Column("space", LargeBinary(16), ForeignKey("offers.space"), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    user_column(),
    number_column("since_us"),
    UniqueConstraint("space", "user"),
    Index("ix_waiting_user", "user"),
)

# Holds in a row that bought nothing.
lapses = Table(
    "lapses",
    METADATA,
    user_column("buyer", key=True),
    Column("count", Integer, nullable=False),
    number_column("last_us"),
    CheckConstraint("count >= 1", name="count_positive"),
)

# What a ticket missed of the time on air when that was last written down; without a row, nothing. So a Space
# in which nobody misses anything is one row to write, however many tickets it sold.
deliveries = Table(
    "deliveries",
    METADATA,
    Column("sale", LargeBinary(16), ForeignKey("sales.sale"), primary_key=True),
    number_column("missed_us"),
    CheckConstraint("missed_us >= 0", name="missed_positive"),
)
