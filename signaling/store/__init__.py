"""What outlives the server: accounts, Spaces, who is on stage, open asks and bans. The only SQL.

Everything goes through `Store.transaction()`; the repositories `accounts`, `spaces`, `stage` and `bans`
are functions that take its connection, and `record` writes what the rules decided.
"""

from __future__ import annotations

from signaling.store import accounts, bans, spaces, stage
from signaling.store.accounts import Account
from signaling.store.engine import Store
from signaling.store.errors import StoreError
from signaling.store.record import is_durable, record
from signaling.store.spaces import StoredSpace

__all__ = [
    "Account",
    "Store",
    "StoreError",
    "StoredSpace",
    "accounts",
    "bans",
    "is_durable",
    "record",
    "spaces",
    "stage",
]
