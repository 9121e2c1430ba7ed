"""How it stands with a ticket, a purchase, a payout, a payout account: the numbers of the wire as words."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["AccountState", "BoughtState", "PayoutState", "TicketState"]


class TicketState(IntEnum):
    """`TicketRow.state`. REFUNDED in full; REVOKED: removed for cause. A newer server may say others."""

    VALID = 0
    REFUNDED = 1
    REVOKED = 2
    PAYING = 3
    FAILED = 4


class BoughtState(IntEnum):
    """`Bought.state`. NEEDS_ACTION: the buyer goes to `action_url` first. PENDING: not known yet."""

    SOLD = 0
    NEEDS_ACTION = 1
    PENDING = 2


class PayoutState(IntEnum):
    """`PayoutRow.state`. What FAILED is available again."""

    UNDER_WAY = 0
    PAID = 1
    FAILED = 2


class AccountState(IntEnum):
    """`PayoutAccount.state`. Only a VERIFIED one sells and is paid."""

    NONE = 0
    PENDING = 1
    VERIFIED = 2
