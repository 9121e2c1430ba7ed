"""Sale: one sale as a value, from the hold of a seat to what was refunded of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from signaling.rules.sales import TicketState


class SaleState(StrEnum):
    """How far a sale is. SOLD stays so whatever is refunded; what the ticket is worth says its own state."""

    HELD = "held"
    PAYING = "paying"
    SOLD = "sold"
    RELEASED = "released"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Sale:
    """One sale at one moment: a row of the store. **Immutable.** Amounts in minor units of `currency`.

    `host` is who sells; `prefix` is `address_prefix` of the buyer. The hold is good until `held_until_us`;
    the seat is kept until `expires_us`, which is later while a payment is under way. `charge` is the id of
    the latest attempt to pay at `provider`, random and new for each. `offered`: to the first who waited.

    Money, all 0 before it is sold: `fee_minor` None until the provider reports it, which also settles
    `host_minor` and `platform_minor`; what was refunded so far, what of it because of the host, what of it
    the provider has confirmed; what a chargeback took, 0 again once it is won, with the provider's fee for
    the dispute and whether there ever was one; what of its fee the provider gave back with refunds, and what
    of that the host had borne. `payout`: the payout that the host's share went into.
    """

    sale: bytes
    space: bytes
    host: str
    buyer: str
    amount_minor: int
    currency: str
    promised_us: int
    provider: str
    sandbox: bool
    prefix: str
    held_us: int
    held_until_us: int
    expires_us: int
    offered: bool = False
    state: SaleState = SaleState.HELD
    ticket: TicketState | None = None
    charge: bytes = b""
    attempts: int = 0
    sold_us: int | None = None
    fee_minor: int | None = None
    host_minor: int = 0
    platform_minor: int = 0
    refunded_minor: int = 0
    refunded_by_host_minor: int = 0
    refund_paid_minor: int = 0
    charged_back_minor: int = 0
    dispute_fee_minor: int = 0
    disputed: bool = False
    fee_returned_minor: int = 0
    fee_returned_to_host_minor: int = 0
    payout: bytes = b""

    @property
    def is_open(self) -> bool:
        """Whether it holds a seat that is not paid yet."""
        return self.state in (SaleState.HELD, SaleState.PAYING)

    @property
    def returned_minor(self) -> int:
        """What went back to the buyer, by refund or chargeback: never more than the amount."""
        return min(self.amount_minor, self.refunded_minor + self.charged_back_minor)

    @property
    def refundable_minor(self) -> int:
        """What can still be refunded."""
        return self.amount_minor - self.returned_minor if self.state is SaleState.SOLD else 0


class Seats(NamedTuple):
    """Seats of the capacity that a sale takes: held, or sold."""

    held: int
    sold: int


def seats(sale: Sale) -> Seats:
    """What the sale takes of the capacity. A revoked ticket keeps its seat, a refunded one gives it back."""
    if sale.is_open:
        return Seats(1, 0)
    return Seats(0, 1 if sale.ticket in (TicketState.VALID, TicketState.REVOKED) else 0)
