"""What bench.crash_money finds in the file and in the bank's books, read with plain SQL beside the till."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.crash_bank import BankBook

# Acknowledged words, and in which table and states what they speak of is kept once all is finished.
_KEPT = {
    "sold": "SELECT 1 FROM sales WHERE sale = ? AND state = 'sold'",
    "refunded": "SELECT 1 FROM refunds WHERE refund = ? AND state = 'paid'",
    "paid_out": "SELECT 1 FROM payouts WHERE payout = ? AND state = 'paid'",
}
_UNRESOLVED = """
SELECT 'charge', charge, state FROM charges WHERE state NOT IN ('succeeded', 'declined')
UNION ALL SELECT 'refund', refund, state FROM refunds WHERE state <> 'paid'
UNION ALL SELECT 'payout', payout, state FROM payouts WHERE state NOT IN ('paid', 'failed')
UNION ALL SELECT 'sale', sale, state FROM sales WHERE state = 'paying'
UNION ALL SELECT 'ticket of a cancelled Space', sale, ticket FROM sales JOIN spaces USING (space)
  WHERE spaces.ended_reason = 'host_cancelled' AND ticket = 'valid'
"""


@dataclass
class Found:
    """What is wrong; all four are 0 where nothing is. `words` says of each what and where."""

    lost: int = 0
    charged_twice: int = 0
    trial_balance: int = 0
    unresolved: int = 0
    words: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.charged_twice or self.trial_balance or self.unresolved)

    def worst(self, other: Found) -> None:
        """Of two looks at the same world the worse."""
        self.lost = max(self.lost, other.lost)
        self.charged_twice = max(self.charged_twice, other.charged_twice)
        self.trial_balance = max(self.trial_balance, other.trial_balance)
        self.unresolved = max(self.unresolved, other.unresolved)
        self.words += other.words


def audit(database: Path, book: BankBook, acknowledged: Mapping[str, str]) -> Found:
    """Compare. `acknowledged`: words of `_KEPT` by the id (hex) they were said of.

    For a moment at which nothing is under way, after the completer.
    """
    found = Found()
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        _look_for_lost(connection, book, acknowledged, found)
        _look_for_charges(connection, book, found)
        _look_at_balance(connection, book, found)
        for what, name, state in connection.execute(_UNRESOLVED):
            found.unresolved += 1
            found.words.append(f"{what} {name.hex()} is {state} still")
    finally:
        connection.close()
    return found


def _look_for_lost(
    connection: sqlite3.Connection, book: BankBook, acknowledged: Mapping[str, str], found: Found
) -> None:
    charges = book.done("charge")
    moves = {"refunded": book.done("refund"), "paid_out": book.done("transfer")}
    charge_of = dict(connection.execute("SELECT sale, charge FROM sales WHERE charge IS NOT NULL"))
    for name, word in acknowledged.items():
        row = connection.execute(_KEPT[word], (bytes.fromhex(name),)).fetchone()
        if word == "sold":
            at_bank = charge_of.get(bytes.fromhex(name), b"").hex() in charges
        else:
            at_bank = name in moves[word]
        if row is None or not at_bank:
            found.lost += 1
            found.words.append(f"{name} was said to be {word}; store {row is not None}, bank {at_bank}")


def _look_for_charges(connection: sqlite3.Connection, book: BankBook, found: Found) -> None:
    """One charge a buyer, who buys one ticket, but for what went back whole; none that nobody knows."""
    buyers = dict(connection.execute("SELECT charges.charge, buyer FROM charges JOIN sales USING (sale)"))
    refunded_minor = book.refunded_minor
    kept: Counter[str] = Counter()
    for name, entry in book.done("charge").items():
        buyer = buyers.get(bytes.fromhex(name))
        if buyer is None:
            found.charged_twice += 1
            found.words.append(f"the bank was asked for charge {name}, of which the store knows nothing")
        elif refunded_minor.get(name, 0) < entry.amount_minor:
            kept[buyer] += 1
    for buyer, times in kept.items():
        if times > 1:
            found.charged_twice += 1
            found.words.append(f"{buyer} paid {times} times")


def _look_at_balance(connection: sqlite3.Connection, book: BankBook, found: Found) -> None:
    """The ledger says of the bank what the bank says, and its postings sum to 0."""
    (total,) = connection.execute("SELECT COALESCE(SUM(amount_minor), 0) FROM postings").fetchone()
    (clearing,) = connection.execute(
        "SELECT COALESCE(SUM(amount_minor), 0) FROM postings WHERE account = 'clearing:bank'"
    ).fetchone()
    off = abs(total) + abs(clearing - book.balance_minor)
    if off:
        found.trial_balance += off
        found.words.append(
            f"postings sum to {total}, clearing to {clearing} and the bank has {book.balance_minor}"
        )
