"""What outlives the server: people and their graph, Spaces and plans, what was done and said, and the money.

The only SQL. Everything goes through `Store.transaction()`; the repositories, one for each noun, are modules
of functions that take its connection, and `record` writes what the rules decided. AsyncConnection and
IntegrityError are SQLAlchemy's, here for whoever passes the one on and answers for the other.
"""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.store import (
    accounts,
    audit,
    bans,
    blocks,
    charges,
    deliveries,
    follows,
    holds,
    invites,
    keys,
    ledger,
    notes,
    offers,
    outbox,
    payouts,
    pins,
    plans,
    posts,
    refunds,
    reports,
    sales,
    sellers,
    spaces,
    stage,
    waiting,
)
from signaling.store.accounts import Account
from signaling.store.audit import AuditEntry
from signaling.store.engine import Store
from signaling.store.errors import StoreError
from signaling.store.outbox import Outgoing
from signaling.store.plans import Listed
from signaling.store.record import is_durable, record
from signaling.store.reports import StoredReport
from signaling.store.spaces import StoredSpace

__all__ = [
    "Account",
    "AsyncConnection",
    "AuditEntry",
    "IntegrityError",
    "Listed",
    "Outgoing",
    "Store",
    "StoreError",
    "StoredReport",
    "StoredSpace",
    "accounts",
    "audit",
    "bans",
    "blocks",
    "charges",
    "deliveries",
    "follows",
    "holds",
    "invites",
    "is_durable",
    "keys",
    "ledger",
    "notes",
    "offers",
    "outbox",
    "payouts",
    "pins",
    "plans",
    "posts",
    "record",
    "refunds",
    "reports",
    "sales",
    "sellers",
    "spaces",
    "stage",
    "waiting",
]
